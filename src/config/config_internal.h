/*
 * config_internal - the inside of a Config, for the files of src/config only.
 */
#pragma once

#include "config/config.h"

typedef enum ConfigFrom { FROM_NOWHERE, FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG } ConfigFrom;

typedef struct ConfigValue {
    OptionValue value;
    ConfigFrom from;
    bool by_profile;          /* FROM_FILE: by the profile, not the base */
    const char **item_places; /* of a list in a file: of each item; NULL otherwise */
    const char *place; /* "bascule.yaml:3:5", "BASCULE_LOAD_JOBS", "--load-jobs": for messages */
} ConfigValue;

struct Config {
    Arena *arena;
    ConfigValue values[OPTION_COUNT];
    FlagsRead flags;
    const char *path;
    const char *profile; /* NULL: none */
    const char **warnings;
    int warning_count, warning_room;
};

/* Checks and stores; a later, stronger origin replaces. Texts are copied. No text, or only empty
 * ones, leave the option as it is. The error has the place in front. */
MUST_CHECK bool config_put(Config *config, OptionId id, const char *const *texts, int count,
                           ConfigFrom from, const char *place, Error *err);
void config_warn(Config *config, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* config_file.c: every option of the file at `path`, which messages call by that name, then those of
 * config->profile over them. */
MUST_CHECK bool config_read_file(Config *config, const char *path, Error *err);
/* config_profile.c: what of the base all profiles would share. After everything but defaults. */
MUST_CHECK bool config_part_profiles(Config *config, Error *err);
/* config_rules.c: what spans options. */
MUST_CHECK bool config_check_rules(const Config *config, Error *err);

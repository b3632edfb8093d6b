/*
 * config - what the operator asked for: file, environment and flags, merged and checked once.
 *
 * Order     flag > environment > profile > file > default; config_where() says which one it was.
 * Profiles  never meet: task and work_dir of the file's base get the profile's name behind them, and
 *           what else would be shared (slot, publication, socket, directories) is refused there.
 * Checks    unknown and duplicate keys, types, bounds, rules that span options. The first fault
 *           is the error, with file:line:col; CONFIG for file and environment, USAGE for flags.
 * Secrets   are given out by config_text and config_endpoint only; config_shown masks them.
 * Threads   immutable after config_load; then any.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/lsn.h"
#include "config/flags.h"
#include "config/options.h"

typedef struct Config Config;

Config *config_new(void);
void config_free(Config *config); /* NULL is fine; wipes secrets */

/* argv: what stands behind the command's name. `path`: --config given in front of it, or NULL; then
 * $BASCULE_CONFIG, then ./bascule.yaml where it exists. `profile`: --profile in front of it, or NULL;
 * then $BASCULE_PROFILE, then none. `flags`: what the command takes. */
MUST_CHECK bool config_load(Config *config, const char *path, const char *profile, int argc,
                            char *const *argv, const FlagSet *flags, Error *err);

/* Values --------------------------------------------------------------------------------------- */
const char *config_text(const Config *config, OptionId id); /* NULL unset */
bool config_set(const Config *config, OptionId id);         /* by the operator, not by default */
int64_t config_i64(const Config *config, OptionId id);
bool config_bool(const Config *config, OptionId id);
int64_t config_size_bytes(const Config *config, OptionId id);
int64_t config_duration_us(const Config *config, OptionId id);
int config_choice(const Config *config, OptionId id); /* index into Option.allowed */
Lsn config_lsn(const Config *config, OptionId id);    /* LSN_UNKNOWN unset */
const char *const *config_list(const Config *config, OptionId id, int *out_n);
/* "flag --load-jobs", "env BASCULE_LOAD_JOBS", "file bascule.yaml:3:5", "default" */
const char *config_where(const Config *config, OptionId id);
/* For people: secrets masked, "" unset. */
const char *config_shown(const Config *config, OptionId id, Arena *arena);

/* The command's own flags and what is no flag. */
bool config_flag(const Config *config, FlagId id);
const char *config_flag_text(const Config *config, FlagId id); /* NULL: not given */
const char *const *config_args(const Config *config, int *out_n);
const char *config_path(const Config *config);    /* NULL: no file */
const char *config_profile(const Config *config); /* NULL: none was asked for */
/* Things to tell the operator that are no error; main logs them. */
const char *const *config_warnings(const Config *config, int *out_n);
/* What was typed, put together again: flags with secrets masked, and what is no flag. */
const char *config_command_line(const Config *config, const char *command, Arena *arena);

/*
 * flags - the command line: flags of flags.def, options as flags, and what is left.
 *
 * Forms    --name value, --name=value, a switch takes no value, -y, "--" ends the flags.
 * Errors   USAGE, with the flag that was probably meant.
 */
#pragma once

#include "config/options.h"

typedef enum FlagId {
#define F(id, name, letter, value, allowed, help) FLAG_##id,
#include "config/flags.def"
    FLAG_COUNT,
} FlagId;

#define FLAG_BIT(id) (UINT64_C(1) << (id))

typedef struct Flag {
    const char *name;
    char letter;         /* 0 none */
    const char *value;   /* "" a switch */
    const char *allowed; /* "" anything */
    const char *help;
} Flag;

extern const Flag FLAGS[FLAG_COUNT];

/* Taken by every command; the first two not by one that reads no configuration. */
#define FLAGS_ALWAYS (FLAG_BIT(FLAG_CONFIG) | FLAG_BIT(FLAG_PROFILE) | FLAG_BIT(FLAG_HELP))

/* What a command takes, but for FLAGS_ALWAYS. */
typedef struct FlagSet {
    const char *command; /* for messages */
    unsigned uses;       /* OptionUse groups whose options are taken as flags */
    uint64_t flags;      /* FLAG_BIT()s */
    int max_args;        /* words that are no flags */
    bool no_file;        /* the command needs no configuration: read neither file nor environment */
} FlagSet;

/* One occurrence of an option on the command line. */
typedef struct FlagOption {
    OptionId id;
    const char *name; /* as it was called, without dashes */
    const char *value;
} FlagOption;

typedef struct FlagsRead {
    const char *values[FLAG_COUNT]; /* NULL not given; "" for a switch */
    FlagOption *options;
    int option_count;
    const char **args;
    int arg_count;
} FlagsRead;

MUST_CHECK bool flags_read(Arena *arena, int argc, char *const *argv, const FlagSet *set,
                           FlagsRead *out_read, Error *err);

/*
 * options - the one table of options. The file, the environment, the flags, the help, the sample
 * file, the man pages and docs/reference/options.md are read or made from it; nothing else knows an
 * option's name, default or bounds.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/arena.h"

typedef enum OptionType {
    OPTION_TEXT,
    OPTION_NAME, /* [a-z0-9_]+, length between min and max */
    OPTION_INT,
    OPTION_BOOL,     /* true false yes no on off */
    OPTION_SIZE,     /* 64MB: B kB MB GB TB, powers of 1024 */
    OPTION_DURATION, /* 700ms: us ms s min h d */
    OPTION_CHOICE,
    OPTION_PATH,     /* ~ and, in a file, relative to the file's directory */
    OPTION_LSN,      /* 0/16B3748 */
    OPTION_PATTERNS, /* list of table patterns */
    OPTION_CONNINFO, /* libpq connection string or URI */
} OptionType;

/* Which commands read it: a command names the groups, an option belongs to some. */
typedef enum OptionUse {
    USE_ALWAYS = 1 << 0,
    USE_TASK = 1 << 1,    /* which task, where its socket is */
    USE_CONNECT = 1 << 2, /* source and target */
    USE_PLAN = 1 << 3,    /* what to move and how */
    USE_ENGINE = 1 << 4,  /* the running engine only */
    USE_CUTOVER = 1 << 5,
    USE_VERIFY = 1 << 7,
    USE_CERTIFICATE = 1 << 8,
    USE_SCHEMA = 1 << 9, /* schema scripts */
} OptionUse;

typedef enum OptionTrait {
    OPTION_SECRET = 1 << 0,   /* never shown, not allowed as a flag */
    OPTION_DSN = 1 << 1,      /* may hold a password: shown without it, refused as a flag with it */
    OPTION_REPEATED = 1 << 2, /* a list */
    OPTION_NO_FLAG = 1 << 3,  /* of no command's flags: the file or the environment says it */
    OPTION_PLAIN = 1 << 4,    /* its section's own plain value: "backup: before_load" */
} OptionTrait;

typedef enum OptionId {
#define SECTION(name, title)
#define O(id, name, type, def, min, max, allowed, uses, traits, alias, help) OPT_##id,
#include "config/options.def"
    OPTION_COUNT,
} OptionId;

typedef struct Option {
    const char *name; /* "stream.batch_size" */
    OptionType type;
    const char *def; /* "" unset */
    int64_t min, max;
    const char *allowed; /* "a|b|c" */
    unsigned uses;       /* OptionUse */
    unsigned traits;     /* OptionTrait */
    const char *alias;   /* "" none */
    const char *help;
} Option;

typedef struct OptionSection {
    const char *name; /* "" for the top level */
    const char *title;
} OptionSection;

extern const Option OPTIONS[OPTION_COUNT];
extern const OptionSection OPTION_SECTIONS[];
extern const int OPTION_SECTION_COUNT;

/* A value of an option, checked and converted. */
typedef struct OptionValue {
    const char *text; /* NULL unset; for lists the items, joined by ", " */
    int64_t number;   /* INT, SIZE (bytes), DURATION (us), LSN, BOOL (0, 1), CHOICE (index) */
    const char **items;
    int item_count;
} OptionValue;

/* -1 when there is none. */
int option_find(const char *name);
/* "--stream-batch-size" is "stream-batch-size"; aliases count only with `aliases`. */
int option_find_flag(const char *flag);
int option_find_env(const char *variable);
const char *option_flag(Arena *arena, OptionId id);    /* "stream-batch-size" */
const char *option_env(Arena *arena, OptionId id);     /* "BASCULE_STREAM_BATCH_SIZE" */
const char *option_section(Arena *arena, OptionId id); /* "stream", "" at the top level */
const char *option_key(OptionId id);                   /* "batch_size" */
const char *option_type_name(OptionType type);         /* for people: "size", "duration" */
/* "between 1 and 64", "one of full, count", ...: what is allowed, for messages and docs. */
const char *option_allowed_text(Arena *arena, OptionId id);

/* Checks and converts one text (an item of a list). The message says what is allowed and does not
 * repeat the value of a secret. */
MUST_CHECK bool option_parse(Arena *arena, OptionId id, const char *text, OptionValue *out_value,
                             Error *err);

/* "1d", "12 h", "700ms", for flags that are no options. */
bool option_parse_duration(const char *text, int64_t *out_us);

/* Nearest of `words` within a third of its length, NULL when nothing is near: "did you mean". */
const char *option_nearest(const char *word, const char *const *words, int count);

/* options - the table itself, look-ups in it, and the check of one value (options.h). */
#include "config/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bascule/model/lsn.h"

const Option OPTIONS[OPTION_COUNT] = {
#define SECTION(name, title)
#define O(id, name_, type_, def_, min_, max_, allowed_, uses_, traits_, alias_, help_)             \
    [OPT_##id] = {.name = (name_),                                                                 \
                  .type = OPTION_##type_,                                                          \
                  .def = (def_),                                                                   \
                  .min = (min_),                                                                   \
                  .max = (max_),                                                                   \
                  .allowed = (allowed_),                                                           \
                  .uses = (uses_),                                                                 \
                  .traits = (traits_),                                                             \
                  .alias = (alias_),                                                               \
                  .help = (help_)},
#include "config/options.def"
};

const OptionSection OPTION_SECTIONS[] = {
#define SECTION(name_, title_) {.name = (name_), .title = (title_)},
#define O(id, name, type, def, min, max, allowed, uses, traits, alias, help)
#include "config/options.def"
};
const int OPTION_SECTION_COUNT = sizeof OPTION_SECTIONS / sizeof *OPTION_SECTIONS;

/* Look-ups ----------------------------------------------------------------------------------- */
int option_find(const char *name)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strcmp(OPTIONS[i].name, name) == 0)
            return i;
    return -1;
}

/* The same name with every character passed through `map`; true when they are equal. */
static bool same_name(const char *name, const char *other, char divider, bool upper)
{
    for (; *name != '\0'; name++, other++) {
        char c = *name == '.' || *name == '_' ? divider : *name;
        if (upper)
            c = (char)toupper((unsigned char)c);
        if (c != *other)
            return false;
    }
    return *other == '\0';
}

int option_find_flag(const char *flag)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (same_name(OPTIONS[i].name, flag, '-', false) ||
            (OPTIONS[i].alias[0] != '\0' && strcmp(OPTIONS[i].alias, flag) == 0))
            return i;
    return -1;
}

int option_find_env(const char *variable)
{
    static const char PREFIX[] = "BASCULE_";
    if (strncmp(variable, PREFIX, sizeof PREFIX - 1) != 0)
        return -1;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (same_name(OPTIONS[i].name, variable + sizeof PREFIX - 1, '_', true))
            return i;
    return -1;
}

const char *option_flag(Arena *arena, OptionId id)
{
    char *flag = arena_strdup(arena, OPTIONS[id].name);
    for (char *c = flag; *c != '\0'; c++)
        if (*c == '.' || *c == '_')
            *c = '-';
    return flag;
}

const char *option_env(Arena *arena, OptionId id)
{
    char *name = arena_printf(arena, "BASCULE_%s", OPTIONS[id].name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    return name;
}

const char *option_section(Arena *arena, OptionId id)
{
    const char *dot = strchr(OPTIONS[id].name, '.');
    return dot == NULL ? "" : arena_dup(arena, OPTIONS[id].name, (size_t)(dot - OPTIONS[id].name));
}

const char *option_key(OptionId id)
{
    const char *dot = strchr(OPTIONS[id].name, '.');
    return dot == NULL ? OPTIONS[id].name : dot + 1;
}

const char *option_type_name(OptionType type)
{
    static const char *const NAMES[] = {
        [OPTION_TEXT] = "text",
        [OPTION_NAME] = "name",
        [OPTION_INT] = "number",
        [OPTION_BOOL] = "true or false",
        [OPTION_SIZE] = "size",
        [OPTION_DURATION] = "duration",
        [OPTION_CHOICE] = "word",
        [OPTION_PATH] = "path",
        [OPTION_LSN] = "LSN",
        [OPTION_PATTERNS] = "list of patterns",
        [OPTION_CONNINFO] = "connection string",
    };
    return NAMES[type];
}

/* Units -------------------------------------------------------------------------------------- */
typedef struct Unit {
    const char *name;
    int64_t factor;
} Unit;

/* The largest first: what is shown takes the first that divides the value. */
static const Unit SIZE_UNITS[] = {{"TB", 1LL << 40}, {"GB", 1LL << 30}, {"MB", 1LL << 20},
                                  {"kB", 1LL << 10}, {"B", 1},          {NULL, 0}};
static const Unit SIZE_SYNONYMS[] = {{"TiB", 1LL << 40}, {"GiB", 1LL << 30}, {"MiB", 1LL << 20},
                                     {"KiB", 1LL << 10}, {"KB", 1LL << 10},  {NULL, 0}};
static const Unit TIME_UNITS[] = {{"d", 86400000000LL},
                                  {"h", 3600000000LL},
                                  {"min", 60000000LL},
                                  {"s", 1000000LL},
                                  {"ms", 1000LL},
                                  {"us", 1},
                                  {NULL, 0}};

static const Unit *unit_find(const Unit *units, const char *name)
{
    for (; units->name != NULL; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

static const char *unit_text(Arena *arena, const Unit *units, int64_t value)
{
    if (value == 0)
        return "0";
    while (value % units->factor != 0)
        units++;
    return arena_printf(arena, "%lld%s", (long long)(value / units->factor), units->name);
}

const char *option_allowed_text(Arena *arena, OptionId id)
{
    const Option *option = &OPTIONS[id];
    const Unit *units = option->type == OPTION_SIZE ? SIZE_UNITS : TIME_UNITS;
    switch (option->type) {
    case OPTION_NAME:
        return arena_printf(arena, "%lld to %lld of a-z, 0-9 and _", (long long)option->min,
                            (long long)option->max);
    case OPTION_INT:
        return arena_printf(arena, "a whole number from %lld to %lld", (long long)option->min,
                            (long long)option->max);
    case OPTION_BOOL:
        return "true or false";
    case OPTION_SIZE:
    case OPTION_DURATION:
        return arena_printf(arena, "a %s from %s to %s",
                            option->type == OPTION_SIZE ? "size with a unit (kB, MB, GB, TB)"
                                                        : "duration with a unit (ms, s, min, h)",
                            unit_text(arena, units, option->min),
                            unit_text(arena, units, option->max));
    case OPTION_CHOICE: {
        char *words = arena_printf(arena, "one of %s", "");
        for (const char *at = option->allowed; *at != '\0';) {
            size_t len = strcspn(at, "|");
            words = arena_printf(arena, "%s%s%.*s", words, at == option->allowed ? "" : ", ",
                                 (int)len, at);
            at += len + (at[len] == '|');
        }
        return words;
    }
    case OPTION_LSN:
        return "a WAL position such as 0/16B3748";
    case OPTION_PATTERNS:
        return "patterns such as public.users or public.tmp_%";
    case OPTION_CONNINFO:
        return "a libpq connection string or URI";
    case OPTION_PATH:
        return "a path";
    case OPTION_TEXT:
        break;
    }
    return "text";
}

/* Values ------------------------------------------------------------------------------------- */
static bool refuse(Arena *arena, OptionId id, const char *text, Error *err)
{
    bool secret = (OPTIONS[id].traits & (OPTION_SECRET | OPTION_DSN)) != 0;
    return ERR(err, ERR_CONFIG, "'%s' is %s%s%s, expected %s", OPTIONS[id].name, secret ? "" : "'",
               secret ? "not usable" : text, secret ? "" : "'", option_allowed_text(arena, id));
}

static bool parse_int(const char *text, int64_t *out_number)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0]))
        return false;
    *out_number = number;
    return true;
}

/* "1.5GB": number, unit, nothing else; a bare 0 needs no unit. */
static bool parse_with_unit(const char *text, bool size, int64_t *out_number)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    size_t digits = strspn(text, "0123456789.");
    if (digits > 20)
        return false;
    char number[24];
    memcpy(number, text, digits);
    number[digits] = '\0';
    char *end = NULL;
    double value = strtod(number, &end);
    if (*end != '\0')
        return false;
    const char *name = text + digits + strspn(text + digits, " ");
    if (*name == '\0') {
        *out_number = 0;
        return value == 0;
    }
    const Unit *unit = unit_find(size ? SIZE_UNITS : TIME_UNITS, name);
    if (unit == NULL && size)
        unit = unit_find(SIZE_SYNONYMS, name);
    if (unit == NULL)
        return false;
    value *= (double)unit->factor;
    if (!(value < 9e18))
        return false;
    *out_number = llround(value);
    return true;
}

bool option_parse_duration(const char *text, int64_t *out_us)
{
    return parse_with_unit(text, false, out_us);
}

static bool parse_bool(const char *text, int64_t *out_number)
{
    static const char *const WORDS[] = {"false", "no", "off", "true", "yes", "on"};
    for (int i = 0; i < 6; i++)
        if (strcasecmp(text, WORDS[i]) == 0) {
            *out_number = i >= 3;
            return true;
        }
    return false;
}

static bool parse_choice(const char *allowed, const char *text, int64_t *out_number)
{
    size_t want = strlen(text);
    for (int64_t n = 0; *allowed != '\0'; n++) {
        size_t len = strcspn(allowed, "|");
        if (len == want && memcmp(allowed, text, len) == 0) {
            *out_number = n;
            return true;
        }
        allowed += len + (allowed[len] == '|');
    }
    return false;
}

static bool is_name(const char *text, int64_t min, int64_t max)
{
    int64_t len = (int64_t)strlen(text);
    return len >= min && len <= max &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == (size_t)len;
}

bool option_parse(Arena *arena, OptionId id, const char *text, OptionValue *out_value, Error *err)
{
    const Option *option = &OPTIONS[id];
    int64_t number = 0;
    bool good = true;
    bool bounded = false;
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_PATTERNS:
    case OPTION_CONNINFO:
        break;
    case OPTION_NAME:
        good = is_name(text, option->min, option->max);
        break;
    case OPTION_INT:
        good = parse_int(text, &number);
        bounded = true;
        break;
    case OPTION_BOOL:
        good = parse_bool(text, &number);
        break;
    case OPTION_SIZE:
    case OPTION_DURATION:
        good = parse_with_unit(text, option->type == OPTION_SIZE, &number);
        bounded = true;
        break;
    case OPTION_CHOICE:
        good = parse_choice(option->allowed, text, &number);
        break;
    case OPTION_LSN: {
        Lsn lsn = LSN_UNKNOWN;
        good = lsn_parse(text, &lsn) && lsn != LSN_UNKNOWN;
        number = (int64_t)lsn;
        break;
    }
    }
    if (!good || (bounded && (number < option->min || number > option->max)))
        return refuse(arena, id, text, err);
    *out_value = (OptionValue){.text = arena_strdup(arena, text), .number = number};
    return true;
}

/* Nearest word ------------------------------------------------------------------------------- */
#define NEAREST_MAX 64

/* Edit distance where a swap of neighbours counts once; both at most NEAREST_MAX long. */
static int distance(const char *a, int na, const char *b, int nb)
{
    int rows[3][NEAREST_MAX + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= nb; j++)
        above[j] = j;
    for (int i = 1; i <= na; i++) {
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        int *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[nb];
}

const char *option_nearest(const char *word, const char *const *words, int count)
{
    size_t len = strlen(word);
    if (len > NEAREST_MAX)
        return NULL;
    const char *best = NULL;
    int best_distance = len < 3 ? 1 : (int)(len / 3) + 1;
    for (int i = 0; i < count; i++) {
        size_t other = strlen(words[i]);
        if (other > NEAREST_MAX)
            continue;
        int d = distance(word, (int)len, words[i], (int)other);
        if (d <= best_distance && d < (int)other && (best == NULL || d < best_distance)) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}

/* flags - reads the command line into occurrences; values are checked by config.c (flags.h). */
#include "config/flags.h"

#include <string.h>

const Flag FLAGS[FLAG_COUNT] = {
#define F(id, name_, letter_, value_, allowed_, help_)                                             \
    [FLAG_##id] = {.name = (name_),                                                                \
                   .letter = (letter_),                                                            \
                   .value = (value_),                                                              \
                   .allowed = (allowed_),                                                          \
                   .help = (help_)},
#include "config/flags.def"
};

typedef struct Reader {
    Arena *arena;
    int argc;
    char *const *argv;
    int at;
    const FlagSet *set;
    FlagsRead *out;
} Reader;

static bool takes_flag(const FlagSet *set, int id)
{
    return ((set->flags | FLAGS_ALWAYS) & FLAG_BIT(id)) != 0;
}

static bool takes_option(const FlagSet *set, int id)
{
    return (set->uses & OPTIONS[id].uses) != 0 && (OPTIONS[id].traits & OPTION_SECRET) == 0;
}

static int find_own(const char *name)
{
    for (int i = 0; i < FLAG_COUNT; i++)
        if (strcmp(FLAGS[i].name, name) == 0)
            return i;
    return -1;
}

static int find_letter(char letter)
{
    for (int i = 0; i < FLAG_COUNT; i++)
        if (FLAGS[i].letter == letter)
            return i;
    return -1;
}

/* What the operator probably meant, of what this command takes. */
static bool unknown_flag(Reader *reader, const char *shown, const char *name, Error *err)
{
    const char *words[FLAG_COUNT + 2 * OPTION_COUNT];
    int count = 0;
    for (int i = 0; i < FLAG_COUNT; i++)
        if (takes_flag(reader->set, i))
            words[count++] = FLAGS[i].name;
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!takes_option(reader->set, i))
            continue;
        words[count++] = option_flag(reader->arena, (OptionId)i);
        if (OPTIONS[i].alias[0] != '\0')
            words[count++] = OPTIONS[i].alias;
    }
    const char *near = option_nearest(name, words, count);
    if (near != NULL)
        ERR(err, ERR_USAGE, "unknown flag '%s', did you mean '--%s'?", shown, near);
    else
        ERR(err, ERR_USAGE, "unknown flag '%s'", shown);
    return err_hint(err, "See 'bascule help %s'.", reader->set->command);
}

static bool wrong_command(Reader *reader, const char *shown, Error *err)
{
    ERR(err, ERR_USAGE, "'%s' is no flag of 'bascule %s'", shown, reader->set->command);
    return err_hint(err, "See 'bascule help %s'.", reader->set->command);
}

static bool check_allowed(Reader *reader, const Flag *flag, const char *value, Error *err)
{
    if (flag->allowed[0] == '\0')
        return true;
    size_t want = strlen(value);
    for (const char *at = flag->allowed; *at != '\0';) {
        size_t len = strcspn(at, "|");
        if (len == want && memcmp(at, value, len) == 0)
            return true;
        at += len + (at[len] == '|');
    }
    ERR(err, ERR_USAGE, "'--%s' is '%s', expected %s", flag->name, value, flag->allowed);
    return err_hint(err, "See 'bascule help %s'.", reader->set->command);
}

/* The value of the flag at hand: behind '=', or the next word. */
static bool take_value(Reader *reader, const char *shown, const char *inline_value,
                       const char **out_value, Error *err)
{
    const char *value = inline_value;
    if (value == NULL && reader->at + 1 < reader->argc)
        value = reader->argv[++reader->at];
    if (value == NULL || value[0] == '\0')
        return ERR(err, ERR_USAGE, "flag '%s' needs a value", shown);
    *out_value = value;
    return true;
}

static bool read_own(Reader *reader, int id, const char *shown, const char *inline_value,
                     Error *err)
{
    if (!takes_flag(reader->set, id))
        return wrong_command(reader, shown, err);
    if (reader->out->values[id] != NULL && FLAGS[id].value[0] != '\0')
        return ERR(err, ERR_USAGE, "flag '%s' is given twice", shown);
    if (FLAGS[id].value[0] == '\0') {
        if (inline_value != NULL)
            return ERR(err, ERR_USAGE, "flag '%s' takes no value", shown);
        reader->out->values[id] = "";
        return true;
    }
    return take_value(reader, shown, inline_value, &reader->out->values[id], err) &&
           check_allowed(reader, &FLAGS[id], reader->out->values[id], err);
}

static bool read_option(Reader *reader, int id, const char *shown, const char *inline_value,
                        Error *err)
{
    if ((OPTIONS[id].traits & OPTION_SECRET) != 0) {
        ERR(err, ERR_USAGE,
            "'%s' is not allowed: the command line is visible to everybody on this machine", shown);
        return err_hint(
            err, "Set %s, write '%s: ${file:/path}' in the configuration file, or use a passfile.",
            option_env(reader->arena, (OptionId)id), option_key((OptionId)id));
    }
    if (!takes_option(reader->set, id))
        return wrong_command(reader, shown, err);
    for (int i = 0; i < reader->out->option_count; i++)
        if ((int)reader->out->options[i].id == id && (OPTIONS[id].traits & OPTION_REPEATED) == 0)
            return ERR(err, ERR_USAGE, "flag '%s' is given twice", shown);
    FlagOption *option = &reader->out->options[reader->out->option_count];
    /* --load-binary alone switches on */
    bool next_is_value = reader->at + 1 < reader->argc && reader->argv[reader->at + 1][0] != '-';
    if (OPTIONS[id].type == OPTION_BOOL && inline_value == NULL && !next_is_value)
        inline_value = "true";
    if (!take_value(reader, shown, inline_value, &option->value, err))
        return false;
    option->id = (OptionId)id;
    option->name = shown;
    reader->out->option_count++;
    return true;
}

static bool read_long(Reader *reader, const char *word, Error *err)
{
    const char *equals = strchr(word, '=');
    size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
    const char *shown = arena_dup(reader->arena, word, len);
    const char *value = equals == NULL ? NULL : equals + 1;
    const char *name = shown + 2;
    int own = find_own(name);
    if (own >= 0 && takes_flag(reader->set, own))
        return read_own(reader, own, shown, value, err);
    int option = option_find_flag(name);
    if (option >= 0)
        return read_option(reader, option, shown, value, err);
    if (own >= 0)
        return wrong_command(reader, shown, err);
    return unknown_flag(reader, shown, name, err);
}

static bool read_short(Reader *reader, const char *word, Error *err)
{
    int id = find_letter(word[1]);
    if (id < 0)
        return unknown_flag(reader, word, word + 1, err);
    const char *inline_value = NULL;
    if (word[2] != '\0') {
        if (FLAGS[id].value[0] == '\0')
            return unknown_flag(reader, word, word + 1, err);
        inline_value = word + 2;
    }
    return read_own(reader, id, word, inline_value, err);
}

static bool read_arg(Reader *reader, const char *word, Error *err)
{
    if (reader->out->arg_count >= reader->set->max_args) {
        ERR(err, ERR_USAGE, "'bascule %s' does not know what to do with '%s'", reader->set->command,
            word);
        return err_hint(err, "See 'bascule help %s'.", reader->set->command);
    }
    reader->out->args[reader->out->arg_count++] = word;
    return true;
}

bool flags_read(Arena *arena, int argc, char *const *argv, const FlagSet *set, FlagsRead *out_read,
                Error *err)
{
    FlagsRead read = {0};
    read.options = arena_new_array(arena, FlagOption, argc + 1);
    read.args = arena_new_array(arena, const char *, argc + 1);
    Reader reader = {.arena = arena, .argc = argc, .argv = argv, .set = set, .out = &read};
    bool only_args = false;
    for (; reader.at < argc; reader.at++) {
        const char *word = argv[reader.at];
        bool good;
        if (only_args || word[0] != '-' || word[1] == '\0')
            good = read_arg(&reader, word, err);
        else if (strcmp(word, "--") == 0)
            good = only_args = true;
        else if (word[1] == '-')
            good = read_long(&reader, word, err);
        else
            good = read_short(&reader, word, err);
        if (!good)
            return false;
    }
    *out_read = read;
    return true;
}

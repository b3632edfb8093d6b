/* config - merges file, environment and flags; answers questions about the result (config.h). */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/port/conninfo.h"
#include "config/config_internal.h"
#include "config/expand.h"

extern char **environ;

Config *config_new(void)
{
    Arena *arena = arena_new(0);
    Config *config = arena_new_object(arena, Config);
    config->arena = arena;
    return config;
}

void config_free(Config *config)
{
    if (config == NULL)
        return;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *text = config->values[i].value.text;
        if (text != NULL && (OPTIONS[i].traits & (OPTION_SECRET | OPTION_DSN)) != 0)
            explicit_bzero((char *)(uintptr_t)text, strlen(text));
    }
    arena_free(config->arena);
}

void config_warn(Config *config, const char *fmt, ...)
{
    if (config->warning_count == config->warning_room) {
        config->warning_room = config->warning_room == 0 ? 8 : config->warning_room * 2;
        const char **bigger = arena_new_array(config->arena, const char *, config->warning_room);
        for (int i = 0; i < config->warning_count; i++)
            bigger[i] = config->warnings[i];
        config->warnings = bigger;
    }
    va_list ap;
    va_start(ap, fmt);
    config->warnings[config->warning_count++] = arena_vprintf(config->arena, fmt, ap);
    va_end(ap);
}

/* Storing ------------------------------------------------------------------------------------ */
static bool check_dsn(const Config *config, const char *text, ConfigFrom from, Error *err)
{
    Conninfo parts;
    if (!conninfo_parse(config->arena, text, &parts, err))
        return false;
    if (from != FROM_FLAG || !conninfo_has_secret(&parts))
        return true;
    ERR(err, ERR_USAGE, "a password on the command line is visible to everybody on this machine");
    return err_hint(
        err,
        "Put the password into a passfile, an environment variable or the configuration file.");
}

static bool parse_items(Config *config, OptionId id, const char *const *texts, int count,
                        OptionValue *out_value, Error *err)
{
    OptionValue list = {.text = "", .items = arena_new_array(config->arena, const char *, count)};
    for (int i = 0; i < count; i++) {
        OptionValue item;
        if (texts[i][0] == '\0')
            continue;
        if (!option_parse(config->arena, id, texts[i], &item, err))
            return false;
        list.text = arena_printf(config->arena, "%s%s%s", list.text,
                                 list.item_count == 0 ? "" : ", ", item.text);
        list.items[list.item_count++] = item.text;
    }
    *out_value = list;
    return true;
}

bool config_put(Config *config, OptionId id, const char *const *texts, int count, ConfigFrom from,
                const char *place, Error *err)
{
    OptionValue value = {0};
    bool good;
    if ((OPTIONS[id].traits & OPTION_REPEATED) != 0) {
        good = parse_items(config, id, texts, count, &value, err);
        if (good && value.item_count == 0)
            return true;
    } else {
        if (count == 0 || texts[0][0] == '\0')
            return true;
        good = option_parse(config->arena, id, texts[0], &value, err) &&
               (OPTIONS[id].type != OPTION_CONNINFO || check_dsn(config, texts[0], from, err));
    }
    if (!good) {
        if (from == FROM_FLAG)
            err->cls = ERR_USAGE;
        return err_context(err, "%s", place);
    }
    config->values[id] = (ConfigValue){.value = value, .from = from, .place = place};
    return true;
}

/* "a,b\,c" to "a" and "b,c": lists in the environment and in flags. */
static int split_list(Arena *arena, const char *text, const char **out_items)
{
    int count = 0;
    char *item = arena_strdup(arena, text);
    char *write = item;
    for (const char *read = text;; read++) {
        if (*read == '\\' && read[1] == ',') {
            *write++ = *++read;
        } else if (*read == ',' || *read == '\0') {
            *write++ = '\0';
            item += strspn(item, " ");
            out_items[count++] = item;
            item = write;
            if (*read == '\0')
                break;
        } else {
            *write++ = *read;
        }
    }
    return count;
}

static bool put_text(Config *config, OptionId id, const char *text, ConfigFrom from,
                     const char *place, Error *err)
{
    if ((OPTIONS[id].traits & OPTION_REPEATED) == 0)
        return config_put(config, id, &text, 1, from, place, err);
    const char **items = arena_new_array(config->arena, const char *, strlen(text) + 1);
    return config_put(config, id, items, split_list(config->arena, text, items), from, place, err);
}

/* Environment -------------------------------------------------------------------------------- */
static void warn_unknown_variable(Config *config, const char *name)
{
    static const char *const OURS[] = {"BASCULE_CONFIG", "BASCULE_PROFILE", "BASCULE_FAULT",
                                       "BASCULE_SOURCE_DIR"};
    const char *words[OPTION_COUNT];
    for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
        if (strcmp(name, OURS[i]) == 0)
            return;
    for (int i = 0; i < OPTION_COUNT; i++)
        words[i] = option_env(config->arena, (OptionId)i) + strlen("BASCULE_");
    const char *near = option_nearest(name + strlen("BASCULE_"), words, OPTION_COUNT);
    /* others may use the prefix too (Kubernetes does, for a service of that name) */
    if (near != NULL)
        config_warn(config, "environment variable '%s' is no option, did you mean 'BASCULE_%s'?",
                    name, near);
}

static bool read_environment(Config *config, Error *err)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (strncmp(*entry, "BASCULE_", strlen("BASCULE_")) != 0 || equals == NULL)
            continue;
        const char *name = arena_dup(config->arena, *entry, (size_t)(equals - *entry));
        int id = option_find_env(name);
        if (id < 0)
            warn_unknown_variable(config, name);
        else if (!put_text(config, (OptionId)id, equals + 1, FROM_ENV, name, err))
            return false;
    }
    return true;
}

/* Flags -------------------------------------------------------------------------------------- */
static bool read_flags(Config *config, Error *err)
{
    const FlagsRead *read = &config->flags;
    for (int i = 0; i < read->option_count; i++) {
        const FlagOption *flag = &read->options[i];
        const char *text = flag->value;
        /* a repeated flag is one list */
        if (config->values[flag->id].from == FROM_FLAG) {
            const OptionValue *before = &config->values[flag->id].value;
            const char **items = arena_new_array(config->arena, const char *,
                                                 (size_t)before->item_count + strlen(text) + 1);
            for (int j = 0; j < before->item_count; j++)
                items[j] = before->items[j];
            int more = split_list(config->arena, text, items + before->item_count);
            if (!config_put(config, flag->id, items, before->item_count + more, FROM_FLAG,
                            flag->name, err))
                return false;
        } else if (!put_text(config, flag->id, text, FROM_FLAG, flag->name, err)) {
            return false;
        }
    }
    return true;
}

/* Defaults ----------------------------------------------------------------------------------- */
static const char *state_home(Arena *arena)
{
    const char *xdg = getenv("XDG_STATE_HOME");
    if (xdg != NULL && xdg[0] == '/')
        return xdg;
    const char *home = expand_home(arena);
    return home == NULL ? "/var/tmp" : arena_printf(arena, "%s/.local/state", home);
}

static const char *fill_in(const Config *config, const char *text)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    while (*text != '\0') {
        static const char STATE[] = "$XDG_STATE_HOME", TASK[] = "<task>", WORK_DIR[] = "<work_dir>";
        if (strncmp(text, STATE, sizeof STATE - 1) == 0) {
            buf_puts(&out, state_home(config->arena));
            text += sizeof STATE - 1;
        } else if (strncmp(text, TASK, sizeof TASK - 1) == 0) {
            buf_puts(&out, config->values[OPT_TASK].value.text);
            text += sizeof TASK - 1;
        } else if (strncmp(text, WORK_DIR, sizeof WORK_DIR - 1) == 0) {
            buf_puts(&out, config->values[OPT_WORK_DIR].value.text);
            text += sizeof WORK_DIR - 1;
        } else {
            buf_putc(&out, *text++);
        }
    }
    return arena_strdup(config->arena, buf_str(&out));
}

/* In the order of the table: task and work_dir stand in front of what is made of them. */
static bool put_defaults(Config *config, Error *err)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (config->values[i].from != FROM_NOWHERE || OPTIONS[i].def[0] == '\0')
            continue;
        const char *text = fill_in(config, OPTIONS[i].def);
        if (!config_put(config, (OptionId)i, &text, 1, FROM_DEFAULT, "default", err))
            return false;
    }
    return true;
}

/* A small stream.memory is no reason to ask for a small batch too. */
static void clamp_defaults(Config *config)
{
    ConfigValue *batch = &config->values[OPT_STREAM_BATCH_SIZE];
    const ConfigValue *memory = &config->values[OPT_STREAM_MEMORY];
    if (batch->from == FROM_DEFAULT && batch->value.number > memory->value.number)
        batch->value = memory->value;
}

/* Loading ------------------------------------------------------------------------------------ */
static const char *choose_path(const Config *config, const char *path)
{
    static const char HERE[] = "bascule.yaml";
    if (config->flags.values[FLAG_CONFIG] != NULL)
        return config->flags.values[FLAG_CONFIG];
    if (path != NULL)
        return path;
    const char *named = getenv("BASCULE_CONFIG");
    if (named != NULL && named[0] != '\0')
        return arena_strdup(config->arena, named);
    return access(HERE, F_OK) == 0 ? HERE : NULL;
}

static const char *choose_profile(const Config *config, const char *profile)
{
    const char *named = getenv("BASCULE_PROFILE");
    if (config->flags.values[FLAG_PROFILE] != NULL)
        return config->flags.values[FLAG_PROFILE];
    if (profile != NULL)
        return profile;
    return named != NULL && named[0] != '\0' ? arena_strdup(config->arena, named) : NULL;
}

bool config_load(Config *config, const char *path, const char *profile, int argc, char *const *argv,
                 const FlagSet *flags, Error *err)
{
    if (!flags_read(config->arena, argc, argv, flags, &config->flags, err))
        return false;
    if (config_flag(config, FLAG_HELP))
        return true;
    config->path = flags->no_file ? NULL : choose_path(config, path);
    config->profile = flags->no_file ? NULL : choose_profile(config, profile);
    if (config->profile != NULL && config->path == NULL)
        return ERR(err, ERR_USAGE, "profile '%s': there is no configuration file to find it in",
                   config->profile);
    if (config->path != NULL && !config_read_file(config, config->path, err))
        return false;
    if (!flags->no_file && !read_environment(config, err))
        return false;
    if (!read_flags(config, err) || !config_part_profiles(config, err) ||
        !put_defaults(config, err))
        return false;
    clamp_defaults(config);
    return config_check_rules(config, err);
}

/* Questions ---------------------------------------------------------------------------------- */
static const OptionValue *value_of(const Config *config, OptionId id, OptionType type)
{
    ASSERT(OPTIONS[id].type == type);
    return &config->values[id].value;
}

const char *config_text(const Config *config, OptionId id)
{
    return config->values[id].value.text;
}

bool config_set(const Config *config, OptionId id)
{
    return config->values[id].from > FROM_DEFAULT;
}

int64_t config_i64(const Config *config, OptionId id)
{
    return value_of(config, id, OPTION_INT)->number;
}

bool config_bool(const Config *config, OptionId id)
{
    return value_of(config, id, OPTION_BOOL)->number != 0;
}

int64_t config_size_bytes(const Config *config, OptionId id)
{
    return value_of(config, id, OPTION_SIZE)->number;
}

int64_t config_duration_us(const Config *config, OptionId id)
{
    return value_of(config, id, OPTION_DURATION)->number;
}

int config_choice(const Config *config, OptionId id)
{
    return (int)value_of(config, id, OPTION_CHOICE)->number;
}

Lsn config_lsn(const Config *config, OptionId id)
{
    return (Lsn)value_of(config, id, OPTION_LSN)->number;
}

const char *const *config_list(const Config *config, OptionId id, int *out_n)
{
    ASSERT((OPTIONS[id].traits & OPTION_REPEATED) != 0);
    *out_n = config->values[id].value.item_count;
    return config->values[id].value.items;
}

const char *config_where(const Config *config, OptionId id)
{
    const ConfigValue *value = &config->values[id];
    switch (value->from) {
    case FROM_FILE:
        return arena_printf(config->arena, "%s %s", value->by_profile ? "profile" : "file",
                            value->place);
    case FROM_ENV:
        return arena_printf(config->arena, "env %s", value->place);
    case FROM_FLAG:
        return arena_printf(config->arena, "flag %s", value->place);
    case FROM_DEFAULT:
        return "default";
    case FROM_NOWHERE:
        break;
    }
    return "unset";
}

/* At most the last four characters, and only where they give little away. */
static const char *mask(const char *secret, Arena *arena)
{
    size_t len = strlen(secret);
    return len > 12 ? arena_printf(arena, "***%s", secret + len - 4) : "***";
}

const char *config_shown(const Config *config, OptionId id, Arena *arena)
{
    const char *text = config->values[id].value.text;
    if (text == NULL)
        return "";
    if ((OPTIONS[id].traits & OPTION_SECRET) != 0)
        return mask(text, arena);
    if ((OPTIONS[id].traits & OPTION_DSN) == 0)
        return text;
    Conninfo parts;
    Error ignored = ERROR_INIT;
    if (!conninfo_parse(arena, text, &parts, &ignored))
        return "***";
    for (int i = 0; i < parts.count; i++)
        if (conninfo_is_secret(parts.parts[i].name))
            parts.parts[i].value = mask(parts.parts[i].value, arena);
    return conninfo_text(arena, &parts);
}

bool config_flag(const Config *config, FlagId id)
{
    return config->flags.values[id] != NULL;
}

const char *config_flag_text(const Config *config, FlagId id)
{
    return config->flags.values[id];
}

const char *const *config_args(const Config *config, int *out_n)
{
    *out_n = config->flags.arg_count;
    return config->flags.args;
}

const char *config_path(const Config *config)
{
    return config->path;
}

const char *config_profile(const Config *config)
{
    return config->profile;
}

const char *const *config_warnings(const Config *config, int *out_n)
{
    *out_n = config->warning_count;
    return config->warnings;
}

const char *config_command_line(const Config *config, const char *command, Arena *arena)
{
    const char *line = arena_printf(arena, "bascule %s", command);
    for (int i = 0; i < FLAG_COUNT; i++) {
        const char *value = config->flags.values[i];
        if (value != NULL)
            line = arena_printf(arena, "%s --%s%s%s", line, FLAGS[i].name,
                                value[0] != '\0' ? "=" : "", value);
    }
    for (int i = 0; i < OPTION_COUNT; i++)
        if (config->values[i].from == FROM_FLAG)
            line = arena_printf(arena, "%s %s=%s", line, config->values[i].place,
                                config_shown(config, (OptionId)i, arena));
    for (int i = 0; i < config->flags.arg_count; i++)
        line = arena_printf(arena, "%s %s", line, config->flags.args[i]);
    return line;
}

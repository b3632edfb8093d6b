/* config_file - the YAML file against the table of options: places, unknown names, values. */
#include <stdlib.h>
#include <string.h>

#include "bascule/port/conninfo.h"
#include "config/config_internal.h"
#include "config/expand.h"
#include "config/yaml_tree.h"

#define FILE_LIMIT  (1024 * 1024)
#define PROFILE_MAX 16

static const char PROFILES[] = "profiles";

typedef struct File {
    Config *config;
    const char *name;      /* as messages call it */
    const char *directory; /* relative paths start here; "" for the current one */
    bool holds_secret;     /* a literal one, not ${...} */
    bool in_profile;       /* what is read is the profile's */
    bool names_only;       /* of a profile that is not used: values may need what is not there */
    Error *err;
} File;

#define FAIL(file, at, ...)                                                                        \
    (ERR((file)->err, ERR_CONFIG, __VA_ARGS__),                                                    \
     err_context((file)->err, "%s:%d:%d", (file)->name, (at)->line, (at)->column))

static bool is_section(const char *name)
{
    for (int i = 0; i < OPTION_SECTION_COUNT; i++)
        if (name[0] != '\0' && strcmp(OPTION_SECTIONS[i].name, name) == 0)
            return true;
    return false;
}

/* Unknown names ------------------------------------------------------------------------------ */
/* What can stand in a section: options, and at the top the sections. */
static int words_of(File *file, const char *section, const char **out_words)
{
    int count = 0;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strcmp(option_section(file->config->arena, (OptionId)i), section) == 0)
            out_words[count++] = option_key((OptionId)i);
    for (int i = 0; section[0] == '\0' && i < OPTION_SECTION_COUNT; i++)
        if (OPTION_SECTIONS[i].name[0] != '\0')
            out_words[count++] = OPTION_SECTIONS[i].name;
    if (section[0] == '\0' && !file->in_profile)
        out_words[count++] = PROFILES;
    return count;
}

/* An option of this name in another section, -1 when there is none or more than one. */
static int elsewhere(const char *key)
{
    int found = -1;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strcmp(option_key((OptionId)i), key) == 0) {
            if (found >= 0)
                return -1;
            found = i;
        }
    return found;
}

static bool unknown_option(File *file, const char *section, const YamlPair *pair)
{
    const char *words[OPTION_COUNT + 32];
    int count = words_of(file, section, words);
    const char *in =
        section[0] == '\0' ? "" : arena_printf(file->config->arena, " in '%s'", section);
    int dotted = option_find(pair->key);
    int other = elsewhere(pair->key);
    if (dotted >= 0 && strchr(pair->key, '.') != NULL)
        return FAIL(file, pair, "unknown option '%s'%s, write '%s' under '%s'", pair->key, in,
                    option_key((OptionId)dotted),
                    option_section(file->config->arena, (OptionId)dotted));
    const char *near = option_nearest(pair->key, words, count);
    if (near != NULL)
        return FAIL(file, pair, "unknown option '%s'%s, did you mean '%s'?", pair->key, in, near);
    if (other >= 0) {
        const char *home = option_section(file->config->arena, (OptionId)other);
        if (home[0] == '\0')
            return FAIL(file, pair, "unknown option '%s'%s, it belongs to the top level", pair->key,
                        in);
        return FAIL(file, pair, "unknown option '%s'%s, it belongs to '%s'", pair->key, in, home);
    }
    return FAIL(file, pair, "unknown option '%s'%s", pair->key, in);
}

/* Values ------------------------------------------------------------------------------------- */
static bool holds_secret(Arena *arena, OptionId id, const char *text)
{
    Conninfo parts;
    Error ignored = ERROR_INIT;
    if ((OPTIONS[id].traits & OPTION_SECRET) != 0)
        return text[0] != '\0';
    return (OPTIONS[id].traits & OPTION_DSN) != 0 &&
           conninfo_parse(arena, text, &parts, &ignored) && conninfo_has_secret(&parts);
}

static bool expand(File *file, OptionId id, const YamlNode *node, const char **out_text)
{
    Arena *arena = file->config->arena;
    ExpandResult result;
    if (!expand_value(arena, node->text, file->directory, &result, file->err))
        return err_context(file->err, "%s:%d:%d: '%s'", file->name, node->line, node->column,
                           OPTIONS[id].name);
    if (result.warning != NULL)
        config_warn(file->config, "%s:%d:%d: %s", file->name, node->line, node->column,
                    result.warning);
    if (strcmp(result.text, node->text) == 0 && holds_secret(arena, id, result.text))
        file->holds_secret = true;
    *out_text = OPTIONS[id].type == OPTION_PATH ? expand_path(arena, result.text, file->directory)
                                                : result.text;
    return true;
}

static bool read_list(File *file, OptionId id, const YamlNode *list, const char *place)
{
    Arena *arena = file->config->arena;
    const char **texts = arena_new_array(arena, const char *, list->count + 1);
    const char **places = arena_new_array(arena, const char *, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        const YamlNode *item = list->items[i];
        if (item->kind != YAML_SCALAR)
            return FAIL(file, item, "'%s' is a list of plain values", OPTIONS[id].name);
        if (!expand(file, id, item, &texts[i]))
            return false;
        places[i] = arena_printf(arena, "%s:%d:%d", file->name, item->line, item->column);
    }
    if (!config_put(file->config, id, texts, list->count, FROM_FILE, place, file->err))
        return false;
    ConfigValue *value = &file->config->values[id];
    if (value->from == FROM_FILE && value->value.item_count == list->count)
        value->item_places = places;
    return true;
}

static bool put_option(File *file, OptionId id, const YamlNode *node, const char *place)
{
    const char *text = NULL;
    if (node->kind == YAML_LIST)
        return read_list(file, id, node, place);
    return expand(file, id, node, &text) &&
           config_put(file->config, id, &text, 1, FROM_FILE, place, file->err);
}

static bool read_option(File *file, OptionId id, const YamlPair *pair)
{
    const YamlNode *node = pair->value;
    bool repeated = (OPTIONS[id].traits & OPTION_REPEATED) != 0;
    const char *place =
        arena_printf(file->config->arena, "%s:%d:%d", file->name, node->line, node->column);
    if (node->kind == YAML_NULL)
        return true;
    if (node->kind == YAML_MAP)
        return FAIL(file, node, "'%s' takes %s, not a section", OPTIONS[id].name,
                    repeated ? "a list" : "one value");
    if (node->kind == YAML_LIST && !repeated)
        return FAIL(file, node, "'%s' takes one value, not a list", OPTIONS[id].name);
    if (file->names_only)
        return true;
    if (!put_option(file, id, node, place))
        return false;
    ConfigValue *value = &file->config->values[id];
    if (value->place == place)
        value->by_profile = file->in_profile;
    return true;
}

/* The option that a section's own plain value is; -1: it has none, or this is no plain value. */
static int plain_option(const File *file, const YamlPair *pair)
{
    for (int id = 0; pair->value->kind == YAML_SCALAR && id < OPTION_COUNT; id++)
        if ((OPTIONS[id].traits & OPTION_PLAIN) != 0 &&
            strcmp(option_section(file->config->arena, (OptionId)id), pair->key) == 0)
            return id;
    return -1;
}

static bool read_section(File *file, const char *section, const YamlNode *map)
{
    for (int i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        const char *name = section[0] == '\0'
                               ? pair->key
                               : arena_printf(file->config->arena, "%s.%s", section, pair->key);
        if (section[0] == '\0' && !file->in_profile && strcmp(pair->key, PROFILES) == 0)
            continue; /* read once the base is */
        if (section[0] == '\0' && is_section(pair->key)) {
            if (pair->value->kind == YAML_NULL)
                continue;
            int plain = plain_option(file, pair);
            if (plain >= 0) {
                if (!read_option(file, (OptionId)plain, pair))
                    return false;
                continue;
            }
            if (pair->value->kind != YAML_MAP)
                return FAIL(file, pair->value, "'%s' is a section, write its options below it",
                            pair->key);
            if (!read_section(file, pair->key, pair->value))
                return false;
            continue;
        }
        int id = option_find(name);
        if (id < 0 || strchr(pair->key, '.') != NULL)
            return unknown_option(file, section, pair);
        if (!read_option(file, (OptionId)id, pair))
            return false;
    }
    return true;
}

/* Profiles ----------------------------------------------------------------------------------- */
static bool is_profile_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= PROFILE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool unknown_profile(File *file, const YamlNode *profiles)
{
    const char *known = "";
    for (int i = 0; profiles != NULL && i < profiles->count; i++)
        known = arena_printf(file->config->arena, "%s%s%s", known, i > 0 ? ", " : "",
                             profiles->pairs[i].key);
    if (known[0] == '\0')
        return ERR(file->err, ERR_CONFIG, "profile '%s': %s has no profiles", file->config->profile,
                   file->name);
    return ERR(file->err, ERR_CONFIG, "%s has no profile '%s', there are %s", file->name,
               file->config->profile, known);
}

/* The one named production asks before it is written to, unless it says otherwise itself. */
static bool confirm_production(File *file, const YamlPair *profile)
{
    static const char *const YES = "true";
    const ConfigValue *now = &file->config->values[OPT_CONFIRM];
    if (strcmp(profile->key, "production") != 0 || (now->from == FROM_FILE && now->by_profile) ||
        (now->from != FROM_NOWHERE && now->from != FROM_FILE))
        return true;
    const char *place =
        arena_printf(file->config->arena, "%s:%d:%d", file->name, profile->line, profile->column);
    if (!config_put(file->config, OPT_CONFIRM, &YES, 1, FROM_FILE, place, file->err))
        return false;
    file->config->values[OPT_CONFIRM].by_profile = true;
    return true;
}

static bool read_profile(File *file, const YamlPair *profile)
{
    const char *wanted = file->config->profile;
    if (!is_profile_name(profile->key))
        return FAIL(file, profile,
                    "profile '%s': a name has lower-case letters, digits and _, at "
                    "most %d of them",
                    profile->key, PROFILE_MAX);
    file->names_only = wanted == NULL || strcmp(profile->key, wanted) != 0;
    if (profile->value->kind != YAML_NULL && profile->value->kind != YAML_MAP)
        return FAIL(file, profile->value, "profile '%s' is a section, write its options below it",
                    profile->key);
    if (profile->value->kind == YAML_MAP && !read_section(file, "", profile->value))
        return err_context(file->err, "profile '%s'", profile->key);
    return file->names_only || confirm_production(file, profile);
}

static bool read_profiles(File *file, const YamlNode *root)
{
    const YamlNode *profiles = NULL;
    bool found = file->config->profile == NULL;
    for (int i = 0; i < root->count; i++)
        if (strcmp(root->pairs[i].key, PROFILES) == 0)
            profiles = root->pairs[i].value;
    if (profiles != NULL && profiles->kind != YAML_NULL && profiles->kind != YAML_MAP)
        return FAIL(file, profiles, "'%s' is a section, write the profiles below it", PROFILES);
    file->in_profile = true;
    for (int i = 0; profiles != NULL && i < profiles->count; i++) {
        if (!read_profile(file, &profiles->pairs[i]))
            return false;
        found = found || !file->names_only;
    }
    return found || unknown_profile(file, profiles);
}

bool config_read_file(Config *config, const char *path, Error *err)
{
    char *data = NULL;
    size_t len = 0;
    if (!expand_read_file(path, FILE_LIMIT, &data, &len, err)) {
        err->cls = ERR_CONFIG;
        return false;
    }
    const char *slash = strrchr(path, '/');
    File file = {.config = config,
                 .name = path,
                 .directory =
                     slash == NULL ? "" : arena_dup(config->arena, path, (size_t)(slash - path)),
                 .err = err};
    if (slash == path)
        file.directory = "/";
    YamlNode *root = NULL;
    bool good = yaml_tree_parse(config->arena, path, data, len, &root, err) &&
                read_section(&file, "", root) && read_profiles(&file, root);
    explicit_bzero(data, len);
    free(data);
    if (good && file.holds_secret && expand_readable_by_others(path))
        config_warn(config, "%s holds a password and can be read by others, chmod 600 it", path);
    return good;
}

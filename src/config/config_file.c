/* config_file - the YAML file against the table of options: places, unknown names, values. */
#include <stdlib.h>
#include <string.h>

#include "bascule/port/conninfo.h"
#include "config/config_internal.h"
#include "config/expand.h"
#include "config/yaml_tree.h"

#define FILE_LIMIT (1024 * 1024)

typedef struct File {
    Config *config;
    const char *name;      /* as messages call it */
    const char *directory; /* relative paths start here; "" for the current one */
    bool holds_secret;     /* a literal one, not ${...} */
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

static bool read_option(File *file, OptionId id, const YamlPair *pair)
{
    const YamlNode *node = pair->value;
    const char *place =
        arena_printf(file->config->arena, "%s:%d:%d", file->name, node->line, node->column);
    const char *text = NULL;
    switch (node->kind) {
    case YAML_NULL:
        return true;
    case YAML_MAP:
        return FAIL(file, node, "'%s' takes %s, not a section", OPTIONS[id].name,
                    (OPTIONS[id].traits & OPTION_REPEATED) != 0 ? "a list" : "one value");
    case YAML_LIST:
        if ((OPTIONS[id].traits & OPTION_REPEATED) == 0)
            return FAIL(file, node, "'%s' takes one value, not a list", OPTIONS[id].name);
        return read_list(file, id, node, place);
    case YAML_SCALAR:
        break;
    }
    return expand(file, id, node, &text) &&
           config_put(file->config, id, &text, 1, FROM_FILE, place, file->err);
}

static bool read_section(File *file, const char *section, const YamlNode *map)
{
    for (int i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        const char *name = section[0] == '\0'
                               ? pair->key
                               : arena_printf(file->config->arena, "%s.%s", section, pair->key);
        if (section[0] == '\0' && is_section(pair->key)) {
            if (pair->value->kind == YAML_NULL)
                continue;
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
                read_section(&file, "", root);
    explicit_bzero(data, len);
    free(data);
    if (good && file.holds_secret && expand_readable_by_others(path))
        config_warn(config, "%s holds a password and can be read by others, chmod 600 it", path);
    return good;
}

/* yaml_tree - over libyaml's events: its document interface would follow aliases silently. */
#include "config/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 16

typedef struct Tree {
    Arena *arena;
    const char *name;
    const char *text;
    size_t len;
    yaml_parser_t parser;
    Error *err;
} Tree;

static bool fail_at(Tree *tree, const yaml_mark_t *mark, const char *what)
{
    return ERR(tree->err, ERR_CONFIG, "%s:%zu:%zu: %s", tree->name, mark->line + 1,
               mark->column + 1, what);
}

/* Reader errors (bytes that are no UTF-8) know an offset only. */
static bool fail_at_offset(Tree *tree, size_t offset, const char *what)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < tree->len; i++) {
        mark.column++;
        if (tree->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return fail_at(tree, &mark, what);
}

static bool at_tab(const Tree *tree, const yaml_mark_t *mark)
{
    return mark->index < tree->len && tree->text[mark->index] == '\t';
}

static bool syntax_error(Tree *tree)
{
    const yaml_parser_t *parser = &tree->parser;
    const char *problem = parser->problem == NULL ? "this is not YAML" : parser->problem;
    if (parser->error == YAML_READER_ERROR)
        return fail_at_offset(tree, parser->problem_offset, problem);
    const char *what = problem;
    if (parser->context != NULL)
        what = arena_printf(tree->arena, "%s %s that began in line %zu", problem, parser->context,
                            parser->context_mark.line + 1);
    fail_at(tree, &parser->problem_mark, what);
    if (at_tab(tree, &parser->problem_mark))
        err_hint(tree->err, "YAML is indented with spaces; there is a tab here.");
    else
        err_hint(tree->err,
                 "Look at the indentation, at a ':' without a space behind it, and quote values "
                 "that begin with one of @ %% ` * & ! { [ or contain ': ' or ' #'.");
    return false;
}

static bool next_event(Tree *tree, yaml_event_t *event)
{
    return yaml_parser_parse(&tree->parser, event) != 0 || syntax_error(tree);
}

static bool check_plain(Tree *tree, const yaml_event_t *event, const yaml_char_t *anchor,
                        const yaml_char_t *tag)
{
    if (anchor != NULL)
        return fail_at(tree, &event->start_mark,
                       "anchors are not supported, write the value where it is needed");
    if (tag != NULL)
        return fail_at(tree, &event->start_mark,
                       "tags are not supported, every option knows its type");
    return true;
}

static YamlNode *new_node(Tree *tree, YamlKind kind, const yaml_event_t *event)
{
    YamlNode *node = arena_new_object(tree->arena, YamlNode);
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    return node;
}

static bool read_scalar(Tree *tree, const yaml_event_t *event, YamlNode **out_node)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (!check_plain(tree, event, event->data.scalar.anchor, event->data.scalar.tag))
        return false;
    if (memchr(text, '\0', len) != NULL)
        return fail_at(tree, &event->start_mark, "a value cannot contain a NUL character");
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool null = plain && (len == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
    YamlNode *node = new_node(tree, null ? YAML_NULL : YAML_SCALAR, event);
    node->text = arena_dup(tree->arena, text, len);
    *out_node = node;
    return true;
}

static bool read_node(Tree *tree, const yaml_event_t *event, int depth, YamlNode **out_node);

/* Grows by doubling inside the arena; small documents only. */
static void *grow(Arena *arena, void *items, int count, size_t size)
{
    if (count != 0 && (count < 8 || (count & (count - 1)) != 0))
        return items;
    void *bigger = arena_zalloc(arena, size * (size_t)(count < 8 ? 8 : count * 2));
    if (count > 0)
        memcpy(bigger, items, size * (size_t)count);
    return bigger;
}

static bool read_list(Tree *tree, const yaml_event_t *start, int depth, YamlNode **out_node)
{
    if (!check_plain(tree, start, start->data.sequence_start.anchor,
                     start->data.sequence_start.tag))
        return false;
    YamlNode *list = new_node(tree, YAML_LIST, start);
    for (;;) {
        yaml_event_t event;
        if (!next_event(tree, &event))
            return false;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        bool good = true;
        if (!end) {
            list->items = grow(tree->arena, list->items, list->count, sizeof *list->items);
            good = read_node(tree, &event, depth + 1, &list->items[list->count]);
            list->count++;
        }
        yaml_event_delete(&event);
        if (!good)
            return false;
        if (end)
            break;
    }
    *out_node = list;
    return true;
}

static bool check_key(Tree *tree, const YamlNode *map, const YamlNode *key)
{
    if (key->kind != YAML_SCALAR)
        return ERR(tree->err, ERR_CONFIG, "%s:%d:%d: an option's name is expected here", tree->name,
                   key->line, key->column);
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key, key->text) == 0)
            return ERR(tree->err, ERR_CONFIG, "%s:%d:%d: '%s' is given twice, first at %s:%d:%d",
                       tree->name, key->line, key->column, key->text, tree->name,
                       map->pairs[i].line, map->pairs[i].column);
    return true;
}

static bool read_map(Tree *tree, const yaml_event_t *start, int depth, YamlNode **out_node)
{
    if (!check_plain(tree, start, start->data.mapping_start.anchor, start->data.mapping_start.tag))
        return false;
    YamlNode *map = new_node(tree, YAML_MAP, start);
    YamlNode *key = NULL;
    for (;;) {
        yaml_event_t event;
        if (!next_event(tree, &event))
            return false;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        bool good = true;
        if (!end && key == NULL) {
            good = read_node(tree, &event, depth + 1, &key) && check_key(tree, map, key);
        } else if (!end) {
            map->pairs = grow(tree->arena, map->pairs, map->count, sizeof *map->pairs);
            YamlPair *pair = &map->pairs[map->count++];
            *pair = (YamlPair){.key = key->text, .line = key->line, .column = key->column};
            good = read_node(tree, &event, depth + 1, &pair->value);
            key = NULL;
        }
        yaml_event_delete(&event);
        if (!good)
            return false;
        if (end)
            break;
    }
    *out_node = map;
    return true;
}

static bool read_node(Tree *tree, const yaml_event_t *event, int depth, YamlNode **out_node)
{
    if (depth > MAX_DEPTH)
        return fail_at(tree, &event->start_mark, "this is nested too deeply");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(tree, event, out_node);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(tree, event, depth, out_node);
    case YAML_MAPPING_START_EVENT:
        return read_map(tree, event, depth, out_node);
    case YAML_ALIAS_EVENT:
        return fail_at(tree, &event->start_mark,
                       "aliases are not supported, write the value where it is needed");
    default:
        return fail_at(tree, &event->start_mark, "this is not expected here");
    }
}

/* Stream start, at most one document, stream end. */
static bool read_document(Tree *tree, YamlNode **out_root)
{
    YamlNode *root = arena_new_object(tree->arena, YamlNode);
    *root = (YamlNode){.kind = YAML_MAP, .line = 1, .column = 1};
    int documents = 0;
    for (;;) {
        yaml_event_t event;
        if (!next_event(tree, &event))
            return false;
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool good = true;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            if (++documents > 1)
                good = fail_at(tree, &event.start_mark,
                               "a second document begins here, one file is one task");
        } else if (!end && event.type != YAML_STREAM_START_EVENT &&
                   event.type != YAML_DOCUMENT_END_EVENT) {
            good = read_node(tree, &event, 0, &root);
        }
        yaml_event_delete(&event);
        if (!good)
            return false;
        if (end)
            break;
    }
    if (root->kind == YAML_NULL)
        root->kind = YAML_MAP;
    if (root->kind != YAML_MAP)
        return ERR(tree->err, ERR_CONFIG, "%s:%d:%d: expected 'option: value' lines", tree->name,
                   root->line, root->column);
    *out_root = root;
    return true;
}

bool yaml_tree_parse(Arena *arena, const char *name, const char *text, size_t len,
                     YamlNode **out_root, Error *err)
{
    Tree tree = {.arena = arena, .name = name, .text = text, .len = len, .err = err};
    if (yaml_parser_initialize(&tree.parser) == 0)
        return ERR(err, ERR_IO, "cannot start the YAML parser: out of memory");
    yaml_parser_set_encoding(&tree.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&tree.parser, (const unsigned char *)text, len);
    bool good = read_document(&tree, out_root);
    yaml_parser_delete(&tree.parser);
    return good;
}

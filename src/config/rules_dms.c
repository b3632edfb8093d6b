/* rules_dms - see the header. The JSON library says whether it is JSON, but forgets where its values
 * stood; JSON is YAML too, and that tree knows it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "config/rules_dms_internal.h"

void dms_rule_context(Dms *dms)
{
    if (dms->id != NULL)
        err_context(dms->err, "rule %s", dms->id);
}

/* Reading a map --------------------------------------------------------------------------------- */

const YamlPair *dms_find_key(const YamlNode *map, const char *key)
{
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key, key) == 0)
            return &map->pairs[i];
    return NULL;
}

/* Only keys that are known: a misspelled one would be passed over. */
bool dms_check_keys(Dms *dms, const YamlNode *map, const char *what, const char *const *known)
{
    int count = 0;
    while (known[count] != NULL)
        count++;
    for (int i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        bool found = false;
        for (int k = 0; k < count && !found; k++)
            found = strcmp(known[k], pair->key) == 0;
        if (found)
            continue;
        const char *near = option_nearest(pair->key, known, count);
        return DMS_FAIL(dms, pair, "unknown name '%s' in %s%s%s%s", pair->key, what,
                        near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
                        near != NULL ? "'?" : "");
    }
    return true;
}

/* NULL in *out when the key is absent or null. */
bool dms_read_text(Dms *dms, const YamlNode *map, const char *key, const char **out)
{
    const YamlPair *pair = dms_find_key(map, key);
    *out = NULL;
    if (pair == NULL || pair->value->kind == YAML_NULL)
        return true;
    if (pair->value->kind != YAML_SCALAR)
        return DMS_FAIL(dms, pair->value, "'%s' takes one value", key);
    *out = pair->value->text;
    return true;
}

bool dms_need_text(Dms *dms, const YamlNode *map, const char *key, const char **out)
{
    if (!dms_read_text(dms, map, key, out))
        return false;
    return (*out != NULL && **out != '\0') || DMS_FAIL(dms, map, "'%s' is missing", key);
}

/* The place of a key's value, of the map when it is not there. */
const YamlNode *dms_node_of(const YamlNode *map, const char *key)
{
    const YamlPair *pair = dms_find_key(map, key);
    return pair != NULL ? pair->value : map;
}

/* Patterns -------------------------------------------------------------------------------------- */

/* % any characters, _ one, [ab] and [a-d] one of these, [_] the character itself. */
static bool read_glob(Dms *dms, const YamlNode *at, const char *text, const char **out)
{
    char *glob = arena_bytes_alloc(dms->arena, strlen(text) * 2 + 1), *to = glob;
    for (const char *p = text; *p != '\0'; p++) {
        const char *end = *p == '[' ? strchr(p, ']') : NULL;
        if (*p == '[' && (end == NULL || end == p + 1))
            return DMS_FAIL(dms, at, "'%s' has a '[' without characters and ']' behind it", text);
        if (end == p + 2) {
            if (strchr("%*\\", p[1]) != NULL)
                *to++ = '\\';
            *to++ = p[1];
            p = end;
        } else if (end != NULL) {
            *to++ = GLOB_SET;
            for (p++; p < end; p++) {
                if ((unsigned char)*p >= 0x80)
                    return DMS_FAIL(dms, at, "'%s': a set holds ASCII characters only", text);
                *to++ = *p;
            }
            *to++ = GLOB_SET_END;
        } else if (*p == '_') {
            *to++ = GLOB_ONE;
        } else {
            if (*p == '*' || *p == '\\')
                *to++ = '\\';
            *to++ = *p;
        }
    }
    *to = '\0';
    *out = glob;
    return true;
}

typedef struct Locator {
    const YamlNode *node;
    const char *schema, *table, *column;                /* globs; NULL not given */
    const char *schema_text, *table_text, *column_text; /* as written */
} Locator;

static bool read_part(Dms *dms, const YamlNode *map, const char *key, const char **out_text,
                      const char **out_glob)
{
    if (!dms_read_text(dms, map, key, out_text))
        return false;
    *out_glob = NULL;
    return *out_text == NULL || read_glob(dms, dms_node_of(map, key), *out_text, out_glob);
}

static bool read_locator(Dms *dms, const YamlNode *rule, const char *const *known, Locator *out)
{
    const YamlPair *pair = dms_find_key(rule, "object-locator");
    if (pair == NULL || pair->value->kind != YAML_MAP)
        return DMS_FAIL(dms, pair == NULL ? rule : pair->value,
                        "'object-locator' with names is missing");
    *out = (Locator){.node = pair->value};
    const char *schema;
    return dms_check_keys(dms, pair->value, "'object-locator'", known) &&
           dms_need_text(dms, pair->value, "schema-name", &schema) &&
           read_part(dms, pair->value, "schema-name", &out->schema_text, &out->schema) &&
           read_part(dms, pair->value, "table-name", &out->table_text, &out->table) &&
           read_part(dms, pair->value, "column-name", &out->column_text, &out->column);
}

/* Selection ------------------------------------------------------------------------------------- */

/* Tables are loaded by their foreign keys, and all of them before anything else: rows come out the same. */
static bool read_order(Dms *dms, const YamlNode *rule)
{
    const char *order;
    char *end;
    if (!dms_read_text(dms, rule, "load-order", &order))
        return false;
    if (order == NULL || strcmp(order, "0") == 0)
        return true;
    const YamlNode *at = dms_node_of(rule, "load-order");
    if (strtoll(order, &end, 10) < 0 || *end != '\0' || end == order)
        return DMS_FAIL(dms, at, "'load-order' is a number from 0 on, not '%s'", order);
    dms->out->warnings[dms->out->warning_count++] = arena_printf(
        dms->arena,
        "%s:%d:%d: rule %s: load-order is taken as a wish: tables are loaded in the order of their "
        "foreign keys",
        dms->name, at->line, at->column, dms->id);
    return true;
}

static bool read_selection(Dms *dms, const YamlNode *rule)
{
    static const char *const KNOWN[] = {"rule-type",   "rule-id",        "rule-name",  "filters",
                                        "rule-action", "object-locator", "load-order", NULL};
    static const char *const LOCATOR[] = {"schema-name", "table-name", "table-type", NULL};
    Locator at;
    const char *action, *type;
    if (!dms_check_keys(dms, rule, "a selection rule", KNOWN) ||
        !read_locator(dms, rule, LOCATOR, &at) ||
        !dms_need_text(dms, rule, "rule-action", &action) ||
        !dms_read_text(dms, at.node, "table-type", &type) || !read_order(dms, rule))
        return false;
    bool exclude = strcmp(action, "exclude") == 0, explicit = strcmp(action, "explicit") == 0;
    if (!exclude && !explicit && strcmp(action, "include") != 0)
        return DMS_FAIL(dms, dms_node_of(rule, "rule-action"),
                        "'rule-action' of a selection is include, exclude or explicit, not '%s'",
                        action);
    if (at.table == NULL)
        return DMS_FAIL(dms, at.node, "'table-name' is missing");
    if (type != NULL && strcmp(type, "table") != 0)
        return DMS_FAIL(dms, dms_node_of(at.node, "table-type"),
                        "'table-type' %s is not supported: views hold no rows", type);
    if (explicit && (rules_glob_has_wildcard(at.schema) || rules_glob_has_wildcard(at.table)))
        return DMS_FAIL(dms, at.node, "'explicit' names one table, without wildcards");
    if (!rules_read_dms_filters(dms, rule, exclude, at.schema, at.table))
        return false;
    dms->out->patterns[dms->out->pattern_count++] = (RulePattern){
        .schema = at.schema,
        .table = at.table,
        .exclude = exclude,
        .text = arena_printf(dms->arena, "rule %s (%s.%s)", dms->id, at.schema_text, at.table_text),
    };
    return true;
}

/* Transformation -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    NameAction action;
    bool value, old_value, front;
} ACTIONS[] = {
    {"rename", NAME_TO, true, false, false},
    {"add-prefix", NAME_AFFIX, true, false, true},
    {"remove-prefix", NAME_AFFIX, true, false, true},
    {"replace-prefix", NAME_AFFIX, true, true, true},
    {"add-suffix", NAME_AFFIX, true, false, false},
    {"remove-suffix", NAME_AFFIX, true, false, false},
    {"replace-suffix", NAME_AFFIX, true, true, false},
    {"convert-lowercase", NAME_LOWER, false, false, false},
    {"convert-uppercase", NAME_UPPER, false, false, false},
};

static const struct {
    const char *name, *why;
} REFUSED[] = {
    {"define-primary-key", "keys are made with the target's schema"},
    {"add-before-image-columns", "the target holds rows, not their history"},
    {"data-masking-digits-mask", "values are moved as they are"},
    {"data-masking-digits-randomize", "values are moved as they are"},
    {"data-masking-hash-mask", "values are moved as they are"},
};

static bool unknown_action(Dms *dms, const YamlNode *rule, const char *action)
{
    const YamlNode *at = dms_node_of(rule, "rule-action");
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (strcmp(REFUSED[i].name, action) == 0)
            return DMS_FAIL(dms, at, "'rule-action' %s is not supported: %s", action,
                            REFUSED[i].why);
    return DMS_FAIL(dms, at, "'rule-action' %s is not known", action);
}

static NameChange affix_change(size_t a, const char *value, const char *old)
{
    bool removes = strncmp(ACTIONS[a].name, "remove", 6) == 0;
    const char *cut = removes ? value : ACTIONS[a].old_value ? old : "";
    const char *put = removes ? "" : value;
    return (NameChange){.action = NAME_AFFIX,
                        .cut_front = ACTIONS[a].front ? cut : "",
                        .put_front = ACTIONS[a].front ? put : "",
                        .cut_back = ACTIONS[a].front ? "" : cut,
                        .put_back = ACTIONS[a].front ? "" : put};
}

static bool read_change(Dms *dms, const YamlNode *rule, const char *action, NameChange *out)
{
    const char *value, *old;
    if (!dms_read_text(dms, rule, "value", &value) || !dms_read_text(dms, rule, "old-value", &old))
        return false;
    for (size_t a = 0; a < sizeof ACTIONS / sizeof *ACTIONS; a++) {
        if (strcmp(ACTIONS[a].name, action) != 0)
            continue;
        if (ACTIONS[a].value && (value == NULL || (*value == '\0' && !ACTIONS[a].old_value)))
            return DMS_FAIL(dms, rule, "'%s' needs a 'value'", action);
        if (ACTIONS[a].old_value && (old == NULL || *old == '\0'))
            return DMS_FAIL(dms, rule, "'%s' needs an 'old-value'", action);
        if (!ACTIONS[a].value && value != NULL && *value != '\0')
            return DMS_FAIL(dms, dms_node_of(rule, "value"), "'%s' takes no 'value'", action);
        if (!ACTIONS[a].old_value && old != NULL && *old != '\0')
            return DMS_FAIL(dms, dms_node_of(rule, "old-value"), "'%s' takes no 'old-value'",
                            action);
        *out = ACTIONS[a].action == NAME_AFFIX
                   ? affix_change(a, value, old)
                   : (NameChange){.action = ACTIONS[a].action, .to = value};
        return true;
    }
    return unknown_action(dms, rule, action);
}

/* Columns ---------------------------------------------------------------------------------------- */

/* The types that DMS calls so. Their lengths are those of the target's columns. */
static const struct {
    const char *name, *types;
} DATA_TYPES[] = {
    {"int1", "int2"},
    {"int2", "int2"},
    {"int4", "int4"},
    {"int8", "int8"},
    {"uint1", "int2"},
    {"uint2", "int4"},
    {"uint4", "int8"},
    {"uint8", "numeric"},
    {"numeric", "numeric"},
    {"real4", "float4"},
    {"real8", "float8"},
    {"string", "varchar,text,bpchar"},
    {"wstring", "varchar,text,bpchar"},
    {"clob", "text"},
    {"nclob", "text"},
    {"blob", "bytea"},
    {"bytes", "bytea"},
    {"boolean", "bool"},
    {"date", "date"},
    {"time", "time"},
    {"datetime", "timestamp,timestamptz"},
};

static bool read_data_type(Dms *dms, const YamlNode *rule, const char **out)
{
    static const char *const KNOWN[] = {"type", "length", "precision", "scale", NULL};
    const YamlPair *pair = dms_find_key(rule, "data-type");
    const char *type;
    if (pair == NULL || pair->value->kind != YAML_MAP)
        return DMS_FAIL(dms, rule, "'data-type' with a 'type' is missing");
    if (!dms_check_keys(dms, pair->value, "'data-type'", KNOWN) ||
        !dms_need_text(dms, pair->value, "type", &type))
        return false;
    for (size_t i = 0; i < sizeof DATA_TYPES / sizeof *DATA_TYPES; i++) {
        if (strcmp(DATA_TYPES[i].name, type) != 0)
            continue;
        *out = DATA_TYPES[i].types;
        return true;
    }
    return DMS_FAIL(dms, dms_node_of(pair->value, "type"), "'type' %s is not supported", type);
}

static bool read_added(Dms *dms, const YamlNode *rule, RuleColumn *out)
{
    const char *value, *expression, *types;
    if (!dms_need_text(dms, rule, "value", &value) ||
        !dms_read_text(dms, rule, "expression", &expression) ||
        (dms_find_key(rule, "data-type") != NULL && !read_data_type(dms, rule, &types)))
        return false;
    out->column = value;
    return expression == NULL || expression_parse(dms->arena, expression, &out->value, dms->err) ||
           (dms_rule_context(dms),
            err_context(dms->err, "%s:%d:%d", dms->name, dms_node_of(rule, "expression")->line,
                        dms_node_of(rule, "expression")->column));
}

static const struct {
    const char *name;
    ColumnAction action;
} COLUMN_ACTIONS[] = {
    {"remove-column", COLUMN_OMIT},
    {"include-column", COLUMN_ONLY},
    {"add-column", COLUMN_ADD},
    {"change-data-type", COLUMN_TYPE},
};

/* *out_done false: it is an action about names. */
static bool read_column_rule(Dms *dms, const YamlNode *rule, const char *target, const char *action,
                             const Locator *at, bool *out_done)
{
    static const char *const OTHERS[] = {"old-value", "primary-key-def", "before-image-def"};
    RuleColumn made = {.schema = at->schema, .table = at->table, .column = at->column};
    size_t a = 0, actions = sizeof COLUMN_ACTIONS / sizeof *COLUMN_ACTIONS;
    while (a < actions && strcmp(COLUMN_ACTIONS[a].name, action) != 0)
        a++;
    *out_done = a < actions;
    if (!*out_done)
        return true;
    made.action = COLUMN_ACTIONS[a].action;
    bool adds = made.action == COLUMN_ADD, retypes = made.action == COLUMN_TYPE;
    if (strcmp(target, "column") != 0)
        return DMS_FAIL(dms, dms_node_of(rule, "rule-target"), "'%s' has the 'rule-target' column",
                        action);
    if (at->table == NULL || (!adds && at->column == NULL))
        return DMS_FAIL(dms, at->node, "'%s' is missing",
                        at->table == NULL ? "table-name" : "column-name");
    if (adds && at->column != NULL)
        return DMS_FAIL(dms, dms_node_of(at->node, "column-name"),
                        "the name of an added column stands in 'value'");
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (dms_find_key(rule, OTHERS[i]) != NULL)
            return DMS_FAIL(dms, dms_node_of(rule, OTHERS[i]), "'%s' does not belong to '%s'",
                            OTHERS[i], action);
    for (size_t i = 0; i < 2 && !adds; i++) {
        const char *key = i == 0 ? "value" : "expression";
        const YamlNode *node = dms_node_of(rule, key);
        if (node != rule && node->kind != YAML_NULL)
            return DMS_FAIL(dms, node, "'%s' does not belong to '%s'", key, action);
    }
    if (!adds && !retypes && dms_find_key(rule, "data-type") != NULL)
        return DMS_FAIL(dms, dms_node_of(rule, "data-type"), "'data-type' does not belong to '%s'",
                        action);
    if ((adds && !read_added(dms, rule, &made)) ||
        (retypes && !read_data_type(dms, rule, &made.types)))
        return false;
    made.text = arena_printf(dms->arena, "rule %s (%s)", dms->id, action);
    made.place = arena_printf(dms->arena, "%s:%d:%d", dms->name, rule->line, rule->column);
    dms->out->columns[dms->out->column_count++] = made;
    return true;
}

static bool read_transformation(Dms *dms, const YamlNode *rule)
{
    static const char *const KNOWN[] = {"rule-type",   "rule-id",         "rule-name",
                                        "rule-action", "rule-target",     "value",
                                        "old-value",   "object-locator",  "data-type",
                                        "expression",  "primary-key-def", "before-image-def",
                                        NULL};
    static const char *const LOCATOR[] = {
        "schema-name",           "table-name", "column-name", "table-tablespace-name",
        "index-tablespace-name", "data-type",  NULL};
    static const char *const OURS[] = {"data-type", "expression", "primary-key-def",
                                       "before-image-def"};
    Locator at;
    const char *action, *target;
    RuleRename rename = {0};
    NameChange change;
    if (!dms_check_keys(dms, rule, "a transformation rule", KNOWN) ||
        !dms_need_text(dms, rule, "rule-target", &target) ||
        !dms_need_text(dms, rule, "rule-action", &action) || !read_locator(dms, rule, LOCATOR, &at))
        return false;
    bool schema = strcmp(target, "schema") == 0, table = strcmp(target, "table") == 0,
         column = strcmp(target, "column") == 0;
    if (!schema && !table && !column)
        return DMS_FAIL(dms, dms_node_of(rule, "rule-target"),
                        strstr(target, "tablespace") != NULL
                            ? "'rule-target' %s is not supported: tablespaces are the target's"
                            : "'rule-target' is schema, table or column, not '%s'",
                        target);
    bool done = false;
    if (dms_find_key(at.node, "data-type") != NULL)
        return DMS_FAIL(dms, dms_node_of(at.node, "data-type"),
                        "'data-type' in 'object-locator' is not supported: name the columns");
    if (!read_column_rule(dms, rule, target, action, &at, &done))
        return false;
    if (done)
        return true;
    if (!read_change(dms, rule, action, &change))
        return false;
    for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
        if (dms_find_key(rule, OURS[i]) != NULL)
            return DMS_FAIL(dms, dms_node_of(rule, OURS[i]), "'%s' says nothing about a name",
                            OURS[i]);
    if (!schema && at.table == NULL)
        return DMS_FAIL(dms, at.node, "'table-name' is missing");
    if (column != (at.column != NULL))
        return DMS_FAIL(dms, at.node,
                        column ? "'column-name' is missing"
                               : "'column-name' belongs to 'rule-target' column");
    rename.text = arena_printf(dms->arena, "rule %s (%s %s)", dms->id, action, target);
    rename.place = arena_printf(dms->arena, "%s:%d:%d", dms->name, rule->line, rule->column);
    rename.schema = at.schema;
    rename.table = at.table != NULL ? at.table : "%";
    rename.column = at.column;
    *(schema ? &rename.to_schema : table ? &rename.to_table : &rename.to_column) = change;
    dms->out->renames[dms->out->rename_count++] = rename;
    return true;
}

/* Table settings -------------------------------------------------------------------------------- */

static bool read_settings(Dms *dms, const YamlNode *rule)
{
    static const char *const KNOWN[] = {
        "rule-type",     "rule-id",      "rule-name", "object-locator",
        "parallel-load", "lob-settings", NULL};
    static const char *const LOCATOR[] = {"schema-name", "table-name", NULL};
    Locator at;
    if (!dms_check_keys(dms, rule, "a table-settings rule", KNOWN) ||
        !read_locator(dms, rule, LOCATOR, &at))
        return false;
    if (dms_find_key(rule, "parallel-load") != NULL)
        dms->out->warnings[dms->out->warning_count++] =
            arena_printf(dms->arena,
                         "%s:%d:%d: rule %s: parallel-load is not needed, large tables are cut by "
                         "load.chunk_size",
                         dms->name, rule->line, rule->column, dms->id);
    if (dms_find_key(rule, "lob-settings") != NULL)
        dms->out->warnings[dms->out->warning_count++] =
            arena_printf(dms->arena,
                         "%s:%d:%d: rule %s: lob-settings are not needed, values of any size move "
                         "whole",
                         dms->name, rule->line, rule->column, dms->id);
    return true;
}

/* The file -------------------------------------------------------------------------------------- */

static bool read_id(Dms *dms, const YamlNode *rule)
{
    const char *id;
    dms->id = NULL;
    if (!dms_need_text(dms, rule, "rule-id", &id))
        return false;
    for (int i = 0; i < dms->id_count; i++)
        if (strcmp(dms->ids[i], id) == 0)
            return DMS_FAIL(dms, dms_node_of(rule, "rule-id"), "rule-id '%s' is given twice", id);
    dms->ids[dms->id_count++] = id;
    dms->id = id;
    return true;
}

static bool read_rule(Dms *dms, const YamlNode *rule)
{
    const char *type;
    if (rule->kind != YAML_MAP)
        return DMS_FAIL(dms, rule, "a rule is an object of names and values");
    if (!read_id(dms, rule) || !dms_need_text(dms, rule, "rule-type", &type))
        return false;
    if (strcmp(type, "selection") == 0)
        return read_selection(dms, rule);
    if (strcmp(type, "transformation") == 0)
        return read_transformation(dms, rule);
    if (strcmp(type, "table-settings") == 0)
        return read_settings(dms, rule);
    return DMS_FAIL(dms, dms_node_of(rule, "rule-type"), "'rule-type' %s is not supported", type);
}

static bool read_rules(Dms *dms, const YamlNode *list)
{
    size_t room = (size_t)list->count + 1;
    dms->ids = arena_new_array(dms->arena, const char *, room);
    dms->out->patterns = arena_new_array(dms->arena, RulePattern, room);
    dms->out->renames = arena_new_array(dms->arena, RuleRename, room);
    dms->out->columns = arena_new_array(dms->arena, RuleColumn, room);
    dms->out->filters = arena_new_array(dms->arena, RuleFilter, room);
    dms->out->warnings = arena_new_array(dms->arena, const char *, 2 * room);
    for (int i = 0; i < list->count; i++)
        if (!read_rule(dms, list->items[i]))
            return false;
    dms->id = NULL;
    bool filters = false;
    for (int i = 0; i < dms->out->filter_count; i++)
        filters = filters || dms->out->filters[i].condition != NULL;
    if (!filters)
        dms->out->filter_count = 0;
    for (int i = 0; i < dms->out->pattern_count; i++)
        if (!dms->out->patterns[i].exclude)
            return true;
    return DMS_FAIL(dms, list, "no selection rule includes anything");
}

static bool check_json(const char *name, const char *text, size_t len, Error *err)
{
    json_error_t problem;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL)
        return ERR(err, ERR_CONFIG, "%s:%d:%d: %s", name, problem.line, problem.column,
                   problem.text);
    json_decref(json);
    return true;
}

bool rules_read_dms(Arena *arena, const char *name, const char *text, size_t len, DmsRules *out,
                    Error *err)
{
    static const char *const KNOWN[] = {"rules", NULL};
    YamlNode *root = NULL;
    *out = (DmsRules){0};
    Dms dms = {.arena = arena, .name = name, .out = out, .err = err};
    if (!check_json(name, text, len, err) || !yaml_tree_parse(arena, name, text, len, &root, err) ||
        !dms_check_keys(&dms, root, "the file", KNOWN))
        return false;
    const YamlPair *rules = dms_find_key(root, "rules");
    if (rules == NULL || rules->value->kind != YAML_LIST)
        return DMS_FAIL(&dms, root, "'rules' with a list is missing");
    return read_rules(&dms, rules->value);
}

/* rules_dms_filters - the source filters of a selection rule of AWS DMS, as a condition: of one filter
 * one of its conditions must hold, and so of each filter. Values are texts that the column's type reads. */
#include <string.h>

#include "bascule/base/buf.h"
#include "config/options.h"
#include "config/rules_dms_internal.h"

typedef enum Takes { TAKES_NOTHING, TAKES_VALUE, TAKES_BOTH_ENDS } Takes;

static const struct {
    const char *name, *sql;
    Takes takes;
} OPERATORS[] = {
    {"eq", "=", TAKES_VALUE},
    {"noteq", "<>", TAKES_VALUE},
    {"gte", ">=", TAKES_VALUE},
    {"lte", "<=", TAKES_VALUE},
    {"ste", "<=", TAKES_VALUE},
    {"between", "between", TAKES_BOTH_ENDS},
    {"notbetween", "not between", TAKES_BOTH_ENDS},
    {"null", "is null", TAKES_NOTHING},
    {"notnull", "is not null", TAKES_NOTHING},
};
#define OPERATOR_COUNT ((int)(sizeof OPERATORS / sizeof *OPERATORS))

static void put_quoted(Buf *out, char quote, const char *text)
{
    buf_putc(out, quote);
    for (; *text != '\0'; text++) {
        if (*text == quote)
            buf_putc(out, quote);
        buf_putc(out, *text);
    }
    buf_putc(out, quote);
}

static bool read_operator(Dms *dms, const YamlNode *condition, int *out)
{
    const char *names[OPERATOR_COUNT], *name;
    if (!dms_need_text(dms, condition, "filter-operator", &name))
        return false;
    for (*out = 0; *out < OPERATOR_COUNT; ++*out) {
        names[*out] = OPERATORS[*out].name;
        if (strcmp(names[*out], name) == 0)
            return true;
    }
    const char *near = option_nearest(name, names, OPERATOR_COUNT);
    return DMS_FAIL(dms, dms_node_of(condition, "filter-operator"),
                    "'filter-operator' '%s' is not known%s%s%s", name,
                    near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
                    near != NULL ? "'?" : "");
}

/* A value that its operator does not take would be passed over. */
static bool read_value(Dms *dms, const YamlNode *condition, const char *key, bool takes,
                       const char *operator, const char ** out)
{
    if (!dms_read_text(dms, condition, key, out))
        return false;
    if (takes && *out == NULL)
        return DMS_FAIL(dms, condition, "'%s' needs '%s'", operator, key);
    if (!takes && *out != NULL)
        return DMS_FAIL(dms, dms_node_of(condition, key), "'%s' takes no '%s'", operator, key);
    return true;
}

static bool put_condition(Dms *dms, const YamlNode *condition, const char *column, Buf *out)
{
    static const char *const KNOWN[] = {"filter-operator", "value", "start-value", "end-value",
                                        NULL};
    int at;
    const char *value, *first, *last;
    if (condition->kind != YAML_MAP)
        return DMS_FAIL(dms, condition, "a filter condition is an object of names and values");
    if (!dms_check_keys(dms, condition, "a filter condition", KNOWN) ||
        !read_operator(dms, condition, &at))
        return false;
    const char *name = OPERATORS[at].name;
    bool both = OPERATORS[at].takes == TAKES_BOTH_ENDS;
    if (!read_value(dms, condition, "value", OPERATORS[at].takes == TAKES_VALUE, name, &value) ||
        !read_value(dms, condition, "start-value", both, name, &first) ||
        !read_value(dms, condition, "end-value", both, name, &last))
        return false;
    buf_putc(out, '$');
    put_quoted(out, '"', column);
    buf_printf(out, " %s", OPERATORS[at].sql);
    if (value != NULL || both) {
        buf_putc(out, ' ');
        put_quoted(out, '\'', both ? first : value);
    }
    if (both) {
        buf_puts(out, " and ");
        put_quoted(out, '\'', last);
    }
    return true;
}

static bool put_filter(Dms *dms, const YamlNode *filter, Buf *out)
{
    static const char *const KNOWN[] = {"filter-type", "column-name", "filter-conditions", NULL};
    const char *type, *column;
    if (filter->kind != YAML_MAP)
        return DMS_FAIL(dms, filter, "a filter is an object of names and values");
    if (!dms_check_keys(dms, filter, "a filter", KNOWN) ||
        !dms_need_text(dms, filter, "filter-type", &type) ||
        !dms_need_text(dms, filter, "column-name", &column))
        return false;
    if (strcmp(type, "source") != 0)
        return DMS_FAIL(dms, dms_node_of(filter, "filter-type"),
                        "'filter-type' is source, not '%s'", type);
    const YamlPair *conditions = dms_find_key(filter, "filter-conditions");
    if (conditions == NULL || conditions->value->kind != YAML_LIST || conditions->value->count == 0)
        return DMS_FAIL(dms, dms_node_of(filter, "filter-conditions"),
                        "'filter-conditions' with at least one condition is missing");
    for (int i = 0; i < conditions->value->count; i++) {
        buf_puts(out, i == 0 ? "(" : " or ");
        if (!put_condition(dms, conditions->value->items[i], column, out))
            return false;
    }
    buf_putc(out, ')');
    return true;
}

/* DMS takes filters of tables that are named exactly, and in an include only. */
static bool filters_fit(Dms *dms, const YamlNode *filters, bool exclude, const char *schema,
                        const char *table)
{
    if (exclude)
        return DMS_FAIL(dms, filters,
                        "'filters' belong to 'include', an excluded table has no rows");
    if (rules_glob_has_wildcard(schema) || rules_glob_has_wildcard(table))
        return DMS_FAIL(dms, filters, "'filters' need the name of one table, without wildcards");
    return true;
}

bool rules_read_dms_filters(Dms *dms, const YamlNode *rule, bool exclude, const char *schema,
                            const char *table)
{
    const YamlPair *pair = dms_find_key(rule, "filters");
    const YamlNode *filters = pair != NULL ? pair->value : NULL;
    CLEANUP_BUF Buf text = BUF_INIT;
    bool none = filters == NULL || filters->kind == YAML_NULL;
    if (!none && filters->kind != YAML_LIST)
        return DMS_FAIL(dms, filters, "'filters' is a list");
    if (none || filters->count == 0) {
        /* Another rule that filters a table named here as exactly would contradict this one. */
        if (exclude || rules_glob_has_wildcard(schema) || rules_glob_has_wildcard(table))
            return true;
        none = true;
    }
    if (!none && !filters_fit(dms, filters, exclude, schema, table))
        return false;
    for (int i = 0; !none && i < filters->count; i++) {
        if (i > 0)
            buf_puts(&text, " and ");
        if (!put_filter(dms, filters->items[i], &text))
            return false;
    }
    RuleFilter *out = &dms->out->filters[dms->out->filter_count++];
    const YamlNode *at = none ? rule : filters;
    *out = (RuleFilter){
        .place = arena_printf(dms->arena, "%s:%d:%d", dms->name, at->line, at->column),
        .text = arena_printf(dms->arena, "rule %s (%s)", dms->id, none ? "all rows" : "filters"),
        .schema = schema,
        .table = table,
    };
    return none || expression_parse(dms->arena, buf_str(&text), &out->condition, dms->err) ||
           (dms_rule_context(dms), err_context(dms->err, "%s", out->place));
}

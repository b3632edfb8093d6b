/* rules - see bascule/model/rules.h. The backslashes of a pattern stay in it: in a glob they quote
 * the character behind them, so '\.' and '\%' need no second form. */
#include "bascule/model/rules.h"

#include <string.h>

static bool is_wild(char c)
{
    return c == '%' || c == '*';
}

/* Greedy, with one point to come back to: no recursion, whatever the pattern. */
static bool glob_match(const char *glob, const char *text)
{
    const char *star = NULL, *retry = NULL;

    for (;;) {
        if (is_wild(*glob)) {
            star = ++glob;
            retry = text;
            continue;
        }
        if (*text != '\0') {
            const char *literal = glob[0] == '\\' && glob[1] != '\0' ? glob + 1 : glob;
            if (*literal == *text) {
                glob = literal + 1;
                text++;
                continue;
            }
        } else if (*glob == '\0') {
            return true;
        }
        if (star == NULL || *retry == '\0')
            return false;
        text = ++retry;
        glob = star;
    }
}

bool rules_select(Rules *rules, const char *schema, const char *table)
{
    bool has_includes = false, included = false, excluded = false;

    for (int i = 0; i < rules->count; i++) {
        RulePattern *pattern = &rules->patterns[i];
        bool matches = glob_match(pattern->schema, schema) && glob_match(pattern->table, table);
        pattern->matched += matches;
        if (pattern->exclude) {
            excluded = excluded || matches;
        } else {
            has_includes = true;
            included = included || matches;
        }
    }
    return (included || !has_includes) && !excluded;
}

const char *rules_target_schema(const Rules *rules, const char *schema, const char *table)
{
    (void)rules;
    (void)table;
    return schema;
}

const char *rules_target_table(const Rules *rules, const char *schema, const char *table)
{
    (void)rules;
    (void)schema;
    return table;
}

const char *rules_target_column(const Rules *rules, const char *schema, const char *table,
                                const char *column)
{
    (void)rules;
    (void)schema;
    (void)table;
    return column;
}

static bool has_wildcard(const char *glob)
{
    for (; *glob != '\0'; glob++) {
        if (is_wild(*glob))
            return true;
        if (glob[0] == '\\' && glob[1] != '\0')
            glob++;
    }
    return false;
}

bool rules_pattern_has_wildcard(const RulePattern *pattern)
{
    return has_wildcard(pattern->schema) || has_wildcard(pattern->table);
}

bool rules_parse_pattern(Arena *arena, const char *text, bool exclude, RulePattern *out_pattern,
                         Error *err)
{
    const char *dot = NULL;
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\') {
            if (++i == len)
                return ERR(err, ERR_CONFIG, "pattern '%s' ends with a backslash", text);
        } else if (text[i] == '.') {
            if (dot != NULL) {
                ERR(err, ERR_CONFIG, "pattern '%s' has more than one dot", text);
                return err_hint(err, "Write a dot that belongs to a name as '\\.'.");
            }
            dot = text + i;
        }
    }
    if (dot == NULL || dot == text || dot[1] == '\0') {
        ERR(err, ERR_CONFIG, "pattern '%s' is not schema.table", text);
        return err_hint(err, "Write 'schema.table' or 'schema.*', without quotes.");
    }
    *out_pattern = (RulePattern){
        .schema = arena_dup(arena, text, (size_t)(dot - text)),
        .table = arena_strdup(arena, dot + 1),
        .exclude = exclude,
        .text = arena_strdup(arena, text),
    };
    return true;
}

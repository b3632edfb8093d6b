/* rules - see bascule/model/rules.h. The backslashes of a pattern stay in it: in a glob they quote
 * the character behind them, so '\.' and '\%' need no second form. */
#include "bascule/model/rules.h"

#include <string.h>

static bool is_wild(char c)
{
    return c == '%' || c == '*';
}

/* One whole character of UTF-8, or one byte of what is none. */
static size_t character(const char *text)
{
    size_t len = 1;
    if ((text[0] & 0xC0) == 0xC0)
        while (len < 4 && (text[len] & 0xC0) == 0x80)
            len++;
    return len;
}

static bool set_has(const char *set, const char *end, char c)
{
    for (const char *p = set; p < end; p++) {
        if (p + 2 < end && p[1] == '-') {
            if ((unsigned char)*p <= (unsigned char)c && (unsigned char)c <= (unsigned char)p[2])
                return true;
            p += 2;
        } else if (*p == c) {
            return true;
        }
    }
    return false;
}

/* Moves both on when what stands at *glob, which is no '%', fits what stands at *text. */
static bool match_one(const char **glob, const char **text)
{
    const char *g = *glob, *set_end;
    if (*g == GLOB_ONE) {
        *text += character(*text);
        *glob = g + 1;
        return true;
    }
    if (*g == GLOB_SET && (set_end = strchr(g, GLOB_SET_END)) != NULL) {
        if (!set_has(g + 1, set_end, **text))
            return false;
        *glob = set_end + 1;
    } else {
        const char *literal = g[0] == '\\' && g[1] != '\0' ? g + 1 : g;
        if (*literal != **text)
            return false;
        *glob = literal + 1;
    }
    ++*text;
    return true;
}

/* Greedy, with one point to come back to: no recursion, whatever the pattern. */
bool rules_glob_match(const char *glob, const char *text)
{
    const char *star = NULL, *retry = NULL;

    for (;;) {
        if (is_wild(*glob)) {
            star = ++glob;
            retry = text;
            continue;
        }
        if (*text != '\0') {
            if (match_one(&glob, &text))
                continue;
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
        bool matches =
            rules_glob_match(pattern->schema, schema) && rules_glob_match(pattern->table, table);
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

bool rules_glob_has_wildcard(const char *glob)
{
    for (; *glob != '\0'; glob++) {
        if (is_wild(*glob) || *glob == GLOB_SET)
            return true;
        if (glob[0] == '\\' && glob[1] != '\0')
            glob++;
    }
    return false;
}

bool rules_pattern_has_wildcard(const RulePattern *pattern)
{
    return rules_glob_has_wildcard(pattern->schema) || rules_glob_has_wildcard(pattern->table);
}

const char *rules_next_part(Arena *arena, const char *text, const char **end)
{
    const char *p = text;
    for (; *p != '\0' && *p != '.'; p++)
        if (p[0] == '\\' && p[1] != '\0')
            p++;
    *end = p;
    return p == text ? NULL : arena_dup(arena, text, (size_t)(p - text));
}

const char *rules_quote_glob(Arena *arena, const char *name)
{
    char *out = arena_bytes_alloc(arena, strlen(name) * 2 + 1), *to = out;
    for (; *name != '\0'; name++) {
        if (is_wild(*name) || *name == '\\' || *name == GLOB_ONE || *name == GLOB_SET)
            *to++ = '\\';
        *to++ = *name;
    }
    *to = '\0';
    return out;
}

const char *rules_unquote_glob(Arena *arena, const char *glob)
{
    char *out = arena_bytes_alloc(arena, strlen(glob) + 1), *to = out;
    for (; *glob != '\0'; glob++) {
        if (glob[0] == '\\' && glob[1] != '\0')
            glob++;
        *to++ = *glob;
    }
    *to = '\0';
    return out;
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

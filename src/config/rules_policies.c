/* rules_policies - see the header. */
#include "config/rules_policies.h"

#include <string.h>

static const char LATEST[] = "latest(";

static bool fail_line(const char *place, const char *text, const char *what, Error *err)
{
    ERR(err, ERR_CONFIG, "'%s': %s", text, what);
    err_hint(err, "Write 'schema.table -> POLICY' with error, keep-target, take-source or "
                  "latest(column), and behind a comma keep-extra or numbers-of-one-side; %% or * "
                  "stand for any characters of a name.");
    return err_context(err, "%s", place);
}

static const char *cut(Arena *arena, const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return arena_dup(arena, from, (size_t)(end - from));
}

static bool read_word(Arena *arena, const char *word, RuleConflict *out)
{
    size_t len = strlen(word), front = sizeof LATEST - 1;
    if (strncmp(word, LATEST, front) == 0 && len > front + 1 && word[len - 1] == ')') {
        out->policy = CONFLICT_LATEST;
        out->column = cut(arena, word + front, word + len - 1);
        return out->column[0] != '\0';
    }
    for (int p = 0; p < CONFLICT_POLICY_COUNT; p++) {
        out->policy = (ConflictPolicy)p;
        if (p != CONFLICT_LATEST && strcmp(word, conflict_policy_name(out->policy)) == 0)
            return true;
    }
    return false;
}

/* What may stand behind the policy, each behind a comma. */
static bool read_more(Arena *arena, const char *p, RuleConflict *out)
{
    while (*p == ',') {
        const char *end = strchr(p + 1, ',');
        end = end != NULL ? end : p + strlen(p);
        const char *word = cut(arena, p + 1, end);
        bool *flag = strcmp(word, "keep-extra") == 0            ? &out->keep_extra
                     : strcmp(word, "numbers-of-one-side") == 0 ? &out->one_side_numbers
                                                                : NULL;
        if (flag == NULL || *flag)
            return false;
        *flag = true;
        p = end;
    }
    return true;
}

/* Where the policy's word ends: a column's name may hold a comma. */
static const char *end_of_policy(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    const char *close = strncmp(p, LATEST, sizeof LATEST - 1) == 0 ? strrchr(p, ')') : NULL;
    const char *comma = strchr(close != NULL ? close : p, ',');
    return comma != NULL ? comma : p + strlen(p);
}

bool rules_read_policy(Arena *arena, const char *text, const char *place, RuleConflict *out,
                       Error *err)
{
    const char *arrow = strstr(text, "->");
    if (arrow == NULL)
        return fail_line(place, text, "it is not TABLES -> POLICY", err);
    RuleConflict rule = {.text = arena_printf(arena, "'%s'", text), .place = place};
    const char *p = cut(arena, text, arrow);
    rule.schema = rules_next_part(arena, p, &p);
    rule.table = rule.schema != NULL && *p == '.' ? rules_next_part(arena, p + 1, &p) : NULL;
    if (rule.table == NULL || *p != '\0')
        return fail_line(place, text, "its left side is not schema.table", err);
    const char *end = end_of_policy(arrow + 2);
    if (!read_word(arena, cut(arena, arrow + 2, end), &rule))
        return fail_line(place, text, "its right side is no policy", err);
    if (!read_more(arena, end, &rule))
        return fail_line(place, text, "what stands behind the policy is not known", err);
    *out = rule;
    return true;
}

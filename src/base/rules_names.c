/* rules_names - how tables and columns are called on the other side (bascule/model/rules.h). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "bascule/model/rules.h"

#define NAME_BYTES 63

/* Changing one name ----------------------------------------------------------------------------- */

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* Only ASCII: what other letters become depends on a locale. */
static bool fold(Arena *arena, const RuleRename *rule, const char *name, int (*letter)(int),
                 const char **out, Error *err)
{
    if (!is_ascii(name)) {
        ERR(err, ERR_CONFIG, "%s: %s: the case of '%s' depends on a locale", rule->place,
            rule->text, name);
        return err_hint(err, "Rename it by a rule of its own.");
    }
    char *folded = arena_dup(arena, name, strlen(name));
    for (char *p = folded; *p != '\0'; p++)
        *p = (char)letter((unsigned char)*p);
    *out = folded;
    return true;
}

static const char *affix(Arena *arena, const NameChange *change, const char *name)
{
    size_t len = strlen(name), front = strlen(change->cut_front), back = strlen(change->cut_back);
    if (len < front + back || memcmp(name, change->cut_front, front) != 0 ||
        memcmp(name + len - back, change->cut_back, back) != 0)
        return name;
    return arena_printf(arena, "%s%.*s%s", change->put_front, (int)(len - front - back),
                        name + front, change->put_back);
}

static bool change_name(Arena *arena, const RuleRename *rule, const NameChange *change,
                        const char *name, const char **out, Error *err)
{
    switch (change->action) {
    case NAME_KEEP:
        *out = name;
        return true;
    case NAME_TO:
        *out = change->to;
        break;
    case NAME_AFFIX:
        *out = affix(arena, change, name);
        break;
    case NAME_LOWER:
        if (!fold(arena, rule, name, tolower, out, err))
            return false;
        break;
    case NAME_UPPER:
        if (!fold(arena, rule, name, toupper, out, err))
            return false;
        break;
    }
    if (**out == '\0')
        return ERR(err, ERR_CONFIG, "%s: %s leaves nothing of the name '%s'", rule->place,
                   rule->text, name);
    if (strlen(*out) > NAME_BYTES)
        return ERR(err, ERR_CONFIG, "%s: %s makes '%s' longer than the %d bytes of a name: '%s'",
                   rule->place, rule->text, name, NAME_BYTES, *out);
    return true;
}

/* Finding the rule ------------------------------------------------------------------------------ */

typedef enum Level { OF_SCHEMA, OF_TABLE, OF_COLUMN } Level;

static const NameChange *change_of(const RuleRename *rule, Level level)
{
    return level == OF_SCHEMA  ? &rule->to_schema
           : level == OF_TABLE ? &rule->to_table
                               : &rule->to_column;
}

static int exact_parts(const RuleRename *rule)
{
    return !rules_glob_has_wildcard(rule->schema) + !rules_glob_has_wildcard(rule->table) +
           (rule->column != NULL && !rules_glob_has_wildcard(rule->column));
}

/* table NULL: the schema as a whole, which only rules about all its tables fit. */
static bool fits(const RuleRename *rule, const char *schema, const char *table, const char *column)
{
    if ((rule->column != NULL) != (column != NULL) || !rules_glob_match(rule->schema, schema))
        return false;
    if (table == NULL)
        return strcmp(rule->table, "%") == 0 || strcmp(rule->table, "*") == 0;
    return rules_glob_match(rule->table, table) &&
           (column == NULL || rules_glob_match(rule->column, column));
}

static bool contradict(const RuleRename *a, const RuleRename *b, const char *schema,
                       const char *table, const char *column, Error *err)
{
    ERR(err, ERR_CONFIG, "%s: %s contradicts %s (%s) about %s%s%s%s%s", b->place, b->text, a->text,
        a->place, schema, table != NULL ? "." : "", table != NULL ? table : "",
        column != NULL ? "." : "", column != NULL ? column : "");
    return err_hint(err, "Of the rules for a name those with the fewest wildcards are taken, and "
                         "they must agree.");
}

/* Of the rules that fit the ones with fewest wildcards decide, and they must agree. */
static bool name_level(const Rules *rules, Arena *arena, Level level, const char *schema,
                       const char *table, const char *column, const char **out, Error *err)
{
    const char *name = level == OF_SCHEMA ? schema : level == OF_TABLE ? table : column;
    const RuleRename *best = NULL;
    int best_parts = -1;
    *out = name;
    for (int i = 0; i < rules->rename_count; i++) {
        const RuleRename *rule = &rules->renames[i];
        const NameChange *change = change_of(rule, level);
        const char *changed;
        int parts = exact_parts(rule);
        if (change->action == NAME_KEEP || parts < best_parts || !fits(rule, schema, table, column))
            continue;
        if (!change_name(arena, rule, change, name, &changed, err))
            return false;
        if (parts == best_parts && strcmp(changed, *out) != 0)
            return contradict(best, rule, schema, table, column, err);
        best = rule;
        best_parts = parts;
        *out = changed;
    }
    return true;
}

/* Twins ----------------------------------------------------------------------------------------- */

static int compare_twins(const void *a, const void *b)
{
    const RuleTwin *x = a, *y = b;
    int order = strcmp(x->schema, y->schema);
    return order != 0 ? order : strcmp(x->table, y->table);
}

const RuleTwin *rules_twin(const Rules *rules, const char *schema, const char *table)
{
    RuleTwin key = {.schema = schema, .table = table};
    return bsearch(&key, rules->twins, (size_t)rules->twin_count, sizeof key, compare_twins);
}

/* Asking ---------------------------------------------------------------------------------------- */

static void count_matches(const Rules *rules, const char *schema, const char *table,
                          const char *column)
{
    for (int i = 0; i < rules->rename_count; i++)
        rules->renames[i].matched += fits(&rules->renames[i], schema, table, column);
}

bool rules_name_table(const Rules *rules, Arena *arena, const char *schema, const char *table,
                      const char **out_schema, const char **out_table, Error *err)
{
    *out_schema = schema;
    *out_table = table;
    if (rules == NULL)
        return true;
    if (rules->twins != NULL) {
        const RuleTwin *twin = rules_twin(rules, schema, table);
        *out_schema = twin != NULL ? twin->to_schema : schema;
        *out_table = twin != NULL ? twin->to_table : table;
        return true;
    }
    count_matches(rules, schema, table, NULL);
    return name_level(rules, arena, OF_SCHEMA, schema, table, NULL, out_schema, err) &&
           name_level(rules, arena, OF_TABLE, schema, table, NULL, out_table, err);
}

bool rules_name_column(const Rules *rules, Arena *arena, const char *schema, const char *table,
                       const char *column, const char **out_column, Error *err)
{
    *out_column = column;
    if (rules == NULL)
        return true;
    if (rules->twins != NULL) {
        const RuleTwin *twin = rules_twin(rules, schema, table);
        for (int i = 0; twin != NULL && i < twin->column_count; i++)
            if (strcmp(twin->columns[i], column) == 0)
                *out_column = twin->to_columns[i];
        return true;
    }
    count_matches(rules, schema, table, column);
    return name_level(rules, arena, OF_COLUMN, schema, table, column, out_column, err);
}

bool rules_name_schema(const Rules *rules, Arena *arena, const char *schema,
                       const char **out_schema, Error *err)
{
    *out_schema = schema;
    return rules == NULL ||
           name_level(rules, arena, OF_SCHEMA, schema, NULL, NULL, out_schema, err);
}

/* mapped - see the header. */
#include "source/mapped.h"

#include <stdlib.h>
#include <string.h>

bool mapped_tables_distinct(const Relations *rels, Error *err)
{
    Map seen = MAP_INIT;
    Arena *scratch = arena_new(0);
    bool ok = true;
    for (int i = 0; ok && i < rels->count; i++) {
        Relation *rel = rels->all[i];
        size_t schema = strlen(rel->target_schema) + 1, name = strlen(rel->target_name);
        char *key = arena_bytes_alloc(scratch, schema + name);
        memcpy(key, rel->target_schema, schema);
        memcpy(key + schema, rel->target_name, name);
        const Relation *other = map_get(&seen, key, schema + name);
        if (other != NULL) {
            ERR(err, ERR_CONFIG, "tables '%s' and '%s' would both be '%s.%s' on the target",
                other->display, rel->display, rel->target_schema, rel->target_name);
            ok = err_hint(err, "Change the rules, or leave one of them out.");
        }
        map_put(&seen, key, schema + name, rel);
    }
    map_done(&seen);
    arena_free(scratch);
    return ok;
}

static bool columns_collide(const Relation *rel, const char *one, const char *other,
                            const char *target, Error *err)
{
    ERR(err, ERR_CONFIG, "columns '%s' and '%s' of table '%s' would both be '%s' on the target",
        one, other, rel->display, target);
    return err_hint(err, "Change the rules: a name can be given once in a table.");
}

bool mapped_columns_distinct(const Relation *rel, Error *err)
{
    int total = rel->column_count + rel->generated_count;
    for (int i = 0; i < total; i++) {
        bool own = i < rel->column_count;
        const char *name = own ? rel->columns[i].name : rel->generated[i - rel->column_count];
        const char *target =
            own ? rel->columns[i].target_name : rel->target_generated[i - rel->column_count];
        if (target == name)
            continue; /* not renamed: a renamed one finds it */
        for (int j = 0; j < total; j++) {
            bool theirs = j < rel->column_count;
            const char *other =
                theirs ? rel->columns[j].name : rel->generated[j - rel->column_count];
            const char *there =
                theirs ? rel->columns[j].target_name : rel->target_generated[j - rel->column_count];
            if (j != i && strcmp(there, target) == 0)
                return columns_collide(rel, name, other, target, err);
        }
    }
    return true;
}

bool mapped_differs(const Relation *rel)
{
    if (strcmp(rel->schema, rel->target_schema) != 0 || strcmp(rel->name, rel->target_name) != 0)
        return true;
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].name, rel->columns[i].target_name) != 0)
            return true;
    for (int i = 0; i < rel->generated_count; i++)
        if (strcmp(rel->generated[i], rel->target_generated[i]) != 0)
            return true;
    return false;
}

/* The way back --------------------------------------------------------------------------------- */

static RuleTwin turned(Arena *arena, const Relation *rel)
{
    RuleTwin twin = {
        .schema = arena_strdup(arena, rel->target_schema),
        .table = arena_strdup(arena, rel->target_name),
        .to_schema = arena_strdup(arena, rel->schema),
        .to_table = arena_strdup(arena, rel->name),
    };
    int total = rel->column_count + rel->generated_count;
    twin.columns = arena_new_array(arena, const char *, total + 1);
    twin.to_columns = arena_new_array(arena, const char *, total + 1);
    for (int i = 0; i < rel->column_count; i++) {
        twin.columns[twin.column_count] = arena_strdup(arena, rel->columns[i].target_name);
        twin.to_columns[twin.column_count++] = arena_strdup(arena, rel->columns[i].name);
    }
    for (int i = 0; i < rel->generated_count; i++) {
        twin.columns[twin.column_count] = arena_strdup(arena, rel->target_generated[i]);
        twin.to_columns[twin.column_count++] = arena_strdup(arena, rel->generated[i]);
    }
    return twin;
}

static int by_name(const void *a, const void *b)
{
    const RuleTwin *x = a, *y = b;
    int order = strcmp(x->schema, y->schema);
    return order != 0 ? order : strcmp(x->table, y->table);
}

void mapped_turn_names(Arena *arena, const Relations *rels, Rules *rules)
{
    RuleTwin *twins = arena_new_array(arena, RuleTwin, rels->count + 1);
    for (int i = 0; i < rels->count; i++)
        twins[i] = turned(arena, rels->all[i]);
    qsort(twins, (size_t)rels->count, sizeof *twins, by_name);
    rules->twins = twins;
    rules->twin_count = rels->count;
}

Rules mapped_turned_rules(Arena *arena, const Relations *rels)
{
    Rules rules = {.patterns = arena_new_array(arena, RulePattern, rels->count + 1)};
    for (int i = 0; i < rels->count; i++)
        rules.patterns[rules.count++] = (RulePattern){
            .schema = rules_quote_glob(arena, rels->all[i]->target_schema),
            .table = rules_quote_glob(arena, rels->all[i]->target_name),
            .text = rels->all[i]->display,
        };
    mapped_turn_names(arena, rels, &rules);
    return rules;
}

Rules mapped_schemas(Arena *arena, const Relations *rels, bool target)
{
    Rules rules = {.patterns = arena_new_array(arena, RulePattern, rels->count + 1)};
    Map seen = MAP_INIT;
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        const char *schema = target ? rel->target_schema : rel->schema;
        if (map_get(&seen, schema, strlen(schema)) != NULL)
            continue;
        map_put(&seen, schema, strlen(schema), rel);
        rules.patterns[rules.count++] =
            (RulePattern){.schema = rules_quote_glob(arena, schema), .table = "%", .text = schema};
    }
    map_done(&seen);
    return rules;
}

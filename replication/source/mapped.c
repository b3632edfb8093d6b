/* mapped - see the header. */
#include "source/mapped.h"

#include <stdlib.h>
#include <string.h>

#include "sqltext/reading.h"

#define TEXT_OID 25

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

/* Added columns have a name of their own, which no rule gave: it may be that of another one. */
bool mapped_columns_distinct(const Relation *rel, Error *err)
{
    int total = rel->column_count + rel->generated_count;
    for (int i = 0; i < total; i++) {
        bool own = i < rel->column_count;
        const char *name = own ? rel->columns[i].name : rel->generated[i - rel->column_count];
        const char *target =
            own ? rel->columns[i].target_name : rel->target_generated[i - rel->column_count];
        if (target == name && (!own || rel->columns[i].value == NULL))
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
    if (rel->target_left_out_count > 0)
        return true;
    for (int i = 0; i < rel->column_count; i++)
        if (rel->columns[i].other_types != NULL ||
            strcmp(rel->columns[i].name, rel->columns[i].target_name) != 0)
            return true;
    for (int i = 0; i < rel->generated_count; i++)
        if (strcmp(rel->generated[i], rel->target_generated[i]) != 0)
            return true;
    return false;
}

static bool in_list(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list;; p += strcspn(p, ",") + 1) {
        if (strcspn(p, ",") == len && memcmp(p, name, len) == 0)
            return true;
        if (p[strcspn(p, ",")] == '\0')
            return false;
    }
}

bool mapped_type_fits(const Column *col, const char *schema, const char *name, const char *text)
{
    if (col->value != NULL || (col->other_types != NULL && *col->other_types == '\0'))
        return true;
    if (col->other_types != NULL && in_list(col->other_types, name))
        return true;
    return strcmp(text, col->type_text) == 0 && strcmp(name, col->type_name) == 0 &&
           strcmp(schema, col->type_schema) == 0;
}

/* Columns that are added ------------------------------------------------------------------------- */

static int find_sent(const Relation *rel, const char *name)
{
    for (int i = 0; i < relation_sent(rel); i++)
        if (strcmp(rel->columns[i].name, name) == 0)
            return i;
    return -1;
}

static bool no_operand(const char *rule, const Relation *rel, const char *name, const char *why,
                       Error *err)
{
    return ERR(err, ERR_CONFIG, "%s: column '%s' of table '%s' %s", rule, name, rel->display, why);
}

static bool holds_text(const Column *col)
{
    static const uint32_t TEXTS[] = {19, 25, 1042, 1043}; /* name, text, bpchar, varchar */
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        if (col->base_type_oid == TEXTS[i])
            return true;
    return false;
}

/* The target evaluates it too, over its own columns: so these must be there, and mean the same. */
static bool find_operands(Arena *arena, const Expression *of, const char *rule, const Relation *rel,
                          int **out_operands, const bool **out_texts, Error *err)
{
    bool *texts = arena_new_array(arena, bool, of->count);
    int *operands = arena_new_array(arena, int, of->count);
    *out_operands = operands;
    *out_texts = texts;
    for (int i = 0; i < of->count; i++) {
        const ExpressionPiece *piece = &of->pieces[i];
        operands[i] = -1;
        if (piece->kind != PIECE_COLUMN)
            continue;
        int at = operands[i] = find_sent(rel, piece->text);
        if (at < 0)
            return no_operand(
                rule, rel, piece->text,
                relation_leaves_out(rel, piece->text) ? "is left out" : "is none of its own", err);
        if (rel->columns[at].other_types != NULL)
            return no_operand(rule, rel, piece->text, "has another type on the target", err);
        texts[i] = holds_text(&rel->columns[at]);
    }
    return true;
}

/* The way back adds none; what it must leave alone on the other side, its twin knows. */
static void take_twin(Arena *arena, const Rules *rules, Relation *rel)
{
    const RuleTwin *twin = rules_twin(rules, rel->schema, rel->name);
    rel->target_left_out_count = twin != NULL ? twin->to_left_out_count : 0;
    rel->target_left_out = arena_new_array(arena, const char *, rel->target_left_out_count + 1);
    for (int i = 0; i < rel->target_left_out_count; i++)
        rel->target_left_out[i] = arena_strdup(arena, twin->to_left_out[i]);
}

bool mapped_add_columns(Arena *arena, const Rules *rules, Relation *rel, Error *err)
{
    int count = 0;
    if (rules != NULL && rules->twins != NULL)
        take_twin(arena, rules, rel);
    if (rules == NULL || rules->column_count == 0)
        return true;
    const RuleColumn **added = arena_new_array(arena, const RuleColumn *, rules->column_count);
    if (!rules_columns_added(rules, rel->schema, rel->name, added, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        const RuleColumn *rule = added[i];
        const char *name = arena_strdup(arena, rule->column);
        rel->column_rule = arena_printf(arena, "%s: %s", rule->place, rule->text);
        rel->target_left_out[rel->target_left_out_count++] = name;
        for (int c = 0; rule->value == NULL && c < relation_sent(rel); c++)
            if (strcmp(rel->columns[c].target_name, name) == 0)
                return columns_collide(rel, rel->columns[c].name, name, name, err);
        if (rule->value == NULL)
            continue; /* the target's own affair */
        Column *col = &rel->columns[rel->column_count++];
        rel->added_count++;
        *col = (Column){.name = name,
                        .target_name = name,
                        .type_oid = TEXT_OID,
                        .base_type_oid = TEXT_OID,
                        .typmod = -1,
                        .type_schema = "pg_catalog",
                        .type_name = "text",
                        .type_text = "text",
                        .rule = rel->column_rule,
                        .value = expression_renamed(arena, rule->value, 0, NULL, NULL)};
        if (!find_operands(arena, col->value, col->rule, rel, &col->operands, &col->texts, err))
            return false;
    }
    return true;
}

/* Rows that move --------------------------------------------------------------------------------- */

static bool is_time(const Column *col)
{
    static const uint32_t TIMES[] = {1082, 1083, 1114, 1184, 1266}; /* date ... timetz */
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++)
        if (col->base_type_oid == TIMES[i])
            return true;
    return false;
}

/* Rows would move in and out without being changed. */
static bool stands_still(const Relation *rel, Error *err)
{
    bool time = false;
    for (int i = 0; i < rel->filter->count; i++)
        time = time ||
               (rel->filter_operands[i] >= 0 && is_time(&rel->columns[rel->filter_operands[i]]));
    const char *word = time ? expression_clock_word(rel->filter) : NULL;
    return word == NULL || ERR(err, ERR_CONFIG, "%s: '%s' is another moment whenever it is read",
                               rel->filter_rule, word);
}

bool mapped_filter_rows(Arena *arena, const Rules *rules, Relation *rel, Error *err)
{
    const Expression *condition;
    bool any = false;
    if (!rules_filter_part(rules, arena, rel->schema, rel->name, rel->partition_of_schema,
                           rel->partition_of, &condition, &rel->filter_rule, err))
        return false;
    if (condition == NULL)
        return true;
    rel->filter = expression_renamed(arena, condition, 0, NULL, NULL);
    for (int i = 0; i < condition->count; i++)
        any = any || condition->pieces[i].kind == PIECE_COLUMN;
    if (!any)
        return ERR(err, ERR_CONFIG, "%s: the condition names no column", rel->filter_rule);
    return find_operands(arena, rel->filter, rel->filter_rule, rel, &rel->filter_operands,
                         &rel->filter_texts, err) &&
           stands_still(rel, err);
}

bool mapped_misses_filter(const Relations *rels, const Relation *rel)
{
    if (!rel->is_partition || rel->filter != NULL || rel->copied_shape != NULL)
        return false;
    for (int i = 0; i < rels->count; i++)
        if (rels->all[i]->is_partition && rels->all[i]->parent_oid == rel->parent_oid &&
            rels->all[i]->filter != NULL)
            return true;
    return false;
}

bool mapped_cuts_reference(const Relations *rels, const ForeignKey *fk)
{
    return fk->to_id >= 0 && rels->all[fk->to_id]->filter != NULL &&
           rels->all[fk->from_id]->filter == NULL;
}

static void put_rows(SqlText *st, const Relation *rel)
{
    sqltext_put(st, " FROM ");
    if (!rel->is_root)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, rel->schema, rel->name);
    reading_where(st, rel, true, NULL);
}

bool mapped_try_filter(PgConn *source, const Relation *rel, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (rel->filter == NULL)
        return true;
    sqltext_put(&st, "SELECT");
    put_rows(&st, rel);
    sqltext_put(&st, " LIMIT 0");
    if (pgconn_query(source, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return true;
    /* Wrong names and types (42), texts that are no value of the column's type (22). */
    if ((memcmp(err->sqlstate, "42", 2) == 0 || memcmp(err->sqlstate, "22", 2) == 0) &&
        err->cls != ERR_PRIVILEGE)
        err->cls = ERR_CONFIG;
    return err_context(err, "%s: table '%s'", rel->filter_rule, rel->display);
}

void mapped_put_any_row(SqlText *st, const Relation *rel)
{
    sqltext_put(st, "SELECT EXISTS (SELECT");
    put_rows(st, rel);
    sqltext_put(st, ")");
}

/* A row of nulls is enough to find out what operators and functions there are. */
bool mapped_try_values(PgConn *source, const Relation *rel, Error *err)
{
    for (int i = relation_sent(rel); i < rel->column_count; i++) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        CLEANUP_PGROWS PgRows *rows = NULL;
        sqltext_put(&st, "SELECT ");
        reading_column(&st, &rel->columns[i], rel, true, "t");
        sqltext_put(&st, " FROM ");
        sqltext_qualified(&st, rel->schema, rel->name);
        sqltext_put(&st, " AS t LIMIT 0");
        if (pgconn_query(source, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
            continue;
        if (err->sqlstate[0] != '\0' && memcmp(err->sqlstate, "42", 2) == 0 &&
            err->cls != ERR_PRIVILEGE)
            err->cls = ERR_CONFIG;
        return err_context(err, "%s: column '%s' of table '%s'", rel->columns[i].rule,
                           rel->columns[i].name, rel->display);
    }
    return true;
}

static bool is_integer(uint32_t type_oid)
{
    return type_oid == 20 || type_oid == 21 || type_oid == 23; /* int8, int2, int4 */
}

/* Keys are looked up and put in order on both sides: those of integers are the same there. */
static bool key_types_fit(const Relation *rel, Error *err)
{
    for (int k = 0; k < rel->key_count; k++) {
        const Column *col = &rel->columns[rel->key[k]];
        if (col->other_types == NULL)
            continue;
        if (!is_integer(col->type_oid) ||
            (*col->other_types != '\0' &&
             strspn(col->other_types, "int248,") != strlen(col->other_types)))
            return ERR(err, ERR_CONFIG,
                       "column '%s' of table '%s' is part of its key: its type can only change "
                       "from one integer type to another",
                       col->name, rel->display);
    }
    return true;
}

bool mapped_key_travels(const Relation *rel, Error *err)
{
    const char *rule = rel->column_rule != NULL ? rel->column_rule : "the way back";
    if (!key_types_fit(rel, err))
        return false;
    if (rel->left_out_count == 0 && rel->added_count == 0)
        return true;
    if (rel->left_out_key != NULL) {
        ERR(err, ERR_CONFIG, "%s: column '%s' of table '%s' is part of its key", rule,
            rel->left_out_key, rel->display);
        return err_hint(err, "Columns of the key cannot be left out.");
    }
    if (!rel->key_unique || rel->key_count == 0) {
        ERR(err, ERR_CONFIG,
            "%s: table '%s' has no key, so rows that differ in this column only could not be "
            "told apart",
            rule, rel->display);
        return err_hint(err, "Give it a primary key, or let all its columns go.");
    }
    return true;
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
    int total = relation_sent(rel) + rel->generated_count;
    bool *retyped = arena_new_array(arena, bool, total + 1);
    twin.retyped = retyped;
    twin.columns = arena_new_array(arena, const char *, total + 1);
    twin.to_columns = arena_new_array(arena, const char *, total + 1);
    twin.left_out = arena_new_array(arena, const char *, rel->target_left_out_count + 1);
    for (int i = 0; i < rel->target_left_out_count; i++)
        twin.left_out[twin.left_out_count++] = arena_strdup(arena, rel->target_left_out[i]);
    twin.to_left_out = arena_new_array(arena, const char *, rel->left_out_count + 1);
    for (int i = 0; i < rel->left_out_count; i++)
        twin.to_left_out[twin.to_left_out_count++] = arena_strdup(arena, rel->left_out[i]);
    for (int i = 0; i < relation_sent(rel); i++) {
        retyped[twin.column_count] = rel->columns[i].other_types != NULL;
        twin.columns[twin.column_count] = arena_strdup(arena, rel->columns[i].target_name);
        twin.to_columns[twin.column_count++] = arena_strdup(arena, rel->columns[i].name);
    }
    for (int i = 0; i < rel->generated_count; i++) {
        twin.columns[twin.column_count] = arena_strdup(arena, rel->target_generated[i]);
        twin.to_columns[twin.column_count++] = arena_strdup(arena, rel->generated[i]);
    }
    if (rel->filter != NULL) {
        twin.filter = expression_renamed(arena, rel->filter, twin.column_count, twin.to_columns,
                                         twin.columns);
        twin.filter_rule = arena_strdup(arena, rel->filter_rule);
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

/*
 * verify_orphans - rows whose foreign key points nowhere.
 *
 * What is asked    the foreign keys of both sides, one that only one side has on the other too, and
 *                  those that no constraint names (verify_references.h). One that both sides have
 *                  is the same when it holds the same columns, whatever it is called.
 * How              by the constraint's own operators, under the snapshots; a table that was truncated
 *                  or rewritten behind its snapshot reads as empty, so that it is asked again.
 */
#include <stdio.h>
#include <string.h>

#include "sql_files.h"
#include "sqltext/reading.h"
#include "verify/arrays.h"
#include "verify/verify_internal.h"

typedef struct ReferencePair {
    const char *from, *to;
    const char *operator_schema, *operator_name;
    const char *from_schema, *from_type; /* compared as this type; NULL: its own */
    const char *to_schema, *to_type;
} ReferencePair;

typedef struct ReferenceSide {
    bool named;  /* a constraint stands there */
    bool absent; /* the side lacks the table or a column */
    bool validated;
    const char *parent_schema, *parent_name;
    ReferencePair pairs[REFERENCE_COLUMNS];
    char refused[160]; /* what the server said instead of an answer */
    int64_t orphans;   /* -1: not asked */
    const char *example;
} ReferenceSide;

struct Reference {
    TablePlan *table;
    const Relation *parent; /* NULL: not a table that moves by itself */
    const char *name;
    bool by_rule;
    int columns;
    ReferenceSide side[SIDE_COUNT];
    bool done;
};

/* Names on the other side --------------------------------------------------------------------------- */

static const char *const OPERATOR = "=";

/* NULL: the other side has no such column. */
static const char *column_across(const Relation *rel, const char *name, int from_side)
{
    bool source = from_side == SIDE_SOURCE;
    if (rel == NULL)
        return name;
    for (int c = 0; c < rel->column_count; c++) {
        const Column *column = &rel->columns[c];
        if (strcmp(source ? column->name : column->target_name, name) == 0 && column->value == NULL)
            return source ? column->target_name : column->name;
    }
    for (int g = 0; g < rel->generated_count; g++)
        if (strcmp(source ? rel->generated[g] : rel->target_generated[g], name) == 0)
            return source ? rel->target_generated[g] : rel->generated[g];
    return NULL;
}

static bool parent_across(VerifyRun *run, Reference *ref, int from_side, Error *err)
{
    const ReferenceSide *from = &ref->side[from_side];
    ReferenceSide *to = &ref->side[1 - from_side];
    const Relation *parent = ref->parent;
    bool source = from_side == SIDE_SOURCE;
    if (parent != NULL) {
        to->parent_schema = source ? parent->target_schema : parent->schema;
        to->parent_name = source ? parent->target_name : parent->name;
        return true;
    }
    to->parent_schema = from->parent_schema;
    to->parent_name = from->parent_name;
    return !source || run->spec.names == NULL ||
           rules_name_table(run->spec.names, run->arena, from->parent_schema, from->parent_name,
                            &to->parent_schema, &to->parent_name, err);
}

static void compared_as(const Relation *rel, const char *name, int side, const char **out_schema,
                        const char **out_type)
{
    for (int c = 0; rel != NULL && c < rel->column_count; c++) {
        const Column *column = &rel->columns[c];
        if (strcmp(side == SIDE_SOURCE ? column->name : column->target_name, name) != 0)
            continue;
        *out_schema = side == SIDE_SOURCE ? column->base_schema : column->target_base_schema;
        *out_type = side == SIDE_SOURCE ? column->base_name : column->target_base_name;
    }
}

/* What one side says of a reference is said of the other side too, in its names. */
static bool fill_other(VerifyRun *run, Reference *ref, int from_side, Error *err)
{
    ReferenceSide *from = &ref->side[from_side], *to = &ref->side[1 - from_side];
    for (int i = 0; i < ref->columns; i++) {
        ReferencePair *pair = &to->pairs[i];
        *pair =
            (ReferencePair){.from = column_across(ref->table->rel, from->pairs[i].from, from_side),
                            .to = column_across(ref->parent, from->pairs[i].to, from_side),
                            .operator_schema = from->pairs[i].operator_schema,
                            .operator_name = from->pairs[i].operator_name};
        to->absent = to->absent || pair->from == NULL || pair->to == NULL;
    }
    if (!parent_across(run, ref, from_side, err))
        return false;
    for (int side = 0; side < SIDE_COUNT; side++)
        for (int i = 0; !to->absent && i < ref->columns; i++) {
            ReferencePair *pair = &ref->side[side].pairs[i];
            compared_as(ref->table->rel, pair->from, side, &pair->from_schema, &pair->from_type);
            compared_as(ref->parent, pair->to, side, &pair->to_schema, &pair->to_type);
        }
    return true;
}

/* The list ---------------------------------------------------------------------------------------- */

static const Relation *relation_named(const VerifyRun *run, int side, const char *schema,
                                      const char *name)
{
    const Relations *rels = run->spec.rels;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        bool source = side == SIDE_SOURCE;
        if (strcmp(source ? rel->schema : rel->target_schema, schema) == 0 &&
            strcmp(source ? rel->name : rel->target_name, name) == 0)
            return rel;
    }
    return NULL;
}

static bool same_on_side(const Reference *a, const Reference *b, int side)
{
    const ReferenceSide *x = &a->side[side], *y = &b->side[side];
    if (a->table != b->table || a->columns != b->columns || x->absent || y->absent ||
        strcmp(x->parent_schema, y->parent_schema) != 0 ||
        strcmp(x->parent_name, y->parent_name) != 0)
        return false;
    for (int i = 0; i < a->columns; i++)
        if (strcmp(x->pairs[i].from, y->pairs[i].from) != 0 ||
            strcmp(x->pairs[i].to, y->pairs[i].to) != 0)
            return false;
    return true;
}

/* The last of the list is one that stands there already: what it says of `side` is kept there. */
static void merge_last(VerifyRun *run, int side)
{
    const Reference *last = &run->references[run->reference_count - 1];
    for (Reference *ref = run->references; ref < last; ref++) {
        if (!same_on_side(ref, last, side))
            continue;
        if (last->side[side].named && !ref->side[side].named)
            ref->side[side] = last->side[side];
        else if (last->side[side].named)
            ref->side[side].validated = ref->side[side].validated || last->side[side].validated;
        run->reference_count--;
        return;
    }
}

/* The rows [first, end) are the columns of one constraint. */
static bool take_constraint(VerifyRun *run, int side, const PgRows *rows, int first, int end,
                            Error *err)
{
    Arena *arena = run->arena;
    Reference *ref = &run->references[run->reference_count++];
    *ref = (Reference){.table = &run->plans[pgrows_i64(rows, first, 0) - 1],
                       .name = arena_strdup(arena, pgrows_text(rows, first, 2)),
                       .columns = end - first};
    ReferenceSide *here = &ref->side[side];
    here->named = true;
    here->validated = pgrows_bool(rows, first, 5);
    here->parent_schema = arena_strdup(arena, pgrows_text(rows, first, 3));
    here->parent_name = arena_strdup(arena, pgrows_text(rows, first, 4));
    ref->parent = relation_named(run, side, here->parent_schema, here->parent_name);
    for (int i = 0; i < ref->columns; i++)
        here->pairs[i] =
            (ReferencePair){.from = arena_strdup(arena, pgrows_text(rows, first + i, 6)),
                            .to = arena_strdup(arena, pgrows_text(rows, first + i, 7)),
                            .operator_schema = arena_strdup(arena, pgrows_text(rows, first + i, 8)),
                            .operator_name = arena_strdup(arena, pgrows_text(rows, first + i, 9))};
    if (!fill_other(run, ref, side, err))
        return false;
    merge_last(run, side);
    return true;
}

static bool take_constraints(VerifyRun *run, int side, const PgRows *rows, Error *err)
{
    for (int first = 0, count = pgrows_count(rows); first < count;) {
        int end = first + 1;
        while (end < count && pgrows_i64(rows, end, 0) == pgrows_i64(rows, first, 0) &&
               pgrows_i64(rows, end, 1) == pgrows_i64(rows, first, 1))
            end++;
        if (!take_constraint(run, side, rows, first, end, err))
            return false;
        first = end;
    }
    return true;
}

static bool ask_constraints(VerifyRun *run, int side, PgRows **out_rows, Error *err)
{
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    arrays_begin(&schemas);
    arrays_begin(&names);
    for (int i = 0; i < run->plan_count; i++) {
        const Relation *rel = run->plans[i].rel;
        arrays_put_text(&schemas, side == SIDE_SOURCE ? rel->schema : rel->target_schema);
        arrays_put_text(&names, side == SIDE_SOURCE ? rel->name : rel->target_name);
    }
    return pgconn_query(run->probe[side], SQL_VERIFY_FOREIGN_KEYS,
                        PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names))),
                        out_rows, err) ||
           err_context(err, "reading foreign keys");
}

/* No constraint says by which operators, and whether the columns are there at all. */
static bool take_operators(VerifyRun *run, Reference *ref, int side, Error *err)
{
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    ReferenceSide *here = &ref->side[side];
    arrays_begin(&names);
    for (int i = 0; i < ref->columns; i++)
        arrays_put_text(&names, here->pairs[i].to);
    if (!pgconn_query(run->probe[side], SQL_VERIFY_EQUALITY,
                      PG_PARAMS(PG_TEXT(here->parent_schema), PG_TEXT(here->parent_name),
                                PG_TEXT(arrays_end(&names))),
                      &rows, err))
        return false;
    if (pgrows_count(rows) != ref->columns)
        return ERR(err, ERR_CONFIG,
                   "verify.references: '%s': the %s has no table '%s.%s' with these columns",
                   ref->name, pgconn_side(run->probe[side]), here->parent_schema,
                   here->parent_name);
    for (int i = 0; i < ref->columns; i++) {
        here->pairs[i].operator_schema = arena_strdup(run->arena, pgrows_text(rows, i, 0));
        here->pairs[i].operator_name = OPERATOR;
    }
    return true;
}

static TablePlan *plan_of(VerifyRun *run, const Relation *rel)
{
    for (int i = 0; i < run->plan_count; i++)
        if (run->plans[i].rel == rel)
            return &run->plans[i];
    return NULL;
}

static bool take_rule(VerifyRun *run, const VerifyReference *rule, Error *err)
{
    TablePlan *table = plan_of(run, rule->child);
    if (table == NULL)
        return true;
    Reference *ref = &run->references[run->reference_count++];
    *ref = (Reference){.table = table,
                       .parent = rule->parent,
                       .name = rule->text,
                       .by_rule = true,
                       .columns = rule->columns};
    ReferenceSide *source = &ref->side[SIDE_SOURCE];
    source->parent_schema = rule->parent_schema;
    source->parent_name = rule->parent_name;
    for (int i = 0; i < rule->columns; i++)
        source->pairs[i] = (ReferencePair){.from = rule->from[i], .to = rule->to[i]};
    if (!fill_other(run, ref, SIDE_SOURCE, err) || !take_operators(run, ref, SIDE_SOURCE, err) ||
        !take_operators(run, ref, SIDE_TARGET, err))
        return false;
    merge_last(run, SIDE_SOURCE);
    return true;
}

static void begin_report(VerifyRun *run)
{
    VerifyReport *report = run->report;
    report->orphans = arena_new_array(run->arena, VerifyOrphans, run->reference_count + 1);
    report->orphan_count = run->reference_count;
    for (int i = 0; i < run->reference_count; i++) {
        Reference *ref = &run->references[i];
        report->orphans[i] = (VerifyOrphans){
            .table = ref->table->rel->display,
            .constraint = ref->name,
            .references = arena_printf(run->arena, "%s.%s", ref->side[SIDE_SOURCE].parent_schema,
                                       ref->side[SIDE_SOURCE].parent_name),
            .note = "not looked at",
            .source = -1,
            .target = -1,
            .example = ""};
    }
}

static bool read_references(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    const VerifySpec *spec = &run->spec;
    if (!ask_constraints(run, SIDE_SOURCE, &source, err) ||
        !ask_constraints(run, SIDE_TARGET, &target, err))
        return false;
    run->references =
        arena_new_array(run->arena, Reference,
                        pgrows_count(source) + pgrows_count(target) + spec->reference_count + 1);
    run->reference_count = 0;
    bool ok = take_constraints(run, SIDE_SOURCE, source, err) &&
              take_constraints(run, SIDE_TARGET, target, err);
    for (int i = 0; ok && i < spec->reference_count; i++)
        ok = take_rule(run, &spec->references[i], err);
    if (!ok) {
        run->references = NULL;
        return false;
    }
    begin_report(run);
    return true;
}

/* Asking ------------------------------------------------------------------------------------------ */

static void put_operand(SqlText *st, const char *column, const char *schema, const char *type)
{
    sqltext_ident(st, column);
    if (type == NULL)
        return;
    sqltext_put(st, "::");
    sqltext_qualified(st, schema, type);
}

static void put_orphans(SqlText *st, const Reference *ref, int side)
{
    const Relation *child = ref->table->rel;
    const ReferenceSide *here = &ref->side[side];
    sqltext_put(st, " FROM ");
    if (child->has_children)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, side == SIDE_SOURCE ? child->schema : child->target_schema,
                      side == SIDE_SOURCE ? child->name : child->target_name);
    sqltext_put(st, " c WHERE NOT EXISTS (SELECT FROM ");
    /* A foreign key does not look at tables that inherit from the one it names. */
    if (ref->parent != NULL && ref->parent->has_children)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, here->parent_schema, here->parent_name);
    sqltext_put(st, " p WHERE ");
    for (int i = 0; i < ref->columns; i++) {
        const ReferencePair *pair = &here->pairs[i];
        if (i > 0)
            sqltext_put(st, " AND ");
        sqltext_put(st, "p.");
        put_operand(st, pair->to, pair->to_schema, pair->to_type);
        sqltext_put(st, " OPERATOR(");
        sqltext_ident(st, pair->operator_schema);
        sqltext_put(st, ".");
        sqltext_deparsed(st, pair->operator_name);
        sqltext_put(st, ") c.");
        put_operand(st, pair->from, pair->from_schema, pair->from_type);
    }
    sqltext_put(st, ")");
    for (int i = 0; i < ref->columns; i++) {
        sqltext_put(st, " AND c.");
        sqltext_ident(st, here->pairs[i].from);
        sqltext_put(st, " IS DISTINCT FROM NULL");
    }
    /* A parent that stays behind is missing on the target: its children are told there. */
    bool first = false;
    reading_filter(st, child, side == SIDE_SOURCE, "c", &first);
}

static bool count_orphans(VerifyRun *run, Reference *ref, int side, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SELECT pg_catalog.count(*)");
    put_orphans(&st, ref, side);
    if (!pgconn_query(run->probe[side], sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    ref->side[side].orphans = pgrows_i64(rows, 0, 0);
    return true;
}

static bool read_example(VerifyRun *run, Reference *ref, int side, Error *err)
{
    const Relation *rel = ref->table->rel;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (rel->key_count == 0 || ref->side[side].orphans == 0)
        return true;
    sqltext_put(&st, "SELECT ");
    for (int k = 0; k < rel->key_count; k++) {
        const Column *column = &rel->columns[rel->key[k]];
        if (k > 0)
            sqltext_put(&st, ", ");
        sqltext_put(&st, "c.");
        sqltext_ident(&st, side == SIDE_SOURCE ? column->name : column->target_name);
    }
    put_orphans(&st, ref, side);
    sqltext_put(&st, " LIMIT 1");
    if (!pgconn_query(run->probe[side], sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    const char **key = arena_new_array(run->arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count && pgrows_count(rows) > 0; k++)
        key[k] = arena_strdup(run->arena, pgrows_text(rows, 0, k));
    if (pgrows_count(rows) > 0)
        ref->side[side].example = verify_name_key(run->arena, rel, (const char *const *)key);
    return true;
}

static bool ask_side(VerifyRun *run, Reference *ref, int side, bool *same, Error *err)
{
    PgConn *conn = run->probe[side];
    const ReferenceSide *here = &ref->side[side];
    bool child = true, parent = true;
    bool ok = twin_begin(run->twin, conn, side == SIDE_SOURCE, err) &&
              count_orphans(run, ref, side, err) && read_example(run, ref, side, err) &&
              twin_same_file(conn, ref->table->rel, side == SIDE_SOURCE, &child, err) &&
              twin_same_file_of(conn, here->parent_schema, here->parent_name, &parent, err) &&
              pgconn_exec(conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
    *same = *same && child && parent;
    return ok;
}

/* A side that has no such table, no such operator or no right is told, and the others are asked. */
static bool ask_or_refuse(VerifyRun *run, Reference *ref, int side, bool *same, Error *err)
{
    ReferenceSide *here = &ref->side[side];
    here->orphans = -1;
    here->example = NULL;
    if (here->absent) {
        snprintf(here->refused, sizeof here->refused, "the %s lacks a column of '%.100s'",
                 pgconn_side(run->probe[side]), ref->name);
        return true;
    }
    if (ask_side(run, ref, side, same, err))
        return true;
    if (strncmp(err->sqlstate, "42", 2) != 0 || !pgconn_usable(run->probe[side]))
        return err_context(err, "looking for orphans of '%s' of table '%s'", ref->name,
                           ref->table->rel->display);
    here->orphans = -1;
    here->absent = !here->named;
    snprintf(here->refused, sizeof here->refused, "the %s refused: %.120s",
             pgconn_side(run->probe[side]), err->message);
    err_clear(err);
    return pgconn_exec(run->probe[side], SQL("ROLLBACK"), PG_NO_PARAMS, NULL, err);
}

static const char *note_of(const Reference *ref)
{
    const ReferenceSide *source = &ref->side[SIDE_SOURCE], *target = &ref->side[SIDE_TARGET];
    return ref->by_rule     ? "no constraint names it (verify.references)"
           : !target->named ? "the constraint is missing on the target"
           : !source->named
               ? (source->absent ? "the source has neither the constraint nor its columns"
                                 : "the constraint is missing on the source")
           : !target->validated ? "the constraint is not validated on the target"
           : !source->validated ? "the constraint is not validated on the source"
                                : "";
}

static bool ask_reference(VerifyRun *run, Reference *ref, VerifyOrphans *out, Error *err)
{
    bool same = true;
    for (int side = 0; side < SIDE_COUNT; side++)
        if (!ask_or_refuse(run, ref, side, &same, err))
            return false;
    ref->done = same;
    if (!same)
        return true;
    const char *example = ref->side[SIDE_TARGET].example;
    out->source = ref->side[SIDE_SOURCE].orphans;
    out->target = ref->side[SIDE_TARGET].orphans;
    out->note = note_of(ref);
    out->example = example != NULL ? example : ref->side[SIDE_SOURCE].example;
    if (out->example == NULL)
        out->example = "";
    return true;
}

/* Verdicts ---------------------------------------------------------------------------------------- */

/* Orphans are a finding wherever they are: a foreign key that points nowhere is broken data, be it
 * inherited from the source. */
static void judge_plan(VerifyRun *run, TablePlan *table)
{
    VerifyTable *out = table->out;
    const char *refused = NULL;
    int64_t orphans[SIDE_COUNT] = {0, 0};
    for (int i = 0; i < run->reference_count; i++) {
        const Reference *ref = &run->references[i];
        if (ref->table != table)
            continue;
        if (!ref->done) {
            table->moves++;
            return;
        }
        for (int side = 0; side < SIDE_COUNT; side++) {
            orphans[side] += ref->side[side].orphans > 0 ? ref->side[side].orphans : 0;
            /* What only the target has may have nothing to be asked on the source. */
            if (ref->side[side].orphans < 0 &&
                (side == SIDE_TARGET || ref->side[side].named || ref->by_rule))
                refused = ref->side[side].refused;
        }
    }
    out->rows[SIDE_SOURCE] = orphans[SIDE_SOURCE];
    out->rows[SIDE_TARGET] = out->extra = orphans[SIDE_TARGET];
    if (orphans[SIDE_SOURCE] > 0 || (orphans[SIDE_TARGET] > 0 && twin_exact(run->twin))) {
        out->verdict = VERIFY_MISMATCH;
        snprintf(out->why, sizeof out->why,
                 "rows whose foreign key points nowhere: %lld on the source, %lld on the target",
                 (long long)orphans[SIDE_SOURCE], (long long)orphans[SIDE_TARGET]);
    } else if (orphans[SIDE_TARGET] > 0) {
        verify_not_verified(table, "orphans on the target, but %s",
                            run->spec.not_exact_why != NULL ? run->spec.not_exact_why
                                                            : "the sides do not belong together");
    } else if (refused != NULL) {
        verify_not_verified(table, "%s", refused);
    } else {
        out->verdict = VERIFY_EQUAL;
    }
}

bool verify_orphans(VerifyRun *run, Error *err)
{
    if (run->references == NULL && !read_references(run, err))
        return false;
    for (int i = 0; i < run->reference_count; i++) {
        Reference *ref = &run->references[i];
        if (ref->done || ref->table->out->verdict != VERIFY_UNDECIDED)
            continue;
        if (!ask_reference(run, ref, &run->report->orphans[i], err))
            return false;
    }
    for (int i = 0; i < run->plan_count; i++)
        if (run->plans[i].out->verdict == VERIFY_UNDECIDED)
            judge_plan(run, &run->plans[i]);
    return true;
}

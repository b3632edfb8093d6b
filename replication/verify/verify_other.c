/*
 * verify_other - what is no comparison of whole tables: a few random rows side by side, and rows
 * whose foreign key points nowhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/log.h"
#include "sql_files.h"
#include "verify/arrays.h"
#include "verify/verify_internal.h"

#define MAX_FOREIGN_KEY_COLUMNS 32
#define SPOTS_MAX               10000

static bool end_transactions(VerifyRun *run, Error *err)
{
    return pgconn_exec(run->probe[SIDE_SOURCE], SQL("COMMIT"), PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(run->probe[SIDE_TARGET], SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

static bool begin_transactions(VerifyRun *run, Error *err)
{
    return twin_begin(run->twin, run->probe[SIDE_SOURCE], true, err) &&
           twin_begin(run->twin, run->probe[SIDE_TARGET], false, err);
}

/* Spot check ------------------------------------------------------------------------------------- */

/* Random keys of one side. A sample of blocks, then of rows: cheap on a table of any size. */
static bool random_keys(VerifyRun *run, const TablePlan *table, int side, int wanted,
                        const char *const ***out_keys, int *out_count, Error *err)
{
    const Relation *rel = table->rel;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    char percent[32], limit[16];
    double share = 100.0 * (wanted + 20) * 4 / (double)(table->heap_blocks[side] + 1);
    snprintf(percent, sizeof percent, "%.6f", share > 100 ? 100 : share);
    snprintf(limit, sizeof limit, "%d", wanted);
    sqltext_put(&st, "SELECT ");
    for (int k = 0; k < rel->key_count; k++) {
        const Column *column = &rel->columns[rel->key[k]];
        if (k > 0)
            sqltext_put(&st, ", ");
        sqltext_ident(&st, side == SIDE_SOURCE ? column->name : column->target_name);
    }
    sqltext_put(&st, " FROM ");
    if (table->only[side])
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, side == SIDE_SOURCE ? rel->schema : rel->target_schema,
                      side == SIDE_SOURCE ? rel->name : rel->target_name);
    sqltext_put(&st, " TABLESAMPLE pg_catalog.system ($1::pg_catalog.float4) "
                     "ORDER BY pg_catalog.random() LIMIT $2::pg_catalog.int4");
    if (!pgconn_query(run->probe[side], sqltext_sql(&st),
                      PG_PARAMS(PG_TEXT(percent), PG_TEXT(limit)), &rows, err))
        return err_context(err, "choosing rows of table '%s'", rel->display);
    int n = pgrows_count(rows);
    const char *const **keys = arena_new_array(run->arena, const char *const *, n + 1);
    for (int r = 0; r < n; r++) {
        const char **key = arena_new_array(run->arena, const char *, rel->key_count);
        for (int k = 0; k < rel->key_count; k++)
            key[k] = arena_strdup(run->arena, pgrows_text(rows, r, k));
        keys[r] = (const char *const *)key;
    }
    *out_keys = keys;
    *out_count = n;
    return true;
}

/* Rows of the source must be on the target, and rows of the target on the source. */
static bool spot_side(VerifyRun *run, TablePlan *table, int side, int wanted, Error *err)
{
    VerifyReport *report = run->report;
    const char *const **keys = NULL;
    int count = 0;
    if (wanted <= 0)
        return true;
    if (!random_keys(run, table, side, wanted, &keys, &count, err))
        return false;
    KeyDiff *diffs = arena_new_array(run->arena, KeyDiff, count + 1);
    if (!keydiff_read(run->probe[SIDE_SOURCE], run->probe[SIDE_TARGET], table->rel, keys, count,
                      run->arena, diffs, err))
        return false;
    VerifyTable *out = table->out;
    for (int i = 0; i < count; i++) {
        out->rows[SIDE_SOURCE] += diffs[i].source != NULL;
        out->rows[SIDE_TARGET] += diffs[i].target != NULL;
        out->missing += diffs[i].kind == KEYDIFF_MISSING;
        out->extra += diffs[i].kind == KEYDIFF_EXTRA;
        out->different += diffs[i].kind == KEYDIFF_DIFFERENT;
        out->representation += diffs[i].kind == KEYDIFF_REPRESENTATION;
        if (report->spot_count < SPOTS_MAX)
            verify_name_spot(run, table->rel, &diffs[i], &report->spots[report->spot_count++]);
    }
    return true;
}

static void judge_spots(VerifyRun *run, TablePlan *table)
{
    VerifyTable *out = table->out;
    if (out->missing + out->extra + out->different + out->representation == 0)
        out->verdict = VERIFY_EQUAL;
    else if (twin_exact(run->twin))
        out->verdict = VERIFY_MISMATCH;
    else
        verify_not_verified(table, "rows differ, but %s",
                            run->spec.not_exact_why != NULL ? run->spec.not_exact_why
                                                            : "the sides do not belong together");
    out->first_lsn = out->last_lsn = twin_lsn(run->twin);
    out->chunks = 1;
}

static bool spot_table(VerifyRun *run, TablePlan *table, int wanted, Error *err)
{
    bool same[SIDE_COUNT] = {false, false};
    int first_spot = run->report->spot_count;
    VerifyTable before = *table->out;
    if (!table->keyed) {
        verify_not_verified(table, "the table has no key to find a row by on the other side");
        return true;
    }
    int from_target = wanted / 5;
    if (!begin_transactions(run, err) ||
        !spot_side(run, table, SIDE_SOURCE, wanted - from_target, err) ||
        !spot_side(run, table, SIDE_TARGET, from_target, err) ||
        !twin_same_file(run->probe[0], table->rel, true, &same[0], err) ||
        !twin_same_file(run->probe[1], table->rel, false, &same[1], err) ||
        !end_transactions(run, err))
        return false;
    if (same[0] && same[1]) {
        judge_spots(run, table);
        return true;
    }
    *table->out = before;
    run->report->spot_count = first_spot;
    table->moves++;
    return true;
}

/* Rows are shared out by size, at least one a table. */
bool verify_spot_check(VerifyRun *run, Error *err)
{
    int64_t bytes = 1;
    if (run->report->spots == NULL)
        run->report->spots = arena_new_array(run->arena, VerifyFailure, SPOTS_MAX);
    for (int i = 0; i < run->plan_count; i++)
        bytes += run->plans[i].bytes;
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        if (table->out->verdict != VERIFY_UNDECIDED)
            continue;
        int wanted = (int)((double)run->spec.spot_rows * (double)table->bytes / (double)bytes) + 1;
        if (run->plan_count == 1)
            wanted = run->spec.spot_rows;
        if (!spot_table(run, table, wanted, err))
            return false;
    }
    return true;
}

/* Orphans ---------------------------------------------------------------------------------------- */

typedef struct Reference {
    const Relation *child;
    const Relation *parent; /* NULL: not in scope, the same name on both sides */
    const char *name, *parent_schema, *parent_name;
    int columns;
    const char *from[MAX_FOREIGN_KEY_COLUMNS], *to[MAX_FOREIGN_KEY_COLUMNS];
    bool validated;
} Reference;

static int split_lines(Arena *arena, const char *text, const char **out)
{
    int n = 0;
    for (const char *p = text; n < MAX_FOREIGN_KEY_COLUMNS; n++) {
        const char *end = strchr(p, '\n');
        out[n] = arena_dup(arena, p, end != NULL ? (size_t)(end - p) : strlen(p));
        if (end == NULL)
            return n + 1;
        p = end + 1;
    }
    return n;
}

static const char *on_side(const Relation *rel, const char *column, int side)
{
    for (int c = 0; side == SIDE_TARGET && rel != NULL && c < rel->column_count; c++)
        if (strcmp(rel->columns[c].name, column) == 0)
            return rel->columns[c].target_name;
    return column;
}

static void put_orphans(SqlText *st, const Reference *ref, int side)
{
    const Relation *child = ref->child, *parent = ref->parent;
    bool source = side == SIDE_SOURCE;
    sqltext_put(st, " FROM ");
    if (child->has_children)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, source ? child->schema : child->target_schema,
                      source ? child->name : child->target_name);
    sqltext_put(st, " c WHERE NOT EXISTS (SELECT FROM ");
    sqltext_qualified(st,
                      parent == NULL ? ref->parent_schema
                      : source       ? parent->schema
                                     : parent->target_schema,
                      parent == NULL ? ref->parent_name
                      : source       ? parent->name
                                     : parent->target_name);
    sqltext_put(st, " p WHERE ");
    for (int i = 0; i < ref->columns; i++) {
        if (i > 0)
            sqltext_put(st, " AND ");
        sqltext_put(st, "p.");
        sqltext_ident(st, on_side(parent, ref->to[i], side));
        sqltext_put(st, " = c.");
        sqltext_ident(st, on_side(child, ref->from[i], side));
    }
    sqltext_put(st, ")");
    for (int i = 0; i < ref->columns; i++) {
        sqltext_put(st, " AND c.");
        sqltext_ident(st, on_side(child, ref->from[i], side));
        sqltext_put(st, " IS NOT NULL");
    }
}

static bool count_orphans(VerifyRun *run, const Reference *ref, int side, int64_t *out, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SELECT pg_catalog.count(*)");
    put_orphans(&st, ref, side);
    if (!pgconn_query(run->probe[side], sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    *out = pgrows_i64(rows, 0, 0);
    return true;
}

static bool example(VerifyRun *run, const Reference *ref, int side, const char **out, Error *err)
{
    const Relation *rel = ref->child;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (rel->key_count == 0)
        return true;
    sqltext_put(&st, "SELECT ");
    for (int k = 0; k < rel->key_count; k++) {
        if (k > 0)
            sqltext_put(&st, ", ");
        sqltext_put(&st, "c.");
        sqltext_ident(&st, on_side(rel, rel->columns[rel->key[k]].name, side));
    }
    put_orphans(&st, ref, side);
    sqltext_put(&st, " LIMIT 1");
    if (!pgconn_query(run->probe[side], sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    const char **key = arena_new_array(run->arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count && pgrows_count(rows) > 0; k++)
        key[k] = arena_strdup(run->arena, pgrows_text(rows, 0, k));
    if (pgrows_count(rows) > 0)
        *out = verify_name_key(run->arena, rel, (const char *const *)key);
    return true;
}

/* How the constraint stands on the target: present, not validated, missing. */
static bool constraint_note(VerifyRun *run, const Reference *ref, const char **out, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(run->probe[SIDE_TARGET], SQL_VERIFY_CONSTRAINT_STATE,
                      PG_PARAMS(PG_TEXT(ref->child->target_schema),
                                PG_TEXT(ref->child->target_name), PG_TEXT(ref->name)),
                      &rows, err))
        return false;
    bool there = pgrows_count(rows) > 0;
    *out = !there                     ? "the constraint is missing on the target"
           : !pgrows_bool(rows, 0, 0) ? "the constraint is not validated on the target"
           : !ref->validated          ? "the constraint is not validated on the source"
                                      : "";
    return true;
}

static bool check_reference(VerifyRun *run, const Reference *ref, VerifyOrphans *out, Error *err)
{
    *out = (VerifyOrphans){
        .table = ref->child->display,
        .constraint = ref->name,
        .references = arena_printf(run->arena, "%s.%s", ref->parent_schema, ref->parent_name),
        .note = "",
        .example = ""};
    if (!begin_transactions(run, err) || !count_orphans(run, ref, SIDE_SOURCE, &out->source, err) ||
        !count_orphans(run, ref, SIDE_TARGET, &out->target, err) ||
        (out->target > 0 && !example(run, ref, SIDE_TARGET, &out->example, err)) ||
        (out->target == 0 && out->source > 0 &&
         !example(run, ref, SIDE_SOURCE, &out->example, err)) ||
        !constraint_note(run, ref, &out->note, err))
        return err_context(err, "looking for orphans of constraint '%s' of table '%s'", ref->name,
                           ref->child->display);
    return end_transactions(run, err);
}

static bool read_references(VerifyRun *run, PgRows **out_rows, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    arrays_begin(&oids);
    for (int i = 0; i < run->plan_count; i++)
        if (run->plans[i].out->verdict == VERIFY_UNDECIDED)
            arrays_put_u32(&oids, run->plans[i].rel->oid);
    return pgconn_query(run->probe[SIDE_SOURCE], SQL_VERIFY_FOREIGN_KEYS,
                        PG_PARAMS(PG_TEXT(arrays_end(&oids))), out_rows, err);
}

static TablePlan *plan_of(VerifyRun *run, const Relation *rel)
{
    for (int i = 0; i < run->plan_count; i++)
        if (run->plans[i].rel == rel)
            return &run->plans[i];
    return NULL;
}

/* Orphans are a finding wherever they are: a foreign key that points nowhere is broken data, be it
 * inherited from the source. */
static void judge_reference(VerifyRun *run, TablePlan *table, const VerifyOrphans *orphans)
{
    VerifyTable *out = table->out;
    out->rows[SIDE_SOURCE] += orphans->source;
    out->rows[SIDE_TARGET] += orphans->target;
    if (orphans->source == 0 && orphans->target == 0)
        return;
    out->extra += orphans->target;
    if (!twin_exact(run->twin) && orphans->source == 0)
        verify_not_verified(table, "orphans on the target, but %s",
                            run->spec.not_exact_why != NULL ? run->spec.not_exact_why
                                                            : "the sides do not belong together");
    else {
        out->verdict = VERIFY_MISMATCH;
        snprintf(out->why, sizeof out->why,
                 "rows whose foreign key points nowhere: %lld on the source, %lld on the target",
                 (long long)out->rows[0], (long long)out->rows[1]);
    }
}

bool verify_orphans(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    VerifyReport *report = run->report;
    if (!read_references(run, &rows, err))
        return false;
    int n = pgrows_count(rows);
    report->orphans = arena_new_array(run->arena, VerifyOrphans, n + 1);
    report->orphan_count = 0;
    for (int r = 0; r < n; r++) {
        Reference ref = {.child = relations_by_oid(run->spec.rels, pgrows_u32(rows, r, 1)),
                         .parent = relations_by_oid(run->spec.rels, pgrows_u32(rows, r, 7)),
                         .name = arena_strdup(run->arena, pgrows_text(rows, r, 0)),
                         .parent_schema = arena_strdup(run->arena, pgrows_text(rows, r, 2)),
                         .parent_name = arena_strdup(run->arena, pgrows_text(rows, r, 3)),
                         .validated = pgrows_bool(rows, r, 6)};
        TablePlan *table = ref.child != NULL ? plan_of(run, ref.child) : NULL;
        if (table == NULL)
            continue;
        ref.columns = split_lines(run->arena, pgrows_text(rows, r, 4), ref.from);
        split_lines(run->arena, pgrows_text(rows, r, 5), ref.to);
        VerifyOrphans *orphans = &report->orphans[report->orphan_count];
        if (!check_reference(run, &ref, orphans, err))
            return false;
        report->orphan_count++;
        judge_reference(run, table, orphans);
    }
    for (int i = 0; i < run->plan_count; i++)
        if (run->plans[i].out->verdict == VERIFY_UNDECIDED)
            run->plans[i].out->verdict = VERIFY_EQUAL;
    return true;
}

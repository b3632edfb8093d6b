/* verify_spot - a few random rows side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqltext/reading.h"
#include "verify/verify_internal.h"

#define SPOTS_MAX 10000

static bool begin_transactions(VerifyRun *run, Error *err)
{
    return twin_begin(run->twin, run->probe[SIDE_SOURCE], true, err) &&
           twin_begin(run->twin, run->probe[SIDE_TARGET], false, err);
}

static bool end_transactions(VerifyRun *run, Error *err)
{
    return pgconn_exec(run->probe[SIDE_SOURCE], SQL("COMMIT"), PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(run->probe[SIDE_TARGET], SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

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
    sqltext_put(&st, " TABLESAMPLE pg_catalog.system ($1::pg_catalog.float4)");
    reading_where(&st, rel, side == SIDE_SOURCE, NULL);
    sqltext_put(&st, " ORDER BY pg_catalog.random() LIMIT $2::pg_catalog.int4");
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
        out->extra += diffs[i].kind == KEYDIFF_EXTRA && !verify_keeps(table);
        out->kept += diffs[i].kind == KEYDIFF_EXTRA && verify_keeps(table);
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
    if (verify_differences(out) == 0)
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

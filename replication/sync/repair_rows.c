/*
 * repair_rows - one table: what is to be done, done, and looked at again.
 *
 * Rows travel in batches; between the passes only keys and actions are kept, because the snapshot
 * gives the same row as often as it is asked for.
 *
 * A row that differs is deleted and inserted rather than updated where foreign keys are off: values of a
 * unique column that stand in each other's rows have no order in which they could be updated.
 */
#include <inttypes.h>
#include <string.h>

#include "apply/setwise.h"
#include "sqltext/reading.h"
#include "sync/repair_internal.h"
#include "verify/arrays.h"

#define BATCH_ROWS   500
#define BATCH_BYTES  ((int64_t)4 << 20)
#define HASH_COLUMNS 40 /* a function takes a hundred arguments */

static int batch_room(const Relation *rel)
{
    int64_t row = rel->estimated_rows > 0 ? rel->bytes / rel->estimated_rows : 1024;
    int64_t room = BATCH_BYTES / (row > 0 ? row : 1);
    return room > BATCH_ROWS ? BATCH_ROWS : room < 1 ? 1 : (int)room;
}

static bool is_keyed(const RepairTable *table)
{
    return table->rel->key_unique && table->rel->key_count > 0;
}

static const char *const *const *keys_of(Repair *repair, const RepairRow *rows, int count)
{
    const char *const **keys = arena_new_array(repair->arena, const char *const *, count + 1);
    for (int i = 0; i < count; i++)
        keys[i] = rows[i].key_texts;
    return keys;
}

/* Rows of tables without key ---------------------------------------------------------------------- */

static void put_image(SqlText *st, const Relation *rel, bool of_table, bool on_source, int c)
{
    if (of_table) {
        reading_column(st, &rel->columns[c], rel, on_source, "t");
    } else {
        sqltext_put(st, "w.k");
        sqltext_i64(st, c);
    }
}

/* A text that equal rows have in common: what a hash join needs. */
static void put_joint(SqlText *st, const Relation *rel, bool of_table, bool on_source)
{
    sqltext_put(st, "pg_catalog.concat(");
    for (int c = 0; c < rel->column_count && c < HASH_COLUMNS; c++) {
        if (c > 0)
            sqltext_put(st, ", '|', ");
        put_image(st, rel, of_table, on_source, c);
    }
    sqltext_put(st, ")");
}

/* How many rows of the table are this one: by the output text of each column, NULL by itself. */
static void build_count(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, "SELECT w.place, pg_catalog.count(*) FROM ROWS FROM (");
    for (int c = 0; c < rel->column_count; c++) {
        if (c > 0)
            sqltext_put(st, ", ");
        sqltext_put(st, "pg_catalog.unnest(");
        sqltext_param(st, c + 1);
        sqltext_put(st, "::pg_catalog.text[])");
    }
    sqltext_put(st, ") WITH ORDINALITY AS w (");
    for (int c = 0; c < rel->column_count; c++) {
        sqltext_put(st, "k");
        sqltext_i64(st, c);
        sqltext_put(st, ", ");
    }
    sqltext_put(st, "place) JOIN ");
    if (rel->has_children)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, on_source ? rel->schema : rel->target_schema,
                      on_source ? rel->name : rel->target_name);
    sqltext_put(st, " t ON ");
    put_joint(st, rel, true, on_source);
    sqltext_put(st, " = ");
    put_joint(st, rel, false, on_source);
    for (int c = 0; c < rel->column_count; c++) {
        sqltext_put(st, " AND pg_catalog.concat(");
        put_image(st, rel, true, on_source, c);
        sqltext_put(st, ") = pg_catalog.concat(");
        put_image(st, rel, false, on_source, c);
        sqltext_put(st, ") AND (");
        put_image(st, rel, true, on_source, c);
        sqltext_put(st, " IS NOT DISTINCT FROM NULL) = (");
        put_image(st, rel, false, on_source, c);
        sqltext_put(st, " IS NULL)");
    }
    bool first = false;
    reading_filter(st, rel, on_source, "t", &first);
    sqltext_put(st, " GROUP BY w.place");
}

static bool count_copies(Repair *repair, PgConn *conn, bool on_source, const RepairTable *table,
                         int64_t *out_copies, Error *err)
{
    const Relation *rel = table->rel;
    const RepairRow *rows = &repair->report->rows[table->first];
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *found = NULL;
    PgParam *params = arena_new_array(repair->arena, PgParam, rel->column_count + 1);
    for (int c = 0; c < rel->column_count; c++) {
        CLEANUP_BUF Buf array = BUF_INIT;
        arrays_begin(&array);
        for (int i = 0; i < table->count; i++)
            arrays_put_text(&array, rows[i].image[c]);
        params[c] = PG_TEXT(arena_strdup(repair->arena, arrays_end(&array)));
    }
    build_count(&st, rel, on_source);
    if (!pgconn_query(conn, sqltext_sql(&st), params, rel->column_count, &found, err))
        return err_context(err, "counting rows of table '%s' on the %s", rel->display,
                           on_source ? "source" : "target");
    memset(out_copies, 0, sizeof *out_copies * (size_t)table->count);
    for (int r = 0; r < pgrows_count(found); r++)
        out_copies[pgrows_i64(found, r, 0) - 1] = pgrows_i64(found, r, 1);
    return true;
}

static bool count_both(Repair *repair, const RepairTable *table, int64_t **out, Error *err)
{
    for (int side = 0; side < 2; side++) {
        out[side] = arena_new_array(repair->arena, int64_t, table->count + 1);
        if (!count_copies(repair, side == 0 ? repair->source : repair->target, side == 0, table,
                          out[side], err))
            return false;
    }
    return true;
}

static bool judge_keyless(Repair *repair, const RepairTable *table, Error *err)
{
    int64_t *copies[2];
    if (!count_both(repair, table, copies, err))
        return false;
    for (int i = 0; i < table->count; i++) {
        RepairRow *row = &repair->report->rows[table->first + i];
        int64_t more = copies[0][i] - copies[1][i];
        KeyDiff diff = {.source = more > 0 ? (const char **)row->image : NULL,
                        .target = more < 0 ? (const char **)row->image : NULL};
        row->action = more > 0 ? REPAIR_INSERT : more < 0 ? REPAIR_DELETE : REPAIR_EQUAL;
        row->copies = more < 0 ? -more : more;
        if (more != 0)
            row->details =
                verify_details(repair->kept, repair->spec->show_values, table->rel, &diff);
    }
    return true;
}

/* Judging ----------------------------------------------------------------------------------------- */

static void judge_row(Repair *repair, RepairRow *row, const KeyDiff *diff)
{
    static const RepairAction ACTIONS[KEYDIFF_KIND_COUNT] = {
        [KEYDIFF_EQUAL] = REPAIR_EQUAL,
        [KEYDIFF_MISSING] = REPAIR_INSERT,
        [KEYDIFF_EXTRA] = REPAIR_DELETE,
        [KEYDIFF_DIFFERENT] = REPAIR_REPLACE,
        [KEYDIFF_REPRESENTATION] = REPAIR_REPLACE,
    };
    row->action =
        diff->kind == KEYDIFF_EXTRA && row->rel->keep_extra ? REPAIR_KEEP : ACTIONS[diff->kind];
    row->copies = 1;
    row->details = diff->kind == KEYDIFF_EQUAL
                       ? "[]"
                       : verify_details(repair->kept, repair->spec->show_values, row->rel, diff);
}

/* Reads the rows of a table on both sides; `each` sees them batch by batch. */
static bool for_each_pair(Repair *repair, const RepairTable *table,
                          bool (*each)(Repair *repair, RepairRow *row, const KeyDiff *diff,
                                       Error *err),
                          Error *err)
{
    int room = batch_room(table->rel);
    for (int at = 0; at < table->count; at += room) {
        int count = table->count - at < room ? table->count - at : room;
        RepairRow *rows = &repair->report->rows[table->first + at];
        KeyDiff *diffs = arena_new_array(repair->arena, KeyDiff, count);
        bool ok = keydiff_read(repair->source, repair->target, table->rel,
                               keys_of(repair, rows, count), count, repair->arena, diffs, err);
        for (int i = 0; ok && i < count; i++)
            ok = each(repair, &rows[i], &diffs[i], err);
        arena_reset(repair->arena);
        if (!ok)
            return false;
    }
    return true;
}

static bool judge_pair(Repair *repair, RepairRow *row, const KeyDiff *diff, Error *err)
{
    (void)err;
    judge_row(repair, row, diff);
    return true;
}

/* A table that was truncated or rewritten behind the snapshot reads as empty under it. */
static bool still_the_table(Repair *repair, const Relation *rel, Error *err)
{
    bool same = false;
    return twin_same_file(repair->source, rel, true, &same, err) &&
           (same ||
            ERR(err, ERR_LAG, "table '%s' was truncated or rewritten meanwhile", rel->display));
}

bool repair_judge(Repair *repair, const RepairTable *table, Error *err)
{
    bool ok = is_keyed(table) ? for_each_pair(repair, table, judge_pair, err)
                              : judge_keyless(repair, table, err);
    arena_reset(repair->arena);
    return ok && still_the_table(repair, table->rel, err);
}

/* Writing ----------------------------------------------------------------------------------------- */

static Value *values_of(Arena *arena, const Relation *rel, const char *const *texts)
{
    Value *values = arena_new_array(arena, Value, rel->column_count + 1);
    for (int c = 0; c < rel->column_count; c++)
        if (texts[c] != NULL)
            values[c] =
                (Value){.data = texts[c], .len = (uint32_t)strlen(texts[c]), .kind = VALUE_TEXT};
    return values;
}

static Value *key_values(Arena *arena, const RepairRow *row)
{
    const Relation *rel = row->rel;
    Value *values = arena_new_array(arena, Value, rel->column_count + 1);
    for (int c = 0; c < rel->column_count; c++)
        values[c].kind = VALUE_UNCHANGED;
    for (int k = 0; k < rel->key_count; k++)
        values[rel->key[k]] = (Value){.data = row->key_texts[k],
                                      .len = (uint32_t)strlen(row->key_texts[k]),
                                      .kind = VALUE_TEXT};
    return values;
}

static void add_change(Flow *flow, Change change)
{
    Change *kept = arena_new_object(flow->arena, Change);
    *kept = change;
    if (flow->last != NULL)
        flow->last->next = kept;
    else
        flow->first = kept;
    flow->last = kept;
    flow->change_count++;
}

static bool run_flow(Repair *repair, const Flow *flow, Error *err)
{
    plan_add(repair->plan, flow);
    const PlanStep *steps = plan_finish(repair->plan);
    bool ok = setwise_run(&repair->session, steps, err);
    plan_clear(repair->plan);
    plan_take_tallies(repair->plan, false);
    return ok;
}

/* Columns that the target has for itself would be lost with the row. */
static bool updates(const Repair *repair, const Relation *rel)
{
    return repair->session.live || rel->target_has_more;
}

static void add_deletion(Flow *flow, const Repair *repair, const RepairRow *row)
{
    Relation *rel = repair->spec->rels->all[row->rel->id];
    bool deletes =
        row->action == REPAIR_DELETE || (row->action == REPAIR_REPLACE && !updates(repair, rel));
    for (int64_t n = 0; deletes && n < row->copies; n++)
        add_change(flow, (Change){.kind = CHANGE_DELETE,
                                  .rel = rel,
                                  .old_values = row->key_texts != NULL
                                                    ? key_values(flow->arena, row)
                                                    : values_of(flow->arena, rel, row->image)});
}

static void add_insertion(Flow *flow, const Repair *repair, const RepairRow *row,
                          const char *const *texts)
{
    Relation *rel = repair->spec->rels->all[row->rel->id];
    bool update = row->action == REPAIR_REPLACE && updates(repair, rel);
    bool writes = row->action == REPAIR_INSERT || row->action == REPAIR_REPLACE;
    for (int64_t n = 0; writes && texts != NULL && n < row->copies; n++)
        add_change(flow, (Change){.kind = update ? CHANGE_UPDATE : CHANGE_INSERT,
                                  .rel = rel,
                                  .new_values = values_of(flow->arena, rel, texts)});
}

static bool write_batch(Repair *repair, const RepairTable *table, const RepairRow *rows, int count,
                        bool deletions, Error *err)
{
    Flow flow = {.kind = FLOW_PART,
                 .arena = repair->arena,
                 .begins = true,
                 .ends = true,
                 .commit_lsn = repair->report->lsn,
                 .end_lsn = repair->report->lsn};
    const char ***texts = arena_new_array(repair->arena, const char **, count + 1);
    if (!deletions && is_keyed(table) &&
        !keydiff_rows(repair->source, true, table->rel, keys_of(repair, rows, count), count,
                      repair->arena, texts, err))
        return false;
    for (int i = 0; i < count; i++) {
        if (deletions)
            add_deletion(&flow, repair, &rows[i]);
        else
            add_insertion(&flow, repair, &rows[i],
                          is_keyed(table) ? (const char *const *)texts[i] : rows[i].image);
    }
    return run_flow(repair, &flow, err);
}

bool repair_write(Repair *repair, const RepairTable *table, bool deletions, Error *err)
{
    int room = is_keyed(table) ? batch_room(table->rel) : table->count;
    for (int at = 0; at < table->count; at += room) {
        int count = table->count - at < room ? table->count - at : room;
        bool ok = write_batch(repair, table, &repair->report->rows[table->first + at], count,
                              deletions, err);
        arena_reset(repair->arena);
        if (!ok)
            return err_context(err, "repairing table '%s'", table->rel->display);
    }
    return true;
}

/* Proving ----------------------------------------------------------------------------------------- */

static bool not_repaired(const RepairTable *table, Error *err)
{
    ERR(err, ERR_DIFFERENT, "a row of table '%s' is not on the target what was written there",
        table->rel->display);
    return err_hint(err,
                    "Something on the target changes rows as they are written: look for triggers "
                    "and rules there. Nothing was repaired.");
}

static bool pair_is_equal(Repair *repair, RepairRow *row, const KeyDiff *diff, Error *err)
{
    const RepairTable table = {.rel = row->rel};
    (void)repair;
    return diff->kind == KEYDIFF_EQUAL ||
           (diff->kind == KEYDIFF_EXTRA && row->action == REPAIR_KEEP) || not_repaired(&table, err);
}

bool repair_prove(Repair *repair, const RepairTable *table, Error *err)
{
    int64_t *copies[2];
    if (is_keyed(table))
        return for_each_pair(repair, table, pair_is_equal, err);
    if (!count_both(repair, table, copies, err))
        return false;
    for (int i = 0; i < table->count; i++)
        if (copies[0][i] != copies[1][i])
            return not_repaired(table, err);
    arena_reset(repair->arena);
    return true;
}

/*
 * verify_plan - what is read: which tables, cut how.
 *
 * A range of the key is only used where its order is the same on every server, and where rows of
 * neighbouring keys lie near each other on disk; else each range would read the whole table. The
 * ends of the ranges come from a sample of blocks under the snapshot: they need not be exact, only
 * the same on both sides.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"
#include "sql_files.h"
#include "verify/arrays.h"
#include "verify/verify_internal.h"

#define CHUNK_BYTES      ((int64_t)16 << 20)
#define CHUNK_MIN_BYTES  ((int64_t)1 << 20)
#define RANGE_MIN_TABLE  (2 * CHUNK_BYTES)
#define WHOLE_BYTES      ((int64_t)1 << 30) /* by blocks: a fifth less work than by an index */
#define WHOLE_S          2                  /* where the source is read slowly */
#define RANGE_MAX        4096
#define PIECES_MAX       1024
#define PART_BYTES       ((int64_t)8 << 30)
#define PARTS_MAX        256
#define ORDERED_ON_DISK  0.6
#define ROWS_A_BUCKET    64
#define BUCKET_BITS_MAX  16
#define BUCKET_BITS_NEAR 12 /* the sums stay in a core's own cache */
#define SAMPLE_BLOCKS    4  /* a range */
#define FIRST_NORMAL_OID 16384

/* About half a second's worth where the source is read slowly: what is planned is read to its end,
 * however old the snapshots become. */
static int64_t chunk_bytes(const VerifyRun *run)
{
    int64_t bytes = run->spec.max_rate_bytes / 2;
    if (bytes <= 0 || bytes > CHUNK_BYTES)
        return CHUNK_BYTES;
    return bytes < CHUNK_MIN_BYTES ? CHUNK_MIN_BYTES : bytes;
}

/* Types whose order depends on nothing but the value. */
static bool same_order_everywhere(uint32_t type_oid)
{
    static const uint32_t TYPES[] = {20,   21,   23,   26,   1082,
                                     1114, 1184, 2950, 16 /* int8 int2 int4 oid date timestamp
                                                              timestamptz uuid bool */};
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (TYPES[i] == type_oid)
            return true;
    return false;
}

static bool key_is_ordered(const Relation *rel)
{
    for (int k = 0; k < rel->key_count; k++)
        if (!same_order_everywhere(rel->columns[rel->key[k]].type_oid))
            return false;
    return rel->key_count > 0;
}

/* Binary form of this table is the same on both servers (compare_plan.c says why). */
static bool binary_fits(const VerifyRun *run, const Relation *rel)
{
    if (!run->same_major || rel->column_count == 0)
        return false;
    for (int i = 0; i < rel->column_count; i++) {
        const Column *column = &rel->columns[i];
        if (!column->binary_safe || column->type_oid >= FIRST_NORMAL_OID)
            return false;
        if (column->target_type_name != NULL &&
            strcmp(column->target_type_name, column->type_name) != 0)
            return false;
    }
    return true;
}

/* Facts ------------------------------------------------------------------------------------------ */

static bool ask_facts(VerifyRun *run, int side, PgRows **out_rows, Error *err)
{
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_BUF Buf columns = BUF_INIT;
    arrays_begin(&schemas);
    arrays_begin(&names);
    arrays_begin(&columns);
    for (int i = 0; i < run->plan_count; i++) {
        const Relation *rel = run->plans[i].rel;
        const Column *first = rel->key_count > 0 ? &rel->columns[rel->key[0]] : NULL;
        bool source = side == SIDE_SOURCE;
        arrays_put_text(&schemas, source ? rel->schema : rel->target_schema);
        arrays_put_text(&names, source ? rel->name : rel->target_name);
        arrays_put_text(&columns, first == NULL ? "" : source ? first->name : first->target_name);
    }
    return pgconn_query(run->probe[side], SQL_VERIFY_FACTS,
                        PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names)),
                                  PG_TEXT(arrays_end(&columns))),
                        out_rows, err);
}

/* Scattered on either side: ranges of the key would read everything again and again. */
static bool lies_in_order(const PgRows *rows, int i)
{
    if (pgrows_null(rows, i, 4))
        return true;
    double correlation = strtod(pgrows_text(rows, i, 4), NULL);
    return correlation > ORDERED_ON_DISK || correlation < -ORDERED_ON_DISK;
}

static const char *find_since(const Relation *rel, const char *wanted)
{
    static const char *const NAMES[] = {"updated_at",  "modified_at", "changed_at", "last_modified",
                                        "last_update", "updated",     "modified",   "created_at",
                                        "inserted_at", "created",     "ts",         "at"};
    enum { TIMESTAMP = 1114, TIMESTAMPTZ = 1184 };
    for (size_t n = 0; n < (wanted != NULL ? 1 : sizeof NAMES / sizeof NAMES[0]); n++)
        for (int c = 0; c < rel->column_count; c++) {
            const Column *column = &rel->columns[c];
            if ((column->base_type_oid == TIMESTAMP || column->base_type_oid == TIMESTAMPTZ) &&
                strcmp(column->name, wanted != NULL ? wanted : NAMES[n]) == 0)
                return column->name;
        }
    return NULL;
}

/* What can be said before anything is read. */
static void judge_early(VerifyRun *run, TablePlan *table, const PgRows *rows[SIDE_COUNT], int i)
{
    const Relation *rel = table->rel;
    bool there[SIDE_COUNT] = {!pgrows_null(rows[0], i, 0), !pgrows_null(rows[1], i, 0)};
    int state = atomic_load(&rel->load_state);
    if (state != TABLE_COMPLETED) {
        verify_not_verified(table, "the table is not loaded (%s)", table_state_name(state));
    } else if (rel->suspended) {
        verify_not_verified(table, "the table is suspended: its changes are not applied");
    } else if (!there[SIDE_SOURCE]) {
        verify_not_verified(table, "the table does not exist on the source any more");
    } else if (!there[SIDE_TARGET]) {
        table->out->verdict = VERIFY_MISMATCH;
        snprintf(table->out->why, sizeof table->out->why, "the table does not exist on the target");
    } else if (rel->persistence == 'u') {
        verify_not_verified(table, "unlogged tables are not in the stream of changes");
    } else if (run->spec.since_us != 0 && table->since_column == NULL) {
        verify_not_verified(table, "the table has no timestamp column to tell new rows by");
    }
}

static const char *method_of(const VerifyRun *run, const TablePlan *table)
{
    switch (run->spec.what) {
    case VERIFY_COUNTS:
        return "count";
    case VERIFY_SPOT:
        return "spot check";
    case VERIFY_ORPHANS:
        return "orphans";
    case VERIFY_ROWS:
        break;
    }
    if (run->spec.since_us != 0)
        return arena_printf(run->arena, "rows by %s", table->since_column);
    return table->ordered ? "ranges of the key"
           : table->keyed ? "hash of the key"
                          : "hash of the row";
}

/* From this size on a table is read in ranges, so that what was read of it counts after a break. */
static int64_t ranged_from_bytes(const VerifyRun *run)
{
    int64_t bytes = run->spec.max_rate_bytes * WHOLE_S;
    if (bytes <= 0 || bytes > WHOLE_BYTES)
        return WHOLE_BYTES;
    return bytes < RANGE_MIN_TABLE ? RANGE_MIN_TABLE : bytes;
}

static void fill_plan(VerifyRun *run, TablePlan *table, const PgRows *rows[SIDE_COUNT], int i)
{
    const Relation *rel = table->rel;
    bool in_order = true;
    for (int side = 0; side < SIDE_COUNT; side++) {
        table->only[side] = pgrows_text(rows[side], i, 0)[0] == 'r';
        table->block_bytes[side] = pgrows_i64(rows[side], i, 3);
        table->heap_blocks[side] = pgrows_i64(rows[side], i, 1) / table->block_bytes[side];
        in_order = in_order && lies_in_order(rows[side], i);
    }
    table->bytes = pgrows_i64(rows[SIDE_SOURCE], i, 2);
    table->keyed = rel->key_count > 0 && rel->key_unique;
    table->binary = table->keyed && binary_fits(run, rel);
    table->may_range = table->keyed && in_order && key_is_ordered(rel) &&
                       run->spec.what == VERIFY_ROWS && table->bytes >= RANGE_MIN_TABLE;
    /* What was begun in ranges goes on in ranges, however the statistics changed since. */
    table->ordered = (table->may_range && table->bytes >= ranged_from_bytes(run)) ||
                     (table->accounted_to != NULL && table->keyed && key_is_ordered(rel));
    table->parts = 1;
    while (!table->ordered && run->spec.what == VERIFY_ROWS && table->parts < PARTS_MAX &&
           table->bytes / table->parts > PART_BYTES)
        table->parts *= 2;
    if (run->spec.since_us != 0)
        table->since_column = find_since(rel, run->spec.since_column);
    table->out->method = method_of(run, table);
}

/* Whether somebody else could have written to a table on the target. */
static bool read_guards(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(run->probe[SIDE_TARGET], SQL_FENCE_TRIGGERS,
                      PG_PARAMS(PG_TEXT(run->spec.twin.task)), &rows, err))
        return err_context(err, "looking at the target's guard triggers");
    for (int r = 0; r < pgrows_count(rows); r++)
        for (int i = 0; i < run->plan_count; i++) {
            TablePlan *table = &run->plans[i];
            if (strcmp(table->rel->target_schema, pgrows_text(rows, r, 0)) == 0 &&
                strcmp(table->rel->target_name, pgrows_text(rows, r, 1)) == 0 &&
                strchr("OA", pgrows_text(rows, r, 3)[0]) != NULL)
                table->out->guarded = true;
        }
    return true;
}

bool verify_plan_facts(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    if (!ask_facts(run, SIDE_SOURCE, &source, err) || !ask_facts(run, SIDE_TARGET, &target, err))
        return false;
    const PgRows *rows[SIDE_COUNT] = {source, target};
    for (int i = 0; i < run->plan_count; i++) {
        fill_plan(run, &run->plans[i], rows, i);
        if (run->plans[i].out->verdict == VERIFY_UNDECIDED)
            judge_early(run, &run->plans[i], rows, i);
    }
    return read_guards(run, err);
}

bool verify_plan_renew(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    bool any = false;
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        if (!table->renew)
            continue;
        const Relation *now = run->spec.current(run->spec.current_arg, table->rel);
        if (now == NULL) {
            verify_not_verified(table, "the table was dropped while it was read");
            table->renew = false;
            continue;
        }
        table->rel = table->out->rel = now;
        any = true;
    }
    if (!any)
        return true;
    if (!ask_facts(run, SIDE_SOURCE, &source, err) || !ask_facts(run, SIDE_TARGET, &target, err))
        return false;
    const PgRows *rows[SIDE_COUNT] = {source, target};
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        if (!table->renew)
            continue;
        table->renew = false;
        fill_plan(run, table, rows, i);
        judge_early(run, table, rows, i);
    }
    return true;
}

/* Ranges ----------------------------------------------------------------------------------------- */

static void put_key(SqlText *st, const Relation *rel)
{
    for (int k = 0; k < rel->key_count; k++) {
        if (k > 0)
            sqltext_put(st, ", ");
        sqltext_ident(st, rel->columns[rel->key[k]].name);
    }
}

/* Every step-th key of a sample, as texts, behind what is decided already. */
static void build_bounds(SqlText *st, const TablePlan *table, int64_t ranges)
{
    const Relation *rel = table->rel;
    sqltext_put(st, "SELECT ");
    put_key(st, rel);
    sqltext_put(st, " FROM (SELECT ");
    put_key(st, rel);
    sqltext_put(st, ", pg_catalog.row_number() OVER (ORDER BY ");
    put_key(st, rel);
    sqltext_put(st, ") AS bascule_place, pg_catalog.count(*) OVER () AS bascule_rows FROM ");
    if (table->only[SIDE_SOURCE])
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, rel->schema, rel->name);
    sqltext_put(st, " TABLESAMPLE pg_catalog.system (");
    sqltext_param(st, 1);
    sqltext_put(st, "::pg_catalog.float4)) s WHERE bascule_place % GREATEST(1, bascule_rows / ");
    sqltext_i64(st, ranges);
    sqltext_put(st, ") = 0");
    if (table->accounted_to != NULL) {
        sqltext_put(st, " AND (");
        put_key(st, rel);
        sqltext_put(st, ") > (");
        for (int k = 0; k < rel->key_count; k++) {
            const Column *column = &rel->columns[rel->key[k]];
            if (k > 0)
                sqltext_put(st, ", ");
            sqltext_param(st, k + 2);
            sqltext_put(st, "::");
            sqltext_qualified(st, column->type_schema, column->type_name);
        }
        sqltext_put(st, ")");
    }
    sqltext_put(st, " ORDER BY bascule_place");
}

static bool read_bounds(VerifyRun *run, TablePlan *table, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    char percent[32];
    int64_t ranges = table->bytes / chunk_bytes(run);
    if (ranges > RANGE_MAX)
        ranges = RANGE_MAX;
    double share = 100.0 * SAMPLE_BLOCKS * (double)ranges / (double)(table->heap_blocks[0] + 1);
    snprintf(percent, sizeof percent, "%.6f", share > 100 ? 100 : share);
    build_bounds(&st, table, ranges);
    int keys = table->rel->key_count, params = 1;
    PgParam *param = arena_new_array(run->arena, PgParam, keys + 1);
    param[0] = PG_TEXT(percent);
    for (int k = 0; table->accounted_to != NULL && k < keys; k++)
        param[params++] = PG_TEXT(table->accounted_to[k]);
    PgConn *conn = run->probe[SIDE_SOURCE];
    if (!twin_begin(run->twin, conn, true, err) ||
        !pgconn_query(conn, sqltext_sql(&st), param, params, &rows, err) ||
        !pgconn_exec(conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err))
        return err_context(err, "choosing ranges of table '%s'", table->rel->display);
    int n = pgrows_count(rows);
    table->bounds = arena_new_array(run->arena, const char **, n + 1);
    for (int r = 0; r < n; r++) {
        table->bounds[r] = arena_new_array(run->arena, const char *, keys);
        for (int k = 0; k < keys; k++)
            table->bounds[r][k] = arena_strdup(run->arena, pgrows_text(rows, r, k));
    }
    table->bound_count = n;
    table->next_bound = 0;
    table->bounds_read = true;
    return true;
}

/* Groups ----------------------------------------------------------------------------------------- */

static Group *new_group(const VerifyRun *run, TablePlan *table, int64_t bytes)
{
    Arena *arena = arena_new(0);
    Group *group = arena_new_object(arena, Group);
    group->arena = arena;
    group->table = table;
    int64_t rows =
        table->rel->estimated_rows > 0 && table->bytes > 0
            ? (int64_t)((double)table->rel->estimated_rows * (double)bytes / (double)table->bytes)
            : bytes / 128;
    /* Where many rows differ, a table that may be read in ranges is read so: verify_plan_in_ranges. */
    int bits = table->may_range && !table->ordered ? BUCKET_BITS_NEAR : BUCKET_BITS_MAX;
    /* Ranges come from a sample and are of unequal size: small buckets name all that may be named. */
    int few = table->ordered ? ROWS_A_BUCKET / 4 : ROWS_A_BUCKET;
    while (group->bucket_bits < bits && (rows >> group->bucket_bits) > few)
        group->bucket_bits++;
    for (int side = 0; side < SIDE_COUNT; side++)
        group->buckets[side] = mem_zalloc(sizeof(RowsHash) << group->bucket_bits);
    if (verify_keeps(table) && run->spec.what == VERIFY_ROWS)
        group->subset = subset_new(run->spec.spill_dir);
    group->begin_us = clock_now_us();
    group->weight = bytes;
    if (table->last != NULL)
        table->last->next = group;
    else
        table->first = group;
    table->last = group;
    return group;
}

void verify_group_free(Group *group)
{
    for (int side = 0; side < SIDE_COUNT; side++) {
        free(group->buckets[side]);
        free(group->kept[side].rows);
        arena_free(group->kept_arena[side]);
    }
    free(group->wanted);
    subset_free(group->subset);
    arena_free(group->arena);
}

static void put_unit(VerifyRun *run, Group *group, int side, bool ranged, int64_t first,
                     int64_t end, int64_t weight, int64_t disk_bytes)
{
    Unit *unit = arena_new_object(group->arena, Unit);
    *unit = (Unit){.group = group, .ranged = ranged, .first_block = first, .end_block = end};
    unit->weight = side == SIDE_SOURCE ? weight : 0;
    unit->disk_bytes = disk_bytes;
    UnitList *list = &run->units[side];
    /* A second reading goes first: its first one is nearly in memory still. */
    if (group->detail) {
        unit->next = list->first;
        list->first = unit;
        if (list->last == NULL)
            list->last = unit;
    } else {
        if (list->last != NULL)
            list->last->next = unit;
        else
            list->first = unit;
        list->last = unit;
    }
    list->count++;
    group->units_left++;
}

void verify_plan_queue(VerifyRun *run, Group *group)
{
    const TablePlan *table = group->table;
    pthread_mutex_lock(&run->lock);
    for (int side = 0; side < SIDE_COUNT; side++) {
        int64_t blocks = table->heap_blocks[side];
        int64_t pieces = blocks * table->block_bytes[side] / chunk_bytes(run);
        if (group->cut == CUT_RANGE || pieces < 2)
            pieces = 1;
        if (pieces > PIECES_MAX)
            pieces = PIECES_MAX;
        for (int64_t p = 0; p < pieces; p++)
            put_unit(run, group, side, pieces > 1, blocks * p / pieces,
                     p == pieces - 1 ? -1 : blocks * (p + 1) / pieces,
                     group->detail ? 0 : group->weight / pieces,
                     group->cut == CUT_RANGE ? group->weight
                                             : blocks / pieces * table->block_bytes[side]);
    }
    pthread_mutex_unlock(&run->lock);
}

static const char **copy_key(Arena *arena, const Relation *rel, const char **key)
{
    if (key == NULL)
        return NULL;
    const char **copy = arena_new_array(arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count; k++)
        copy[k] = arena_strdup(arena, key[k]);
    return copy;
}

static bool plan_range(VerifyRun *run, TablePlan *table, Error *err)
{
    if (!table->bounds_read && !read_bounds(run, table, err))
        return false;
    const char **low = table->planned_to != NULL ? table->planned_to : table->accounted_to;
    Group *group = new_group(run, table, table->bytes / (table->bound_count + 1) + 1);
    group->cut = CUT_RANGE;
    group->low = copy_key(group->arena, table->rel, low);
    if (table->next_bound < table->bound_count) {
        table->planned_to = table->bounds[table->next_bound++];
        group->high = copy_key(group->arena, table->rel, table->planned_to);
    } else {
        table->planned_all = true;
    }
    verify_plan_queue(run, group);
    return true;
}

static void plan_part(VerifyRun *run, TablePlan *table)
{
    Group *group = new_group(run, table, table->bytes / table->parts);
    group->cut = table->parts > 1 ? CUT_PART : CUT_WHOLE;
    group->part = table->next_part++;
    table->planned_all = table->next_part >= table->parts;
    verify_plan_queue(run, group);
}

bool verify_plan_in_ranges(VerifyRun *run, TablePlan *table)
{
    if (!table->may_range || table->ordered)
        return false;
    table->ordered = true;
    table->planned_all = false;
    table->out->method = method_of(run, table);
    int number = (int)(table - run->plans);
    if (run->next_plan > number)
        run->next_plan = number;
    return true;
}

bool verify_plan_next(VerifyRun *run, bool *out_planned, Error *err)
{
    *out_planned = false;
    for (; run->next_plan < run->plan_count; run->next_plan++) {
        TablePlan *table = &run->plans[run->next_plan];
        if (table->out->verdict != VERIFY_UNDECIDED || table->planned_all || table->stalled)
            continue;
        /* Copied at a later position than the snapshots show: the next ones will do. */
        if (twin_exact(run->twin) && table->rel->start_lsn > twin_lsn(run->twin)) {
            table->moves++;
            table->stalled = true;
            continue;
        }
        if (table->ordered && !plan_range(run, table, err))
            return false;
        if (!table->ordered)
            plan_part(run, table);
        run->groups_open++;
        *out_planned = true;
        return true;
    }
    return true;
}

void verify_plan_forget(VerifyRun *run)
{
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        for (Group *group = table->first, *next; group != NULL; group = next) {
            next = group->next;
            verify_group_free(group);
        }
        table->first = table->last = NULL;
        table->planned_all = table->bounds_read = table->stalled = false;
        table->next_part = table->accounted_part;
        table->planned_to = NULL;
    }
    for (int side = 0; side < SIDE_COUNT; side++)
        run->units[side] = (UnitList){0};
    run->next_plan = 0;
    run->groups_open = 0;
}

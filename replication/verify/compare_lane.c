/*
 * compare_lane - one session that reads units and hashes their rows as they arrive.
 */
#include <string.h>
#include <xxhash.h>

#include "bascule/base/clock.h"
#include "sqltext/reading.h"
#include "verify/compare_internal.h"
#include "verify/copy_binary.h"

#define SUBSET_ROWS 256 /* handed on at once */

static const Relation *relation_of(const CompareLane *lane, const CompareUnit *unit)
{
    return lane->compare->spec.rels->all[unit->table];
}

static void put_source_of_rows(CompareLane *lane, const CompareUnit *unit)
{
    const Relation *rel = relation_of(lane, unit);
    bool source = lane->side == SIDE_SOURCE;
    SqlText *st = &lane->sql;
    sqltext_put(st, " FROM ");
    if (lane->compare->parts[lane->side][unit->table].only)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, source ? rel->schema : rel->target_schema,
                      source ? rel->name : rel->target_name);
    bool first = !unit->ranged;
    if (unit->ranged) {
        sqltext_put(st, " WHERE ctid >= '(");
        sqltext_i64(st, unit->first_block);
        sqltext_put(st, ",0)'::pg_catalog.tid");
    }
    if (unit->ranged && unit->end_block >= 0) {
        sqltext_put(st, " AND ctid < '(");
        sqltext_i64(st, unit->end_block);
        sqltext_put(st, ",0)'::pg_catalog.tid");
    }
    reading_filter(st, rel, source, NULL, &first);
}

static bool count_rows(CompareLane *lane, const CompareUnit *unit, RowsHash *out_hash, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_clear(&lane->sql);
    sqltext_put(&lane->sql, "SELECT pg_catalog.count(*)");
    put_source_of_rows(lane, unit);
    if (!pgconn_query(lane->conn, sqltext_sql(&lane->sql), PG_NO_PARAMS, &rows, err))
        return false;
    *out_hash = (RowsHash){.rows = (uint64_t)pgrows_i64(rows, 0, 0)};
    return true;
}

static void build_copy(CompareLane *lane, const CompareUnit *unit, bool binary)
{
    const Relation *rel = relation_of(lane, unit);
    SqlText *st = &lane->sql;
    sqltext_clear(st);
    sqltext_put(st, "COPY (SELECT ");
    for (int i = 0; i < rel->column_count; i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        reading_column(st, &rel->columns[i], rel, lane->side == SIDE_SOURCE, NULL);
    }
    put_source_of_rows(lane, unit);
    if (binary)
        sqltext_put(st, ") TO STDOUT (FORMAT binary)");
    else
        sqltext_put(st, ") TO STDOUT");
}

/* What one COPY brings, without a lock. */
typedef struct Reading {
    bool binary, first;
    RowsHash hash;
    int side;
    Subset *subset; /* NULL: the sum is enough */
    SubsetRow rows[SUBSET_ROWS];
    size_t row_count;
} Reading;

static bool hand_on_rows(Reading *r, Error *err)
{
    size_t count = r->row_count;
    r->row_count = 0;
    return count == 0 || subset_add(r->subset, r->side, r->rows, count, err);
}

static bool hash_row(Reading *r, const char *data, int len, Error *err)
{
    if (r->binary) {
        if (r->first && !copy_binary_skip_header(&data, &len, err))
            return false;
        r->first = false;
        if (copy_binary_is_end(data, len))
            return true;
    }
    rows_hash_add(&r->hash, data, (size_t)len);
    if (r->subset == NULL)
        return true;
    if (r->row_count == SUBSET_ROWS && !hand_on_rows(r, err))
        return false;
    XXH128_hash_t hash = XXH3_128bits(data, (size_t)len);
    r->rows[r->row_count++] = (SubsetRow){.lo = hash.low64, .hi = hash.high64};
    return true;
}

static bool copy_rows(CompareLane *lane, Reading *r, int64_t *out_bytes, Error *err)
{
    bool ok = true;
    int64_t bytes = 0;
    if (!pgconn_copy_out(lane->conn, sqltext_sql(&lane->sql), err))
        return false;
    while (ok) {
        char *data = NULL;
        int len = 0;
        PgRead got = pgconn_copy_get(lane->conn, &data, &len, err);
        if (got == PG_READ_CLOSED)
            break;
        if (got != PG_READ_MESSAGE)
            return false;
        ok = hash_row(r, data, len, err);
        bytes += len;
        pgconn_copy_free(data);
    }
    if (!ok || !hand_on_rows(r, err))
        return false;
    int64_t announced = pgconn_copy_rows(lane->conn);
    if (announced >= 0 && r->hash.rows != (uint64_t)announced)
        return ERR(err, ERR_PROTOCOL, "the server says it sent %lld rows, %llu arrived",
                   (long long)announced, (unsigned long long)r->hash.rows);
    *out_bytes = bytes;
    return true;
}

bool compare_lane_read(CompareLane *lane, const CompareUnit *unit, RowsHash *out_hash,
                       int64_t *out_bytes, Error *err)
{
    if (unit->count) {
        *out_bytes = 0;
        return count_rows(lane, unit, out_hash, err);
    }
    Reading reading = {.binary = compare_plan_binary(lane->compare, relation_of(lane, unit)),
                       .first = true,
                       .side = lane->side,
                       .subset = lane->compare->subsets[unit->table]};
    build_copy(lane, unit, reading.binary);
    if (!copy_rows(lane, &reading, out_bytes, err))
        return false;
    *out_hash = reading.hash;
    return true;
}

static void add_result(CompareLane *lane, const CompareUnit *unit, const RowsHash *hash,
                       int64_t bytes)
{
    Compare *compare = lane->compare;
    ComparePart *part = &compare->parts[lane->side][unit->table];
    pthread_mutex_lock(&compare->lock);
    rows_hash_merge(&part->hash, hash);
    part->read_bytes += bytes;
    part->units_left--;
    part->end_us = clock_now_us() - compare->started_us;
    pthread_mutex_unlock(&compare->lock);
    if (lane->side == SIDE_SOURCE && compare->spec.done_bytes != NULL)
        atomic_fetch_add(compare->spec.done_bytes, bytes);
}

/* Never STEP_FAILED: the first error of any lane halts all, nothing is tried again here. */
StepResult compare_lane_step(void *self, Error *err)
{
    CompareLane *lane = self;
    Compare *compare = lane->compare;
    int mine = atomic_fetch_add(&compare->next_unit[lane->side], 1);
    if (mine >= compare->unit_count[lane->side] || stop_requested(compare->halt))
        return STEP_DONE;
    const CompareUnit *unit = &compare->units[lane->side][mine];
    RowsHash hash = {0};
    int64_t bytes = 0;
    if (compare_lane_read(lane, unit, &hash, &bytes, err)) {
        add_result(lane, unit, &hash, bytes);
        return STEP_AGAIN;
    }
    pthread_mutex_lock(&compare->lock);
    if (!compare->failed && !stop_requested(compare->halt)) {
        compare->failed = true;
        compare->failure = *err;
        err_context(&compare->failure, "comparing table '%s' on the %s",
                    relation_of(lane, unit)->display, pgconn_side(lane->conn));
    }
    pthread_mutex_unlock(&compare->lock);
    stop_request(compare->halt);
    return STEP_DONE;
}

void compare_lane_end(void *self, const Error *err)
{
    CompareLane *lane = self;
    (void)err;
    if (atomic_fetch_sub(&lane->compare->lanes_left, 1) == 1)
        stop_request(lane->compare->finished);
}

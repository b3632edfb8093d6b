/*
 * verify_read - one unit: the statement that reads it, and what is done with each row.
 *
 * The key's columns come first, so that the key is the beginning of the message in text form and in
 * binary form. A second reading has the texts of the key behind the columns in binary form: the
 * rows that are kept will be asked for by them.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bascule/base/clock.h"
#include "sql_files.h"
#include "sqltext/reading.h"
#include "verify/copy_binary.h"
#include "verify/verify_internal.h"

#define KEPT_MAX_BYTES ((size_t)32 << 20)
#define KEPT_MAX_ROWS  120000
#define THROTTLE_BYTES ((int64_t)64 << 10)
#define SUBSET_ROWS    256 /* handed on at once */

/* The statement ---------------------------------------------------------------------------------- */

static const char *name_of(const Column *column, int side)
{
    return side == SIDE_SOURCE ? column->name : column->target_name;
}

static bool in_key(const Relation *rel, int column)
{
    for (int k = 0; k < rel->key_count; k++)
        if (rel->key[k] == column)
            return true;
    return false;
}

static void put_columns(SqlText *st, const TablePlan *table, int side, bool detail)
{
    const Relation *rel = table->rel;
    bool first = true;
    for (int k = 0; table->keyed && k < rel->key_count; k++, first = false) {
        if (!first)
            sqltext_put(st, ", ");
        reading_column(st, &rel->columns[rel->key[k]], rel, side == SIDE_SOURCE, NULL);
    }
    for (int c = 0; c < rel->column_count; c++) {
        if (table->keyed && in_key(rel, c))
            continue;
        if (!first)
            sqltext_put(st, ", ");
        reading_column(st, &rel->columns[c], rel, side == SIDE_SOURCE, NULL);
        first = false;
    }
    for (int k = 0; detail && table->binary && k < rel->key_count; k++) {
        sqltext_put(st, ", ");
        sqltext_ident(st, name_of(&rel->columns[rel->key[k]], side));
        sqltext_put(st, "::pg_catalog.text");
    }
}

static void put_key(SqlText *st, const Relation *rel, int side)
{
    for (int k = 0; k < rel->key_count; k++) {
        if (k > 0)
            sqltext_put(st, ", ");
        sqltext_ident(st, name_of(&rel->columns[rel->key[k]], side));
    }
}

static void put_bound(SqlText *st, const Relation *rel, const char **bound)
{
    for (int k = 0; k < rel->key_count; k++) {
        const Column *column = &rel->columns[rel->key[k]];
        if (k > 0)
            sqltext_put(st, ", ");
        sqltext_string(st, bound[k]);
        sqltext_put(st, "::");
        sqltext_qualified(st, column->type_schema, column->type_name);
    }
}

static void put_and(SqlText *st, bool *first)
{
    if (*first)
        sqltext_put(st, " WHERE ");
    else
        sqltext_put(st, " AND ");
    *first = false;
}

static void put_range(SqlText *st, const Group *group, int side, bool *first)
{
    const Relation *rel = group->table->rel;
    if (group->low != NULL) {
        put_and(st, first);
        sqltext_put(st, "(");
        put_key(st, rel, side);
        sqltext_put(st, ") > (");
        put_bound(st, rel, group->low);
        sqltext_put(st, ")");
    }
    if (group->high != NULL) {
        put_and(st, first);
        sqltext_put(st, "(");
        put_key(st, rel, side);
        sqltext_put(st, ") <= (");
        put_bound(st, rel, group->high);
        sqltext_put(st, ")");
    }
}

static void put_part(SqlText *st, const Group *group, int side, bool *first)
{
    const TablePlan *table = group->table;
    put_and(st, first);
    sqltext_put(st, "(pg_catalog.hashtextextended(ROW(");
    if (table->keyed)
        put_key(st, table->rel, side);
    else
        put_columns(st, table, side, false);
    sqltext_put(st, ")::pg_catalog.text, 0) & ");
    sqltext_i64(st, table->parts - 1);
    sqltext_put(st, ") = ");
    sqltext_i64(st, group->part);
}

static void put_blocks(SqlText *st, const Unit *unit, bool *first)
{
    put_and(st, first);
    sqltext_put(st, "ctid >= '(");
    sqltext_i64(st, unit->first_block);
    sqltext_put(st, ",0)'::pg_catalog.tid");
    if (unit->end_block >= 0) {
        sqltext_put(st, " AND ctid < '(");
        sqltext_i64(st, unit->end_block);
        sqltext_put(st, ",0)'::pg_catalog.tid");
    }
}

static const char *since_name(const TablePlan *table, int side)
{
    for (int c = 0; c < table->rel->column_count; c++)
        if (strcmp(table->rel->columns[c].name, table->since_column) == 0)
            return name_of(&table->rel->columns[c], side);
    return table->since_column;
}

void verify_read_put_from(SqlText *st, const VerifyRun *run, const Group *group, const Unit *unit,
                          int side)
{
    const TablePlan *table = group->table;
    const Relation *rel = table->rel;
    bool first = true;
    sqltext_put(st, " FROM ");
    if (table->only[side])
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, side == SIDE_SOURCE ? rel->schema : rel->target_schema,
                      side == SIDE_SOURCE ? rel->name : rel->target_name);
    if (unit != NULL && unit->ranged)
        put_blocks(st, unit, &first);
    if (group->cut == CUT_RANGE)
        put_range(st, group, side, &first);
    if (group->cut == CUT_PART)
        put_part(st, group, side, &first);
    if (run->spec.since_us != 0) {
        put_and(st, &first);
        sqltext_ident(st, since_name(table, side));
        sqltext_put(st, " >= ");
        sqltext_string(st, run->since);
    }
    reading_filter(st, rel, side == SIDE_SOURCE, NULL, &first);
}

/* Rows ------------------------------------------------------------------------------------------- */

/* What one lane gathers, without a lock, of one unit. */
typedef struct Reading {
    VerifyLane *lane;
    Group *group;
    const TablePlan *table;
    RowsHash *buckets;
    KeptRows kept;
    Arena *arena;
    int64_t bytes, unpaid_bytes;
    uint64_t rows;
    bool first;
    char file[TWIN_FILE_SIZE];
    SubsetRow hashes[SUBSET_ROWS]; /* of Group.subset, not handed on yet */
    size_t hash_count;
} Reading;

/* Length of the key at the beginning of the row; 0 when the row is too short for it. */
static size_t key_length(const TablePlan *table, const char *row, size_t len)
{
    size_t at = 0;
    if (!table->keyed)
        return len;
    for (int k = 0; k < table->rel->key_count; k++) {
        if (table->binary) {
            const unsigned char *p = (const unsigned char *)row + at;
            if (at + 4 > len)
                return 0;
            uint32_t field =
                (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
            at += 4 + (field == UINT32_MAX ? 0 : field);
        } else {
            const char *end = memchr(row + at, '\t', len - at);
            at = end == NULL ? len : (size_t)(end - row) + 1;
        }
        if (at > len)
            return 0;
    }
    return at;
}

static void keep(Reading *r, const char *row, size_t len, size_t key_len)
{
    KeptRows *kept = &r->kept;
    /* One row is kept however large it is. */
    if ((kept->bytes + len > KEPT_MAX_BYTES && kept->count > 0) || kept->count >= KEPT_MAX_ROWS) {
        kept->full = true;
        return;
    }
    if (kept->count == kept->capacity) {
        kept->capacity = kept->capacity > 0 ? 2 * kept->capacity : 256;
        kept->rows = realloc(kept->rows, sizeof *kept->rows * (size_t)kept->capacity);
        ASSERT(kept->rows != NULL);
    }
    XXH128_hash_t hash = XXH3_128bits(row, len);
    kept->rows[kept->count++] = (KeptRow){.data = arena_dup(r->arena, row, len),
                                          .len = (uint32_t)len,
                                          .key_len = (uint32_t)key_len,
                                          .lo = hash.low64,
                                          .hi = hash.high64};
    kept->bytes += len;
}

static bool hand_on_hashes(Reading *r, Error *err)
{
    size_t count = r->hash_count;
    r->hash_count = 0;
    return count == 0 || subset_add(r->group->subset, r->lane->side, r->hashes, count, err);
}

static bool note_hash(Reading *r, const char *row, size_t len, size_t bucket, Error *err)
{
    XXH128_hash_t hash = XXH3_128bits(row, len);
    if (r->hash_count == SUBSET_ROWS && !hand_on_hashes(r, err))
        return false;
    r->hashes[r->hash_count++] =
        (SubsetRow){.lo = hash.low64, .hi = hash.high64, .bucket = (uint32_t)bucket};
    return true;
}

static bool take_row(Reading *r, const char *data, int len, Error *err)
{
    const TablePlan *table = r->table;
    if (table->binary) {
        if (r->first && !copy_binary_skip_header(&data, &len, err))
            return false;
        r->first = false;
        if (copy_binary_is_end(data, len))
            return true; /* the end mark */
        data += 2;       /* the number of fields */
        len -= 2;
    }
    size_t key_len = len > 0 ? key_length(table, data, (size_t)len) : 0;
    if (key_len == 0 && (len < 0 || table->keyed))
        return ERR(err, ERR_PROTOCOL, "a row of a COPY is shorter than its key");
    uint64_t place = XXH3_64bits(data, key_len);
    int bits = r->group->bucket_bits;
    size_t bucket = bits == 0 ? 0 : (size_t)(place >> (64 - bits));
    r->rows++;
    if (r->group->detail) {
        if (r->group->wanted[bucket] != 0)
            keep(r, data, (size_t)len, key_len);
        return true;
    }
    rows_hash_add(&r->buckets[bucket], data, (size_t)len);
    return r->group->subset == NULL || note_hash(r, data, (size_t)len, bucket, err);
}

/* The source is never read faster than asked. */
static void wait_share(Reading *r, int64_t bytes)
{
    VerifyRun *run = r->lane->run;
    if (r->lane->side != SIDE_SOURCE)
        return;
    int64_t wait_us = throttle_take(&run->throttle, bytes, clock_now_us());
    if (wait_us > 0)
        stop_wait(run->halt, wait_us);
}

static void pay(Reading *r, int64_t bytes)
{
    r->bytes += bytes;
    r->unpaid_bytes += bytes;
    if (r->unpaid_bytes < THROTTLE_BYTES)
        return;
    wait_share(r, r->unpaid_bytes);
    r->unpaid_bytes = 0;
}

/* What was read and not sent (filtered, counted) is load all the same. Without a lock on the table. */
static void pay_rest(Reading *r, const Unit *unit)
{
    int64_t unsent = unit->disk_bytes - r->bytes;
    wait_share(r, r->unpaid_bytes + (unsent > 0 ? unsent : 0));
    r->unpaid_bytes = 0;
}

static bool copy_rows(Reading *r, Error *err)
{
    PgConn *conn = r->lane->conn;
    bool ok = true;
    if (!pgconn_copy_out(conn, sqltext_sql(&r->lane->sql), err))
        return false;
    while (ok) {
        char *data = NULL;
        int len = 0;
        PgRead got = pgconn_copy_get(conn, &data, &len, err);
        if (got == PG_READ_CLOSED)
            break;
        if (got != PG_READ_MESSAGE)
            return false;
        ok = take_row(r, data, len, err);
        pay(r, len);
        pgconn_copy_free(data);
    }
    ok = ok && hand_on_hashes(r, err);
    int64_t announced = ok ? pgconn_copy_rows(conn) : -1;
    if (announced >= 0 && r->rows != (uint64_t)announced)
        return ERR(err, ERR_PROTOCOL, "the server says it sent %lld rows, %llu arrived",
                   (long long)announced, (unsigned long long)r->rows);
    return ok;
}

static bool count_rows(Reading *r, const Unit *unit, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    SqlText *st = &r->lane->sql;
    sqltext_clear(st);
    sqltext_put(st, "SELECT pg_catalog.count(*)");
    verify_read_put_from(st, r->lane->run, r->group, unit, r->lane->side);
    if (!pgconn_query(r->lane->conn, sqltext_sql(st), PG_NO_PARAMS, &rows, err))
        return false;
    r->buckets[0].rows = (uint64_t)pgrows_i64(rows, 0, 0);
    return true;
}

/* Into the group, under the lock. */
static void merge(Reading *r, const Unit *unit, bool same)
{
    VerifyRun *run = r->lane->run;
    Group *group = r->group;
    int side = r->lane->side;
    pthread_mutex_lock(&run->lock);
    group->moved = group->moved || !same;
    memcpy(group->file[side], r->file, sizeof r->file);
    if (side == SIDE_SOURCE)
        group->bytes += r->bytes;
    atomic_fetch_add(&run->done_bytes, unit->weight);
    for (size_t b = 0; !group->detail && b < (size_t)1 << group->bucket_bits; b++)
        rows_hash_merge(&group->buckets[side][b], &r->buckets[b]);
    if (group->detail) {
        KeptRows *all = &group->kept[side];
        if (group->kept_arena[side] == NULL)
            group->kept_arena[side] = arena_new(0);
        for (int64_t i = 0; i < r->kept.count; i++) {
            KeptRow *row = &r->kept.rows[i];
            row->data = arena_dup(group->kept_arena[side], row->data, row->len);
        }
        if (all->count + r->kept.count > all->capacity) {
            all->capacity = all->count + r->kept.count + 256;
            all->rows = realloc(all->rows, sizeof *all->rows * (size_t)all->capacity);
            ASSERT(all->rows != NULL);
        }
        if (r->kept.count > 0)
            memcpy(all->rows + all->count, r->kept.rows, sizeof *all->rows * (size_t)r->kept.count);
        all->count += r->kept.count;
        all->full = all->full || r->kept.full;
    }
    group->units_left--;
    pthread_mutex_unlock(&run->lock);
}

static bool read_rows(Reading *r, const Unit *unit, bool *out_same, Error *err)
{
    VerifyLane *lane = r->lane;
    VerifyRun *run = lane->run;
    if (!twin_begin(run->twin, lane->conn, lane->side == SIDE_SOURCE, err))
        return false;
    if (r->group->cut == CUT_RANGE &&
        !pgconn_script(lane->conn, SQL("SET LOCAL enable_seqscan = off"), err))
        return false;
    bool ok;
    if (run->spec.what == VERIFY_COUNTS) {
        ok = count_rows(r, unit, err);
    } else {
        sqltext_clear(&lane->sql);
        sqltext_put(&lane->sql, "COPY (SELECT ");
        put_columns(&lane->sql, r->table, lane->side, r->group->detail);
        verify_read_put_from(&lane->sql, run, r->group, unit, lane->side);
        if (r->table->binary)
            sqltext_put(&lane->sql, ") TO STDOUT (FORMAT binary)");
        else
            sqltext_put(&lane->sql, ") TO STDOUT");
        ok = copy_rows(r, err);
    }
    return ok &&
           twin_file(lane->conn, r->table->rel, lane->side == SIDE_SOURCE, out_same, r->file,
                     err) &&
           pgconn_exec(lane->conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool verify_read_unit(VerifyLane *lane, const Unit *unit, Error *err)
{
    Group *group = unit->group;
    Arena *arena = arena_new(0);
    Reading reading = {.lane = lane,
                       .group = group,
                       .table = group->table,
                       .arena = arena,
                       .first = true,
                       .buckets = calloc((size_t)1 << group->bucket_bits, sizeof(RowsHash))};
    ASSERT(reading.buckets != NULL);
    bool same = true;
    bool ok = read_rows(&reading, unit, &same, err);
    if (ok) {
        pay_rest(&reading, unit);
        merge(&reading, unit, same);
    }
    free(reading.buckets);
    free(reading.kept.rows);
    arena_free(arena);
    return ok;
}

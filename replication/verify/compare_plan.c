/*
 * compare_plan - what is read: sizes on each side, and units that keep all sessions busy to the
 * end.
 *
 * Large tables are cut into about four pieces a session of the whole amount of work (not below 8
 * MB), so that the last piece that runs alone is small. A range scan by ctid is an index-free
 * direct read of blocks. The last range of a table is open: rows that arrive behind the size seen
 * here are read too.
 */
#include <stdlib.h>
#include <string.h>

#include "sql_files.h"
#include "verify/arrays.h"
#include "verify/compare_internal.h"

#define PIECE_MIN_BYTES  ((int64_t)8 << 20)
#define PIECES_PER_LANE  4
#define FIRST_NORMAL_OID 16384 /* types below have the same oid and form on every server */

static const char *side_name(int side)
{
    return side == SIDE_SOURCE ? "source" : "target";
}

bool compare_plan_sizes(Compare *compare, int side, PgConn *conn, Error *err)
{
    const Relations *rels = compare->spec.rels;
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    arrays_begin(&schemas);
    arrays_begin(&names);
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        arrays_put_text(&schemas, side == SIDE_SOURCE ? rel->schema : rel->target_schema);
        arrays_put_text(&names, side == SIDE_SOURCE ? rel->name : rel->target_name);
    }
    if (!pgconn_query(conn, SQL_VERIFY_SIZES,
                      PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names))), &rows,
                      err))
        return false;
    ASSERT(pgrows_count(rows) == rels->count);
    for (int i = 0; i < rels->count; i++) {
        ComparePart *part = &compare->parts[side][i];
        if (pgrows_null(rows, i, 0))
            return ERR(err, ERR_SCHEMA_DIFFERS, "table '%s' does not exist on the %s",
                       rels->all[i]->display, side_name(side));
        compare->block_bytes[side] = pgrows_i64(rows, i, 3);
        part->only = pgrows_text(rows, i, 0)[0] == 'r';
        part->heap_blocks = pgrows_i64(rows, i, 1) / compare->block_bytes[side];
        part->bytes = pgrows_i64(rows, i, 2);
    }
    return true;
}

static int larger_first(const void *a, const void *b)
{
    const CompareUnit *x = a, *y = b;
    if (x->count != y->count)
        return x->count ? 1 : -1;
    return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : 0;
}

static int pieces_of(const ComparePart *part, int64_t piece_bytes)
{
    int64_t pieces = part->bytes / piece_bytes;
    if (pieces > part->heap_blocks)
        pieces = part->heap_blocks;
    return pieces < 1 ? 1 : pieces > 1024 ? 1024 : (int)pieces;
}

void compare_plan_units(Compare *compare, int side)
{
    int tables = compare->spec.rels->count, count = 0;
    ComparePart *parts = compare->parts[side];
    int64_t total = 0;
    for (int i = 0; i < tables; i++)
        total += compare->how[i] == COMPARE_BY_HASH ? parts[i].bytes : 0;
    int64_t piece_bytes = total / ((int64_t)compare->spec.jobs * PIECES_PER_LANE);
    if (piece_bytes < PIECE_MIN_BYTES)
        piece_bytes = PIECE_MIN_BYTES;
    for (int i = 0; i < tables; i++)
        count += parts[i].units_left = compare->how[i] == COMPARE_NOT ? 0
                                       : compare->how[i] == COMPARE_BY_COUNT
                                           ? 1
                                           : pieces_of(&parts[i], piece_bytes);

    CompareUnit *units = calloc((size_t)(count > 0 ? count : 1), sizeof *units);
    ASSERT(units != NULL);
    CompareUnit *unit = units;
    for (int i = 0; i < tables; i++) {
        int pieces = parts[i].units_left;
        for (int p = 0; p < pieces; p++, unit++) {
            unit->table = i;
            unit->count = compare->how[i] == COMPARE_BY_COUNT;
            unit->ranged = pieces > 1;
            unit->first_block = parts[i].heap_blocks * p / pieces;
            unit->end_block = p == pieces - 1 ? -1 : parts[i].heap_blocks * (p + 1) / pieces;
            unit->weight = parts[i].bytes / pieces;
        }
    }
    qsort(units, (size_t)count, sizeof *units, larger_first);
    free(compare->units[side]);
    compare->units[side] = units;
    compare->unit_count[side] = count;
}

bool compare_plan_binary(const Compare *compare, const Relation *rel)
{
    if (!compare->binary_possible || rel->column_count == 0)
        return false;
    for (int i = 0; i < rel->column_count; i++) {
        const Column *column = &rel->columns[i];
        /* Domains, enums, composites and arrays of them carry oids that differ between servers. */
        if (!column->binary_safe || column->type_oid >= FIRST_NORMAL_OID)
            return false;
    }
    return true;
}

void compare_choose(Compare *compare, const CompareHow *how)
{
    for (int i = 0; i < compare->spec.rels->count; i++)
        compare->how[i] = how[i];
    for (int side = 0; side < SIDE_COUNT; side++)
        compare_plan_units(compare, side);
}

int64_t compare_table_bytes(const Compare *compare, int table)
{
    int64_t source = compare->parts[SIDE_SOURCE][table].bytes;
    int64_t target = compare->parts[SIDE_TARGET][table].bytes;
    return source > target ? source : target;
}

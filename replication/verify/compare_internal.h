/*
 * compare_internal - what the files of the comparison share.
 *
 * A unit is what one session reads in one COPY: a table, or a range of blocks of a big one, on one
 * side. Each side has its own list of units, largest first, and its own sessions ("lanes") that
 * take from it; nothing pairs the sides but the sums. Guard    `lock` guards parts and failure;
 * everything else is written before the lanes start.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bascule/base/worker.h"
#include "sqltext/sqltext.h"
#include "verify/compare.h"
#include "verify/subset.h"

enum { SIDE_SOURCE, SIDE_TARGET, SIDE_COUNT };

typedef struct CompareUnit {
    int table;
    bool ranged;
    int64_t first_block,
        end_block;  /* end -1: to the end of the table, however long it is by then */
    int64_t weight; /* bytes on disk */
    bool count;     /* rows are only counted */
} CompareUnit;

/* A table on one side. */
typedef struct ComparePart {
    bool only; /* FROM ONLY: everything but a partitioned root */
    int64_t heap_blocks;
    int64_t bytes; /* with toast */
    int units_left;
    RowsHash hash;
    int64_t read_bytes;
    int64_t end_us; /* last unit done, since the start */
} ComparePart;

typedef struct CompareLane {
    Compare *compare;
    int side;
    char name[32];
    PgConn *conn;
    Worker *worker;
    SqlText sql;
} CompareLane;

struct Compare {
    CompareSpec spec;
    StopToken *halt;     /* the lanes' sessions wait on it */
    StopToken *finished; /* the last lane has ended */
    bool binary_possible;
    int64_t block_bytes[SIDE_COUNT];
    ComparePart *parts[SIDE_COUNT];
    CompareHow *how; /* by table */
    Subset *
        *subsets; /* by table; of those whose target may have rows of its own, while all is read */
    CompareUnit *units[SIDE_COUNT];
    int unit_count[SIDE_COUNT];
    atomic_int next_unit[SIDE_COUNT];
    CompareLane *lanes;
    int lane_count;
    atomic_int lanes_left;
    int64_t started_us;
    pthread_mutex_t lock;
    bool failed;
    Error failure;
    bool held; /* transactions are open on the source's lanes */
};

/* compare_plan.c */
MUST_CHECK bool compare_plan_sizes(Compare *compare, int side, PgConn *conn, Error *err);
void compare_plan_units(Compare *compare, int side);
/* Binary form of this table is the same on both servers. */
bool compare_plan_binary(const Compare *compare, const Relation *rel);

/* compare_lane.c */
MUST_CHECK bool compare_lane_read(CompareLane *lane, const CompareUnit *unit, RowsHash *out_hash,
                                  int64_t *out_bytes, Error *err);
StepResult compare_lane_step(void *self, Error *err);
void compare_lane_end(void *self, const Error *err);

/*
 * compare - are the rows of a table equal on both sides, as they stand now (both sides frozen, or under
 * snapshots that belong together)?
 *
 * Method   both sides COPY their rows out at once with pinned sessions and the same column list (source
 *          order, generated columns left out), text form; each row is hashed (xxh3-128) and summed, so
 *          order does not matter. Numbers of rows and the 128-bit sums are compared.
 */
#pragma once

#include "bascule/base/hash.h"
#include "bascule/base/stop.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef enum CompareVerdict {
    COMPARE_NOT_DONE,   /* never shown as success */
    COMPARE_EQUAL,
    COMPARE_DIFFERENT,
} CompareVerdict;

typedef struct CompareTable {
    const Relation *rel;
    CompareVerdict verdict;
    RowsHash source, target;
    int64_t bytes;          /* read on the source side */
    int64_t elapsed_us;
    char why[256];          /* when NOT_DONE */
} CompareTable;

typedef struct CompareSpec {
    PgEndpoint source, target;
    const Relations *rels;
    int jobs;               /* tables (or halves of big ones) at once */
    bool count_only;
    int64_t deadline_us;    /* monotonic; tables not reached are NOT_DONE; CLOCK_NEVER */
    StopToken *stop;
    _Atomic int64_t *done_bytes; /* progress; may be NULL */
} CompareSpec;

/* Fills one CompareTable a relation, in the order of rels. false only on errors. */
MUST_CHECK bool compare_run(const CompareSpec *spec, CompareTable *out_tables, Error *err);

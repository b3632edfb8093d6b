/*
 * compare - are the rows of a table equal on both sides, as they stand now (both sides frozen, or
 * under snapshots that belong together)?
 *
 * Method   both sides COPY their rows out at once with pinned sessions and the same column list
 * (source order, generated columns left out); each row is hashed (xxh3-128) and summed, so order
 * does not matter. Numbers of rows and the 128-bit sums are compared. Big tables are cut into block
 *          ranges, on each side by its own blocks: sums merge.
 * Form     text; binary where both servers have the same major version and every column is of a
 *          built-in type whose binary form holds no OIDs (traps.md, section 8).
 * Threads  compare_go() returns when all is read; it starts `jobs` workers a side and joins them.
 * Errors   ordinary ones: CONN_LOST, STOPPED (the stop token), SCHEMA_DIFFERS (a table is missing).
 */
#pragma once

#include "bascule/base/hash.h"
#include "bascule/base/stop.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "verify/keylog.h"

typedef enum CompareVerdict {
    COMPARE_NOT_DONE, /* never shown as success */
    COMPARE_EQUAL,
    COMPARE_CONTAINED, /* every row of the source is there and the same; a rule keeps the others */
    COMPARE_DIFFERENT,
} CompareVerdict;

/* How a table is compared. */
typedef enum CompareHow {
    COMPARE_BY_HASH,  /* every row */
    COMPARE_BY_COUNT, /* their number */
    COMPARE_NOT,
} CompareHow;

typedef struct CompareTable {
    const Relation *rel;
    CompareVerdict verdict;
    RowsHash source, target;
    int64_t kept;  /* rows that only the target has, and a rule keeps (keep-extra) */
    int64_t bytes; /* read on the source side */
    int64_t elapsed_us;
    char why[256]; /* when NOT_DONE; of keys: the first that differs */
    CompareHow how;
    bool read; /* source and target hold what was hashed or counted */
    /* of compare_keys */
    bool by_keys;
    int64_t keys, different;
    /* the caller's: what the keys are added to, when that was found (0: nothing); all of it cannot be read
     * in the time that there is */
    Lsn base_lsn;
    int64_t base_wall_us;
    bool too_long;
} CompareTable;

typedef struct CompareSpec {
    PgEndpoint source, target;
    const Relations *rels;
    int jobs;              /* tables (or parts of big ones) at once, on each side */
    const char *spill_dir; /* for hashes of rows that do not fit into memory (subset.h) */
    bool count_only;
    int64_t deadline_us;         /* monotonic; tables not reached are NOT_DONE; CLOCK_NEVER */
    StopToken *stop;             /* may be NULL */
    _Atomic int64_t *done_bytes; /* read on the source side; progress; may be NULL */
} CompareSpec;

/* Fills one CompareTable a relation, in the order of rels. false only on errors. */
MUST_CHECK bool compare_run(const CompareSpec *spec, CompareTable *out_tables, Error *err);

/* The same in two steps, for a caller whose clock runs: open connects and looks at sizes, go reads.
 * go may be called once. spec->deadline_us is ignored, the argument counts. */
typedef struct Compare Compare;
MUST_CHECK bool compare_open(const CompareSpec *spec, Compare **out_compare, Error *err);
MUST_CHECK bool compare_go(Compare *compare, int64_t deadline_us, CompareTable *out_tables,
                           Error *err);
/* Every session of the source takes ACCESS SHARE on every table and keeps it until go has read all,
 * or release. Why: once the cutover holds its locks, an application's TRUNCATE or ALTER waits behind
 * them, and whoever asks for ACCESS SHARE after it waits too, for as long as the freeze lasts.
 * LOCK_TIMEOUT, with nothing held, when somebody waits already. The server drops the locks after
 * idle_limit_us of silence. Between open and go. */
MUST_CHECK bool compare_hold(Compare *compare, int64_t idle_limit_us, Error *err);
/* Instead of what spec->count_only says; one a relation. Counts come last. Between open and go. */
void compare_choose(Compare *compare, const CompareHow *how);
/* Bytes of a table on disk, the larger of both sides. */
int64_t compare_table_bytes(const Compare *compare, int table);
/* Every open key of the wanted tables (by relation id) is read again on both sides: out_tables gets
 * keys, different, why; nothing else of it is touched. Both sides must stand still; the sessions are
 * those of go, which comes after. DEADLINE when the time ran out. */
MUST_CHECK bool compare_keys(Compare *compare, Keylog *log, const bool *wanted, int64_t deadline_us,
                             CompareTable *out_tables, Error *err);
/* It has a key by which an index finds its rows on both sides. */
bool compare_keys_possible(const Relation *rel);
void compare_release(Compare *compare); /* idempotent; NULL is fine */
void compare_close(Compare *compare);   /* NULL is fine */
/* How long reading everything would take, judged by a sample of at most 16 MB of the largest table
 * on each side. *out_bytes is the size of all tables on the source. Between open and go only. */
MUST_CHECK bool compare_predict(Compare *compare, int64_t *out_bytes, int64_t *out_predicted_us,
                                Error *err);

const char *
compare_verdict_name(CompareVerdict verdict); /* "equal", "contained", "different", "not-done" */

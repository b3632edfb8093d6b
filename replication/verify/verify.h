/*
 * verify - whole tables compared while writes flow, exactly, with every difference named.
 *
 * Method   both sides under snapshots of one position (twin.h); rows go out by COPY in one column
 *          order, the key's columns first, and are hashed here (xxh3-128) into buckets by the hash
 *          of their key; sums of buckets are compared, so no order matters. What differs is read a
 *          second time, only the rows of buckets that differ are kept and matched by key, and rows
 *          that differ are fetched by key and named. Tables without a key: by the hash of the row.
 * Chunks   large tables whose key has the same order on every server (numbers, uuid, times) and lies
 *          about in that order on disk go by ranges of the key; others by ranges of blocks under one
 *          snapshot, the largest in parts by the hash of their key. A chunk is decided under one
 *          snapshot; chunks of a table may be decided under several, each at its own position.
 * Resume   what is decided stands in schema bascule on the target (verify_run, verify_table) and is
 *          not read again by the next run with the same options, whatever killed this one.
 * Verdicts PROVEN only when every row was compared at one position on both sides; EQUAL when the
 *          part that was asked for is (counts, rows since, spot check); CONTAINED when the target has
 *          rows of its own beside, which a rule keeps (keep-extra); MISMATCH; else NOT_VERIFIED
 *          with the reason. Without an engine (TwinEngine.self NULL) the sides are read one after
 *          the other: equal is equal, but a difference proves nothing, so it is NOT_VERIFIED.
 * Threads  verify_run in one thread; it starts 2 x jobs workers and joins them.
 * Errors   STOPPED, ALREADY_RUNNING (another verify of the task), what the servers say. Differences
 *          are no errors.
 */
#pragma once

#include "bascule/base/hash.h"
#include "bascule/base/stop.h"
#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "verify/keydiff.h"
#include "verify/origin.h"
#include "verify/twin.h"
#include "verify/verify_references.h"

typedef enum VerifyWhat { VERIFY_ROWS, VERIFY_COUNTS, VERIFY_SPOT, VERIFY_ORPHANS } VerifyWhat;

typedef enum VerifyVerdict {
    VERIFY_UNDECIDED, /* not read yet: never shown as success */
    VERIFY_PROVEN,
    VERIFY_EQUAL,
    VERIFY_CONTAINED, /* as PROVEN for every row of the source; the target has more, which a rule keeps */
    VERIFY_MISMATCH,
    VERIFY_NOT_VERIFIED,
    VERIFY_VERDICT_COUNT,
} VerifyVerdict;

const char *verify_verdict_name(VerifyVerdict verdict);
const char *verify_what_name(VerifyWhat what);

typedef struct VerifyTable {
    const Relation *rel;
    VerifyVerdict verdict;
    char why[384];
    const char *method;
    bool at_least;                              /* the counts of differences are lower bounds */
    int64_t rows[2], bytes, chunks, elapsed_us; /* rows: source, target */
    int64_t missing, extra, different, representation;
    int64_t moving;    /* dual writes: rows that differed only for a moment */
    int64_t unsettled; /* and those that changed at every look: nobody knows */
    int64_t outside;   /* of the target: rows that the table's filter leaves out; -1: not counted */
    int64_t kept; /* rows that only the target has, and a rule keeps; -1: how many is not known */
    int64_t by_others; /* of the rows that were named: surely not written by bascule */
    RowsHash hash[2];
    Lsn first_lsn, last_lsn; /* positions at which its chunks were decided */
    bool resumed;            /* decided by an earlier process of this run */
    bool guarded;            /* the target refuses writes of everybody but bascule's role */
} VerifyTable;

typedef struct VerifyFailure {
    const Relation *rel;
    KeyDiffKind kind;
    const char *key;     /* JSON object of texts; of a table without key: {"row": digest, ...} */
    const char *details; /* JSON array of {"column","source","target"}; masked unless asked */
    Lsn lsn;             /* of this run */
    Lsn first_lsn;       /* where it was first seen; LSN_UNKNOWN: not recorded */
    int64_t first_us;    /* and when, since 1970; 0 */
    /* Of a table without key: the row, a text a column. NULL: an earlier process named it. */
    const char *const *image;
    RowOrigin origin; /* of the target's row */
} VerifyFailure;

/* A foreign key whose rows point nowhere. */
typedef struct VerifyOrphans {
    const char *table;
    const char *constraint; /* or how verify.references names it */
    const char *references, *note;
    int64_t source, target; /* -1: could not be asked */
    const char *example;    /* JSON object: a key of an orphan on the target, else the source */
} VerifyOrphans;

typedef struct VerifyProgress {
    const char *table; /* being read, "" none */
    int tables_total, tables_done;
    int64_t bytes_total, bytes_done, rows_done, differences;
    int64_t elapsed_us, left_us; /* left_us -1: unknown */
    Lsn lsn;
} VerifyProgress;

typedef struct VerifySpec {
    TwinSpec twin;             /* endpoints, task, engine */
    const char *not_exact_why; /* without an engine: why a difference proves nothing; else NULL */
    const Relations *rels;
    /* With an engine: the table as it knows it now, after it was copied again; NULL: it is gone. */
    const Relation *(*current)(void *arg, const Relation *rel);
    void *current_arg;
    Rules *only; /* NULL: all */
    VerifyWhat what;
    int64_t since_us;         /* 0: all rows */
    const char *since_column; /* NULL: found by name */
    int spot_rows;
    const VerifyReference *references; /* ORPHANS: beside those that a constraint names */
    int reference_count;
    const Rules *names; /* of tables that do not move by themselves; NULL: the same on both sides */
    int jobs;
    const char *spill_dir;   /* for hashes of rows that do not fit into memory (subset.h) */
    int64_t max_rate_bytes;  /* a second, read on the source; 0: no limit */
    int64_t max_snapshot_us; /* then both snapshots are taken anew */
    bool show_values;
    bool mask_keys; /* in what is reported; the target's table of failures needs them */
    bool restart;   /* forget what an interrupted run has decided */
    bool aside;     /* neither goes on with an interrupted run nor gives it up */
    int64_t
        settle_us; /* the application writes both sides, the second so much later at most; 0: no */
    StopToken *stop;
    void (*on_progress)(void *arg, const VerifyProgress *progress);
    void *progress_arg;
} VerifySpec;

typedef struct VerifyReport {
    const char *what;
    int64_t run; /* number of the run in bascule.verify_run */
    bool exact, resumed, complete, mask_keys;
    int64_t started_wall_us, elapsed_us;
    int snapshots;
    int64_t held_us;            /* the longest time that the applier stood */
    Lsn source_lsn, target_lsn; /* of the last snapshots */
    int table_count;
    VerifyTable *tables;
    int failure_count;
    VerifyFailure *failures; /* at most VERIFY_NAMED_TABLE a table, VERIFY_NAMED_ALL in all */
    int orphan_count;
    VerifyOrphans *orphans;
    int spot_count;
    VerifyFailure *spots;  /* rows of a spot check, equal ones too */
    VerifyVerdict verdict; /* of all */
} VerifyReport;

#define VERIFY_NAMED_TABLE 1000
#define VERIFY_NAMED_ALL   10000

/* The columns of a row that differ, or that only one side has, as JSON: VerifyFailure.details. */
const char *verify_details(Arena *arena, bool show_values, const Relation *rel,
                           const KeyDiff *diff);
/* The tables of verifications in schema bascule, as this version has them. Idempotent. */
MUST_CHECK bool verify_tables_make(PgConn *target, Error *err);

/* The report is filled as far as things came even when false is returned. */
MUST_CHECK bool verify_run(const VerifySpec *spec, Arena *arena, VerifyReport *out_report,
                           Error *err);

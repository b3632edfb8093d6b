/*
 * twin - a snapshot on the source and a snapshot on the target that show the same state, while
 * writes flow: both at one position X of the source's WAL.
 *
 * How      hold the applier; create a temporary slot on the source, whose exported snapshot is valid
 *          exactly at its consistent point X; let the applier go on exactly to X; export a snapshot
 *          on the target; let the applier go on. The slot is dropped at once, the snapshots live in
 *          two idle transactions that lock no table. Any number of sessions take them over with
 *          twin_begin().
 * Time     the applier stands from before the slot until X is applied: at most hold_us in all, else
 *          LAG or SLOT (with the transactions that the source waited for) and nothing has changed.
 *          Both snapshots keep VACUUM from removing rows: let them go soon (twin_age_us).
 * Without  an engine (engine.self NULL) both sides are read as they are, after one another, and
 *          `exact` is false unless the caller knows better: nothing says that they belong together.
 * Traps    a table that is truncated or rewritten after X reads as empty or wrong under an older
 *          snapshot. Whoever reads must compare the table's file under the snapshot with the one
 *          that it has now, while it still holds its lock on the table (twin_same_file).
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct TwinEngine {
    void *self; /* NULL: there is none */
    bool (*hold)(void *self, int64_t deadline_us, void **out_hold, Error *err);
    bool (*release_to)(void *hold, Lsn lsn, int64_t deadline_us, Error *err);
    bool (*check)(void *hold, Error *err); /* the hold is still in force */
    void (*go_on)(void *hold);
    Lsn (*applied_lsn)(void *self);
} TwinEngine;

typedef struct TwinSpec {
    PgEndpoint source, target;
    const char *task;
    const char *slot_name; /* the temporary slot's name begins with it */
    int64_t hold_us;       /* 0: 10 s */
    TwinEngine engine;
} TwinSpec;

typedef struct Twin Twin;

MUST_CHECK bool twin_take(const TwinSpec *spec, Twin **out_twin, Error *err);
/* The same with an engine whose applier goes on standing at X, until engine.go_on(*out_hold). */
MUST_CHECK bool twin_take_standing(const TwinSpec *spec, Twin **out_twin, void **out_hold,
                                   Error *err);
void twin_free(Twin *twin); /* NULL is fine */
bool twin_exact(const Twin *twin);
/* X; without an engine the source's end of WAL when its snapshot was taken. */
Lsn twin_lsn(const Twin *twin);
/* The same; without an engine the target's resume position in its snapshot (LSN_UNKNOWN: none). */
Lsn twin_target_lsn(const Twin *twin);
int64_t twin_age_us(const Twin *twin);
int64_t twin_held_us(const Twin *twin); /* how long the applier stood */
/* Both sessions still live: a snapshot that is gone is CONN_LOST. */
MUST_CHECK bool twin_check(Twin *twin, Error *err);
/* Begins a read-only transaction on `conn` that sees this side's snapshot. The caller ends it, and
 * soon: its locks stand in the way of TRUNCATE and DDL. */
MUST_CHECK bool twin_begin(const Twin *twin, PgConn *conn, bool on_source, Error *err);
/* In a transaction that has read the table: *out_same false when the table is another one now than
 * its snapshot shows. */
MUST_CHECK bool twin_same_file(PgConn *conn, const Relation *rel, bool on_source, bool *out_same,
                               Error *err);
MUST_CHECK bool twin_same_file_of(PgConn *conn, const char *schema, const char *name,
                                  bool *out_same, Error *err);
/* The same, and which file the snapshot shows: after a TRUNCATE, or whatever writes the table anew, the
 * text is another one. */
#define TWIN_FILE_SIZE 24
MUST_CHECK bool twin_file(PgConn *conn, const Relation *rel, bool on_source, bool *out_same,
                          char out_file[TWIN_FILE_SIZE], Error *err);

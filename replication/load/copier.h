/*
 * copier - a session on each side, and rows piped from one to the other.
 *
 * Source   each copy is a transaction of its own under the exported snapshot, with ACCESS SHARE on
 * the table taken NOWAIT: locks go when the table's rows have been read, and nobody is ever waited
 * for. Target   one transaction: empty (when needed), COPY, the record, COMMIT. Killed anywhere, it
 * is all there or nothing of it. Commits are asynchronous: rows and record are lost together or not
 * at all. Checks   the number of rows that the source sent against the number that the target took.
 * Errors   COPY_LOCKED / COPY_FAILED; after a failure both sessions are closed.
 * Threads  one; copier_pid() and the stop token may be used by others.
 */
#pragma once

#include <stdatomic.h>

#include "load/load.h"
#include "load/schedule.h"

typedef struct Copier {
    const LoadSpec *spec;
    PgEndpoint source_at, target_at;
    PgConn *source, *target;
    StopToken *stop; /* ends what runs: set when the table is given up, or everything stops */
    _Atomic uint32_t source_pid; /* 0 none */
    char *buffer;
    size_t buffer_len;
    int64_t messages;
} Copier;

typedef enum CopyResult {
    COPY_DONE,
    COPY_LOCKED,   /* somebody holds or waits for the table: give it up */
    COPY_SNAPSHOT, /* *err: the snapshot cannot be imported any more, the whole round is over */
    COPY_UNKNOWN,  /* *err: the COMMIT's answer was lost: it may be in */
    COPY_FAILED,   /* *err: nothing of it is on the target */
} CopyResult;

typedef struct CopyCount {
    int64_t rows, bytes;
} CopyCount;

void copier_init(Copier *copier, const LoadSpec *spec);
void copier_done(Copier *copier);
void copier_close(Copier *copier); /* the sessions; the next call opens new ones */
/* Can the role switch triggers and foreign keys off for its session? */
MUST_CHECK bool copier_probe_replica_role(const LoadSpec *spec, bool *out_may, Error *err);

/* `locked` is asked once the source's lock is held: false means that the table was given up before,
 * so that the lock proves nothing. out_counts: one for each member of the unit (COPY of a piece:
 * one). */
typedef bool (*CopierStillGuarded)(void *arg, const Unit *unit);
CopyResult copier_run(Copier *copier, const Job *job, CopierStillGuarded guarded, void *guarded_arg,
                      CopyCount *out_counts, Error *err);

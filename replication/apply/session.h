/*
 * session - the applier's connection to the target, set up for applying, with what belongs to it.
 *
 * Plans     look-ups by key are index nested loops whatever the statistics say: sequential scans,
 *           hash and merge joins are off, plans are generic.
 * Triggers  session_replication_role=replica where the role may set it (then foreign keys are not
 *           checked and `live` is false).
 * Fence     the resume row is changed by compare-and-set: an applier that lost its place to another
 *           one finds another position there and stops (TARGET_STATE).
 */
#pragma once

#include "apply/lane.h"
#include "apply/shape.h"

typedef struct Session {
    PgConn *conn;
    Lane *lane;
    Shapes *shapes;
    const char *task;
    bool live;       /* foreign keys and triggers are live */
    Arena *scratch;  /* of one statement's making */
    PgArray *arrays; /* one a parameter, as many as the widest table needs */
    int array_count;
    SqlText text;
    Buf bytes;
    struct Dual *dual; /* target_writes: dual-write; NULL: refuse */
    int64_t
        *counted_rows; /* dualwise: single changes may touch no row, and this is how many they do */
} Session;

/* What the transaction writes besides the resume row: told there (column wrote), for verify/origin.h. */
typedef enum SessionRows { SESSION_NO_ROWS, SESSION_ROWS, SESSION_ROWS_IN_PARTS } SessionRows;

/* Tries to switch foreign keys and ordinary triggers off for a session; *out_live: it may not. */
MUST_CHECK bool session_be_replica(PgConn *conn, bool *out_live, Error *err);
/* Connects, reads the resume row and makes it durable (what an earlier session committed may not
 * have been flushed). TARGET_STATE when the row is missing. */
MUST_CHECK bool session_open(Session *session, const PgEndpoint *endpoint, const char *task,
                             const Relations *rels, Lsn *out_resume_lsn, Error *err);
void session_close(Session *session);

/* Queues BEGIN, and for `durable` the synchronous commit of this transaction, and the resume row.
 * With to_lsn == from_lsn the row is only marked as ours. */
MUST_CHECK bool session_begin(Session *session, Lsn from_lsn, Lsn to_lsn, int64_t commit_time_us,
                              SessionRows rows, bool durable, Error *err);
/* Queues a further change of the resume row inside the transaction. */
MUST_CHECK bool session_move(Session *session, Lsn from_lsn, Lsn to_lsn, int64_t commit_time_us,
                             SessionRows rows, Error *err);
/* The lane must have been drained. */
MUST_CHECK bool session_commit(Session *session, Error *err);
/* False when the session is of no use any more. */
bool session_rollback(Session *session);
/* An answer of the resume row's statement failed: nobody can mend that by going row by row. */
bool session_failed_at_resume(const Session *session);
/* Classes of errors that mean something else while applying: a statement that somebody cancelled
 * may be tried again, an object in use is no slot. */
void session_reclass(Error *err);

/*
 * flushed - which asynchronous commits have become durable by themselves.
 *
 * The server's WAL writer flushes what was committed asynchronously, after three of its delays at
 * the latest. Asking how far it is costs a round trip; waiting for a flush of our own holds up every
 * transaction that comes meanwhile. A position of the WAL that was noted after a commit and is
 * flushed proves that commit durable, as long as it is the same session: a crash of the server
 * breaks it, and then nothing that was noted counts.
 */
#pragma once

#include "bascule/model/lsn.h"
#include "bascule/port/pgconn.h"

typedef struct Flushed {
    Lsn wal_lsn;     /* of the target: behind the commit that moved the resume row to applied_lsn */
    Lsn applied_lsn; /* LSN_UNKNOWN: nothing is noted */
} Flushed;

/* A new session, or a synchronous commit: what was noted does not count any more. */
void flushed_forget(Flushed *flushed);
/*
 * Outside a transaction. *out_durable_lsn is the noted position when it is durable by now, otherwise
 * LSN_UNKNOWN; then applied_lsn, which has been committed in this session, is noted unless another
 * one still waits. With synchronous standbys a flush proves nothing: LSN_UNKNOWN always.
 */
MUST_CHECK bool flushed_look(Flushed *flushed, PgConn *conn, Lsn applied_lsn, Lsn *out_durable_lsn,
                             Error *err);

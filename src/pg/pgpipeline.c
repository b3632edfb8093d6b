/*
 * pgpipeline - statements queued ahead of their answers (see bascule/port/pgconn.h).
 *
 * libpq delivers for each statement its result and then NULL, and for each sync one result without
 * a NULL. What was queued is remembered in a ring, so that the two cannot be confused. While
 * sending, input is read as soon as the socket does not take more: a server that waits for us to
 * read would not read either.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "pg/session.h"

#define FLUSH_BYTES ((size_t)64 * 1024)

static void pending_push(PgConn *conn, PgPending what)
{
    if (conn->pending_count == conn->pending_capacity) {
        size_t capacity = conn->pending_capacity > 0 ? conn->pending_capacity * 2 : 64;
        uint8_t *ring = mem_alloc(capacity);
        for (size_t i = 0; i < conn->pending_count; i++)
            ring[i] = conn->pending[(conn->pending_first + i) % conn->pending_capacity];
        free(conn->pending);
        conn->pending = ring;
        conn->pending_capacity = capacity;
        conn->pending_first = 0;
    }
    conn->pending[(conn->pending_first + conn->pending_count) % conn->pending_capacity] =
        (uint8_t)what;
    conn->pending_count++;
    conn->pending_syncs += what == PENDING_SYNC;
}

static PgPending pending_pop(PgConn *conn)
{
    PgPending what = (PgPending)conn->pending[conn->pending_first];
    conn->pending_first = (conn->pending_first + 1) % conn->pending_capacity;
    conn->pending_count--;
    conn->pending_syncs -= what == PENDING_SYNC;
    return what;
}

bool pgconn_pipeline_begin(PgConn *conn, Error *err)
{
    if (!pg_may_start(conn, err))
        return false;
    if (PQenterPipelineMode(conn->pq) != 1)
        return pg_fail_call(conn, err);
    conn->mode = PG_PIPELINE;
    conn->pending_first = conn->pending_count = conn->pending_syncs = 0;
    conn->flush_requested = false;
    conn->unflushed = 0;
    return true;
}

/* Remembers what was queued, and sends when enough has gathered. */
static bool queued(PgConn *conn, int sent, PgPending what, size_t bytes, Error *err)
{
    if (sent != 1)
        return pg_fail_call(conn, err);
    pending_push(conn, what);
    conn->flush_requested = false;
    conn->unflushed += bytes;
    return conn->unflushed < FLUSH_BYTES || pg_flush(conn, err);
}

static bool may_queue(PgConn *conn, Error *err)
{
    if (!pg_require(conn, PG_PIPELINE, err))
        return false;
    if (stop_requested(conn->stop))
        return ERR(err, ERR_STOPPED, "%s: stopped in a pipeline", conn->side);
    return true;
}

/* About what goes over the wire: it decides when to flush. libpq moves its whole unsent buffer at
 * every partial write, so the buffer must stay small. */
static size_t params_bytes(const PgParam *params, int nparams)
{
    size_t bytes = 64;
    for (int i = 0; i < nparams; i++) {
        bytes += 8;
        if (params[i].data != NULL)
            bytes += params[i].binary ? (size_t)params[i].len : strlen(params[i].data);
    }
    return bytes;
}

bool pgconn_pipeline_send(PgConn *conn, Sql sql, const PgParam *params, int nparams, Error *err)
{
    const Oid *types;
    int sent;

    if (!may_queue(conn, err) || !pg_set_params(conn, params, nparams, &types, err))
        return false;
    sent = PQsendQueryParams(conn->pq, sql.text, nparams, types, conn->values, conn->lengths,
                             conn->formats, 0);
    return queued(conn, sent, PENDING_STATEMENT, params_bytes(params, nparams), err);
}

bool pgconn_pipeline_prepare(PgConn *conn, const char *name, Sql sql, const uint32_t *types,
                             int ntypes, Error *err)
{
    if (!may_queue(conn, err))
        return false;
    return queued(conn, PQsendPrepare(conn->pq, name, sql.text, ntypes, types), PENDING_PREPARE,
                  256, err);
}

bool pgconn_pipeline_send_prepared(PgConn *conn, const char *name, const PgParam *params,
                                   int nparams, Error *err)
{
    const Oid *types;
    int sent;

    if (!may_queue(conn, err) || !pg_set_params(conn, params, nparams, &types, err))
        return false;
    sent =
        PQsendQueryPrepared(conn->pq, name, nparams, conn->values, conn->lengths, conn->formats, 0);
    return queued(conn, sent, PENDING_STATEMENT, params_bytes(params, nparams), err);
}

bool pgconn_pipeline_sync(PgConn *conn, Error *err)
{
    if (!pg_require(conn, PG_PIPELINE, err))
        return false;
    if (PQpipelineSync(conn->pq) != 1)
        return pg_fail_call(conn, err);
    pending_push(conn, PENDING_SYNC);
    return pg_flush(conn, err);
}

/* The NULL behind a statement's result. */
static bool take_null(PgConn *conn, Error *err)
{
    PGresult *result;

    if (!pg_next_result(conn, &result, err))
        return false;
    if (result == NULL)
        return true;
    PQclear(result);
    conn->broken = true;
    return ERR(err, ERR_PROTOCOL, "%s: a second result for one statement in a pipeline",
               conn->side);
}

/* Takes the answer of the oldest pending entry. */
static bool take_answer(PgConn *conn, PgPending *out_what, int64_t *out_affected, Error *err)
{
    PGresult *result;
    PgPending what = pending_pop(conn);
    bool fine = true;
    Error later;

    *out_what = what;
    conn->skipped = false;
    if (!pg_next_result(conn, &result, err))
        return false;
    switch (result != NULL ? PQresultStatus(result) : PGRES_BAD_RESPONSE) {
    case PGRES_PIPELINE_SYNC:
        if (what == PENDING_SYNC)
            break;
        conn->broken = true;
        fine = ERR(err, ERR_PROTOCOL, "%s: the pipeline's answers are out of step", conn->side);
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        if (out_affected != NULL)
            *out_affected = what == PENDING_PREPARE ? -1 : pg_affected(result);
        break;
    case PGRES_PIPELINE_ABORTED:
        conn->skipped = true;
        fine = ERR(err, ERR_SQL, "%s: skipped, because a statement before it failed", conn->side);
        break;
    case PGRES_FATAL_ERROR:
        fine = pg_fail_result(conn, result, err);
        break;
    default:
        conn->broken = true;
        fine = ERR(err, ERR_PROTOCOL, "%s: unexpected answer in a pipeline", conn->side);
        break;
    }
    PQclear(result);
    if (what != PENDING_SYNC && !conn->broken && !take_null(conn, fine ? err : &later))
        fine = false;
    return fine;
}

bool pgconn_pipeline_result(PgConn *conn, int64_t *out_affected, Error *err)
{
    if (!pg_require(conn, PG_PIPELINE, err))
        return false;
    for (;;) {
        PgPending what;
        if (conn->pending_count == 0)
            return ERR(err, ERR_BUG, "%s: no answer is due in the pipeline", conn->side);
        /* Without a sync behind it the server would keep the answer in its buffer. */
        if (conn->pending_syncs == 0 && !conn->flush_requested) {
            if (PQsendFlushRequest(conn->pq) != 1)
                return pg_fail_call(conn, err);
            conn->flush_requested = true;
        }
        if (!take_answer(conn, &what, out_affected, err))
            return false;
        if (what != PENDING_SYNC)
            return true;
    }
}

bool pgconn_pipeline_end(PgConn *conn, Error *err)
{
    bool fine = true, unsynced;
    Error first, later;

    if (!pg_require(conn, PG_PIPELINE, err))
        return false;
    unsynced =
        conn->pending_count > 0 &&
        conn->pending[(conn->pending_first + conn->pending_count - 1) % conn->pending_capacity] !=
            PENDING_SYNC;
    if (unsynced && !conn->broken && !pgconn_pipeline_sync(conn, &first))
        fine = false;
    while (conn->pending_count > 0 && !conn->broken) {
        PgPending what;
        /* The failure behind a skipped statement was told by pgconn_pipeline_result, or is `first`.
         */
        if (!take_answer(conn, &what, NULL, fine ? &first : &later) && !conn->skipped)
            fine = false;
    }
    if (!conn->broken && PQexitPipelineMode(conn->pq) != 1) {
        pg_fail_call(conn, fine ? &first : &later);
        conn->broken = true;
        fine = false;
    }
    if (conn->broken && fine)
        fine = ERR(&first, ERR_CONN_LOST, "%s: the session is broken", conn->side);
    pg_statement_ended(conn);
    if (!fine)
        *err = first;
    return fine;
}

/*
 * pgcopy - COPY in both directions, and CopyBoth (see bascule/port/pgconn.h).
 *
 * libpq does not look at an error that comes in the middle of a COPY IN before the COPY is ended,
 * and meanwhile the server throws all data away: hours, for a large table. In a COPY IN a server
 * says nothing but notices and that error. So when input has come, and with the next 256 kB it
 * still was no notice, the COPY is ended with a failure: the server's error is then reported, and
 * had there been none, the COPY fails rather than ends short.
 */
#include <poll.h>

#include "pg/session.h"

#define GATHER_BYTES ((size_t)32 * 1024)  /* small puts become CopyData messages of this size */
#define FLUSH_BYTES  ((size_t)256 * 1024) /* libpq's buffer grows no further than about this */

/* Starts a statement that must answer with `wanted`. */
static bool start(PgConn *conn, Sql sql, ExecStatusType wanted, PgMode mode, Error *err)
{
    PGresult *result;
    bool fine;

    if (!pg_may_start(conn, err))
        return false;
    if (PQsendQuery(conn->pq, sql.text) != 1)
        return pg_fail_call(conn, err);
    if (!pg_next_result(conn, &result, err)) {
        pg_statement_ended(conn);
        return false;
    }
    fine = result != NULL && PQresultStatus(result) == wanted;
    if (fine) {
        conn->mode = mode;
        conn->copy_rows = 0;
        conn->input_came = false;
    } else if (result == NULL || PQresultStatus(result) != PGRES_FATAL_ERROR) {
        conn->broken = true;
        ERR(err, ERR_BUG, "%s: the statement is not the expected kind of COPY", conn->side);
    } else {
        Error later;
        pg_fail_result(conn, result, err);
        if (!pg_collect(conn, NULL, &later))
            conn->broken = conn->broken || PQstatus(conn->pq) == CONNECTION_BAD;
    }
    PQclear(result);
    return fine;
}

/* COPY OUT ------------------------------------------------------------------------------------ */

bool pgconn_copy_out(PgConn *conn, Sql sql, Error *err)
{
    return start(conn, sql, PGRES_COPY_OUT, PG_COPY_OUT, err);
}

/* All data has come: the statement's own answer. */
static PgRead end_of_copy_out(PgConn *conn, Error *err)
{
    PGresult *result = NULL;

    if (!pg_collect(conn, &result, err))
        return PG_READ_FAILED;
    conn->copy_rows = pg_affected(result);
    PQclear(result);
    return PG_READ_CLOSED;
}

PgRead pgconn_copy_get(PgConn *conn, char **out_data, int *out_len, Error *err)
{
    bool may_have_input = true;

    if (!pg_require(conn, PG_COPY_OUT, err))
        return PG_READ_FAILED;
    for (;;) {
        char *data = NULL;
        int n = PQgetCopyData(conn->pq, &data, 1);
        /* Data that keeps coming must not hide the stop; what still comes is thrown away. */
        if (stop_requested(conn->stop))
            pg_cancel_for_stop(conn);
        if (n > 0 && conn->cancel_deadline_us == 0) {
            *out_data = data;
            *out_len = n;
            return PG_READ_MESSAGE;
        }
        PQfreemem(data);
        if (n == -1) {
            bool stopped = conn->cancel_deadline_us != 0;
            PgRead end = end_of_copy_out(conn, err);
            if (end == PG_READ_CLOSED && stopped) {
                ERR(err, ERR_STOPPED, "%s: stopped while copying", conn->side);
                return PG_READ_FAILED;
            }
            return end;
        }
        if (n == -2) {
            pg_fail_call(conn, err);
            conn->broken = true;
            return PG_READ_FAILED;
        }
        if (n > 0)
            continue;
        if (may_have_input && !PQconsumeInput(conn->pq)) {
            pg_fail_lost(conn, err);
            return PG_READ_FAILED;
        }
        if (!may_have_input && !pg_wait(conn, false, err))
            return PG_READ_FAILED;
        may_have_input = false;
    }
}

void pgconn_copy_free(char *data)
{
    PQfreemem(data);
}

int64_t pgconn_copy_rows(const PgConn *conn)
{
    return conn->copy_rows;
}

/* COPY IN ------------------------------------------------------------------------------------- */

bool pgconn_copy_in(PgConn *conn, Sql sql, Error *err)
{
    return start(conn, sql, PGRES_COPY_IN, PG_COPY_IN, err);
}

/* The server has ended the COPY early, or libpq refuses data for another reason. */
static bool copy_in_refused(PgConn *conn, Error *err)
{
    if (PQstatus(conn->pq) == CONNECTION_BAD)
        return pg_fail_lost(conn, err);
    if (pg_collect(conn, NULL, err))
        return ERR(err, ERR_PROTOCOL, "%s: the server ended the COPY by itself", conn->side);
    return false;
}

/* Reads what the server says meanwhile; *out_over when that can only be an error. */
static bool look_for_early_error(PgConn *conn, bool *out_over, Error *err)
{
    struct pollfd fd = {.fd = PQsocket(conn->pq), .events = POLLIN};

    if (conn->input_came) {
        (void)PQisBusy(conn->pq); /* hands notices to their receiver */
        *out_over = conn->notice_count == conn->input_notices;
        conn->input_came = false;
        return true;
    }
    *out_over = false;
    if (poll(&fd, 1, 0) <= 0)
        return true;
    conn->input_came = true;
    conn->input_notices = conn->notice_count;
    return PQconsumeInput(conn->pq) || pg_fail_lost(conn, err);
}

static bool copy_send(PgConn *conn, const char *data, size_t len, Error *err)
{
    bool over;

    if (stop_requested(conn->stop)) {
        pgconn_copy_fail(conn, "stopped");
        return ERR(err, ERR_STOPPED, "%s: stopped while copying", conn->side);
    }
    if (PQputCopyData(conn->pq, data, (int)len) != 1)
        return copy_in_refused(conn, err);
    conn->unflushed += len;
    if (conn->unflushed < FLUSH_BYTES)
        return true;
    if (!look_for_early_error(conn, &over, err))
        return false;
    if (over) {
        PQputCopyEnd(conn->pq, "the server sent something unexpected");
        return copy_in_refused(conn, err);
    }
    return pg_flush(conn, err);
}

static bool copy_send_gathered(PgConn *conn, Error *err)
{
    bool fine =
        conn->copy_out.len == 0 || copy_send(conn, conn->copy_out.data, conn->copy_out.len, err);
    buf_clear(&conn->copy_out);
    return fine;
}

bool pgconn_copy_put(PgConn *conn, const char *data, int len, Error *err)
{
    ASSERT(len >= 0);
    if (!pg_require(conn, PG_COPY_IN, err))
        return false;
    if ((size_t)len < GATHER_BYTES) {
        buf_put(&conn->copy_out, data, (size_t)len);
        return conn->copy_out.len < GATHER_BYTES || copy_send_gathered(conn, err);
    }
    return copy_send_gathered(conn, err) && copy_send(conn, data, (size_t)len, err);
}

bool pgconn_copy_end(PgConn *conn, int64_t *out_rows, Error *err)
{
    PGresult *result = NULL;

    if (!pg_require(conn, PG_COPY_IN, err) || !copy_send_gathered(conn, err))
        return false;
    if (PQputCopyEnd(conn->pq, NULL) != 1)
        return copy_in_refused(conn, err);
    if (!pg_collect(conn, &result, err))
        return false;
    conn->copy_rows = pg_affected(result);
    PQclear(result);
    if (out_rows != NULL)
        *out_rows = conn->copy_rows;
    return true;
}

void pgconn_copy_fail(PgConn *conn, const char *why)
{
    Error expected;

    if (conn->mode != PG_COPY_IN || conn->broken)
        return; /* already over: the server's own error came first */
    PQputCopyEnd(conn->pq, why);
    /* The stop may be what ends the COPY: let the answer come, but not for ever. */
    if (stop_requested(conn->stop))
        pg_cancel_for_stop(conn);
    if (pg_collect(conn, NULL, &expected))
        conn->broken = true; /* a COPY that was failed and yet succeeded */
}

/* CopyBoth ------------------------------------------------------------------------------------ */

bool pgconn_stream_start(PgConn *conn, Sql start_replication, Error *err)
{
    conn->unsent = false;
    return start(conn, start_replication, PGRES_COPY_BOTH, PG_STREAM, err);
}

PgRead pgconn_stream_get(PgConn *conn, char **out_data, int *out_len, Error *err)
{
    if (!pg_require(conn, PG_STREAM, err))
        return PG_READ_FAILED;
    for (bool may_have_input = true;; may_have_input = false) {
        char *data = NULL;
        int n = PQgetCopyData(conn->pq, &data, 1);
        if (n > 0) {
            *out_data = data;
            *out_len = n;
            return PG_READ_MESSAGE;
        }
        if (n == -1)
            return pg_collect(conn, NULL, err) ? PG_READ_CLOSED : PG_READ_FAILED;
        if (n == -2) {
            pg_fail_call(conn, err);
            conn->broken = true;
            return PG_READ_FAILED;
        }
        if (!may_have_input && !pg_input_held(conn))
            return PG_READ_IDLE;
        if (!PQconsumeInput(conn->pq)) {
            pg_fail_lost(conn, err);
            return PG_READ_FAILED;
        }
    }
}

bool pgconn_stream_put(PgConn *conn, const char *data, int len, Error *err)
{
    int rc;

    if (!pg_require(conn, PG_STREAM, err))
        return false;
    if (len > 0 && PQputCopyData(conn->pq, data, len) != 1)
        return pg_fail_call(conn, err);
    rc = PQflush(conn->pq);
    if (rc < 0)
        return pg_fail_lost(conn, err);
    conn->unsent = rc == 1;
    return true;
}

bool pgconn_stream_unsent(const PgConn *conn)
{
    return conn->unsent;
}

/* pgwait - waiting on a session, and collecting its results (see pg/session.h). */
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>

#include "bascule/base/clock.h"
#include "pg/session.h"

#define CANCEL_PATIENCE_US INT64_C(5000000)

void pg_cancel_for_stop(PgConn *conn)
{
    if (conn->cancel_deadline_us != 0)
        return;
    pgconn_cancel(conn);
    conn->cancel_deadline_us = clock_now_us() + CANCEL_PATIENCE_US;
}

void pg_statement_ended(PgConn *conn)
{
    conn->cancel_deadline_us = 0;
    conn->mode = PG_READY;
    conn->unflushed = 0;
    conn->input_came = false;
    buf_clear(&conn->copy_out);
}

bool pg_require(PgConn *conn, PgMode mode, Error *err)
{
    if (conn->broken)
        return ERR(err, ERR_CONN_LOST, "%s: the session is broken", conn->side);
    if (PQstatus(conn->pq) == CONNECTION_BAD)
        return pg_fail_lost(conn, err);
    if (conn->mode != mode)
        return ERR(err, ERR_BUG, "%s: session in mode %d instead of %d", conn->side, conn->mode,
                   mode);
    return true;
}

bool pg_may_start(PgConn *conn, Error *err)
{
    if (!pg_require(conn, PG_READY, err))
        return false;
    if (stop_requested(conn->stop))
        return ERR(err, ERR_STOPPED, "%s: stopped before a statement", conn->side);
    return true;
}

bool pg_input_held(const PgConn *conn)
{
    return conn->tls != NULL && SSL_pending(conn->tls) > 0;
}

static bool console_gave_up(PgConn *conn, Error *err)
{
    conn->broken = true;
    if (stop_requested(conn->stop))
        return ERR(err, ERR_STOPPED, "%s: stopped", conn->side);
    return ERR(err, ERR_DEADLINE, "%s: no answer in time", conn->side);
}

bool pg_wait(PgConn *conn, bool for_output, Error *err)
{
    short events = (short)(POLLIN | (for_output ? POLLOUT : 0));

    if (pg_input_held(conn))
        return PQconsumeInput(conn->pq) || pg_fail_lost(conn, err);
    for (;;) {
        bool cancelled = conn->cancel_deadline_us != 0;
        int64_t deadline_us = conn->deadline_us != 0 ? conn->deadline_us : CLOCK_NEVER;
        int revents = stop_poll(cancelled ? NULL : conn->stop, PQsocket(conn->pq), events,
                                cancelled ? conn->cancel_deadline_us : deadline_us);
        if (revents == 0 && conn->console)
            return console_gave_up(conn, err);
        if (revents == 0 && !cancelled) {
            pg_cancel_for_stop(conn);
            continue;
        }
        if (revents == 0) {
            conn->broken = true;
            return ERR(err, ERR_STOPPED, "%s: stopped; the server did not confirm the cancel",
                       conn->side);
        }
        if ((revents & ~POLLOUT) == 0)
            return true;
        if (!conn->input_came) {
            conn->input_came = true;
            conn->input_notices = conn->notice_count;
        }
        return PQconsumeInput(conn->pq) || pg_fail_lost(conn, err);
    }
}

bool pg_flush(PgConn *conn, Error *err)
{
    for (;;) {
        int rc = PQflush(conn->pq);
        if (rc == 0) {
            conn->unflushed = 0;
            return true;
        }
        if (rc < 0)
            return pg_fail_lost(conn, err);
        if (!pg_wait(conn, true, err))
            return false;
    }
}

bool pg_next_result(PgConn *conn, PGresult **out_result, Error *err)
{
    if (!pg_flush(conn, err))
        return false;
    while (PQisBusy(conn->pq))
        if (!pg_wait(conn, false, err))
            return false;
    *out_result = PQgetResult(conn->pq);
    return true;
}

/* Takes one result in: false with *err filled when it is an error. */
static bool take_result(PgConn *conn, PGresult *result, Error *err)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        return true;
    case PGRES_COPY_IN:
        /* The end of a CopyBoth, or a COPY where a query was expected. */
        if (PQputCopyEnd(conn->pq, conn->mode == PG_STREAM ? NULL : "not expected here") == 1)
            return conn->mode == PG_STREAM ||
                   ERR(err, ERR_BUG, "%s: COPY in a plain query", conn->side);
        return pg_fail_call(conn, err);
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        conn->broken = true;
        return ERR(err, ERR_BUG, "%s: COPY in a plain query", conn->side);
    default:
        return pg_fail_result(conn, result, err);
    }
}

bool pg_collect(PgConn *conn, PGresult **out_last, Error *err)
{
    PGresult *last = NULL;
    bool failed = false;

    for (;;) {
        PGresult *result;
        Error later;
        if (!pg_next_result(conn, &result, failed ? &later : err)) {
            failed = true;
            break;
        }
        if (result == NULL)
            break;
        if (!take_result(conn, result, failed ? &later : err))
            failed = true;
        if (failed) {
            PQclear(result);
            if (conn->broken && PQstatus(conn->pq) != CONNECTION_BAD)
                break; /* an unexpected COPY: its data must not be waited for */
        } else {
            PQclear(last);
            last = result;
        }
    }
    pg_statement_ended(conn);
    if (failed || out_last == NULL) {
        PQclear(last);
        last = NULL;
    }
    if (!failed && out_last != NULL)
        *out_last = last;
    return !failed;
}

int64_t pg_affected(PGresult *result)
{
    const char *tuples = result != NULL ? PQcmdTuples(result) : "";
    return tuples[0] != '\0' ? strtoll(tuples, NULL, 10) : 0;
}

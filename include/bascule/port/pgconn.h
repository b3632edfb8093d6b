/*
 * pgconn - one session on a PostgreSQL server; the engine's only way to reach libpq.
 *
 * Sessions   are pinned when opened, whatever roles and databases set (traps.md, section 2): search_path
 *            pg_catalog, DateStyle ISO, IntervalStyle postgres, TimeZone UTC, extra_float_digits 3,
 *            bytea_output hex, lc_monetary C, xmloption content, row_security off, statement/lock/idle
 *            timeouts 0, array_nulls on, default_transaction_read_only off, client_encoding = the
 *            endpoint's `encoding` (the source database's own, set by the caller after a probe; UTF8
 *            until then), standard_conforming_strings on, jit off; also isolation read committed,
 *            quote_all_identifiers off and client_min_messages warning (wal2json's warnings must come).
 * Threads    one owner at a time; pgconn_cancel() may be called from anywhere.
 * Errors     server errors become a class by SQLSTATE (src/pg/sqlstate.c), with message and hint of the
 *            server and without DETAIL (row data). A broken connection is ERR_CONN_LOST.
 * Secrets    never appear in errors.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/arena.h"
#include "bascule/base/buf.h"
#include "bascule/base/stop.h"
#include "bascule/model/lsn.h"
#include "bascule/port/sql.h"

typedef struct PgConn PgConn;
typedef struct PgRows PgRows;

/* Where and how to connect. Borrowed strings. */
typedef struct PgEndpoint {
    const char *side;           /* "source" | "target": for messages and application_name */
    const char *conninfo;       /* complete libpq conninfo string, may hold a password */
    const char *shown;          /* the same without secrets, for people */
    const char *task;           /* application_name is "bascule:<task>:<what>" */
    const char *encoding;       /* client_encoding to pin; NULL: UTF8 */
    StopToken *stop;            /* waits end when it is set; may be NULL */
    int64_t connect_timeout_us; /* 0: 10 s */
} PgEndpoint;

typedef enum PgSession {
    PG_SESSION_SQL,
    PG_SESSION_WALSENDER,
    PG_SESSION_SCRIPT,  /* an operator's own SQL: the settings are those of the role and database */
    PG_SESSION_CONSOLE, /* a pooler's admin console: no settings, no parameters, no cancel */
} PgSession;

MUST_CHECK PgConn *pgconn_open(const PgEndpoint *endpoint, PgSession session, const char *what,
                               Error *err);
void pgconn_close(PgConn *conn); /* NULL is fine */
/* The pinned settings as startup options, for programs that connect by themselves. */
const char *pgconn_pins(void);
#define CLEANUP_PGCONN __attribute__((cleanup(pgconn_cleanup)))
static inline void pgconn_cleanup(PgConn **conn)
{
    pgconn_close(*conn);
}
int pgconn_server_version(const PgConn *conn); /* 150020 */
const char *pgconn_parameter(const PgConn *conn,
                             const char *name); /* e.g. server_encoding; NULL unknown */
uint32_t pgconn_backend_pid(const PgConn *conn);
const char *pgconn_side(const PgConn *conn);
int pgconn_socket(const PgConn *conn);
bool pgconn_usable(const PgConn *conn); /* not broken, no half-done COPY */
bool pgconn_in_transaction(const PgConn *conn);
/* Asks the server to cancel what runs; the running call then fails with SQLSTATE 57014. */
void pgconn_cancel(PgConn *conn);
/* Replaces the endpoint's stop token; NULL: later calls do not end early. For what must still be said
 * to the server after a stop. */
void pgconn_set_stop(PgConn *conn, StopToken *stop);
/* A call that is not answered by then (monotonic; 0: never) fails with DEADLINE, and the session is
 * broken. For a console, whose commands cannot be cancelled. */
void pgconn_set_deadline(PgConn *conn, int64_t deadline_us);
/* Notices are handed to this; default: logged at debug. */
void pgconn_on_notice(PgConn *conn,
                      void (*fn)(void *arg, const char *sqlstate, const char *message), void *arg);

/* A parameter: text unless binary is set; data NULL is SQL NULL. */
typedef struct PgParam {
    const char *data;
    int len; /* binary only */
    bool binary;
    uint32_t type; /* oid, 0: the server infers */
} PgParam;

#define PG_TEXT(s) ((PgParam){.data = (s)})
#define PG_PARAMS(...)                                                                             \
    ((const PgParam[]){__VA_ARGS__}),                                                              \
        (int)(sizeof((const PgParam[]){__VA_ARGS__}) / sizeof(PgParam))
#define PG_NO_PARAMS NULL, 0

/* Runs one statement (extended protocol when it has parameters, simple otherwise).
 * out_rows (may be NULL) is filled when true is returned: free with pgrows_free. */
MUST_CHECK bool pgconn_query(PgConn *conn, Sql sql, const PgParam *params, int nparams,
                             PgRows **out_rows, Error *err);
/* The same, throwing rows away; *out_affected (may be NULL) is the command tag's count. */
MUST_CHECK bool pgconn_exec(PgConn *conn, Sql sql, const PgParam *params, int nparams,
                            int64_t *out_affected, Error *err);
/* Many statements in one simple query (one implicit transaction); no parameters. */
MUST_CHECK bool pgconn_script(PgConn *conn, Sql sql, Error *err);
/* Where in the statement that failed last the server found the error: characters from 1; 0: it did
 * not say. */
int pgconn_error_position(const PgConn *conn);

void pgrows_free(PgRows *rows); /* NULL is fine */
#define CLEANUP_PGROWS __attribute__((cleanup(pgrows_cleanup)))
static inline void pgrows_cleanup(PgRows **rows)
{
    pgrows_free(*rows);
}
int pgrows_count(const PgRows *rows);
int pgrows_columns(const PgRows *rows);
const char *pgrows_column_name(const PgRows *rows, int column);
bool pgrows_null(const PgRows *rows, int row, int column);
const char *pgrows_text(const PgRows *rows, int row, int column); /* "" for NULL */
int pgrows_length(const PgRows *rows, int row, int column);
int64_t pgrows_i64(const PgRows *rows, int row, int column); /* 0 for NULL */
uint32_t pgrows_u32(const PgRows *rows, int row, int column);
bool pgrows_bool(const PgRows *rows, int row, int column);
Lsn pgrows_lsn(const PgRows *rows, int row, int column); /* LSN_UNKNOWN for NULL */

/* COPY -------------------------------------------------------------------------------------- */
typedef enum PgRead { PG_READ_MESSAGE, PG_READ_IDLE, PG_READ_CLOSED, PG_READ_FAILED } PgRead;

/* COPY ... TO STDOUT: start, get until PG_READ_CLOSED (the statement has then succeeded). */
MUST_CHECK bool pgconn_copy_out(PgConn *conn, Sql sql, Error *err);
/* Blocks (cancellable, stop token); *out_data is malloc'ed by libpq: pgconn_copy_free. */
PgRead pgconn_copy_get(PgConn *conn, char **out_data, int *out_len, Error *err);
void pgconn_copy_free(char *data);
/* Rows of the COPY that just closed. */
int64_t pgconn_copy_rows(const PgConn *conn);

/* COPY ... FROM STDIN: start, put, end. put buffers and blocks only when the socket is full. */
MUST_CHECK bool pgconn_copy_in(PgConn *conn, Sql sql, Error *err);
MUST_CHECK bool pgconn_copy_put(PgConn *conn, const char *data, int len, Error *err);
MUST_CHECK bool pgconn_copy_end(PgConn *conn, int64_t *out_rows, Error *err);
/* Ends a COPY IN with failure, so that the session can roll back. */
void pgconn_copy_fail(PgConn *conn, const char *why);

/* CopyBoth (walsender) ------------------------------------------------------------------------ */
MUST_CHECK bool pgconn_stream_start(PgConn *conn, Sql start_replication, Error *err);
/* Never blocks: PG_READ_IDLE when no complete message is there (poll pgconn_socket for input). */
PgRead pgconn_stream_get(PgConn *conn, char **out_data, int *out_len, Error *err);
/* Never waits for long: queues and flushes what the socket takes. */
MUST_CHECK bool pgconn_stream_put(PgConn *conn, const char *data, int len, Error *err);
/* true while output is still queued (then poll for POLLOUT too and call put with len 0). */
bool pgconn_stream_unsent(const PgConn *conn);

/* Pipeline mode: statements are queued, then answered in order -------------------------------- */
MUST_CHECK bool pgconn_pipeline_begin(PgConn *conn, Error *err);
MUST_CHECK bool pgconn_pipeline_send(PgConn *conn, Sql sql, const PgParam *params, int nparams,
                                     Error *err);
MUST_CHECK bool pgconn_pipeline_prepare(PgConn *conn, const char *name, Sql sql,
                                        const uint32_t *types, int ntypes, Error *err);
MUST_CHECK bool pgconn_pipeline_send_prepared(PgConn *conn, const char *name, const PgParam *params,
                                              int nparams, Error *err);
MUST_CHECK bool pgconn_pipeline_sync(PgConn *conn, Error *err);
/* The next answer: affected rows of a statement (-1 for a prepare), or the error of the first that
 * failed; waits without a sync, too. After an error the rest of the pipeline is drained by pgconn_pipeline_end. */
MUST_CHECK bool pgconn_pipeline_result(PgConn *conn, int64_t *out_affected, Error *err);
/* Drains to the sync and leaves pipeline mode. false only for an error that pgconn_pipeline_result has
 * not told. */
MUST_CHECK bool pgconn_pipeline_end(PgConn *conn, Error *err);

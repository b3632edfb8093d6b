/*
 * session - the inside of PgConn, shared by the files of src/pg only.
 *
 * Waiting   the libpq connection is always nonblocking; every wait is pg_wait(), which polls the
 * socket together with the stop token. When the stop comes the running statement is cancelled once
 *           and has CANCEL_PATIENCE_US to end; then the session counts as broken.
 * Holds     mode says which calls are legal; broken is never taken back.
 */
#pragma once

#include <libpq-fe.h>

#include "bascule/port/pgconn.h"

typedef enum PgMode { PG_READY, PG_COPY_OUT, PG_COPY_IN, PG_STREAM, PG_PIPELINE } PgMode;

/* What was queued in a pipeline and has not been answered. */
typedef enum PgPending { PENDING_STATEMENT, PENDING_PREPARE, PENDING_SYNC } PgPending;

struct PgConn {
    PGconn *pq;
    PGcancel *cancel;
    struct ssl_st *tls; /* OpenSSL's, borrowed from libpq; NULL without TLS */
    StopToken *stop;    /* may be NULL */
    char side[32];
    PgMode mode;
    bool broken;
    bool console;
    int64_t deadline_us;        /* a console's; 0: none */
    int error_position;         /* of the last error: characters from 1; 0: none */
    int64_t cancel_deadline_us; /* 0: the running statement was not cancelled by us */
    void (*notice)(void *arg, const char *sqlstate, const char *message);
    void *notice_arg;
    unsigned notice_count;
    /* COPY */
    int64_t copy_rows;
    Buf copy_out;           /* small puts, gathered */
    size_t unflushed;       /* bytes given to libpq since its buffer was last seen empty */
    bool input_came;        /* COPY IN: the server said something that was no notice so far */
    unsigned input_notices; /* notice_count at that time */
    bool unsent;            /* stream: libpq holds output that the socket did not take */
    /* pipeline */
    uint8_t *pending; /* ring of PgPending */
    size_t pending_capacity, pending_first, pending_count;
    size_t pending_syncs;
    bool skipped;         /* the answer just taken was PGRES_PIPELINE_ABORTED */
    bool flush_requested; /* the server was asked to answer what is queued so far */
    /* parameters in libpq's form, kept to avoid allocations */
    const char **values;
    int *lengths;
    int *formats;
    Oid *types;
    int param_capacity;
};

/* Failing ------------------------------------------------------------------------------------- */
/* Fill *err and return false. */
bool pg_fail_result(PgConn *conn, const PGresult *result, Error *err);
bool pg_fail_lost(PgConn *conn, Error *err); /* reading or writing failed */
/* libpq refused a call (PQsend..., PQput...): out of memory, wrong state, or a broken connection.
 */
bool pg_fail_call(PgConn *conn, Error *err);
/* The message of a failed connection attempt: class, SQLSTATE and text from libpq's error message.
 */
bool pg_fail_connect(const char *libpq_message, Error *err);

/* Waiting ------------------------------------------------------------------------------------- */
/* A statement may be sent: ready, not broken, not stopped. */
MUST_CHECK bool pg_may_start(PgConn *conn, Error *err);
/* OpenSSL holds decrypted input that libpq has not taken: the socket need not become readable for
 * it. */
bool pg_input_held(const PgConn *conn);
/* The session is in this mode; a caller that went on after a failure gets an error, not an abort.
 */
MUST_CHECK bool pg_require(PgConn *conn, PgMode mode, Error *err);
/* Waits for input (and room for output); reads what came. */
MUST_CHECK bool pg_wait(PgConn *conn, bool for_output, Error *err);
MUST_CHECK bool pg_flush(PgConn *conn, Error *err);
/* Flushes, waits, and gives libpq's next result, which may be NULL. */
MUST_CHECK bool pg_next_result(PgConn *conn, PGresult **out_result, Error *err);
/* Reads results up to the NULL; *out_last (may be NULL) gets the last good one. The first error
 * counts. */
MUST_CHECK bool pg_collect(PgConn *conn, PGresult **out_last, Error *err);
void pg_statement_ended(PgConn *conn);
/* Sends a cancel because of the stop, once a statement. */
void pg_cancel_for_stop(PgConn *conn);
int64_t pg_affected(PGresult *result);

/* Fills conn->values and so on; *out_types is NULL when no type is given. */
MUST_CHECK bool pg_set_params(PgConn *conn, const PgParam *params, int nparams,
                              const Oid **out_types, Error *err);

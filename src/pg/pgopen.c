/*
 * pgopen - opens and closes sessions (see bascule/port/pgconn.h).
 *
 * Settings that every supported server knows go into the startup packet, so that they hold from the
 * first moment (a role may have a statement_timeout that would end our own SETs) and in a
 * walsender. They are SET once more after that, because a pooler may have dropped the startup
 * options; where it refuses them, the connection is tried again without.
 *
 * Looking up the host name is libpq's and may block; everything after it ends with the stop or the
 * deadline.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "pg/session.h"

#define DEFAULT_TIMEOUT_US INT64_C(10000000)
#define MAX_KEYWORDS       80
#define STREAM_UNACKED_MS  60000 /* what a stream sent and the peer's kernel has not taken */

/* P(name, value): known to every supported server, and any role may set it. Keepalives: behind a
 * path that was cut, the server's side of a session would hold its locks for hours. */
#define PINS(P)                                                                                    \
    P(search_path, pg_catalog)                                                                     \
    P(datestyle, ISO)                                                                              \
    P(intervalstyle, postgres)                                                                     \
    P(timezone, UTC)                                                                               \
    P(extra_float_digits, 3)                                                                       \
    P(bytea_output, hex)                                                                           \
    P(lc_monetary, C)                                                                              \
    P(xmloption, content)                                                                          \
    P(row_security, off)                                                                           \
    P(statement_timeout, 0)                                                                        \
    P(lock_timeout, 0)                                                                             \
    P(idle_in_transaction_session_timeout, 0)                                                      \
    P(tcp_keepalives_idle, 30)                                                                     \
    P(tcp_keepalives_interval, 10)                                                                 \
    P(tcp_keepalives_count, 3)                                                                     \
    P(array_nulls, on)                                                                             \
    P(default_transaction_read_only, off)                                                          \
    P(default_transaction_deferrable, off)                                                         \
    P(standard_conforming_strings, on)                                                             \
    P(quote_all_identifiers, off)                                                                  \
    P(client_min_messages, warning)

#define AS_OPTION(name, value) "-c " #name "=" #value " "
#define AS_SET(name, value)    "SET " #name " = '" #value "'; "
#define AS_SQL(name, value)    {"SET " #name " = '" #value "'"},
/* Has a blank in its value, so it is not among the startup options. */
#define SET_ISOLATION "SET default_transaction_isolation = 'read committed'"

#define STARTUP_OPTIONS PINS(AS_OPTION)

const char *pgconn_pins(void)
{
    return STARTUP_OPTIONS "-c default_transaction_isolation=read\\ committed";
}

static const Sql SET_PINS = {PINS(AS_SET) SET_ISOLATION};
/* For walsenders before 15, whose parser takes one statement at a time. */
static const Sql SET_ONE_PIN[] = {PINS(AS_SQL){SET_ISOLATION}};

/* What not every version knows. */
static const struct {
    int since;
    Sql set;
} NEWER_PINS[] = {
    {110000, {"SET jit = off"}},
    {140000, {"SET idle_session_timeout = 0"}},
    {170000, {"SET transaction_timeout = 0"}},
};

/* The connection's parameters ----------------------------------------------------------------- */

typedef struct Keywords {
    const char *names[MAX_KEYWORDS + 1];
    const char *values[MAX_KEYWORDS + 1];
    int count;
    Buf options, application;
    char user_timeout[32];
    bool our_user_timeout;
} Keywords;

static const char *keyword_get(const Keywords *keywords, const char *name)
{
    for (int i = 0; i < keywords->count; i++)
        if (strcmp(keywords->names[i], name) == 0)
            return keywords->values[i];
    return NULL;
}

static void keyword_set(Keywords *keywords, const char *name, const char *value)
{
    int i = 0;
    while (i < keywords->count && strcmp(keywords->names[i], name) != 0)
        i++;
    ASSERT(i < MAX_KEYWORDS);
    keywords->names[i] = name;
    keywords->values[i] = value;
    if (i == keywords->count)
        keywords->count++;
}

static void keyword_default(Keywords *keywords, const char *name, const char *value)
{
    if (keyword_get(keywords, name) == NULL)
        keyword_set(keywords, name, value);
}

static void keywords_done(Keywords *keywords)
{
    buf_done(&keywords->options);
    buf_done(&keywords->application);
}

static int64_t timeout_of(const PgEndpoint *endpoint, const Keywords *keywords)
{
    const char *text = keyword_get(keywords, "connect_timeout");
    long seconds = text != NULL ? strtol(text, NULL, 10) : 0;

    if (endpoint->connect_timeout_us > 0)
        return endpoint->connect_timeout_us;
    return seconds > 0 && seconds < 86400 ? (int64_t)seconds * 1000000 : DEFAULT_TIMEOUT_US;
}

/* The values stay those of `parsed` and `endpoint`. */
static void keywords_fill(Keywords *keywords, const PQconninfoOption *parsed,
                          const PgEndpoint *endpoint, PgSession session, const char *what,
                          bool with_pins)
{
    const char *options;

    for (const PQconninfoOption *option = parsed; option->keyword != NULL; option++)
        if (option->val != NULL && option->val[0] != '\0')
            keyword_set(keywords, option->keyword, option->val);
    buf_printf(&keywords->application, "bascule:%s:%s",
               endpoint->task != NULL ? endpoint->task : "", what);
    keyword_set(keywords, "application_name", buf_str(&keywords->application));
    keyword_set(keywords, "client_encoding",
                endpoint->encoding != NULL ? endpoint->encoding : "UTF8");
    if (session == PG_SESSION_WALSENDER)
        keyword_set(keywords, "replication", "database");
    options = keyword_get(keywords, "options");
    if (options == NULL)
        options = getenv("PGOPTIONS"); /* libpq would not look any more */
    if (with_pins) {
        buf_printf(&keywords->options, "%s %s", options != NULL ? options : "", STARTUP_OPTIONS);
        keyword_set(keywords, "options", buf_str(&keywords->options));
    }
    keyword_default(keywords, "keepalives", "1");
    keyword_default(keywords, "keepalives_idle", "30");
    keyword_default(keywords, "keepalives_interval", "10");
    keyword_default(keywords, "keepalives_count", "3");
    /* Bounds connect(2), here and in PQcancel; taken off the socket once connected, because it
     * would also end a session whose server does not read for a while (waiting for a lock in a
     * COPY). A stream sends next to nothing: there it stays, and tells of a dead peer long before
     * the kernel's own quarter of an hour. */
    if (keyword_get(keywords, "tcp_user_timeout") == NULL) {
        int64_t ms = timeout_of(endpoint, keywords) / 2000;
        snprintf(keywords->user_timeout, sizeof keywords->user_timeout, "%d",
                 ms > 5000 ? (int)ms : 5000);
        keyword_set(keywords, "tcp_user_timeout", keywords->user_timeout);
        keywords->our_user_timeout = true;
    }
}

/* Connecting ---------------------------------------------------------------------------------- */

static void on_notice(void *arg, const PGresult *result)
{
    PgConn *conn = arg;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    conn->notice_count++;
    if (message == NULL)
        return;
    if (sqlstate == NULL)
        sqlstate = "";
    if (conn->notice != NULL)
        conn->notice(conn->notice_arg, sqlstate, message);
    else
        log_debug("%s: notice: %s sqlstate=%s", conn->side, message, sqlstate);
}

static bool poll_until_connected(PgConn *conn, int64_t timeout_us, Error *err)
{
    int64_t deadline_us = clock_now_us() + timeout_us;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    char text[32];

    if (PQstatus(conn->pq) == CONNECTION_BAD)
        return pg_fail_connect(PQerrorMessage(conn->pq), err);
    while (state != PGRES_POLLING_OK) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (state == PGRES_POLLING_FAILED)
            return pg_fail_connect(PQerrorMessage(conn->pq), err);
        if (stop_poll(conn->stop, PQsocket(conn->pq), events, deadline_us) == 0) {
            if (stop_requested(conn->stop))
                return ERR(err, ERR_STOPPED, "stopped");
            return ERR(err, ERR_CONN_REFUSED, "no answer within %s",
                       clock_format_duration(timeout_us, text, sizeof text));
        }
        state = PQconnectPoll(conn->pq);
    }
    return true;
}

static bool connect_now(PgConn *conn, const Keywords *keywords, PgSession session,
                        int64_t timeout_us, Error *err)
{
    conn->pq = PQconnectStartParams(keywords->names, keywords->values, 0);
    if (conn->pq == NULL)
        return ERR(err, ERR_BUG, "out of memory in libpq");
    PQsetNoticeReceiver(conn->pq, on_notice, conn);
    /* Puts the SQLSTATE into the message of a refused connection (see pgerror.c). */
    PQsetErrorVerbosity(conn->pq, PQERRORS_VERBOSE);
    if (!poll_until_connected(conn, timeout_us, err))
        return false;
    PQsetErrorVerbosity(conn->pq, PQERRORS_DEFAULT);
    conn->cancel = PQgetCancel(conn->pq);
    conn->tls = PQsslStruct(conn->pq, "OpenSSL");
    if (PQsetnonblocking(conn->pq, 1) != 0 || conn->cancel == NULL)
        return pg_fail_call(conn, err);
    if (keywords->our_user_timeout) { /* fails on a unix socket, where there is none */
        unsigned int limit = session == PG_SESSION_WALSENDER ? STREAM_UNACKED_MS : 0;
        (void)setsockopt(PQsocket(conn->pq), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
    }
    return true;
}

static bool set_pins(PgConn *conn, PgSession session, Error *err)
{
    if (session == PG_SESSION_SQL || pgconn_server_version(conn) >= 150000)
        return pgconn_script(conn, SET_PINS, err);
    for (size_t i = 0; i < sizeof SET_ONE_PIN / sizeof *SET_ONE_PIN; i++)
        if (!pgconn_script(conn, SET_ONE_PIN[i], err))
            return false;
    return true;
}

static bool is_pinned(PgSession session)
{
    return session != PG_SESSION_CONSOLE && session != PG_SESSION_SCRIPT;
}

static bool pin_session(PgConn *conn, PgSession session, Error *err)
{
    if (!is_pinned(session))
        return true;
    if (!set_pins(conn, session, err))
        return err_context(err, "pinning the session's settings");
    for (size_t i = 0; i < sizeof NEWER_PINS / sizeof *NEWER_PINS; i++) {
        if (pgconn_server_version(conn) < NEWER_PINS[i].since)
            continue;
        if (pgconn_script(conn, NEWER_PINS[i].set, err))
            continue;
        if (conn->broken || err->cls == ERR_STOPPED)
            return false;
        /* Nothing depends on these; forks of PostgreSQL may lack them. */
        log_debug("%s: not pinned: %s", conn->side, err->message);
    }
    return true;
}

/* One attempt; *out_conn only on success. */
static bool attempt(const PgEndpoint *endpoint, const PQconninfoOption *parsed, PgSession session,
                    const char *what, bool with_pins, PgConn **out_conn, Error *err)
{
    Keywords keywords = {0};
    PgConn *conn = mem_zalloc(sizeof *conn);
    bool fine;

    conn->stop = endpoint->stop;
    conn->console = session == PG_SESSION_CONSOLE;
    snprintf(conn->side, sizeof conn->side, "%s", endpoint->side);
    keywords_fill(&keywords, parsed, endpoint, session, what, with_pins);
    fine = connect_now(conn, &keywords, session, timeout_of(endpoint, &keywords), err) &&
           pin_session(conn, session, err);
    keywords_done(&keywords);
    if (fine)
        *out_conn = conn;
    else
        pgconn_close(conn);
    return fine;
}

/* Refusals that startup options can be the cause of. */
static bool blames_options(const Error *err)
{
    static const char *const STATES[] = {"08P01", "0A000", "22023", "42501", "42601", "42704"};
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(err->sqlstate, STATES[i]) == 0)
            return true;
    return false;
}

PgConn *pgconn_open(const PgEndpoint *endpoint, PgSession session, const char *what, Error *err)
{
    PgConn *conn = NULL;
    PQconninfoOption *parsed;
    char *parse_error = NULL;
    bool fine;

    /* The parser's message may repeat a piece of a password. */
    parsed = PQconninfoParse(endpoint->conninfo, &parse_error);
    PQfreemem(parse_error);
    if (parsed == NULL) {
        ERR(err, ERR_CONFIG, "the connection string of the %s cannot be parsed", endpoint->side);
        return NULL;
    }
    fine = attempt(endpoint, parsed, session, what, is_pinned(session), &conn, err);
    if (!fine && is_pinned(session) && blames_options(err)) {
        Error second;
        fine = attempt(endpoint, parsed, session, what, false, &conn, &second);
        if (!fine && second.sqlstate[0] == '\0')
            *err = second;
    }
    PQconninfoFree(parsed);
    if (!fine)
        err_context(err, "cannot connect to the %s (%s)", endpoint->side, endpoint->shown);
    return conn;
}

void pgconn_set_deadline(PgConn *conn, int64_t deadline_us)
{
    ASSERT(conn->console);
    conn->deadline_us = deadline_us;
}

void pgconn_close(PgConn *conn)
{
    if (conn == NULL)
        return;
    PQfreeCancel(conn->cancel);
    PQfinish(conn->pq);
    buf_done(&conn->copy_out);
    free(conn->pending);
    free(conn->values);
    free(conn->lengths);
    free(conn->formats);
    free(conn->types);
    free(conn);
}

/* Looking at it ------------------------------------------------------------------------------- */

int pgconn_server_version(const PgConn *conn)
{
    return PQserverVersion(conn->pq);
}

const char *pgconn_parameter(const PgConn *conn, const char *name)
{
    return PQparameterStatus(conn->pq, name);
}

uint32_t pgconn_backend_pid(const PgConn *conn)
{
    return (uint32_t)PQbackendPID(conn->pq);
}

const char *pgconn_side(const PgConn *conn)
{
    return conn->side;
}

int pgconn_socket(const PgConn *conn)
{
    return PQsocket(conn->pq);
}

bool pgconn_usable(const PgConn *conn)
{
    return !conn->broken && conn->mode == PG_READY && PQstatus(conn->pq) == CONNECTION_OK &&
           PQtransactionStatus(conn->pq) != PQTRANS_ACTIVE;
}

bool pgconn_in_transaction(const PgConn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pq);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

void pgconn_cancel(PgConn *conn)
{
    char why[256];
    if (PQcancel(conn->cancel, why, sizeof why) != 1)
        log_debug("%s: the cancel request failed", conn->side);
}

void pgconn_set_stop(PgConn *conn, StopToken *stop)
{
    conn->stop = stop;
}

void pgconn_on_notice(PgConn *conn,
                      void (*fn)(void *arg, const char *sqlstate, const char *message), void *arg)
{
    conn->notice = fn;
    conn->notice_arg = arg;
}

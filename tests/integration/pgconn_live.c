/*
 * pgconn_live - the sessions of src/pg against a real server; run by test_sessions.py, which gives
 * the conninfo of a superuser in BASCULE_TEST_CONNINFO (an empty database) and, in
 * BASCULE_TEST_ENCODING, the client encoding to pin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/pgconn.h"

static PgEndpoint endpoint;
static PgConn *conn, *other; /* the session under test, and a helper */
static Error err;

#define FINE(call)                                                                                 \
    do {                                                                                           \
        err = ERROR_INIT;                                                                          \
        if (!(call))                                                                               \
            fail_msg("%s: %s [%s]", #call, err.message, err.sqlstate);                             \
    } while (0)
#define FAILS(call, cls_wanted, sqlstate_wanted)                                                   \
    do {                                                                                           \
        err = ERROR_INIT;                                                                          \
        assert_false(call);                                                                        \
        if (err.cls != (cls_wanted) || strcmp(err.sqlstate, (sqlstate_wanted)) != 0)               \
            fail_msg("%s: %s %s [%s]", #call, err_slug(err.cls), err.message, err.sqlstate);       \
    } while (0)

static void run(PgConn *c, Sql sql)
{
    FINE(pgconn_script(c, sql, &err));
}

static PgConn *open_session(PgSession session)
{
    PgConn *opened = pgconn_open(&endpoint, session, "live", &err);
    if (opened == NULL)
        fail_msg("%s", err.message);
    return opened;
}

static int setup(void **state)
{
    (void)state;
    conn = open_session(PG_SESSION_SQL);
    other = open_session(PG_SESSION_SQL);
    run(other,
        SQL("DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (a int PRIMARY KEY, b text)"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pgconn_close(conn);
    pgconn_close(other);
    return 0;
}

static void terminate(const PgConn *victim)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%u", pgconn_backend_pid(victim));
    FINE(pgconn_exec(other, SQL("SELECT pg_catalog.pg_terminate_backend($1)"),
                     PG_PARAMS(PG_TEXT(pid)), NULL, &err));
}

static int64_t count_rows(void)
{
    PgRows *rows CLEANUP_PGROWS = NULL;
    FINE(pgconn_query(other, SQL("SELECT count(*) FROM public.t"), PG_NO_PARAMS, &rows, &err));
    return pgrows_i64(rows, 0, 0);
}

/* Doing something 200 ms from now, from another thread ---------------------------------------- */

static void *stop_later(void *arg)
{
    stop_wait(NULL, 200000);
    stop_request(arg);
    return NULL;
}

static void *cancel_later(void *arg)
{
    stop_wait(NULL, 200000);
    pgconn_cancel(arg);
    return NULL;
}

static pthread_t later(void *(*what)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, what, arg), 0);
    return thread;
}

/* Sessions ------------------------------------------------------------------------------------ */

static void check_pins(PgConn *c)
{
    static const char *const WANTED[][2] = {
        {"search_path", "pg_catalog"},
        {"DateStyle", "ISO, "},
        {"IntervalStyle", "postgres"},
        {"TimeZone", "UTC"},
        {"extra_float_digits", "3"},
        {"bytea_output", "hex"},
        {"lc_monetary", "C"},
        {"xmloption", "content"},
        {"row_security", "off"},
        {"statement_timeout", "0"},
        {"lock_timeout", "0"},
        {"idle_in_transaction_session_timeout", "0"},
        {"idle_session_timeout", "0"},
        {"transaction_timeout", "0"},
        {"array_nulls", "on"},
        {"default_transaction_read_only", "off"},
        {"default_transaction_deferrable", "off"},
        {"default_transaction_isolation", "read committed"},
        {"standard_conforming_strings", "on"},
        {"quote_all_identifiers", "off"},
        {"client_min_messages", "warning"},
        {"jit", "off"},
        {"application_name", "bascule:a task:live"},
    };
    PgRows *rows CLEANUP_PGROWS = NULL;
    int seen = 0;

    FINE(pgconn_query(c, SQL("SELECT name, setting FROM pg_catalog.pg_settings"), PG_NO_PARAMS,
                      &rows, &err));
    for (int row = 0; row < pgrows_count(rows); row++) {
        for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++) {
            if (strcmp(pgrows_text(rows, row, 0), WANTED[i][0]) != 0)
                continue;
            seen++;
            if (strncmp(pgrows_text(rows, row, 1), WANTED[i][1], strlen(WANTED[i][1])) != 0)
                fail_msg("%s is %s", WANTED[i][0], pgrows_text(rows, row, 1));
        }
    }
    assert_true(seen >= 21); /* two timeouts are not known to every version */
    assert_string_equal(pgconn_parameter(c, "client_encoding"), endpoint.encoding);
}

static void sessions_are_pinned(void **state)
{
    (void)state;
    PgConn *walsender;
    check_pins(conn);
    walsender = open_session(PG_SESSION_WALSENDER);
    check_pins(walsender);
    pgconn_close(walsender);
    assert_true(pgconn_server_version(conn) >= 100000);
    assert_string_equal(pgconn_side(conn), "source");
    assert_null(pgconn_parameter(conn, "no such parameter"));
}

static void queries(void **state)
{
    (void)state;
    PgRows *rows = NULL;
    int64_t affected;
    const char number[] = {0, 0, 1, 0};
    PgParam binary = {.data = number, .len = 4, .binary = true, .type = 23};

    FINE(pgconn_query(
        conn, SQL("SELECT $1::int8 AS n, $2::text, $3::pg_lsn, $4::bool, NULL::text, $5, $6::text"),
        PG_PARAMS(PG_TEXT("-42"), PG_TEXT("it's \\ \""), PG_TEXT("1/ABC"), PG_TEXT("t"), binary,
                  PG_TEXT(NULL)),
        &rows, &err));
    assert_int_equal(pgrows_count(rows), 1);
    assert_int_equal(pgrows_columns(rows), 7);
    assert_string_equal(pgrows_column_name(rows, 0), "n");
    assert_int_equal(pgrows_i64(rows, 0, 0), -42);
    assert_string_equal(pgrows_text(rows, 0, 1), "it's \\ \"");
    assert_int_equal(pgrows_length(rows, 0, 1), 8);
    assert_true(pgrows_lsn(rows, 0, 2) == UINT64_C(0x100000ABC));
    assert_true(pgrows_bool(rows, 0, 3));
    assert_true(pgrows_null(rows, 0, 4));
    assert_string_equal(pgrows_text(rows, 0, 4), "");
    assert_int_equal(pgrows_i64(rows, 0, 4), 0);
    assert_int_equal(pgrows_u32(rows, 0, 5), 256);
    assert_true(pgrows_null(rows, 0, 6));
    pgrows_free(rows);

    FINE(pgconn_exec(conn, SQL("INSERT INTO public.t SELECT i FROM generate_series(1, 10) i"),
                     PG_NO_PARAMS, &affected, &err));
    assert_int_equal(affected, 10);
    FINE(pgconn_exec(conn, SQL("SET statement_timeout = 0"), PG_NO_PARAMS, &affected, &err));
    assert_int_equal(affected, 0);
    run(conn, SQL(""));

    assert_false(pgconn_in_transaction(conn));
    run(conn, SQL("BEGIN"));
    assert_true(pgconn_in_transaction(conn));
    FAILS(pgconn_script(conn, SQL("SELECT 1/0"), &err), ERR_SQL, "22012");
    assert_true(pgconn_in_transaction(conn));
    run(conn, SQL("ROLLBACK"));
    assert_true(pgconn_usable(conn));
}

static void errors_have_a_class_and_no_data(void **state)
{
    (void)state;
    PgParam *many = calloc(65536, sizeof *many);
    run(conn, SQL("INSERT INTO public.t VALUES (1, 'secret')"));
    FAILS(pgconn_script(conn, SQL("INSERT INTO public.t VALUES (1)"), &err), ERR_APPLY_CONFLICT,
          "23505");
    assert_string_equal(err.message,
                        "source: duplicate key value violates unique constraint \"t_pkey\"");
    FAILS(pgconn_script(conn, SQL("SELECT 'my \"secret'::int"), &err), ERR_SQL, "22P02");
    assert_null(strstr(err.message, "secret"));
    FAILS(pgconn_script(conn, SQL("SELECT b::date FROM public.t"), &err), ERR_SQL, "22007");
    assert_null(strstr(err.message, "secret"));
    FAILS(pgconn_script(conn, SQL("SELECT * FROM public.tt"), &err), ERR_SQL, "42P01");
    assert_string_equal(err.message, "source: relation \"public.tt\" does not exist");
    /* the first failure counts */
    FAILS(pgconn_script(conn, SQL("SELECT 1; SELECT 1/0; SELECT x"), &err), ERR_SQL, "22012");
    FAILS(pgconn_exec(conn, SQL("SELECT 1"), many, 65536, NULL, &err), ERR_BUG, "");
    run(other, SQL("BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"));
    FAILS(pgconn_script(conn, SQL("LOCK TABLE public.t IN ACCESS SHARE MODE NOWAIT"), &err),
          ERR_SQL, "25P01");
    FAILS(pgconn_script(conn, SQL("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE NOWAIT"), &err),
          ERR_LOCK_TIMEOUT, "55P03");
    run(other, SQL("ROLLBACK"));
    run(conn, SQL("ROLLBACK"));
    assert_true(pgconn_usable(conn));
    free(many);
}

static char notice_seen[200];

static void on_notice(void *arg, const char *sqlstate, const char *message)
{
    snprintf(notice_seen, sizeof notice_seen, "%s %s %s", (const char *)arg, sqlstate, message);
}

static void notices(void **state)
{
    (void)state;
    char arg[] = "arg";
    pgconn_on_notice(conn, on_notice, arg);
    run(conn, SQL("DO $$ BEGIN RAISE WARNING 'hello'; RAISE NOTICE 'too quiet'; END $$"));
    assert_string_equal(notice_seen, "arg 01000 hello");
}

static void copy_is_no_query(void **state)
{
    (void)state;
    FAILS(pgconn_script(conn, SQL("COPY public.t FROM STDIN"), &err), ERR_BUG, "");
    assert_true(pgconn_usable(conn));
    FAILS(pgconn_script(conn, SQL("COPY public.t TO STDOUT"), &err), ERR_BUG, "");
    assert_false(pgconn_usable(conn));
    FAILS(pgconn_script(conn, SQL("SELECT 1"), &err), ERR_CONN_LOST, "");
}

/* Ending early -------------------------------------------------------------------------------- */

static void cancel_from_elsewhere(void **state)
{
    (void)state;
    pthread_t thread = later(cancel_later, conn);
    FAILS(pgconn_script(conn, SQL("SELECT pg_catalog.pg_sleep(30)"), &err), ERR_SQL, "57014");
    pthread_join(thread, NULL);
    assert_true(pgconn_usable(conn));
}

static void stop_cancels(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    pthread_t thread = later(stop_later, stop);
    pgconn_set_stop(conn, stop);
    FAILS(pgconn_script(conn, SQL("SELECT pg_catalog.pg_sleep(30)"), &err), ERR_STOPPED, "57014");
    pthread_join(thread, NULL);
    assert_true(pgconn_usable(conn));
    FAILS(pgconn_script(conn, SQL("SELECT 1"), &err), ERR_STOPPED, "");
    FAILS(pgconn_pipeline_begin(conn, &err), ERR_STOPPED, "");
    FAILS(pgconn_copy_out(conn, SQL("COPY public.t TO STDOUT"), &err), ERR_STOPPED, "");
    pgconn_set_stop(conn, NULL);
    run(conn, SQL("SELECT 1"));
    stop_free(stop);
}

static void lost(void **state)
{
    (void)state;
    FAILS(pgconn_script(conn,
                        SQL("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())"),
                        &err),
          ERR_CONN_LOST, "57P01");
    assert_false(pgconn_usable(conn));
    FAILS(pgconn_script(conn, SQL("SELECT 1"), &err), ERR_CONN_LOST, "");
    pgconn_close(conn);
    conn = open_session(PG_SESSION_SQL);
    terminate(conn); /* while it idles: seen with the next statement */
    struct pollfd fd = {.fd = pgconn_socket(conn), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 5000), 1);
    FAILS(pgconn_script(conn, SQL("SELECT 1"), &err), ERR_CONN_LOST, "57P01");
}

/* COPY ---------------------------------------------------------------------------------------- */

static PgRead read_all(int64_t *out_messages)
{
    PgRead read;
    char *data;
    int len;
    *out_messages = 0;
    while ((read = pgconn_copy_get(conn, &data, &len, &err)) == PG_READ_MESSAGE) {
        assert_true(len > 0 && data[len - 1] == '\n');
        pgconn_copy_free(data);
        ++*out_messages;
    }
    return read;
}

static void copy_out(void **state)
{
    (void)state;
    int64_t messages;
    FINE(pgconn_copy_out(
        conn,
        SQL("COPY (SELECT i, repeat('x', i % 300) FROM generate_series(1, 200000) i) "
            "TO STDOUT"),
        &err));
    assert_false(pgconn_usable(conn));
    assert_int_equal(read_all(&messages), PG_READ_CLOSED);
    assert_int_equal(messages, 200000);
    assert_int_equal(pgconn_copy_rows(conn), 200000);
    FINE(pgconn_copy_out(conn, SQL("COPY (SELECT 1 WHERE false) TO STDOUT"), &err));
    assert_int_equal(read_all(&messages), PG_READ_CLOSED);
    assert_int_equal(pgconn_copy_rows(conn), 0);
    /* values larger than any buffer */
    FINE(pgconn_copy_out(
        conn, SQL("COPY (SELECT repeat('x', 5000000) FROM generate_series(1, 5)) TO STDOUT"),
        &err));
    assert_int_equal(read_all(&messages), PG_READ_CLOSED);
    assert_int_equal(messages, 5);
    assert_true(pgconn_usable(conn));
}

static void copy_out_fails(void **state)
{
    (void)state;
    int64_t messages;
    FAILS(pgconn_copy_out(conn, SQL("COPY public.none TO STDOUT"), &err), ERR_SQL, "42P01");
    assert_true(pgconn_usable(conn));
    FINE(pgconn_copy_out(
        conn, SQL("COPY (SELECT 1/(5000-i) FROM generate_series(1, 9000) i) TO STDOUT"), &err));
    assert_int_equal(read_all(&messages), PG_READ_FAILED);
    assert_string_equal(err.sqlstate, "22012");
    assert_true(pgconn_usable(conn));
    FAILS(pgconn_copy_out(conn, SQL("SELECT 1"), &err), ERR_BUG, "");
    assert_false(pgconn_usable(conn));
}

static void copy_out_stops(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    int64_t messages;
    char *data;
    int len;
    pgconn_set_stop(conn, stop);
    /* rows keep coming */
    FINE(pgconn_copy_out(conn, SQL("COPY (SELECT generate_series(1, 500000000)) TO STDOUT"), &err));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pgconn_copy_get(conn, &data, &len, &err), PG_READ_MESSAGE);
        pgconn_copy_free(data);
    }
    stop_request(stop);
    assert_int_equal(pgconn_copy_get(conn, &data, &len, &err), PG_READ_FAILED);
    assert_int_equal(err.cls, ERR_STOPPED);
    assert_true(pgconn_usable(conn));
    stop_free(stop);
    /* no row comes after the first (which makes the server flush its answer) */
    stop = stop_new();
    pgconn_set_stop(conn, stop);
    FINE(pgconn_copy_out(conn,
                         SQL("COPY (SELECT repeat('x', 20000) UNION ALL "
                             "SELECT pg_catalog.pg_sleep(30)::text) TO STDOUT"),
                         &err));
    pthread_t thread = later(stop_later, stop);
    assert_int_equal(read_all(&messages), PG_READ_FAILED);
    assert_int_equal(err.cls, ERR_STOPPED);
    assert_true(pgconn_usable(conn));
    pthread_join(thread, NULL);
    stop_free(stop);
    /* not even the answer comes before the error does */
    stop = stop_new();
    pgconn_set_stop(conn, stop);
    thread = later(stop_later, stop);
    if (pgconn_copy_out(conn, SQL("COPY (SELECT pg_catalog.pg_sleep(30)) TO STDOUT"), &err))
        assert_int_equal(read_all(&messages), PG_READ_FAILED);
    assert_int_equal(err.cls, ERR_STOPPED);
    assert_true(pgconn_usable(conn));
    pthread_join(thread, NULL);
    stop_free(stop);
}

/* Puts rows until it fails or `count` is reached; returns how many were taken. */
static int put_rows(int first, int count)
{
    for (int i = 0; i < count; i++) {
        char line[64];
        int len = snprintf(line, sizeof line, "%d\tsome text that is not very long\n", first + i);
        if (!pgconn_copy_put(conn, line, len, &err))
            return i;
    }
    return count;
}

#define COPY_IN SQL("COPY public.t FROM STDIN")

static void copy_in(void **state)
{
    (void)state;
    int64_t rows;
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    assert_int_equal(put_rows(0, 100000), 100000);
    FINE(pgconn_copy_end(conn, &rows, &err));
    assert_int_equal(rows, 100000);
    assert_int_equal(count_rows(), 100000);
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    FINE(pgconn_copy_put(conn, "", 0, &err));
    FINE(pgconn_copy_end(conn, &rows, &err));
    assert_int_equal(rows, 0);
    /* in pieces that do not end with rows, small and large mixed */
    size_t len = 3000000;
    char *big = malloc(len);
    memset(big, 'x', len);
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    FINE(pgconn_copy_put(conn, "-1\tsmall\n-2", 11, &err));
    FINE(pgconn_copy_put(conn, "\t", 1, &err));
    FINE(pgconn_copy_put(conn, big, (int)len, &err));
    FINE(pgconn_copy_put(conn, "\n-3\tlast\n", 9, &err));
    FINE(pgconn_copy_end(conn, &rows, &err));
    assert_int_equal(rows, 3);
    assert_int_equal(count_rows(), 100003);
    free(big);
}

static void copy_in_fails(void **state)
{
    (void)state;
    int64_t rows;
    FAILS(pgconn_copy_in(conn, SQL("COPY public.none FROM STDIN"), &err), ERR_SQL, "42P01");
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    FINE(pgconn_copy_put(conn, "x\ty\n", 4, &err));
    FAILS(pgconn_copy_end(conn, &rows, &err), ERR_SQL, "22P02");
    assert_true(pgconn_usable(conn));
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    assert_int_equal(put_rows(0, 10), 10);
    pgconn_copy_fail(conn, "changed our mind");
    assert_true(pgconn_usable(conn));
    pgconn_copy_fail(conn, "nothing to fail");
    /* the error is seen long before the end */
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    FINE(pgconn_copy_put(conn, "x\ty\n", 4, &err));
    assert_true(put_rows(0, 20000000) < 10000000);
    assert_string_equal(err.sqlstate, "22P02");
    assert_true(pgconn_usable(conn));
    assert_int_equal(count_rows(), 0);
}

/* Notices in the middle of a COPY are not taken for an error. */
static void copy_in_with_notices(void **state)
{
    (void)state;
    int64_t rows;
    pgconn_on_notice(conn, on_notice, notice_seen);
    run(conn, SQL("CREATE OR REPLACE FUNCTION public.warns() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$ BEGIN IF NEW.a % 5000 = 0 THEN RAISE WARNING 'row %', NEW.a; END IF; "
                  "RETURN NEW; END $$; "
                  "CREATE TRIGGER warns BEFORE INSERT ON public.t FOR EACH ROW "
                  "EXECUTE FUNCTION public.warns()"));
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    if (put_rows(0, 200000) != 200000)
        fail_msg("%s", err.message);
    FINE(pgconn_copy_end(conn, &rows, &err));
    assert_int_equal(rows, 200000);
    assert_non_null(strstr(notice_seen, "row 195000"));
}

static void copy_in_stops(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    run(other, SQL("BEGIN; INSERT INTO public.t VALUES (0)"));
    pgconn_set_stop(conn, stop);
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    pthread_t thread = later(stop_later, stop);
    /* the first row waits for the other session, so the socket fills */
    assert_true(put_rows(0, 20000000) < 10000000);
    assert_int_equal(err.cls, ERR_STOPPED);
    pthread_join(thread, NULL);
    assert_true(pgconn_usable(conn));
    pgconn_set_stop(conn, NULL);
    run(other, SQL("ROLLBACK"));
    assert_int_equal(count_rows(), 0);
    stop_free(stop);
}

static void copy_in_lost(void **state)
{
    (void)state;
    FINE(pgconn_copy_in(conn, COPY_IN, &err));
    terminate(conn);
    assert_true(put_rows(0, 20000000) < 10000000);
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_false(pgconn_usable(conn));
    pgconn_copy_fail(conn, "nobody listens");
}

/* Pipelines
 * ---------------------------------------------------------------------------------------- */

static void queue_insert(const char *a)
{
    FINE(pgconn_pipeline_send_prepared(conn, "ins", PG_PARAMS(PG_TEXT(a), PG_TEXT("b")), &err));
}

static void prepare_insert(void)
{
    static const uint32_t TYPES[] = {23, 25};
    int64_t affected;
    FINE(pgconn_pipeline_prepare(conn, "ins", SQL("INSERT INTO public.t VALUES ($1, $2)"), TYPES, 2,
                                 &err));
    FINE(pgconn_pipeline_result(conn, &affected, &err));
    assert_int_equal(affected, -1);
}

static void pipeline(void **state)
{
    (void)state;
    enum { INSERTS = 20000, LARGE = 300 };
    char *big = malloc(200001);
    int64_t affected;
    memset(big, 'y', 200000);
    big[200000] = '\0';
    FINE(pgconn_pipeline_begin(conn, &err));
    prepare_insert();
    FINE(pgconn_pipeline_send(conn, SQL("BEGIN"), PG_NO_PARAMS, &err));
    for (int i = 0; i < INSERTS; i++) {
        char a[16];
        snprintf(a, sizeof a, "%d", i);
        queue_insert(a);
    }
    /* 60 MB in either direction before the first answer is read */
    for (int i = 0; i < LARGE; i++)
        FINE(pgconn_pipeline_send(conn, SQL("SELECT $1::text, repeat('z', 200000)"),
                                  PG_PARAMS(PG_TEXT(big)), &err));
    FINE(pgconn_pipeline_send(conn, SQL("COMMIT"), PG_NO_PARAMS, &err));
    FINE(pgconn_pipeline_sync(conn, &err));
    for (int i = 0; i < 1 + INSERTS + LARGE + 1; i++) {
        FINE(pgconn_pipeline_result(conn, &affected, &err));
        assert_int_equal(affected, i >= 1 && i < 1 + INSERTS + LARGE);
    }
    FINE(pgconn_pipeline_end(conn, &err));
    assert_true(pgconn_usable(conn));
    assert_int_equal(count_rows(), INSERTS);
    free(big);
}

static void pipeline_fails(void **state)
{
    (void)state;
    int64_t affected;
    FINE(pgconn_pipeline_begin(conn, &err));
    prepare_insert();
    FINE(pgconn_pipeline_sync(conn, &err));
    queue_insert("1");
    queue_insert("1");
    queue_insert("2");
    FINE(pgconn_pipeline_sync(conn, &err));
    queue_insert("3"); /* an implicit transaction of its own */
    FINE(pgconn_pipeline_sync(conn, &err));
    FINE(pgconn_pipeline_result(conn, &affected, &err));
    FAILS(pgconn_pipeline_result(conn, &affected, &err), ERR_APPLY_CONFLICT, "23505");
    FAILS(pgconn_pipeline_result(conn, &affected, &err), ERR_SQL, "");
    FINE(pgconn_pipeline_result(conn, &affected, &err));
    FINE(pgconn_pipeline_end(conn, &err));
    assert_int_equal(count_rows(), 1);

    /* the failure was told: end is fine with what was skipped */
    FINE(pgconn_pipeline_begin(conn, &err));
    queue_insert("3");
    queue_insert("4");
    FAILS(pgconn_pipeline_result(conn, &affected, &err), ERR_APPLY_CONFLICT, "23505");
    FINE(pgconn_pipeline_end(conn, &err));
    /* it was not told: end says it */
    FINE(pgconn_pipeline_begin(conn, &err));
    queue_insert("3");
    queue_insert("4");
    FAILS(pgconn_pipeline_end(conn, &err), ERR_APPLY_CONFLICT, "23505");
    /* nothing queued at all */
    FINE(pgconn_pipeline_begin(conn, &err));
    FINE(pgconn_pipeline_end(conn, &err));
    assert_true(pgconn_usable(conn));
    assert_int_equal(count_rows(), 1);
    FINE(pgconn_pipeline_begin(conn, &err));
    FAILS(pgconn_script(conn, SQL("SELECT 1"), &err), ERR_BUG, "");
    FINE(pgconn_pipeline_end(conn, &err));
}

/* Going on after a failure, or out of turn, is an error and not the end of the program. */
static void out_of_turn(void **state)
{
    (void)state;
    int64_t number;
    char *data;
    int len;
    FAILS(pgconn_pipeline_send(conn, SQL("SELECT 1"), PG_NO_PARAMS, &err), ERR_BUG, "");
    FAILS(pgconn_pipeline_sync(conn, &err), ERR_BUG, "");
    FAILS(pgconn_pipeline_result(conn, &number, &err), ERR_BUG, "");
    FAILS(pgconn_pipeline_end(conn, &err), ERR_BUG, "");
    FAILS(pgconn_copy_put(conn, "x", 1, &err), ERR_BUG, "");
    FAILS(pgconn_copy_end(conn, &number, &err), ERR_BUG, "");
    FAILS(pgconn_stream_put(conn, "x", 1, &err), ERR_BUG, "");
    assert_int_equal(pgconn_copy_get(conn, &data, &len, &err), PG_READ_FAILED);
    assert_int_equal(pgconn_stream_get(conn, &data, &len, &err), PG_READ_FAILED);
    FINE(pgconn_pipeline_begin(conn, &err));
    FAILS(pgconn_pipeline_result(conn, &number, &err), ERR_BUG, "");
    FINE(pgconn_pipeline_end(conn, &err));
    assert_true(pgconn_usable(conn));
}

static void pipeline_stops(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    int64_t affected;
    pgconn_set_stop(conn, stop);
    FINE(pgconn_pipeline_begin(conn, &err));
    FINE(pgconn_pipeline_send(conn, SQL("SELECT pg_catalog.pg_sleep(30)"), PG_NO_PARAMS, &err));
    FINE(pgconn_pipeline_send(conn, SQL("SELECT pg_catalog.pg_sleep(30)"), PG_NO_PARAMS, &err));
    FINE(pgconn_pipeline_sync(conn, &err));
    pthread_t thread = later(stop_later, stop);
    FAILS(pgconn_pipeline_result(conn, &affected, &err), ERR_STOPPED, "57014");
    FAILS(pgconn_pipeline_send(conn, SQL("SELECT 1"), PG_NO_PARAMS, &err), ERR_STOPPED, "");
    FINE(pgconn_pipeline_end(conn, &err));
    pthread_join(thread, NULL);
    assert_true(pgconn_usable(conn));
    stop_free(stop);
}

static void pipeline_lost(void **state)
{
    (void)state;
    int64_t affected;
    FINE(pgconn_pipeline_begin(conn, &err));
    terminate(conn);
    FINE(pgconn_pipeline_send(conn, SQL("SELECT 1"), PG_NO_PARAMS, &err));
    err = ERROR_INIT;
    if (pgconn_pipeline_sync(conn, &err))
        assert_false(pgconn_pipeline_result(conn, &affected, &err));
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_false(pgconn_pipeline_end(conn, &err));
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_false(pgconn_usable(conn));
}

/* Stream -------------------------------------------------------------------------------------- */

/* Waits for the next thing that is not "nothing there". */
static PgRead stream_next(PgConn *stream, char *out_kind)
{
    for (;;) {
        struct pollfd fd = {.fd = pgconn_socket(stream), .events = POLLIN};
        char *data;
        int len;
        PgRead read = pgconn_stream_get(stream, &data, &len, &err);
        if (read == PG_READ_MESSAGE) {
            *out_kind = data[0];
            pgconn_copy_free(data);
        }
        if (read != PG_READ_IDLE)
            return read;
        assert_int_equal(poll(&fd, 1, 10000), 1);
    }
}

static void stream(void **state)
{
    (void)state;
    PgConn *walsender = open_session(PG_SESSION_WALSENDER);
    static const char STATUS[34] = {'r'};
    char kind = 0;
    PgRead read;

    FAILS(pgconn_stream_start(walsender, SQL("START_REPLICATION SLOT nowhere LOGICAL 0/0"), &err),
          ERR_SQL, "42704");
    assert_true(pgconn_usable(walsender));
    FINE(pgconn_exec(walsender, SQL("CREATE_REPLICATION_SLOT live TEMPORARY LOGICAL test_decoding"),
                     PG_NO_PARAMS, NULL, &err));
    FINE(pgconn_stream_start(walsender, SQL("START_REPLICATION SLOT live LOGICAL 0/0"), &err));
    run(conn, SQL("INSERT INTO public.t SELECT i, repeat('z', i) FROM generate_series(1, 3000) i"));
    for (int changes = 0; changes < 3002;) { /* with BEGIN and COMMIT */
        assert_int_equal(stream_next(walsender, &kind), PG_READ_MESSAGE);
        changes += kind == 'w';
    }
    FINE(pgconn_stream_put(walsender, STATUS, sizeof STATUS, &err));
    assert_false(pgconn_stream_unsent(walsender));
    FINE(pgconn_stream_put(walsender, NULL, 0, &err));
    terminate(walsender);
    while ((read = stream_next(walsender, &kind)) == PG_READ_MESSAGE)
        ;
    assert_int_equal(read, PG_READ_FAILED);
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_string_equal(err.sqlstate, "57P01");
    pgconn_close(walsender);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_are_pinned, setup, teardown),
        cmocka_unit_test_setup_teardown(queries, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_have_a_class_and_no_data, setup, teardown),
        cmocka_unit_test_setup_teardown(notices, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_is_no_query, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel_from_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_cancels, setup, teardown),
        cmocka_unit_test_setup_teardown(lost, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_out, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_out_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_out_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_in, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_in_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_in_with_notices, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_in_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_in_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(pipeline_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(pipeline_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(pipeline_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(stream, setup, teardown),
    };
    const char *encoding = getenv("BASCULE_TEST_ENCODING");

    log_init(LOG_WARN, false);
    endpoint = (PgEndpoint){.side = "source",
                            .conninfo = getenv("BASCULE_TEST_CONNINFO"),
                            .shown = "the test's server",
                            .task = "a task",
                            .encoding = encoding != NULL ? encoding : "UTF8"};
    if (endpoint.conninfo == NULL) {
        fprintf(stderr, "BASCULE_TEST_CONNINFO is not set\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

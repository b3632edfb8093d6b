/* Opening sessions where nobody, or nobody who speaks PostgreSQL, is there. Everything that needs a
 * real server is tested against one in tests/integration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/pgconn.h"

/* A port that accepts connections and says nothing. */
static int silent_fd, silent_port;

static int setup(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    log_init(LOG_ERROR, false);
    unsetenv("PGSERVICE");
    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(silent_fd, 5), 0);
    assert_int_equal(getsockname(silent_fd, (struct sockaddr *)&address, &len), 0);
    silent_port = ntohs(address.sin_port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(silent_fd);
    return 0;
}

static PgEndpoint endpoint(const char *conninfo)
{
    return (PgEndpoint){
        .side = "source", .conninfo = conninfo, .shown = "host=shown", .task = "t", .stop = NULL};
}

static Error refused(const PgEndpoint *where)
{
    Error err = ERROR_INIT;
    assert_null(pgconn_open(where, PG_SESSION_SQL, "test", &err));
    assert_int_not_equal(err.cls, ERR_NONE);
    return err;
}

static void nobody_there(void **state)
{
    (void)state;
    PgEndpoint where = endpoint("host=/nonexistent/directory user=u dbname=d");
    Error err = refused(&where);
    assert_int_equal(err.cls, ERR_CONN_REFUSED);
    assert_int_equal(strncmp(err.message, "cannot connect to the source (host=shown): ", 43), 0);
    where = endpoint("host=127.0.0.1 port=1 user=u dbname=d");
    err = refused(&where);
    assert_int_equal(err.cls, ERR_CONN_REFUSED);
}

static void secrets_stay_secret(void **state)
{
    (void)state;
    static const char *const STRINGS[] = {"host=h password='hunter2",
                                          "password=hunter2 hunter2 host=h",
                                          "hunter2",
                                          "postgresql://u:hunter2@[::1/db",
                                          "postgresql://u:hunter2%zz@h/db",
                                          "hunter2=x",
                                          "host=127.0.0.1 port=1 user=u password=hunter2"};
    for (size_t i = 0; i < sizeof STRINGS / sizeof *STRINGS; i++) {
        PgEndpoint where = endpoint(STRINGS[i]);
        Error err = refused(&where);
        assert_null(strstr(err.message, "hunter2"));
        assert_null(strstr(err.hint, "hunter2"));
        assert_int_equal(err.cls, i < 6 ? ERR_CONFIG : ERR_CONN_REFUSED);
    }
}

static void wrong_options(void **state)
{
    (void)state;
    PgEndpoint where = endpoint("host=127.0.0.1 port=1 sslmode=bogus");
    assert_int_equal(refused(&where).cls, ERR_CONFIG);
    where = endpoint("host=127.0.0.1 port=bogus");
    assert_int_equal(refused(&where).cls, ERR_CONFIG);
}

static void deadline(void **state)
{
    (void)state;
    char conninfo[100] = "";
    PgEndpoint where = endpoint(conninfo);
    int64_t start = clock_now_us();
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=u sslmode=disable",
             silent_port);
    where.connect_timeout_us = 150000;
    Error err = refused(&where);
    assert_int_equal(err.cls, ERR_CONN_REFUSED);
    assert_non_null(strstr(err.message, "no answer within 150 ms"));
    assert_in_range(clock_now_us() - start, 150000, 3000000);
    /* and the one of the conninfo */
    strcat(conninfo, " connect_timeout=1");
    where.connect_timeout_us = 0;
    err = refused(&where);
    assert_non_null(strstr(err.message, "no answer within 1.0 s"));
}

static void *request_later(void *arg)
{
    stop_wait(NULL, 100000);
    stop_request(arg);
    return NULL;
}

static void stop(void **state)
{
    (void)state;
    char conninfo[100] = "";
    PgEndpoint where = endpoint(conninfo);
    pthread_t thread;
    int64_t start = clock_now_us();
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=u", silent_port);
    where.stop = stop_new();
    pthread_create(&thread, NULL, request_later, where.stop);
    assert_int_equal(refused(&where).cls, ERR_STOPPED);
    assert_true(clock_now_us() - start < 5000000);
    pthread_join(thread, NULL);
    stop_free(where.stop);
}

static void *says_nonsense(void *arg)
{
    int fd = accept4(silent_fd, NULL, NULL, SOCK_CLOEXEC);
    (void)arg;
    /* waits for the startup packet, then answers as a web server would */
    char byte;
    if (read(fd, &byte, 1) == 1 && write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) != 28)
        abort();
    shutdown(fd, SHUT_WR);
    while (read(fd, &byte, 1) == 1)
        ;
    close(fd);
    return NULL;
}

static void another_protocol(void **state)
{
    (void)state;
    char conninfo[100] = "";
    PgEndpoint where = endpoint(conninfo);
    pthread_t thread;
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=u sslmode=disable",
             silent_port);
    pthread_create(&thread, NULL, says_nonsense, NULL);
    Error err = refused(&where);
    assert_non_null(strstr(err.message, "expected authentication request"));
    pthread_join(thread, NULL);
}

static void closing_nothing(void **state)
{
    (void)state;
    pgconn_close(NULL);
    pgrows_free(NULL);
    pgconn_copy_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there),    cmocka_unit_test(secrets_stay_secret),
        cmocka_unit_test(wrong_options),   cmocka_unit_test(another_protocol),
        cmocka_unit_test(deadline),        cmocka_unit_test(stop),
        cmocka_unit_test(closing_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

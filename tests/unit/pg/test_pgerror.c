/* What becomes of libpq's words when a connection attempt fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pg/session.h"

static void expect(const char *text, ErrorClass cls, const char *sqlstate, const char *message)
{
    Error err = ERROR_INIT;
    assert_false(pg_fail_connect(text, &err));
    if (err.cls != cls)
        fail_msg("%s: %s", err_slug(err.cls), text);
    assert_string_equal(err.sqlstate, sqlstate);
    assert_string_equal(err.message, message);
}

static void of_the_server(void **state)
{
    (void)state;
    expect("connection to server at \"h\" (127.0.0.1), port 5432 failed: FATAL:  28P01: password "
           "authentication failed for user \"u\"\nLOCATION:  auth_failed, auth.c:326\n",
           ERR_AUTH, "28P01",
           "connection to server at \"h\" (127.0.0.1), port 5432 failed: FATAL: password "
           "authentication failed for user \"u\"");
    expect("FATAL:  3D000: database \"x\" does not exist\nDETAIL:  secret\nHINT:  none\n",
           ERR_CONFIG, "3D000", "FATAL: database \"x\" does not exist");
    expect("FATAL:  53300: sorry, too many clients already\n", ERR_RESOURCES, "53300",
           "FATAL: sorry, too many clients already");
    expect("FATAL:  57P03: the database system is starting up\n", ERR_CONN_REFUSED, "57P03",
           "FATAL: the database system is starting up");
    expect("FATAL:  42501: must be superuser or replication role to start walsender", ERR_PRIVILEGE,
           "42501", "FATAL: must be superuser or replication role to start walsender");
    expect("FATAL:  22023: invalid value for parameter \"client_encoding\": \"X\"\n", ERR_CONFIG,
           "22023", "FATAL: invalid value for parameter \"client_encoding\": \"X\"");
    /* a translated severity, and words that would mean something else without the SQLSTATE */
    expect("FATALE:  28000: kein pg_hba.conf-Eintrag, SSL aus\n", ERR_AUTH, "28000",
           "FATALE: kein pg_hba.conf-Eintrag, SSL aus");
    /* two hosts: the last one decides */
    expect("a failed: FATAL:  57P03: starting\nb failed: FATAL:  28P01: no\n", ERR_AUTH, "28P01",
           "a failed: FATAL: starting; b failed: FATAL: no");
    /* tried with and without TLS */
    expect("FATAL:  28000: no entry\nFATAL:  28000: no entry\n", ERR_AUTH, "28000",
           "FATAL: no entry");
}

static void of_libpq(void **state)
{
    (void)state;
    expect("connection to server at \"h\" (::1), port 1 failed: Connection refused\n\tIs the "
           "server running "
           "on that host and accepting TCP/IP connections?\n",
           ERR_CONN_REFUSED, "",
           "connection to server at \"h\" (::1), port 1 failed: Connection refused");
    expect("could not translate host name \"x\" to address: Name or service not known\n",
           ERR_CONN_REFUSED, "",
           "could not translate host name \"x\" to address: Name or service not known");
    expect("server does not support SSL, but SSL was required\n", ERR_TLS, "",
           "server does not support SSL, but SSL was required");
    expect("SSL error: certificate verify failed\n", ERR_TLS, "",
           "SSL error: certificate verify failed");
    expect("root certificate file \"/x\" does not exist\n", ERR_TLS, "",
           "root certificate file \"/x\" does not exist");
    expect("fe_sendauth: no password supplied\n", ERR_AUTH, "",
           "fe_sendauth: no password supplied");
    expect("server closed the connection unexpectedly\n\tThis probably means ...\n", ERR_CONN_LOST,
           "", "server closed the connection unexpectedly");
    expect("invalid sslmode value: \"x\"\n", ERR_CONFIG, "", "invalid sslmode value: \"x\"");
    expect("definition of service \"x\" not found\n", ERR_CONFIG, "",
           "definition of service \"x\" not found");
    expect("something new\n", ERR_CONN_REFUSED, "", "something new");
    expect("", ERR_CONN_REFUSED, "", "libpq gives no reason");
}

static void is_no_sqlstate(void **state)
{
    (void)state;
    expect("x:  lower: y", ERR_CONN_REFUSED, "", "x:  lower: y");
    expect("x:  ABCDEF: y", ERR_CONN_REFUSED, "", "x:  ABCDEF: y");
    expect("x:  1234: y", ERR_CONN_REFUSED, "", "x:  1234: y");
    expect("x:  12345", ERR_CONN_REFUSED, "", "x:  12345");
    expect(":  ", ERR_CONN_REFUSED, "", ":  ");
}

static void long_texts(void **state)
{
    (void)state;
    char text[5000];
    Error err;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(pg_fail_connect(text, &err));
    for (size_t i = 99; i < sizeof text - 1; i += 100)
        text[i] = '\n';
    text[50] = 'y';
    assert_false(pg_fail_connect(text, &err));
    assert_non_null(strstr(err.message, "; xxx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_server),
        cmocka_unit_test(of_libpq),
        cmocka_unit_test(is_no_sqlstate),
        cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From options to conninfo: dsn, URI, fields, service files, environment, sslmode. */
#include "config_fixture.h"

#include "bascule/port/conninfo.h"
#include "config/endpoint.h"
#include "config/mapping.h"

static Arena *arena;

static int setup(void **state)
{
    arena = arena_new(0);
    return fixture_setup(state);
}

static int teardown(void **state)
{
    arena_free(arena);
    return fixture_teardown(state);
}

/* The source's endpoint of a file with this text. */
static PgEndpoint endpoint_of(const char *text)
{
    Config *config = load(text, NULL);
    PgEndpoint endpoint;
    Error err = ERROR_INIT;
    if (!config_endpoint(config, true, &endpoint, arena, &err))
        fail_msg("%s", err.message);
    config_free(config);
    return endpoint;
}

static void shown(const char *text, const char *expected)
{
    assert_string_equal(endpoint_of(text).shown, expected);
}

/* One part of the conninfo, read back as libpq would. */
static const char *part(const char *text, const char *name)
{
    Conninfo parts;
    Error err = ERROR_INIT;
    if (!conninfo_parse(arena, endpoint_of(text).conninfo, &parts, &err))
        fail_msg("%s", err.message);
    return conninfo_get(&parts, name);
}

static void test_conninfo(void **state)
{
    (void)state;
    shown("source: { dsn: 'host=db1 dbname=app user=mig' }\n",
          "host=db1 port=5432 dbname=app user=mig sslmode=verify-full");
    shown("source: { dsn: 'postgresql://mig:geheim@db2:5433/app?connect_timeout=3' }\n",
          "host=db2 port=5433 dbname=app user=mig sslmode=verify-full");
    shown("source: { dsn: 'postgresql://mig@[::1]/app' }\n",
          "host=::1 port=5432 dbname=app user=mig sslmode=verify-full");
    shown("source: { dsn: 'host=a,b port=1,2 dbname=d user=u' }\n",
          "host=a,b port=1,2 dbname=d user=u sslmode=verify-full");
    shown("source: { dsn: 'hostaddr=10.0.0.1 dbname=d user=u' }\n",
          "host=10.0.0.1 port=5432 dbname=d user=u sslmode=verify-full");
    shown("source: { host: db1, port: 5433, database: app, user: mig, password: geheim, sslmode: "
          "require }\n",
          "host=db1 port=5433 dbname=app user=mig sslmode=require");
}

static void test_fields_override_the_dsn(void **state)
{
    (void)state;
    const char *text =
        "source:\n  dsn: postgresql://old:oldpw@oldhost:1/olddb?sslmode=disable&hostaddr=10.0.0.1\n"
        "  host: new\n  port: 2\n  database: newdb\n  user: newuser\n  password: newpw\n"
        "  sslmode: verify-ca\n  sslrootcert: /ca\n  sslcert: /cert\n  sslkey: /key\n  passfile: "
        "/pass\n";
    shown(text, "host=new port=2 dbname=newdb user=newuser sslmode=verify-ca");
    assert_string_equal(part(text, "password"), "newpw");
    assert_string_equal(part(text, "hostaddr"), "");
    assert_string_equal(part(text, "sslrootcert"), "/ca");
    assert_string_equal(part(text, "sslcert"), "/cert");
    assert_string_equal(part(text, "sslkey"), "/key");
    assert_string_equal(part(text, "passfile"), "/pass");
    assert_string_equal(part("source: { dsn: 'host=a dbname=d password=inside' }\n", "password"),
                        "inside");
}

/* Whatever a password holds, libpq reads it back the same. */
static void test_quoting(void **state)
{
    (void)state;
    static const char *const PASSWORDS[] = {"a b", "it's", "back\\slash", "'",       "=",
                                            "\\'", " x ",  "p%40&?#",     "umlaut ü"};
    for (size_t i = 0; i < sizeof PASSWORDS / sizeof *PASSWORDS; i++) {
        setenv("SRC_PW", PASSWORDS[i], 1);
        assert_string_equal(
            part("source: { host: h, database: 'my db', password: '${SRC_PW}' }\n", "password"),
            PASSWORDS[i]);
    }
    unsetenv("SRC_PW");
    shown("source: { host: h, database: \"my 'db\", user: u }\n",
          "host=h port=5432 dbname='my \\'db' user=u sslmode=verify-full");
}

static void test_sslmode_default(void **state)
{
    (void)state;
    assert_string_equal(part("source: { dsn: 'host=h dbname=d' }\n", "sslmode"), "verify-full");
    assert_string_equal(part("source: { dsn: 'host=h dbname=d sslmode=prefer' }\n", "sslmode"),
                        "prefer");
    assert_string_equal(part("source: { dsn: 'host=h dbname=d', sslmode: require }\n", "sslmode"),
                        "require");
    setenv("PGSSLMODE", "disable", 1);
    assert_null(part("source: { dsn: 'host=h dbname=d' }\n", "sslmode"));
    shown("source: { dsn: 'host=h dbname=d user=u' }\n",
          "host=h port=5432 dbname=d user=u sslmode=disable");
    assert_string_equal(part("source: { dsn: 'host=h dbname=d', sslmode: require }\n", "sslmode"),
                        "require");
    unsetenv("PGSSLMODE");
}

static void test_unix_sockets(void **state)
{
    (void)state;
    shown("source: { dsn: 'host=/tmp port=7500 dbname=d user=u' }\n",
          "host=/tmp port=7500 dbname=d user=u");
    shown("source: { dsn: 'host=@abstract dbname=d user=u' }\n",
          "host=@abstract port=5432 dbname=d user=u");
    shown("source: { dsn: 'dbname=d user=u' }\n", "host=[local] port=5432 dbname=d user=u");
}

static void test_service_file(void **state)
{
    (void)state;
    write_file(
        "services",
        "# both sides\n[old]\nhost=olddb\nport=6000\ndbname=app\nuser=su\n\n"
        "[open]\n  host = "
        "x\nhost=opendb\nsslmode=disable\ndbname=app\nuser=su\npassword=geheim\n[old]\nport=1\n",
        0600);
    setenv("PGSERVICEFILE", "services", 1);
    shown("source: { service: old }\n",
          "host=olddb port=6000 dbname=app user=su sslmode=verify-full");
    shown("source: { dsn: 'service=old port=6001' }\n",
          "host=olddb port=6001 dbname=app user=su sslmode=verify-full");
    shown("source: { service: open }\n",
          "host=opendb port=5432 dbname=app user=su sslmode=disable");
    assert_null(part("source: { service: open }\n", "sslmode"));
    assert_string_equal(part("source: { service: old }\n", "service"), "old");
    /* a service that is not there: connecting will say so */
    assert_string_equal(part("source: { service: none, user: u }\n", "sslmode"), "verify-full");
    setenv("PGSERVICE", "open", 1);
    shown("source: { database: d2 }\n", "host=opendb port=5432 dbname=d2 user=su sslmode=disable");
    unsetenv("PGSERVICE");
    unsetenv("PGSERVICEFILE");
    write_file(".pg_service.conf", "[home]\nhost=homedb\ndbname=h\nuser=u\n", 0600);
    shown("source: { service: home }\n",
          "host=homedb port=5432 dbname=h user=u sslmode=verify-full");
    mkdir("sys", 0700);
    write_file("sys/pg_service.conf", "[sys]\nhost=sysdb\ndbname=s\nuser=u\n", 0600);
    setenv("PGSYSCONFDIR", "sys", 1);
    shown("source: { service: sys }\n", "host=sysdb port=5432 dbname=s user=u sslmode=verify-full");
    unsetenv("PGSYSCONFDIR");
    unlink(".pg_service.conf");
}

static void test_environment_completes(void **state)
{
    (void)state;
    setenv("PGUSER", "envuser", 1);
    setenv("PGPORT", "7777", 1);
    shown("source: { dsn: 'host=h' }\n",
          "host=h port=7777 dbname=envuser user=envuser sslmode=verify-full");
    setenv("PGHOST", "envhost", 1);
    shown("source: { database: d }\n",
          "host=envhost port=7777 dbname=d user=envuser sslmode=verify-full");
    unsetenv("PGHOST");
    unsetenv("PGUSER");
    unsetenv("PGPORT");
}

/* PGHOST alone would make source and target the same server. */
static void test_nothing_given(void **state)
{
    (void)state;
    PgEndpoint endpoint;
    Error err = ERROR_INIT;
    setenv("PGHOST", "envhost", 1);
    Config *config = load("source: { dsn: 'host=h' }\ntarget: { user: u }\n", NULL);
    assert_true(config_endpoint(config, true, &endpoint, arena, &err));
    assert_false(config_endpoint(config, false, &endpoint, arena, &err));
    assert_string_equal(err.message, "nothing says where the target is");
    assert_int_equal(err.cls, ERR_CONFIG);
    config_free(config);
    unsetenv("PGHOST");
}

static void test_timeout_and_task(void **state)
{
    (void)state;
    PgEndpoint endpoint = endpoint_of("task: x\nsource: { dsn: 'host=h' }\n");
    assert_int_equal(endpoint.connect_timeout_us, 10000000);
    assert_string_equal(endpoint.task, "x");
    assert_string_equal(endpoint.side, "source");
    assert_int_equal(
        endpoint_of("source: { dsn: 'host=h connect_timeout=3' }\n").connect_timeout_us, 3000000);
    assert_int_equal(
        endpoint_of("source: { dsn: 'host=h connect_timeout=3', connect_timeout: 1500ms }\n")
            .connect_timeout_us,
        1500000);
}

static void test_database_name(void **state)
{
    (void)state;
    Config *config = load(
        "source: { dsn: 'postgresql://u@h/the%20db' }\ntarget: { dsn: 'host=h user=u' }\n", NULL);
    assert_string_equal(config_database(config, true, arena), "the db");
    assert_string_equal(config_database(config, false, arena), "u");
    config_free(config);
}

static void test_rules(void **state)
{
    (void)state;
    Rules rules;
    Error err = ERROR_INIT;
    Config *config =
        load("tables:\n  include: ['public.*', 'auth.users']\n  exclude: ['public.tmp_%']\n", NULL);
    if (!config_rules(config, &rules, arena, &err))
        fail_msg("%s", err.message);
    assert_int_equal(rules.count, 3);
    assert_true(rules_select(&rules, "public", "orders"));
    assert_true(rules_select(&rules, "auth", "users"));
    assert_false(rules_select(&rules, "auth", "tokens"));
    assert_false(rules_select(&rules, "public", "tmp_1"));
    config_free(config);
    config = load(NULL, NULL);
    assert_true(config_rules(config, &rules, arena, &err));
    assert_int_equal(rules.count, 0);
    config_free(config);
    config = load("tables:\n  include: ['nodot']\n", NULL);
    assert_false(config_rules(config, &rules, arena, &err));
    assert_int_equal(strncmp(err.message, "conf.yaml:2:13: ", 16), 0);
    assert_int_equal(err.cls, ERR_CONFIG);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conninfo),
        cmocka_unit_test(test_fields_override_the_dsn),
        cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_sslmode_default),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_service_file),
        cmocka_unit_test(test_environment_completes),
        cmocka_unit_test(test_nothing_given),
        cmocka_unit_test(test_timeout_and_task),
        cmocka_unit_test(test_database_name),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests_name("endpoint", tests, setup, teardown);
}

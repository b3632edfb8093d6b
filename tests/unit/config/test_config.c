/* Precedence, places, masking, lists, flags. */
#include "config_fixture.h"

static void test_precedence(void **state)
{
    (void)state;
    Config *config = load("load:\n  jobs: 3\n", NULL);
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 3);
    assert_string_equal(config_where(config, OPT_LOAD_JOBS), "file conf.yaml:2:9");
    assert_true(config_set(config, OPT_LOAD_JOBS));
    config_free(config);

    setenv("BASCULE_LOAD_JOBS", "4", 1);
    config = load("load:\n  jobs: 3\n", NULL);
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 4);
    assert_string_equal(config_where(config, OPT_LOAD_JOBS), "env BASCULE_LOAD_JOBS");
    config_free(config);

    config = load("load:\n  jobs: 3\n", FLAGS_OF("--load-jobs", "5"));
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 5);
    assert_string_equal(config_where(config, OPT_LOAD_JOBS), "flag --load-jobs");
    config_free(config);

    unsetenv("BASCULE_LOAD_JOBS");
    config = load(NULL, NULL);
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 2);
    assert_string_equal(config_where(config, OPT_LOAD_JOBS), "default");
    assert_false(config_set(config, OPT_LOAD_JOBS));
    assert_null(config_text(config, OPT_SOURCE_DSN));
    assert_string_equal(config_where(config, OPT_SOURCE_DSN), "unset");
    assert_null(config_path(config));
    config_free(config);
}

static void test_empty_is_unset(void **state)
{
    (void)state;
    setenv("BASCULE_LOAD_JOBS", "", 1);
    Config *config =
        load("task:\nslot: { name: }\nsource: { host: '', port: ~ }\nstream:\nload: { jobs: 7 }\n",
             NULL);
    assert_string_equal(config_text(config, OPT_TASK), "bascule");
    assert_string_equal(config_text(config, OPT_SLOT_NAME), "bascule_bascule");
    assert_null(config_text(config, OPT_SOURCE_HOST));
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 7);
    config_free(config);
}

static void test_defaults_are_filled_in(void **state)
{
    (void)state;
    char expected[256];
    Config *config = load("task: clinic\n", NULL);
    assert_string_equal(config_text(config, OPT_SLOT_NAME), "bascule_clinic");
    assert_string_equal(config_text(config, OPT_PUBLICATION_NAME), "bascule_clinic");
    snprintf(expected, sizeof expected, "%s/.local/state/bascule/clinic", fixture_dir);
    assert_string_equal(config_text(config, OPT_WORK_DIR), expected);
    snprintf(expected, sizeof expected, "%s/.local/state/bascule/clinic/control.sock", fixture_dir);
    assert_string_equal(config_text(config, OPT_CONTROL_SOCKET), expected);
    config_free(config);

    setenv("XDG_STATE_HOME", "/var/x", 1);
    config = load("task: clinic\nstream: { memory: 8MB }\n", NULL);
    unsetenv("XDG_STATE_HOME");
    assert_string_equal(config_text(config, OPT_STREAM_SPILL_DIR), "/var/x/bascule/clinic/spill");
    /* a small memory makes the default batch small too */
    assert_int_equal(config_size_bytes(config, OPT_STREAM_BATCH_SIZE), 8 << 20);
    config_free(config);
}

static void test_which_file(void **state)
{
    (void)state;
    write_file("bascule.yaml", "task: here\n", 0600);
    write_file("named.yaml", "task: named\n", 0600);
    write_file("flag.yaml", "task: flag\n", 0600);
    Config *config = load(NULL, NULL);
    assert_string_equal(config_text(config, OPT_TASK), "here");
    config_free(config);
    setenv("BASCULE_CONFIG", "named.yaml", 1);
    config = load(NULL, NULL);
    assert_string_equal(config_text(config, OPT_TASK), "named");
    config_free(config);
    config = load("task: front\n", NULL);
    assert_string_equal(config_text(config, OPT_TASK), "front");
    config_free(config);
    config = load(NULL, FLAGS_OF("-c", "flag.yaml"));
    assert_string_equal(config_text(config, OPT_TASK), "flag");
    assert_string_equal(config_path(config), "flag.yaml");
    config_free(config);
    unsetenv("BASCULE_CONFIG");
    refused(NULL, FLAGS_OF("--config=none.yaml"), ERR_CONFIG,
            "cannot read 'none.yaml': No such file or directory");
    unlink("bascule.yaml");
}

static void test_lists(void **state)
{
    (void)state;
    int count = 0;
    Config *config = load("tables: { include: [\"a.*\", 'b.c'], exclude: a.tmp_% }\n", NULL);
    const char *const *items = config_list(config, OPT_TABLES_INCLUDE, &count);
    assert_int_equal(count, 2);
    assert_string_equal(items[0], "a.*");
    assert_string_equal(items[1], "b.c");
    assert_string_equal(config_text(config, OPT_TABLES_INCLUDE), "a.*, b.c");
    (void)config_list(config, OPT_TABLES_EXCLUDE, &count);
    assert_int_equal(count, 1);
    config_free(config);

    setenv("BASCULE_TABLES_INCLUDE", "x.y, z.\\,w", 1);
    config = load("tables: { include: [\"a.*\"] }\n", NULL);
    unsetenv("BASCULE_TABLES_INCLUDE");
    items = config_list(config, OPT_TABLES_INCLUDE, &count);
    assert_int_equal(count, 2);
    assert_string_equal(items[0], "x.y");
    assert_string_equal(items[1], "z.,w");
    config_free(config);

    config = load(NULL, FLAGS_OF("--tables-include", "a.b", "--tables-include=c.d,e.f"));
    items = config_list(config, OPT_TABLES_INCLUDE, &count);
    assert_int_equal(count, 3);
    assert_string_equal(items[2], "e.f");
    config_free(config);
}

static void test_relative_paths(void **state)
{
    (void)state;
    mkdir("etc", 0700);
    write_file("etc/c.yaml", "work_dir: state\nsource: { sslrootcert: ~/ca.pem, sslcert: /abs }\n",
               0600);
    Config *config = load(NULL, FLAGS_OF("--config", "etc/c.yaml"));
    char home[128];
    snprintf(home, sizeof home, "%s/ca.pem", fixture_dir);
    assert_string_equal(config_text(config, OPT_WORK_DIR), "etc/state");
    assert_string_equal(config_text(config, OPT_SOURCE_SSLROOTCERT), home);
    assert_string_equal(config_text(config, OPT_SOURCE_SSLCERT), "/abs");
    config_free(config);
}

/* Secrets ------------------------------------------------------------------------------------ */
static void test_secrets_are_masked(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Config *config =
        load("source: { password: short, dsn: 'host=h password=averylongpassword1234 user=u' }\n"
             "target: { password: thirteenchars, dsn: 'postgresql://u:geheim@h/db' }\n",
             NULL);
    assert_string_equal(config_shown(config, OPT_SOURCE_PASSWORD, arena), "***");
    assert_string_equal(config_shown(config, OPT_TARGET_PASSWORD, arena), "***hars");
    assert_non_null(strstr(config_shown(config, OPT_SOURCE_DSN, arena), "password=***1234"));
    assert_non_null(strstr(config_shown(config, OPT_TARGET_DSN, arena), "password=***"));
    assert_null(strstr(config_shown(config, OPT_TARGET_DSN, arena), "geheim"));
    assert_string_equal(config_text(config, OPT_SOURCE_PASSWORD), "short");
    assert_string_equal(config_shown(config, OPT_SOURCE_HOST, arena), "");
    config_free(config);
    arena_free(arena);
}

static void test_no_secret_as_a_flag(void **state)
{
    (void)state;
    refused(NULL, FLAGS_OF("--source-password", "geheim"), ERR_USAGE,
            "'--source-password' is not allowed: the command line is visible to everybody on this "
            "machine");
    refused(NULL, FLAGS_OF("--source-dsn", "host=a password=geheim"), ERR_USAGE,
            "--source-dsn: a password on the command line is visible to everybody on this machine");
    refused(NULL, FLAGS_OF("--target-dsn=postgresql://u:geheim@h/db"), ERR_USAGE,
            "--target-dsn: a password on the command line is visible to everybody on this machine");
    setenv("BASCULE_SOURCE_DSN", "host=a password=geheim", 1);
    Config *config = load(NULL, FLAGS_OF("--target-dsn=host=b"));
    unsetenv("BASCULE_SOURCE_DSN");
    assert_string_equal(config_text(config, OPT_TARGET_DSN), "host=b");
    config_free(config);
}

/* A wrongly quoted password must not come back in the message. */
static void test_messages_keep_secrets(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "source: { dsn: 'host=h password=my geheim1 user=u' }\n",
        "source: { dsn: 'host=h password=my geheim1=x user=u' }\n",
        "source: { dsn: \"host=h password='geheim1\" }\n",
        "source: { dsn: 'postgresql://u:geheim1%zz@h/db' }\n",
        "source: { dsn: 'geheim1' }\n",
        "source: { password: [geheim1] }\n",
        "source: { password: { geheim1: 2 } }\n",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        Error err;
        assert_null(load_with(TEXTS[i], &ALL_FLAGS, NULL, &err));
        if (strstr(err.message, "geheim1") != NULL || strncmp(err.message, "conf.yaml:1:", 12) != 0)
            fail_msg("%s", err.message);
    }
}

static const char *only_warning(const Config *config)
{
    int count = 0;
    const char *const *warnings = config_warnings(config, &count);
    return count == 1 ? warnings[0] : count == 0 ? "" : "several";
}

static void test_warnings_about_readable_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool warned;
    } CASES[] = {
        {"source: { password: geheim }\n", true},
        {"source: { dsn: 'host=h password=geheim' }\n", true},
        {"source: { dsn: 'postgresql://u:geheim@h/d' }\n", true},
        {"source: { dsn: 'postgresql://u@h/d' }\n", false},
        {"source: { dsn: 'host=h' }\n", false},
        {"source: { password: '${SRC_PW}' }\n", false},
    };
    setenv("SRC_PW", "geheim", 1);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        write_file("open.yaml", CASES[i].text, 0644);
        Config *config = load(NULL, FLAGS_OF("--config", "open.yaml"));
        assert_string_equal(
            only_warning(config),
            CASES[i].warned ? "open.yaml holds a password and can be read by others, chmod 600 it"
                            : "");
        config_free(config);
        write_file("open.yaml", CASES[i].text, 0600);
        config = load(NULL, FLAGS_OF("--config", "open.yaml"));
        assert_string_equal(only_warning(config), "");
        config_free(config);
    }
    unsetenv("SRC_PW");
    write_file("secret", "geheim\n", 0640);
    Config *config = load("source: { password: '${file:secret}' }\n", NULL);
    assert_string_equal(only_warning(config),
                        "conf.yaml:1:21: secret file 'secret' can be read by others, chmod 600 it");
    assert_string_equal(config_text(config, OPT_SOURCE_PASSWORD), "geheim");
    config_free(config);
}

static void test_unknown_variables(void **state)
{
    (void)state;
    setenv("BASCULE_LAOD_JOBS", "3", 1);
    setenv("BASCULE_SERVICE_PORT_HTTP", "tcp://10.0.0.1:80", 1);
    Config *config = load(NULL, NULL);
    assert_string_equal(
        only_warning(config),
        "environment variable 'BASCULE_LAOD_JOBS' is no option, did you mean 'BASCULE_LOAD_JOBS'?");
    config_free(config);
    unsetenv("BASCULE_LAOD_JOBS");
    unsetenv("BASCULE_SERVICE_PORT_HTTP");
    setenv("BASCULE_LOAD_JOBS", "many", 1);
    refused(NULL, NULL, ERR_CONFIG,
            "BASCULE_LOAD_JOBS: 'load.jobs' is 'many', expected a whole number from 1 to 64");
    unsetenv("BASCULE_LOAD_JOBS");
}

/* Flags -------------------------------------------------------------------------------------- */
static void test_flag_forms(void **state)
{
    (void)state;
    int count = 0;
    Config *config = load(NULL, FLAGS_OF("--json", "-y", "--until=caught-up", "--max-downtime",
                                         "3s", "--verify=count", "--load-binary",
                                         "--load-analyze=no", "--", "--word"));
    assert_true(config_flag(config, FLAG_JSON));
    assert_true(config_flag(config, FLAG_YES));
    assert_false(config_flag(config, FLAG_DRY_RUN));
    assert_string_equal(config_flag_text(config, FLAG_UNTIL), "caught-up");
    assert_int_equal(config_duration_us(config, OPT_CUTOVER_MAX_DOWNTIME), 3000000);
    assert_int_equal(config_choice(config, OPT_CUTOVER_VERIFY), 3);
    assert_string_equal(config_where(config, OPT_CUTOVER_VERIFY), "flag --verify");
    assert_true(config_bool(config, OPT_LOAD_BINARY));
    assert_false(config_bool(config, OPT_LOAD_ANALYZE));
    assert_string_equal(config_args(config, &count)[0], "--word");
    assert_int_equal(count, 1);
    config_free(config);
}

static void test_flag_errors(void **state)
{
    (void)state;
    refused(NULL, FLAGS_OF("--laod-jobs", "3"), ERR_USAGE,
            "unknown flag '--laod-jobs', did you mean '--load-jobs'?");
    refused(NULL, FLAGS_OF("--laod-jobs=3"), ERR_USAGE,
            "unknown flag '--laod-jobs', did you mean '--load-jobs'?");
    refused(NULL, FLAGS_OF("--zzzzzz"), ERR_USAGE, "unknown flag '--zzzzzz'");
    refused(NULL, FLAGS_OF("-z"), ERR_USAGE, "unknown flag '-z'");
    refused(NULL, FLAGS_OF("-yj"), ERR_USAGE, "unknown flag '-yj'");
    refused(NULL, FLAGS_OF("--load-jobs"), ERR_USAGE, "flag '--load-jobs' needs a value");
    refused(NULL, FLAGS_OF("--load-jobs="), ERR_USAGE, "flag '--load-jobs' needs a value");
    refused(NULL, FLAGS_OF("--load-jobs", "1", "--load-jobs", "2"), ERR_USAGE,
            "flag '--load-jobs' is given twice");
    refused(NULL, FLAGS_OF("--load-jobs", "0"), ERR_USAGE,
            "--load-jobs: 'load.jobs' is '0', expected a whole number from 1 to 64");
    refused(NULL, FLAGS_OF("--json=yes"), ERR_USAGE, "flag '--json' takes no value");
    refused(NULL, FLAGS_OF("--until", "doomsday"), ERR_USAGE,
            "'--until' is 'doomsday', expected caught-up");
    refused(NULL, FLAGS_OF("--until", "caught-up", "--until", "caught-up"), ERR_USAGE,
            "flag '--until' is given twice");
    refused(NULL, FLAGS_OF("--dry-run"), ERR_USAGE, "'--dry-run' is no flag of 'bascule run'");
    refused(NULL, FLAGS_OF("a", "b"), ERR_USAGE, "'bascule run' does not know what to do with 'b'");
    refused(NULL, FLAGS_OF("--verify", "x"), ERR_USAGE,
            "--verify: 'cutover.verify' is 'x', expected one of auto, full, keys, count");
}

static void test_flags_of_other_commands(void **state)
{
    (void)state;
    static const FlagSet STATUS = {
        .command = "status", .uses = USE_ALWAYS | USE_TASK, .flags = FLAG_BIT(FLAG_JSON)};
    Error err;
    assert_null(load_with(NULL, &STATUS, FLAGS_OF("--load-jobs", "2"), &err));
    assert_string_equal(err.message, "'--load-jobs' is no flag of 'bascule status'");
    /* but the file may hold them */
    Config *config = load_with("load: { jobs: 3 }\n", &STATUS, NULL, &err);
    assert_non_null(config);
    config_free(config);
}

static void test_help_needs_no_good_file(void **state)
{
    (void)state;
    Error err;
    Config *config = load_with("tabels: 1\n", &ALL_FLAGS, FLAGS_OF("--help"), &err);
    assert_non_null(config);
    assert_true(config_flag(config, FLAG_HELP));
    config_free(config);
}

static void test_rules_that_span_options(void **state)
{
    (void)state;
    refused("cdc:\n  start_lsn: 0/10\n", NULL, ERR_CONFIG,
            "conf.yaml:2:14: 'cdc.start_lsn' needs 'mode: cdc'");
    refused("stream: { memory: 8MB, batch_size: 9MB }\n", NULL, ERR_CONFIG,
            "conf.yaml:1:36: 'stream.batch_size' is larger than 'stream.memory'");
    refused(NULL, FLAGS_OF("--max-downtime", "500ms", "--cutover-lock-timeout", "500ms"), ERR_USAGE,
            "--cutover-lock-timeout: 'cutover.lock_timeout' must be below 'cutover.max_downtime'");
    refused("control:\n  socket: "
            "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
            "0123456789/0123456789/0123456789\n",
            NULL, ERR_CONFIG,
            "conf.yaml:2:11: 'control.socket' is longer than the 107 bytes that a socket's path "
            "may have");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_empty_is_unset),
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_which_file),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_no_secret_as_a_flag),
        cmocka_unit_test(test_messages_keep_secrets),
        cmocka_unit_test(test_warnings_about_readable_secrets),
        cmocka_unit_test(test_unknown_variables),
        cmocka_unit_test(test_flag_forms),
        cmocka_unit_test(test_flag_errors),
        cmocka_unit_test(test_flags_of_other_commands),
        cmocka_unit_test(test_help_needs_no_good_file),
        cmocka_unit_test(test_rules_that_span_options),
    };
    return cmocka_run_group_tests_name("config", tests, fixture_setup, fixture_teardown);
}

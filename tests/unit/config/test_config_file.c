/* Bad files: each with its exact message and place. Good files: what they mean. */
#include "config_fixture.h"

typedef struct Bad {
    const char *text, *message;
} Bad;

static const Bad BAD[] = {
    /* unknown names */
    {"tabels:\n  include: [a.b]\n",
     "conf.yaml:1:1: unknown option 'tabels', did you mean 'tables'?"},
    {"task: x\n\nsource:\n  hots: db1\n",
     "conf.yaml:4:3: unknown option 'hots' in 'source', did you mean 'host'?"},
    {"load: { job: 3 }\n", "conf.yaml:1:9: unknown option 'job' in 'load', did you mean 'jobs'?"},
    {"zzzzzzzzz: 1\n", "conf.yaml:1:1: unknown option 'zzzzzzzzz'"},
    {"include: [a.b]\n", "conf.yaml:1:1: unknown option 'include', it belongs to 'tables'"},
    {"load: { task: x }\n",
     "conf.yaml:1:9: unknown option 'task' in 'load', it belongs to the top level"},
    {"load.jobs: 3\n", "conf.yaml:1:1: unknown option 'load.jobs', write 'jobs' under 'load'"},
    {"source: { host: { name: x } }\n",
     "conf.yaml:1:17: 'source.host' takes one value, not a section"},
    {"'': 1\n", "conf.yaml:1:1: unknown option ''"},
    {"<<: { task: x }\n", "conf.yaml:1:1: unknown option '<<'"},
    /* twice */
    {"task: a\nmode: cdc\ntask: b\n",
     "conf.yaml:3:1: 'task' is given twice, first at conf.yaml:1:1"},
    {"load:\n  jobs: 1\n  jobs: 2\n",
     "conf.yaml:3:3: 'jobs' is given twice, first at conf.yaml:2:3"},
    {"load: { jobs: 1 }\nload: { binary: no }\n",
     "conf.yaml:2:1: 'load' is given twice, first at conf.yaml:1:1"},
    /* shapes */
    {"source: host=db1\n", "conf.yaml:1:9: 'source' is a section, write its options below it"},
    {"source: [a]\n", "conf.yaml:1:9: 'source' is a section, write its options below it"},
    {"task: [a, b]\n", "conf.yaml:1:7: 'task' takes one value, not a list"},
    {"tables: { include: { a: b } }\n",
     "conf.yaml:1:20: 'tables.include' takes a list, not a section"},
    {"tables: { include: [a.b, [c.d]] }\n",
     "conf.yaml:1:26: 'tables.include' is a list of plain values"},
    {"tables:\n  include:\n  - a.b\n  -\n",
     "conf.yaml:4:4: 'tables.include' is a list of plain values"},
    {"- task\n", "conf.yaml:1:1: expected 'option: value' lines"},
    {"just words\n", "conf.yaml:1:1: expected 'option: value' lines"},
    {"? [a]\n: b\n", "conf.yaml:1:3: an option's name is expected here"},
    {"? {a: b}\n: b\n", "conf.yaml:1:3: an option's name is expected here"},
    /* what YAML offers and a configuration does not need */
    {"task: &t x\n",
     "conf.yaml:1:7: anchors are not supported, write the value where it is needed"},
    {"source: &s { host: a }\n",
     "conf.yaml:1:9: anchors are not supported, write the value where it is needed"},
    {"tables: { include: &l [a.b] }\n",
     "conf.yaml:1:20: anchors are not supported, write the value where it is needed"},
    {"task: *t\n", "conf.yaml:1:7: aliases are not supported, write the value where it is needed"},
    {"task: !!str x\n", "conf.yaml:1:7: tags are not supported, every option knows its type"},
    {"task: a\n---\ntask: b\n",
     "conf.yaml:2:1: a second document begins here, one file is one task"},
    {"load: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: "
     "1}}}}}}}}}}}}}}}}}}\n",
     "conf.yaml:1:68: this is nested too deeply"},
    /* no YAML */
    {"task: [unclosed\n", "conf.yaml:2:1: did not find expected ',' or ']' while parsing a flow "
                          "sequence that began in line 1"},
    {"load:\n\tjobs: 3\n",
     "conf.yaml:2:1: found character that cannot start any token while scanning for the next "
     "token that began in line 2"},
    {"load:\n  jobs: 3\n bad: 1\n",
     "conf.yaml:3:2: did not find expected key while parsing a block mapping that began in line 1"},
    {"task: 'unclosed\n", "conf.yaml:2:1: found unexpected end of stream while scanning a quoted "
                          "scalar that began in line 1"},
    {"task: @x\n", "conf.yaml:1:7: found character that cannot start any token while scanning for "
                   "the next token that began in line 1"},
    {"task: a\nlog: { level: \xff }\n", "conf.yaml:2:15: invalid leading UTF-8 octet"},
    {"task: \"a\\0b\"\n", "conf.yaml:1:7: a value cannot contain a NUL character"},
    /* values */
    {"plugin: test_decoding\n",
     "conf.yaml:1:9: 'plugin' is 'test_decoding', expected one of auto, wal2json, pgoutput"},
    {"task: 'No Spaces'\n",
     "conf.yaml:1:7: 'task' is 'No Spaces', expected 1 to 40 of a-z, 0-9 and _"},
    {"load:\n  jobs: many\n",
     "conf.yaml:2:9: 'load.jobs' is 'many', expected a whole number from 1 to 64"},
    {"load: { jobs: 010x }\n",
     "conf.yaml:1:15: 'load.jobs' is '010x', expected a whole number from 1 to 64"},
    {"load: { binary: maybe }\n",
     "conf.yaml:1:17: 'load.binary' is 'maybe', expected true or false"},
    {"source: { port: 70000 }\n",
     "conf.yaml:1:17: 'source.port' is '70000', expected a whole number from 1 to 65535"},
    {"cdc: { start_lsn: 12 }\n",
     "conf.yaml:1:19: 'cdc.start_lsn' is '12', expected a WAL position such as 0/16B3748"},
    {"source: { dsn: 'hots=a' }\n",
     "conf.yaml:1:16: not a connection string: invalid connection option ..."},
    /* references */
    {"source: { user: '${NO_SUCH_VARIABLE}' }\n",
     "conf.yaml:1:17: 'source.user': environment variable 'NO_SUCH_VARIABLE' is not set"},
    {"source:\n  user: ${NO-SUCH}\n",
     "conf.yaml:2:9: 'source.user': '${...}' does not hold the name of a variable"},
    {"source:\n  user: ${}\n",
     "conf.yaml:2:9: 'source.user': '${...}' does not hold the name of a variable"},
    {"source:\n  user: ${9}\n",
     "conf.yaml:2:9: 'source.user': '${...}' does not hold the name of a variable"},
    {"source:\n  user: ${A:-${A:-${A:-${A:-${A:-${A:-x}}}}}}\n",
     "conf.yaml:2:9: 'source.user': '${' is nested too deeply"},
    {"source:\n  user: ${A:-${B}\n", "conf.yaml:2:9: 'source.user': '${' has no '}'"},
    {"source:\n  user: ${A:-${NO_SUCH_VARIABLE}}\n",
     "conf.yaml:2:9: 'source.user': environment variable 'NO_SUCH_VARIABLE' is not set"},
    {"source:\n  user: a${USER\n", "conf.yaml:2:9: 'source.user': '${' has no '}'"},
    {"source: { password: '${file:/no/such/file}' }\n",
     "conf.yaml:1:21: 'source.password': cannot read '/no/such/file': No such file or directory"},
    {"source: { password: '${file:}' }\n",
     "conf.yaml:1:21: 'source.password': '${file:}' names no file"},
    {"source: { password: '${file:binary}' }\n",
     "conf.yaml:1:21: 'source.password': 'binary' contains a NUL byte"},
    {"source: { password: '${file:.}' }\n",
     "conf.yaml:1:21: 'source.password': cannot read '.': Is a directory"},
    {"source: { password: '${file:large}' }\n",
     "conf.yaml:1:21: 'source.password': 'large' is larger than 65536 bytes"},
    {"tables:\n  include:\n    - ${NO_SUCH_VARIABLE}\n",
     "conf.yaml:3:7: 'tables.include': environment variable 'NO_SUCH_VARIABLE' is not set"},
    /* a value that came from outside is checked like any other */
    {"load:\n  jobs: ${JOBS}\n",
     "conf.yaml:2:9: 'load.jobs' is 'lots', expected a whole number from 1 to 64"},
};

static void test_bad_files(void **state)
{
    (void)state;
    FILE *file = fopen("binary", "w");
    fwrite("a\0b", 1, 3, file);
    fclose(file);
    file = fopen("large", "w");
    for (int i = 0; i < 7000; i++)
        fputs("0123456789", file);
    fclose(file);
    setenv("JOBS", "lots", 1);
    int wrong = 0;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Error err;
        Config *config = load_with(BAD[i].text, &ALL_FLAGS, NULL, &err);
        const char *got = config != NULL ? "accepted" : err.message;
        if (strcmp(got, BAD[i].message) != 0 || err.cls != ERR_CONFIG) {
            print_error("%s  is       %s\n  expected %s\n", BAD[i].text, got, BAD[i].message);
            wrong++;
        }
        config_free(config);
    }
    assert_int_equal(wrong, 0);
    unsetenv("JOBS");
}

static void test_hints_of_syntax_errors(void **state)
{
    (void)state;
    Error err;
    assert_null(load_with("load:\n\tjobs: 3\n", &ALL_FLAGS, NULL, &err));
    assert_non_null(strstr(err.hint, "tab"));
    assert_null(load_with("task: [\n", &ALL_FLAGS, NULL, &err));
    assert_non_null(strstr(err.hint, "indentation"));
}

static void test_empty_files(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"",     "\n",  "# nothing\n", "---\n",
                                        "{}\n", "~\n", "---\n...\n"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        Config *config = load(TEXTS[i], NULL);
        assert_string_equal(config_text(config, OPT_TASK), "bascule");
        config_free(config);
    }
}

static void test_values_stay_text(void **state)
{
    (void)state;
    Config *config =
        load("task: no\nsource: { host: 010, user: 1e3, database: 'on', password: \"a: #b\\n\" }\n"
             "target:\n  password: |\n    two\n    lines\n",
             NULL);
    assert_string_equal(config_text(config, OPT_TASK), "no");
    assert_string_equal(config_text(config, OPT_SOURCE_HOST), "010");
    assert_string_equal(config_text(config, OPT_SOURCE_USER), "1e3");
    assert_string_equal(config_text(config, OPT_SOURCE_PASSWORD), "a: #b\n");
    assert_string_equal(config_text(config, OPT_TARGET_PASSWORD), "two\nlines\n");
    config_free(config);
}

static void test_references(void **state)
{
    (void)state;
    setenv("PW", "s3cret: \"'{}[]#${NOT_AGAIN}", 1);
    setenv("EMPTY", "", 1);
    unsetenv("UNSET");
    write_file("secret", "line one\r\n", 0600);
    write_file("two", "a\n\n", 0600);
    Config *config = load("source:\n  password: ${PW}\n  user: "
                          "pre-${PW}-${UNSET:-def:-ault}-${EMPTY:-x}$$${UNSET:-}$\n"
                          "  host: ${UNSET:-}\n  database: '$${PW}'\n"
                          "target: { password: '${file:secret}', user: '${file:two}' }\n",
                          NULL);
    assert_string_equal(config_text(config, OPT_SOURCE_PASSWORD), "s3cret: \"'{}[]#${NOT_AGAIN}");
    assert_string_equal(config_text(config, OPT_SOURCE_USER),
                        "pre-s3cret: \"'{}[]#${NOT_AGAIN}-def:-ault-x$${UNSET:-}$");
    assert_null(config_text(config, OPT_SOURCE_HOST));
    assert_string_equal(config_text(config, OPT_SOURCE_DATABASE), "${PW}");
    assert_string_equal(config_text(config, OPT_TARGET_PASSWORD), "line one");
    assert_string_equal(config_text(config, OPT_TARGET_USER), "a\n");
    config_free(config);
    unsetenv("EMPTY");
    setenv("CREDENTIALS_DIRECTORY", fixture_dir, 1);
    config = load("source: { password: '${file:${CREDENTIALS_DIRECTORY}/secret}', user: "
                  "'${UNSET:-${PW}}' }\n",
                  NULL);
    assert_string_equal(config_text(config, OPT_SOURCE_PASSWORD), "line one");
    assert_string_equal(config_text(config, OPT_SOURCE_USER), "s3cret: \"'{}[]#${NOT_AGAIN}");
    config_free(config);
    unsetenv("PW");
}

/* The sample in the tree is a valid file that sets nothing, and names every option. */
static void test_sample_file(void **state)
{
    (void)state;
    char path[512], want[128], text[65536];
    snprintf(path, sizeof path, "%s/conf/bascule.sample.yaml", getenv("TEST_ROOT"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    Config *config = load(text, NULL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        snprintf(want, sizeof want, "#%s:", option_key((OptionId)i));
        if (strstr(text, want) == NULL)
            fail_msg("%s is not in the sample", OPTIONS[i].name);
        assert_false(config_set(config, (OptionId)i));
    }
    config_free(config);
    /* with every comment sign in front of an option taken away it is still a valid file */
    char *write = text;
    for (char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n") + 1;
        size_t blanks = strspn(line, " ");
        if (line[blanks] == '#' && line[blanks + 1] != ' ' && line[blanks + 1] != '\n') {
            memmove(write, line, blanks);
            memmove(write + blanks, line + blanks + 1, len - blanks - 1);
            write += len - 1;
        } else {
            memmove(write, line, len);
            write += len;
        }
        line += len;
    }
    *write = '\0';
    Error err;
    config = load_with(text, &ALL_FLAGS, NULL, &err);
    if (config == NULL)
        fail_msg("%s", err.message);
    assert_int_equal(config_i64(config, OPT_LOAD_JOBS), 2);
    assert_true(config_set(config, OPT_LOAD_JOBS));
    config_free(config);
}

int main(void)
{
    /* the fixture clears what begins with BASCULE_ */
    const char *root = getenv("BASCULE_SOURCE_DIR");
    setenv("TEST_ROOT", root == NULL ? "." : root, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),   cmocka_unit_test(test_hints_of_syntax_errors),
        cmocka_unit_test(test_empty_files), cmocka_unit_test(test_values_stay_text),
        cmocka_unit_test(test_references),  cmocka_unit_test(test_sample_file),
    };
    return cmocka_run_group_tests_name("config_file", tests, fixture_setup, fixture_teardown);
}

/* The commands that talk to an engine, against a server that plays one. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/command.h"
#include "net/http_server.h"

static char dir[64], path[96];
static HttpServer *server;

/* What the engine played here answers; set by a test before it calls. */
static struct {
    const char *decision;     /* of status */
    const char *const *lines; /* of a cutover; NULL: refuse */
    char body[1024];          /* what the cutover was asked */
    int cutovers, aborts;
    ErrorClass abort_error;
} engine;

static char output[64 * 1024];
static Error error;

static int cli(const char *first, ...)
{
    char *argv[24] = {(char *)(uintptr_t) "bascule"};
    int argc = 1;
    va_list ap;
    va_start(ap, first);
    for (const char *word = first; word != NULL; word = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)word;
    va_end(ap);
    argv[argc++] = (char *)(uintptr_t) "--control-socket";
    argv[argc++] = path;
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    dup2(fileno(file), STDOUT_FILENO);
    error = ERROR_INIT;
    int code = cli_run(argc, argv, &error);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    fclose(file);
    return code;
}

static void has(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("'%s' is not in:\n%s", text, output);
}

/* The engine --------------------------------------------------------------------------------- */
static void on_status(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    http_reply_json(reply, 200,
                    json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:i}}", "task", "bascule", "engine",
                              "running", "phase", "streaming", "ready_for_cutover", 1, "cutover",
                              "decision", engine.decision, "epoch", 3));
}

static void on_cutover(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    engine.cutovers++;
    snprintf(engine.body, sizeof engine.body, "%s", request->body);
    if (engine.lines == NULL) {
        Error err = ERROR_INIT;
        ERR(&err, ERR_WRONG_STATE, "a cutover is running already");
        http_reply_error(reply, 0, &err);
        return;
    }
    HttpStream *stream = http_reply_stream(reply, 200, "application/x-ndjson");
    for (int i = 0; engine.lines[i] != NULL; i++) {
        http_stream_write(stream, engine.lines[i], strlen(engine.lines[i]));
        http_stream_write(stream, "\n", 1);
    }
    http_stream_end(stream);
}

static void on_abort(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    Error err = ERROR_INIT;
    engine.aborts++;
    if (engine.abort_error == ERR_NONE) {
        http_reply_json(reply, 200, json_pack("{s:b}", "aborting", 1));
        return;
    }
    ERR(&err, engine.abort_error, "no cutover is running");
    http_reply_error(reply, 0, &err);
}

static const HttpRoute ROUTES[] = {
    {"GET", "/v1/status", on_status},
    {"POST", "/v1/cutover", on_cutover},
    {"POST", "/v1/abort", on_abort},
};

static int setup_group(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    strcpy(dir, "/tmp/bascule-cli-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    snprintf(path, sizeof path, "%s/control.sock", dir);
    HttpServerSpec spec = {
        .socket_path = path, .routes = ROUTES, .route_count = sizeof ROUTES / sizeof *ROUTES};
    server = http_server_start(&spec, &err);
    if (server == NULL)
        fail_msg("%s", err.message);
    return 0;
}

static int teardown_group(void **state)
{
    char command[128];
    (void)state;
    http_server_stop(server, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(chdir("/"), 0);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    memset(&engine, 0, sizeof engine);
    engine.decision = "none";
    return 0;
}

/* Tests --------------------------------------------------------------------------------------- */
#define STEP(step, text)                                                                           \
    "{\"event\":\"step\",\"step\":\"" step "\",\"text\":\"" text                                   \
    "\",\"elapsed_ms\":12.5,\"frozen_ms\":null,\"failed\":false}"
static const char *const GOOD[] = {
    STEP("preflight", "nothing stands in the way"),
    STEP("freeze", "2 tables locked"),
    "{\"event\":\"report\",\"exit\":0,\"error\":null,\"report\":{\"outcome\":\"cut-over\","
    "\"downtime_ms\":48.1}}",
    NULL,
};
static const char *const DIFFERENT[] = {
    STEP("preflight", "fine"),
    "{\"event\":\"report\",\"exit\":4,\"error\":{\"code\":\"different\",\"message\":\"public.t "
    "differs\",\"hint\":"
    "\"Look.\"},\"report\":{\"outcome\":\"aborted\",\"downtime_ms\":80}}",
    NULL,
};
static const char *const CUT_OFF[] = {STEP("preflight", "fine"), NULL};

static void test_status(void **state)
{
    (void)state;
    assert_int_equal(cli("status", NULL), 0);
    has("streaming");
    assert_int_equal(cli("status", "--json", NULL), 0);
    json_t *status = json_loads(output, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(status, "phase")), "streaming");
    json_decref(status);
    assert_int_equal(cli("status", "--watch", NULL), 2);
    assert_string_equal(error.message,
                        "'--watch' needs a terminal, or '--json' for one line of JSON a second");
}

static void test_cutover(void **state)
{
    (void)state;
    engine.lines = GOOD;
    assert_int_equal(cli("cutover", "--yes", "--target-dsn", "host=new dbname=d user=u", NULL), 0);
    has(" 1. ");
    has("nothing stands in the way");
    has(" 2. ");
    has("cut-over");
    has("48 ms");
    has("The application writes to host=new port=5432 dbname=d now.\n");
    assert_string_equal(engine.body, "{\"dry_run\":false}");
    assert_int_equal(error.cls, ERR_NONE);
}

static void test_cutover_passes_what_was_asked(void **state)
{
    (void)state;
    engine.lines = GOOD;
    assert_int_equal(cli("cutover", "--dry-run", "--max-downtime", "3s", "--max-lag=250ms",
                         "--cutover-max-lag-size", "2kB", "--verify", "count", NULL),
                     0);
    json_t *body = json_loads(engine.body, 0, NULL);
    json_t *want = json_pack("{s:b, s:i, s:i, s:i, s:s}", "dry_run", 1, "max_downtime_ms", 3000,
                             "max_lag_ms", 250, "max_lag_bytes", 2048, "verify", "count");
    assert_true(json_equal(body, want));
    json_decref(body);
    json_decref(want);
}

static void test_cutover_as_json(void **state)
{
    (void)state;
    engine.lines = GOOD;
    assert_int_equal(cli("cutover", "--yes", "--json", NULL), 0);
    int lines = 0;
    for (const char *line = output; *line != '\0'; line = strchr(line, '\n') + 1) {
        json_t *event = json_loadb(line, strcspn(line, "\n"), 0, NULL);
        assert_non_null(event);
        assert_string_equal(json_string_value(json_object_get(event, "event")),
                            lines < 2 ? "step" : "report");
        json_decref(event);
        lines++;
    }
    assert_int_equal(lines, 3);
}

static void test_cutover_that_fails(void **state)
{
    (void)state;
    engine.lines = DIFFERENT;
    assert_int_equal(cli("cutover", "--yes", NULL), 4);
    has("aborted");
    assert_int_equal(error.cls, ERR_DIFFERENT);
    assert_string_equal(error.message, "public.t differs");
    assert_string_equal(error.hint, "Look.");
    engine.lines = NULL;
    assert_int_equal(cli("cutover", "--yes", NULL), 3);
    assert_string_equal(error.message, "a cutover is running already");
}

/* The engine dies: what was decided is not known here, and the exit code says so. */
static void test_cutover_without_a_report(void **state)
{
    (void)state;
    engine.lines = CUT_OFF;
    assert_int_equal(cli("cutover", "--yes", NULL), 6);
    assert_int_equal(error.cls, ERR_UNDECIDED);
    assert_non_null(strstr(error.hint, "'bascule cutover' again"));
    assert_int_equal(cli("cutover", "--dry-run", NULL), 1);
    assert_int_equal(error.cls, ERR_CONN_LOST);
}

static void test_cutover_asks_first(void **state)
{
    (void)state;
    engine.lines = GOOD;
    assert_int_equal(cli("cutover", NULL), 2);
    assert_non_null(strstr(error.message, "--yes"));
    assert_int_equal(cli("cutover", "--json", NULL), 2);
    assert_int_equal(engine.cutovers, 0);
    assert_string_equal(output, "");
}

static void test_cutover_that_is_done(void **state)
{
    (void)state;
    engine.decision = "opened";
    assert_int_equal(cli("cutover", NULL), 0);
    has("already done");
    assert_int_equal(cli("cutover", "--json", NULL), 0);
    has("\"already-done\"");
    has("\"epoch\":3");
    assert_int_equal(engine.cutovers, 0);
}

static void test_abort(void **state)
{
    (void)state;
    assert_int_equal(cli("abort", NULL), 0);
    has("the engine aborts the cutover");
    assert_int_equal(cli("abort", "--json", NULL), 0);
    has("\"result\": \"aborting\"");
    engine.abort_error = ERR_WRONG_STATE;
    assert_int_equal(cli("abort", NULL), 3);
    assert_string_equal(error.message, "no cutover is running");
    assert_int_equal(engine.aborts, 3);
}

/* Without an engine the tables are asked; without a target that is an error, not a guess. */
static void test_nobody_there(void **state)
{
    (void)state;
    static const char *const COMMANDS_OF[] = {"status", "cutover", "abort"};
    char kept[sizeof path];
    strcpy(kept, path);
    snprintf(path, sizeof path, "%s/none.sock", dir);
    assert_int_equal(cli("stop", NULL), 3);
    assert_int_equal(error.cls, ERR_NOT_RUNNING);
    for (size_t i = 0; i < sizeof COMMANDS_OF / sizeof *COMMANDS_OF; i++) {
        assert_int_equal(cli(COMMANDS_OF[i], NULL), 2);
        assert_string_equal(error.message, "nothing says where the source is");
    }
    strcpy(path, kept);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    unsetenv("BASCULE_CONFIG");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_status, setup),
        cmocka_unit_test_setup(test_cutover, setup),
        cmocka_unit_test_setup(test_cutover_passes_what_was_asked, setup),
        cmocka_unit_test_setup(test_cutover_as_json, setup),
        cmocka_unit_test_setup(test_cutover_that_fails, setup),
        cmocka_unit_test_setup(test_cutover_without_a_report, setup),
        cmocka_unit_test_setup(test_cutover_asks_first, setup),
        cmocka_unit_test_setup(test_cutover_that_is_done, setup),
        cmocka_unit_test_setup(test_abort, setup),
        cmocka_unit_test_setup(test_nobody_there, setup),
    };
    return cmocka_run_group_tests_name("cli_client", tests, setup_group, teardown_group);
}

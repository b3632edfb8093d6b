/* The control routes over a real socket, with an engine that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "ops/control_api.h"
#include "ops/json_get.h"

static char dir[] = "/tmp/bascule-control-XXXXXX";
static char path[100];

typedef struct Engine {
    bool stopped, aborted, fails, busy, at_once;
    ControlCutoverRequest request;
    ControlEvents *events;
    pthread_t thread;
} Engine;

static Engine engine;

static bool engine_status(void *self, Arena *arena, StatusReport *out, Error *err)
{
    Engine *e = self;
    if (e->fails)
        return ERR(err, ERR_CONN_LOST, "the target is gone");
    out->task = arena_strdup(arena, "clinic");
    out->engine_running = true;
    out->phase = "streaming";
    return true;
}

static bool engine_stop(void *self, Error *err)
{
    Engine *e = self;
    (void)err;
    e->stopped = true;
    return true;
}

static bool engine_abort(void *self, Error *err)
{
    Engine *e = self;
    if (!e->busy)
        return ERR(err, ERR_WRONG_STATE, "no cutover is running");
    e->aborted = true;
    return true;
}

static void *cutover_main(void *arg)
{
    Engine *e = arg;
    Error err = ERROR_INIT;
    CutoverReport report = {.outcome = "aborted", .downtime_us = 5000};
    for (int i = 0; i < 200; i++)
        control_events_on_event(
            e->events,
            &(CutoverEvent){.step = "drain", .text = "…", .elapsed_us = i, .frozen_us = -1});
    (void)ERR(&err, ERR_DEADLINE, "the budget of 10 s ran out");
    control_events_finish(e->events, &report, &err);
    return NULL;
}

static bool engine_cutover(void *self, const ControlCutoverRequest *request, ControlEvents *events,
                           Error *err)
{
    Engine *e = self;
    if (e->busy)
        return ERR(err, ERR_WRONG_STATE, "a cutover is running already");
    e->request = *request;
    e->events = events;
    if (e->at_once) {
        cutover_main(e); /* everything is told before the stream exists */
        return true;
    }
    return pthread_create(&e->thread, NULL, cutover_main, e) == 0;
}

static size_t collect(char *data, size_t size, size_t n, void *arg)
{
    buf_put(arg, data, size * n);
    return size * n;
}

static long ask(const char *where, const char *post, Buf *out)
{
    char url[256];
    long status = 0;
    CURL *curl = curl_easy_init();
    buf_clear(out);
    snprintf(url, sizeof url, "http://localhost%s", where);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    if (post != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

static void expect(const char *where, const char *post, long status, const char *text)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    assert_int_equal(ask(where, post, &out), status);
    if (strstr(buf_str(&out), text) == NULL)
        fail_msg("'%s' is not in '%s'", text, buf_str(&out));
}

static void routes(void **state)
{
    (void)state;
    expect("/v1/status", NULL, 200,
           "{\"task\":\"clinic\",\"engine\":\"running\",\"phase\":\"streaming\"");
    engine.fails = true;
    expect("/v1/status", NULL, 500, "{\"error\":{\"code\":\"connection-lost\"");
    engine.fails = false;
    expect("/v1/stop", "", 202, "{\"stopping\":true}");
    assert_true(engine.stopped);
    expect("/v1/abort", "", 409, "\"code\":\"wrong-state\",\"message\":\"no cutover is running\"");
    engine.busy = true;
    expect("/v1/abort", "", 200, "{\"aborting\":true}");
    assert_true(engine.aborted);
    expect("/v1/cutover", "", 409, "a cutover is running already");
    expect("/v1/stop", NULL, 405, "usage");
    engine.busy = false;
}

static void check_stream(Buf *out)
{
    char *rest = out->data, *line, *last = NULL;
    int lines = 0;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        last = line;
        lines++;
    }
    assert_int_equal(lines, 201);
    json_t *json = json_loads(last, 0, NULL);
    assert_string_equal(json_get_text(json, "event", ""), "report");
    assert_int_equal(json_get_number(json, "exit"), 7);
    assert_string_equal(json_get_text(json, "error.code", ""), "deadline");
    assert_string_equal(json_get_text(json, "report.outcome", ""), "aborted");
    json_decref(json);
}

static void cutover_stream(void **state)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    assert_int_equal(ask("/v1/cutover",
                         "{\"dry_run\":true,\"max_downtime_ms\":2500,\"verify\":\"count\"}", &out),
                     200);
    pthread_join(engine.thread, NULL);
    check_stream(&out);
    assert_true(engine.request.dry_run);
    assert_int_equal(engine.request.max_downtime_us, 2500000);
    assert_int_equal(engine.request.max_lag_us, CONTROL_API_DEFAULT);
    assert_int_equal(engine.request.verify, CUTOVER_VERIFY_COUNT);
    engine.at_once = true;
    assert_int_equal(ask("/v1/cutover", "", &out), 200);
    check_stream(&out);
    assert_false(engine.request.dry_run);
    engine.at_once = false;
}

static void requests(void **state)
{
    static const char *const BAD[] = {"{",
                                      "[]",
                                      "{\"dry_run\":1}",
                                      "{\"max_lag_ms\":-1}",
                                      "{\"max_lag_ms\":1.5}",
                                      "{\"max_downtime_ms\":9223372036854775807}",
                                      "{\"verify\":\"some\"}",
                                      "{\"verify\":3}",
                                      "{\"dry_run\":true,\"dry_run\":false}",
                                      "{\"unknown\":1}"};
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        expect("/v1/cutover", BAD[i], 400, "\"code\":\"usage\"");
    ControlCutoverRequest in = {.dry_run = false,
                                .max_downtime_us = 10000000,
                                .max_lag_us = 1000000,
                                .max_lag_bytes = 1 << 20,
                                .verify = CUTOVER_VERIFY_FULL};
    for (int i = 0; i < 2; i++) {
        ControlCutoverRequest out;
        Error err = ERROR_INIT;
        json_t *json = control_cutover_request_json(&in);
        char *text = json_dumps(json, 0);
        assert_true(control_cutover_request_parse(text, strlen(text), &out, &err));
        assert_true(out.dry_run == in.dry_run && out.max_downtime_us == in.max_downtime_us &&
                    out.max_lag_us == in.max_lag_us && out.max_lag_bytes == in.max_lag_bytes &&
                    out.verify == in.verify);
        assert_true(out.rehearse == in.rehearse && out.at_wall_us == in.at_wall_us &&
                    out.terminate_blockers == in.terminate_blockers);
        assert_true(in.at_wall_us == 0 || out.at_window_us == in.at_window_us);
        assert_string_equal(out.confirm, in.confirm);
        assert_string_equal(out.operator_name, in.operator_name);
        assert_string_equal(out.command, in.command);
        free(text);
        json_decref(json);
        in = (ControlCutoverRequest){.dry_run = true,
                                     .rehearse = true,
                                     .terminate_blockers = true,
                                     .max_downtime_us = CONTROL_API_DEFAULT,
                                     .max_lag_us = CONTROL_API_DEFAULT,
                                     .max_lag_bytes = CONTROL_API_DEFAULT,
                                     .verify = CONTROL_API_DEFAULT,
                                     .at_wall_us = 1767323045678000,
                                     .at_window_us = 60000000,
                                     .confirm = "0123456789abcdef",
                                     .operator_name = "ada",
                                     .command = "cutover --confirm"};
    }
}

static ControlApi *api;

static int setup(void **state)
{
    Error err = ERROR_INIT;
    ControlOps ops = {.self = &engine,
                      .status = engine_status,
                      .stop = engine_stop,
                      .cutover = engine_cutover,
                      .abort = engine_abort};
    (void)state;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control.sock", dir);
    api = control_api_start(path, &ops, &err);
    return api != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    char lock[120];
    (void)state;
    control_api_stop(api);
    control_api_stop(NULL);
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
    curl_global_cleanup();
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(cutover_stream),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests_name("control_api", tests, setup, teardown);
}

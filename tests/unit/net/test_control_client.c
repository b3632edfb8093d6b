/* The client against the real server, and against what is no server. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bascule/base/clock.h"
#include "bascule/base/worker.h"
#include "net/control_client.h"
#include "net/http_server.h"

static char dir[64], path[96];
static HttpServer *server;
static HttpStream *held; /* a stream that the test ends itself */

static void on_status(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    assert_string_equal(request->body, "");
    http_reply_json(reply, 200, json_pack("{s:s}", "phase", "streaming"));
}

static void on_echo(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    json_t *body = json_loads(request->body, 0, NULL);
    http_reply_json(reply, 202, json_pack("{s:o}", "got", body == NULL ? json_null() : body));
}

static void on_refuse(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    Error err = ERROR_INIT;
    ERR(&err, ERR_LAG, "lag is 3 s");
    err_hint(&err, "Wait.");
    http_reply_error(reply, 409, &err);
}

static void on_events(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    HttpStream *stream = http_reply_stream(reply, 200, "application/x-ndjson");
    for (int i = 0; i < 3; i++) {
        json_t *line = json_pack("{s:i, s:s}", "n", i, "text", "two\nlines");
        http_stream_json(stream, line);
        json_decref(line);
    }
    http_stream_end(stream);
}

static void on_hold(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    held = http_reply_stream(reply, 200, "application/x-ndjson");
    json_t *line = json_pack("{s:i}", "n", 0);
    http_stream_json(held, line);
    json_decref(line);
}

static void on_release(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    http_stream_end(held);
    held = NULL;
    http_reply_json(reply, 200, json_pack("{s:b}", "aborting", 1));
}

static const HttpRoute ROUTES[] = {
    {"GET", "/v1/status", on_status},  {"POST", "/v1/echo", on_echo},
    {"POST", "/v1/refuse", on_refuse}, {"POST", "/v1/events", on_events},
    {"POST", "/v1/hold", on_hold},     {"POST", "/v1/release", on_release},
};

static int setup(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    strcpy(dir, "/tmp/bascule-client-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/control.sock", dir);
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    HttpServerSpec spec = {
        .socket_path = path, .routes = ROUTES, .route_count = sizeof ROUTES / sizeof *ROUTES};
    server = http_server_start(&spec, &err);
    if (server == NULL)
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_stop(server, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void test_get(void **state)
{
    (void)state;
    json_t *answer = NULL;
    Error err = ERROR_INIT;
    ControlCall call = {
        .socket_path = path, .method = "GET", .path = "/v1/status", .timeout_us = 5000000};
    if (!control_call(&call, &answer, &err))
        fail_msg("%s", err.message);
    assert_string_equal(json_string_value(json_object_get(answer, "phase")), "streaming");
    json_decref(answer);
    assert_true(control_call(&call, NULL, &err));
}

static void test_post(void **state)
{
    (void)state;
    json_t *answer = NULL, *body = json_pack("{s:b}", "dry_run", 1);
    Error err = ERROR_INIT;
    ControlCall call = {.socket_path = path, .method = "POST", .path = "/v1/echo", .body = body};
    assert_true(control_call(&call, &answer, &err));
    assert_true(json_equal(json_object_get(answer, "got"), body));
    json_decref(answer);
    json_decref(body);
    call.body = NULL;
    assert_true(control_call(&call, &answer, &err));
    assert_true(json_is_null(json_object_get(answer, "got")));
    json_decref(answer);
}

static void test_errors_come_back_as_they_were(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    ControlCall call = {.socket_path = path, .method = "POST", .path = "/v1/refuse"};
    assert_false(control_call(&call, NULL, &err));
    assert_int_equal(err.cls, ERR_LAG);
    assert_string_equal(err.message, "lag is 3 s");
    assert_string_equal(err.hint, "Wait.");
    call.path = "/v1/nothing-here";
    assert_false(control_call(&call, NULL, &err));
    assert_int_not_equal(err.cls, ERR_NONE);
    assert_int_equal(control_class_of("lag"), ERR_LAG);
    assert_int_equal(control_class_of("no-such-slug"), ERR_BUG);
    assert_false(control_error_of(NULL, &err));
    assert_int_equal(err.cls, ERR_BUG);
}

static void count_line(void *arg, const json_t *line)
{
    int *count = arg;
    assert_int_equal(json_integer_value(json_object_get(line, "n")), *count);
    ++*count;
}

static void test_lines(void **state)
{
    (void)state;
    int count = 0;
    json_t *answer = (json_t *)(uintptr_t)&count;
    Error err = ERROR_INIT;
    ControlCall call = {.socket_path = path,
                        .method = "POST",
                        .path = "/v1/events",
                        .on_line = count_line,
                        .arg = &count};
    if (!control_call(&call, &answer, &err))
        fail_msg("%s", err.message);
    assert_int_equal(count, 3);
    assert_null(answer);
}

/* Interrupts ---------------------------------------------------------------------------------- */
typedef struct Interrupted {
    StopToken *stop;
    int lines, stops;
} Interrupted;

static void stop_at_first(void *arg, const json_t *line)
{
    Interrupted *self = arg;
    (void)line;
    self->lines++;
    stop_request(self->stop);
}

static bool release_and_wait(void *arg)
{
    Interrupted *self = arg;
    Error err = ERROR_INIT;
    ControlCall call = {.socket_path = path, .method = "POST", .path = "/v1/release"};
    self->stops++;
    return control_call(&call, NULL, &err);
}

static void test_an_interrupt_can_wait_for_the_end(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Interrupted self = {.stop = stop_new()};
    ControlCall call = {.socket_path = path,
                        .method = "POST",
                        .path = "/v1/hold",
                        .stop = self.stop,
                        .on_stop = release_and_wait,
                        .on_line = stop_at_first,
                        .arg = &self};
    if (!control_call(&call, NULL, &err))
        fail_msg("%s", err.message);
    assert_int_equal(self.lines, 1);
    assert_int_equal(self.stops, 1);
    stop_free(self.stop);
}

static void test_an_interrupt_ends_the_call(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Interrupted self = {.stop = stop_new()};
    ControlCall call = {.socket_path = path,
                        .method = "POST",
                        .path = "/v1/hold",
                        .stop = self.stop,
                        .on_line = stop_at_first,
                        .arg = &self};
    assert_false(control_call(&call, NULL, &err));
    assert_int_equal(err.cls, ERR_STOPPED);
    stop_free(self.stop);
    http_stream_end(held);
    held = NULL;
}

static void test_timeout(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    ControlCall call = {
        .socket_path = path, .method = "POST", .path = "/v1/hold", .timeout_us = 100000};
    assert_false(control_call(&call, NULL, &err));
    assert_int_equal(err.cls, ERR_CONN_LOST);
    http_stream_end(held);
    held = NULL;
}

/* Nobody there --------------------------------------------------------------------------------- */
static void not_running(const char *socket_path, ErrorClass cls)
{
    Error err = ERROR_INIT;
    pid_t pid = 0;
    ControlCall call = {.socket_path = socket_path, .method = "GET", .path = "/v1/status"};
    assert_false(control_call(&call, NULL, &err));
    assert_int_equal(err.cls, cls);
    err_clear(&err);
    assert_false(control_peer(socket_path, &pid, &err));
    assert_int_equal(err.cls, cls);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    char other[160];
    snprintf(other, sizeof other, "%s/none.sock", dir);
    not_running(other, ERR_NOT_RUNNING);
    snprintf(other, sizeof other, "%s/none/none.sock", dir);
    not_running(other, ERR_NOT_RUNNING);
    /* a socket that its process left behind */
    snprintf(other, sizeof other, "%s/stale.sock", dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, other);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    not_running(other, ERR_NOT_RUNNING);
    memset(other, 'x', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    not_running(other, ERR_CONFIG);
}

/* One connection: reads the request, writes `text`, and goes away. */
typedef struct Rude {
    int fd;
    const char *text;
} Rude;

static StepResult answer_rudely(void *arg, Error *err)
{
    Rude *rude = arg;
    char request[4096];
    (void)err;
    int client = accept(rude->fd, NULL, NULL);
    assert_true(read(client, request, sizeof request) > 0);
    assert_int_equal(write(client, rude->text, strlen(rude->text)), strlen(rude->text));
    close(client);
    return STEP_DONE;
}

static void test_broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ErrorClass cls;
    } CASES[] = {
        {"", ERR_CONN_LOST},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":", ERR_CONN_LOST},
        {"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: "
         "chunked\r\n\r\n8\r\n{\"n\":0}\n\r\n",
         ERR_CONN_LOST},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{a}", ERR_PROTOCOL},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\n{a}", ERR_PROTOCOL},
        {"HTTP/1.1 409 No\r\nContent-Length: 12\r\n\r\n{\"error\":{}}", ERR_BUG},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_CONN_LOST},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char other[160];
        snprintf(other, sizeof other, "%s/rude%zu.sock", dir, i);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, other);
        Rude rude = {.fd = socket(AF_UNIX, SOCK_STREAM, 0), .text = CASES[i].text};
        assert_int_equal(bind(rude.fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(rude.fd, 1), 0);
        StopToken *stop = stop_new();
        Error err = ERROR_INIT;
        WorkerSpec spec = {.name = "rude", .self = &rude, .step = answer_rudely};
        Worker *worker = worker_start(&spec, stop, &err);
        assert_non_null(worker);
        int count = 0;
        ControlCall call = {.socket_path = other,
                            .method = "GET",
                            .path = "/",
                            .timeout_us = 5000000,
                            .on_line = count_line,
                            .arg = &count};
        assert_false(control_call(&call, NULL, &err));
        if (err.cls != CASES[i].cls)
            fail_msg("case %zu: %s: %s", i, err_slug(err.cls), err.message);
        worker_join(worker, NULL);
        stop_free(stop);
        close(rude.fd);
    }
}

/* The other process -----------------------------------------------------------------------------
 */
static void test_wait_gone(void **state)
{
    (void)state;
    char other[160];
    snprintf(other, sizeof other, "%s/child.sock", dir);
    int ready[2], end[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char byte = 0;
        strcpy(address.sun_path, other);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        bool good = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                    listen(fd, 8) == 0 && write(ready[1], "", 1) == 1 &&
                    read(end[0], &byte, 1) == 1;
        _exit(good ? 0 : 1);
    }
    char byte;
    pid_t pid = 0;
    Error err = ERROR_INIT;
    StopToken *stop = stop_new();
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(control_peer(other, &pid, &err));
    assert_int_equal(pid, child);
    stop_request(stop);
    assert_false(control_wait_gone(other, pid, stop, &err));
    assert_int_equal(err.cls, ERR_STOPPED);
    stop_free(stop);
    stop = stop_new();
    assert_int_equal(write(end[1], "x", 1), 1);
    assert_true(control_wait_gone(other, pid, stop, &err));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* without a process to look at: by the socket */
    assert_true(control_wait_gone(other, 0, stop, &err));
    stop_free(stop);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(end[i]);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_errors_come_back_as_they_were),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_an_interrupt_can_wait_for_the_end),
        cmocka_unit_test(test_an_interrupt_ends_the_call),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_wait_gone),
    };
    return cmocka_run_group_tests_name("control_client", tests, setup, teardown);
}

/* http_server over a real unix socket in a temporary directory, asked by libcurl and by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/base/clock.h"
#include "net/http_server.h"
#include "net/json_text.h"

static char dir[] = "/tmp/bascule-http-XXXXXX";
static char path[sizeof((struct sockaddr_un *)NULL)->sun_path];

static HttpStream *open_stream;
static char last_body[128];

static void get_hello(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    assert_int_equal(request->peer_uid, geteuid());
    assert_int_equal(request->peer_pid, getpid());
    http_reply_json(reply, 200, json_pack("{s:s}", "hello", "world"));
}

static void post_echo(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    snprintf(last_body, sizeof last_body, "%s", request->body);
    http_reply_json(reply, 200, json_pack("{s:I}", "len", (json_int_t)request->body_len));
}

static void get_refused(void *self, const HttpRequest *request, HttpReply *reply)
{
    Error err = ERROR_INIT;
    (void)self;
    (void)request;
    (void)ERR(&err, ERR_LAG, "lag 3 s is above 1 s, table 'caf\xe9'");
    http_reply_error(reply, 0, &err);
}

static void get_nothing(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    (void)reply;
}

static void post_stream(void *self, const HttpRequest *request, HttpReply *reply)
{
    (void)self;
    (void)request;
    HttpStream *stream = http_reply_stream(reply, 200, "application/x-ndjson");
    __atomic_store_n(&open_stream, stream, __ATOMIC_RELEASE);
}

static const HttpRoute ROUTES[] = {
    {"GET", "/hello", get_hello},     {"POST", "/echo", post_echo},
    {"GET", "/refused", get_refused}, {"GET", "/nothing", get_nothing},
    {"POST", "/stream", post_stream},
};

static HttpServer *server_start(void)
{
    Error err = ERROR_INIT;
    HttpServerSpec spec = {
        .socket_path = path, .routes = ROUTES, .route_count = sizeof ROUTES / sizeof *ROUTES};
    HttpServer *server = http_server_start(&spec, &err);
    if (server == NULL)
        print_message("%s\n", err.message);
    assert_non_null(server);
    return server;
}

static size_t collect(char *data, size_t size, size_t n, void *arg)
{
    buf_put(arg, data, size * n);
    return size * n;
}

/* post NULL: a GET. Returns the HTTP status, 0 when there was no answer. */
static long ask(const char *where, const char *post, long post_len, Buf *out)
{
    char url[256];
    long status = 0;
    CURL *curl = curl_easy_init();
    snprintf(url, sizeof url, "http://localhost%s", where);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    if (post != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, post_len);
    }
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

static void assert_code(const Buf *body, const char *code)
{
    json_t *object = json_loadb(body->data, body->len, 0, NULL);
    assert_non_null(object);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(object, "error"), "code")), code);
    json_decref(object);
}

static void answers_and_refuses(void **state)
{
    HttpServer *server = server_start();
    CLEANUP_BUF Buf out = BUF_INIT;
    struct stat st;
    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(S_ISSOCK(st.st_mode));

    assert_int_equal(ask("/hello", NULL, 0, &out), 200);
    assert_string_equal(buf_str(&out), "{\"hello\":\"world\"}\n");
    buf_clear(&out);
    assert_int_equal(ask("/nowhere", NULL, 0, &out), 404);
    assert_code(&out, "usage");
    buf_clear(&out);
    assert_int_equal(ask("/echo", NULL, 0, &out), 405);
    buf_clear(&out);
    assert_int_equal(ask("/nothing", NULL, 0, &out), 500);
    assert_code(&out, "bug");
    buf_clear(&out);
    /* Bytes that are no UTF-8 lose neither the key nor the answer. */
    assert_int_equal(ask("/refused", NULL, 0, &out), 409);
    assert_code(&out, "lag");
    assert_non_null(strstr(buf_str(&out), "table 'caf?'"));
    http_server_stop(server, 0);
    assert_int_equal(stat(path, &st), -1);
}

static void body_is_capped(void **state)
{
    HttpServer *server = server_start();
    CLEANUP_BUF Buf out = BUF_INIT;
    size_t cap = 64 * 1024;
    char *big = malloc(cap + 1);
    (void)state;
    memset(big, 'x', cap + 1);
    assert_int_equal(ask("/echo", "{\"a\":1}", 7, &out), 200);
    assert_string_equal(last_body, "{\"a\":1}");
    buf_clear(&out);
    assert_int_equal(ask("/echo", big, (long)cap, &out), 200);
    assert_string_equal(buf_str(&out), "{\"len\":65536}\n");
    buf_clear(&out);
    assert_int_equal(ask("/echo", big, (long)cap + 1, &out), 413);
    assert_code(&out, "usage");
    http_server_stop(server, 0);
    free(big);
}

static int connect_raw(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void chunked_body_is_capped(void **state)
{
    HttpServer *server = server_start();
    static char chunk[4096 + 1];
    char answer[64];
    (void)state;
    int fd = connect_raw();
    const char *head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    memset(chunk, 'x', sizeof chunk - 1);
    bool cut = false;
    for (int i = 0; i < 1000 && !cut; i++)
        cut = send(fd, "1000\r\n", 6, MSG_NOSIGNAL) < 0 ||
              send(fd, chunk, 4096, MSG_NOSIGNAL) < 0 || send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0;
    if (!cut)
        assert_true(recv(fd, answer, sizeof answer, 0) <= 0);
    close(fd);
    /* the server is well */
    CLEANUP_BUF Buf out = BUF_INIT;
    assert_int_equal(ask("/hello", NULL, 0, &out), 200);
    http_server_stop(server, 0);
}

static void garbage_and_many_connections(void **state)
{
    HttpServer *server = server_start();
    int fds[40]; /* above the limit of 32, below it and the backlog */
    ;
    (void)state;
    for (int i = 0; i < 40; i++) {
        fds[i] = connect_raw();
        if (i % 2 == 0)
            (void)!send(fds[i], "\0\xff garbage\r\n\r\n", 14, MSG_NOSIGNAL);
    }
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    CLEANUP_BUF Buf out = BUF_INIT;
    int64_t deadline = clock_now_us() + 10000000;
    while (ask("/hello", NULL, 0, &out) != 200) {
        buf_clear(&out);
        assert_true(clock_now_us() < deadline);
    }
    http_server_stop(server, 0);
}

typedef struct Client {
    pthread_t thread;
    Buf out;
    long status;
} Client;

static void *client_main(void *arg)
{
    Client *client = arg;
    client->status = ask("/stream", "", 0, &client->out);
    return NULL;
}

static HttpStream *wait_for_stream(void)
{
    int64_t deadline = clock_now_us() + 10000000;
    HttpStream *stream;
    while ((stream = __atomic_exchange_n(&open_stream, NULL, __ATOMIC_ACQ_REL)) == NULL) {
        assert_true(clock_now_us() < deadline);
        poll(NULL, 0, 1);
    }
    return stream;
}

static void streams_lines_from_another_thread(void **state)
{
    HttpServer *server = server_start();
    Client client = {.out = BUF_INIT};
    (void)state;
    pthread_create(&client.thread, NULL, client_main, &client);
    HttpStream *stream = wait_for_stream();
    for (int i = 0; i < 20000; i++) {
        json_t *line = json_pack("{s:i}", "n", i);
        assert_true(http_stream_json(stream, line));
        json_decref(line);
        if (i % 5000 == 0)
            poll(NULL, 0, 5); /* lets the connection be suspended in between */
        if (i == 100) {
            /* others are served while a stream is open */
            CLEANUP_BUF Buf out = BUF_INIT;
            assert_int_equal(ask("/hello", NULL, 0, &out), 200);
        }
    }
    http_stream_end(stream);
    pthread_join(client.thread, NULL);
    assert_int_equal(client.status, 200);
    int lines = 0;
    for (char *p = buf_str(&client.out) != NULL ? client.out.data : NULL;
         p != NULL && *p != '\0';) {
        char want[32];
        snprintf(want, sizeof want, "{\"n\":%d}\n", lines);
        assert_memory_equal(p, want, strlen(want));
        p += strlen(want);
        lines++;
    }
    assert_int_equal(lines, 20000);
    buf_done(&client.out);
    http_server_stop(server, 0);
}

static void stop_lets_ended_streams_arrive(void **state)
{
    HttpServer *server = server_start();
    Client client = {.out = BUF_INIT};
    (void)state;
    pthread_create(&client.thread, NULL, client_main, &client);
    HttpStream *stream = wait_for_stream();
    char *big = calloc(1, 4000001);
    memset(big, 'y', 4000000);
    assert_true(http_stream_write(stream, big, 4000000));
    http_stream_end(stream);
    http_server_stop(server, 10000000);
    pthread_join(client.thread, NULL);
    assert_int_equal(client.status, 200);
    assert_int_equal(client.out.len, 4000000);
    free(big);
    buf_done(&client.out);
}

static void stop_cuts_open_streams(void **state)
{
    HttpServer *server = server_start();
    Client client = {.out = BUF_INIT};
    (void)state;
    pthread_create(&client.thread, NULL, client_main, &client);
    HttpStream *stream = wait_for_stream();
    assert_true(http_stream_write(stream, "a\n", 2));
    http_server_stop(server, 10000000);
    pthread_join(client.thread, NULL);
    assert_string_equal(buf_str(&client.out), "a\n");
    /* the producer outlives the server */
    assert_false(http_stream_write(stream, "b\n", 2));
    http_stream_end(stream);
    buf_done(&client.out);
}

static void client_that_leaves(void **state)
{
    HttpServer *server = server_start();
    (void)state;
    int fd = connect_raw();
    const char *head = "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    HttpStream *stream = wait_for_stream();
    close(fd);
    int64_t deadline = clock_now_us() + 10000000;
    while (http_stream_write(stream, "line\n", 5)) {
        assert_true(clock_now_us() < deadline);
        poll(NULL, 0, 1);
    }
    http_stream_end(stream);
    http_server_stop(server, 0);
}

static void stale_socket_is_replaced(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        _exit(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0 ? 0
                                                                                               : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), 0);
    HttpServer *server = server_start();
    CLEANUP_BUF Buf out = BUF_INIT;
    assert_int_equal(ask("/hello", NULL, 0, &out), 200);
    http_server_stop(server, 0);
}

static void expect_error(const char *socket_path, ErrorClass cls, const char *text)
{
    Error err = ERROR_INIT;
    HttpServerSpec spec = {.socket_path = socket_path,
                           .routes = ROUTES,
                           .route_count = sizeof ROUTES / sizeof *ROUTES};
    assert_null(http_server_start(&spec, &err));
    assert_int_equal(err.cls, cls);
    if (strstr(err.message, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, err.message);
}

static void live_socket_is_respected(void **state)
{
    HttpServer *server = server_start();
    char pid[32];
    (void)state;
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    expect_error(path, ERR_ALREADY_RUNNING, pid);
    CLEANUP_BUF Buf out = BUF_INIT;
    assert_int_equal(ask("/hello", NULL, 0, &out), 200);
    http_server_stop(server, 0);

    /* somebody else's, who has no lock file */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    expect_error(path, ERR_ALREADY_RUNNING, "another program");
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    unlink(path);
}

static void wrong_paths(void **state)
{
    char longer[200];
    (void)state;
    memset(longer, 'a', sizeof longer);
    longer[0] = '/';
    longer[120] = '\0';
    expect_error(longer, ERR_CONFIG, "120 bytes, the system allows 107");
    expect_error("", ERR_CONFIG, "no path");
    expect_error("/nonexistent/dir/s.sock", ERR_IO, "cannot open");
    FILE *file = fopen(path, "w");
    fputs("precious", file);
    fclose(file);
    expect_error(path, ERR_CONFIG, "is no socket");
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control.sock", dir);
    umask(0);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char lock[160];
    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
    curl_global_cleanup();
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_refuses),
        cmocka_unit_test(body_is_capped),
        cmocka_unit_test(chunked_body_is_capped),
        cmocka_unit_test(garbage_and_many_connections),
        cmocka_unit_test(streams_lines_from_another_thread),
        cmocka_unit_test(stop_lets_ended_streams_arrive),
        cmocka_unit_test(stop_cuts_open_streams),
        cmocka_unit_test(client_that_leaves),
        cmocka_unit_test(stale_socket_is_replaced),
        cmocka_unit_test(live_socket_is_respected),
        cmocka_unit_test(wrong_paths),
    };
    return cmocka_run_group_tests_name("http_server", tests, setup, teardown);
}

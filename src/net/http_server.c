/*
 * http_server - see the header. libmicrohttpd without threads of its own: the worker "http" polls
 * its epoll descriptor, so that every call into the library is made by one thread. A stream's
 * producer only queues bytes and rings the hub's bell; the worker then wakes the suspended
 * connection.
 */
#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/stop.h"
#include "bascule/base/worker.h"
#include "net/http_hub.h"
#include "net/http_socket.h"
#include "net/json_text.h"

#define MAX_CONNECTIONS  32
#define MAX_BODY_BYTES   (64 * 1024)
#define CLIENT_TIMEOUT_S 30
#define LONGEST_WAIT_US  1000000

struct HttpServer {
    HttpSocket socket;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    HttpHub *hub;
    StopToken *stop;
    Worker *worker;
    const HttpRoute *routes;
    int route_count;
    void *self;
    int active_requests; /* touched by whoever drives the daemon: the worker, then http_server_stop
                          */
};

/* One request while its body comes in. */
typedef struct Call {
    Buf body;
    uid_t uid;
    pid_t pid;
    bool answered;
} Call;

struct HttpReply {
    HttpServer *server;
    struct MHD_Connection *connection;
    enum MHD_Result result;
    bool answered;
};

/* Replies ------------------------------------------------------------------------------------ */

static void queue_response(HttpReply *reply, int status, struct MHD_Response *response,
                           const char *content_type)
{
    ASSERT(!reply->answered && response != NULL);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply->result = MHD_queue_response(reply->connection, (unsigned)status, response);
    reply->answered = true;
    MHD_destroy_response(response);
}

void http_reply_json(HttpReply *reply, int status, json_t *take)
{
    CLEANUP_BUF Buf buf = BUF_INIT;
    json_text_dump(take, JSON_TEXT_FLAGS, &buf);
    json_decref(take);
    buf_putc(&buf, '\n');
    queue_response(reply, status,
                   MHD_create_response_from_buffer(buf.len, buf.data, MHD_RESPMEM_MUST_COPY),
                   "application/json");
}

json_t *http_error_json(const Error *err)
{
    return json_pack("{s:s, s:o, s:o}", "code", err_slug(err->cls), "message",
                     json_text(err->message), "hint", json_text(err_hint_of(err)));
}

void http_reply_error(HttpReply *reply, int status, const Error *err)
{
    if (status == 0) {
        int code = err_exit_code(err->cls);
        status = code == 3 ? 409 : code == 2 ? 400 : 500;
    }
    http_reply_json(reply, status, json_pack("{s:o}", "error", http_error_json(err)));
}

HttpStream *http_reply_stream(HttpReply *reply, int status, const char *content_type)
{
    HttpStream *stream = http_hub_stream(reply->server->hub, reply->connection);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 16 * 1024, http_hub_read, stream, http_hub_client_gone);
    queue_response(reply, status, response, content_type);
    return stream;
}

/* Requests ----------------------------------------------------------------------------------- */

static enum MHD_Result refuse(HttpServer *server, struct MHD_Connection *connection, int status,
                              ErrorClass cls, const char *message)
{
    Error err = ERROR_INIT;
    HttpReply reply = {.server = server, .connection = connection, .result = MHD_NO};
    (void)ERR(&err, cls, "%s", message);
    http_reply_error(&reply, status, &err);
    return reply.result;
}

static enum MHD_Result dispatch(HttpServer *server, struct MHD_Connection *connection,
                                const HttpRequest *request)
{
    bool path_known = false;
    for (int i = 0; i < server->route_count; i++) {
        const HttpRoute *route = &server->routes[i];
        if (strcmp(route->path, request->path) != 0)
            continue;
        path_known = true;
        if (strcmp(route->method, request->method) != 0)
            continue;
        HttpReply reply = {.server = server, .connection = connection, .result = MHD_NO};
        route->handle(server->self, request, &reply);
        if (!reply.answered)
            return refuse(server, connection, 500, ERR_BUG, "the request got no answer");
        return reply.result;
    }
    if (path_known)
        return refuse(server, connection, 405, ERR_USAGE, "this path does not take that method");
    return refuse(server, connection, 404, ERR_USAGE, "there is no such path");
}

static bool peer_of(struct MHD_Connection *connection, uid_t *out_uid, pid_t *out_pid)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (info == NULL || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    *out_uid = peer.uid;
    *out_pid = peer.pid;
    return true;
}

static bool body_announced_too_large(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length != NULL && strtoull(length, NULL, 10) > MAX_BODY_BYTES;
}

/* The first call for a request: only its head is here. */
static enum MHD_Result accept_request(HttpServer *server, struct MHD_Connection *connection,
                                      void **context)
{
    Call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    *context = call;
    server->active_requests++;
    if (!peer_of(connection, &call->uid, &call->pid) ||
        (call->uid != geteuid() && call->uid != 0)) {
        call->answered = true;
        log_warn("control socket: a request of another user was refused uid=%ld", (long)call->uid);
        return refuse(server, connection, 403, ERR_PRIVILEGE,
                      "only the user who runs the engine may ask");
    }
    if (body_announced_too_large(connection)) {
        call->answered = true;
        return refuse(server, connection, 413, ERR_USAGE, "the request is larger than 64 kB");
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **context)
{
    HttpServer *server = cls;
    Call *call = *context;
    (void)version;
    if (call == NULL)
        return accept_request(server, connection, context);
    if (call->answered) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        if (call->body.len + *upload_data_size > MAX_BODY_BYTES)
            return MHD_NO; /* a chunked body that never said how long it is: cut */
        buf_put(&call->body, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    call->answered = true;
    HttpRequest request = {
        .method = method,
        .path = url,
        .body = buf_str(&call->body),
        .body_len = call->body.len,
        .peer_uid = call->uid,
        .peer_pid = call->pid,
    };
    return dispatch(server, connection, &request);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    HttpServer *server = cls;
    Call *call = *context;
    (void)connection;
    (void)why;
    if (call == NULL)
        return;
    buf_done(&call->body);
    free(call);
    *context = NULL;
    server->active_requests--;
}

/* The worker --------------------------------------------------------------------------------- */

static bool drive(HttpServer *server, int64_t longest_us, int also_fd, Error *err)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    int64_t deadline_us = clock_now_us() + longest_us;
    int wait_ms = clock_poll_ms(deadline_us);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES && (int)timeout_ms < wait_ms)
        wait_ms = (int)timeout_ms;
    struct pollfd fds[3] = {
        {.fd = server->epoll_fd, .events = POLLIN},
        {.fd = http_hub_bell(server->hub), .events = POLLIN},
        {.fd = also_fd, .events = POLLIN},
    };
    if (poll(fds, 3, wait_ms) < 0 && errno != EINTR)
        return ERR_OS(err, ERR_IO, "waiting on the control socket");
    http_hub_wake(server->hub);
    if (MHD_run(server->daemon) != MHD_YES)
        return ERR(err, ERR_IO, "the control socket's server failed");
    return true;
}

static StepResult step(void *self, Error *err)
{
    HttpServer *server = self;
    return drive(server, LONGEST_WAIT_US, stop_fd(server->stop), err) ? STEP_IDLE : STEP_FAILED;
}

static void __attribute__((format(printf, 2, 0)))
log_of_library(void *arg, const char *fmt, va_list ap)
{
    char line[512];
    (void)arg;
    vsnprintf(line, sizeof line, fmt, ap);
    line[strcspn(line, "\r\n")] = '\0';
    log_debug("control socket: %s", line);
}

static struct MHD_Daemon *start_daemon(HttpServer *server)
{
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_of_library, NULL},
        {MHD_OPTION_LISTEN_SOCKET, server->socket.fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_TIMEOUT_S, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, server},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
                            NULL, on_request, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static void server_free(HttpServer *server)
{
    if (server->daemon != NULL) {
        /* The listening socket is http_socket's to close. */
        MHD_quiesce_daemon(server->daemon);
        MHD_stop_daemon(server->daemon);
    }
    http_socket_close(&server->socket);
    http_hub_unref(server->hub);
    stop_free(server->stop);
    free(server);
}

HttpServer *http_server_start(const HttpServerSpec *spec, Error *err)
{
    HttpServer *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->socket = HTTP_SOCKET_NONE;
    if (!http_socket_open(&server->socket, spec->socket_path, err)) {
        free(server);
        return NULL;
    }
    server->routes = spec->routes;
    server->route_count = spec->route_count;
    server->self = spec->self;
    server->hub = http_hub_new();
    server->stop = stop_new();
    server->daemon = start_daemon(server);
    if (server->daemon == NULL) {
        (void)ERR(err, ERR_IO, "the control socket's server does not start");
        server_free(server);
        return NULL;
    }
    server->epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    WorkerSpec worker = {.name = "http", .self = server, .step = step};
    server->worker = worker_start(&worker, server->stop, err);
    if (server->worker == NULL) {
        server_free(server);
        return NULL;
    }
    return server;
}

void http_server_stop(HttpServer *server, int64_t drain_us)
{
    Error err = ERROR_INIT;
    if (server == NULL)
        return;
    int64_t deadline_us = clock_now_us() + drain_us;
    stop_request(server->stop);
    if (!worker_join(server->worker, &err))
        log_debug("control socket: %s", err.message);
    /* No new connections; the listening socket is ours again, the daemon will not close it. */
    MHD_quiesce_daemon(server->daemon);
    http_hub_cut_open(server->hub);
    bool going = true;
    while (going && server->active_requests > 0 && clock_now_us() < deadline_us)
        going = drive(server, deadline_us - clock_now_us(), -1, &err);
    http_hub_cut_all(server->hub);
    server_free(server);
}

bool http_check_socket_path(const char *path, Error *err)
{
    return http_socket_check_path(path, err);
}

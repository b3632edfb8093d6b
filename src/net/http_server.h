/*
 * http_server - HTTP/1.1 for our own user on a unix socket.
 *
 * Place    src/net; the control socket is built on it (src/ops/control_api). Knows no route of its
 * own. Socket   bound by us with mode 0600 from its first moment; only peers of our uid or root are
 * served (SO_PEERCRED), others get 403. A lock file beside it (<path>.lock) says whether its owner
 *          lives: a stale socket is replaced, a live one is ERR_ALREADY_RUNNING.
 * Limits   32 connections, bodies of 64 kB (413), 30 s of silence from a client.
 * Threads  handlers run one after the other in the worker "http" and must not block for long; what
 * takes time goes on elsewhere and is told through an HttpStream. Errors   CONFIG when the path
 * does not fit a socket address, ALREADY_RUNNING, IO.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "bascule/base/error.h"

typedef struct HttpServer HttpServer;
typedef struct HttpReply HttpReply;
typedef struct HttpStream HttpStream;

typedef struct HttpRequest {
    const char *method, *path;
    const char *body; /* NUL-terminated, "" when there is none */
    size_t body_len;
    uid_t peer_uid;
    pid_t peer_pid;
} HttpRequest;

/* A path is matched whole. A handler answers by exactly one http_reply_ call; none is a 500. */
typedef struct HttpRoute {
    const char *method, *path;
    void (*handle)(void *self, const HttpRequest *request, HttpReply *reply);
} HttpRoute;

typedef struct HttpServerSpec {
    const char *socket_path;
    const HttpRoute *routes; /* must live as long as the server */
    int route_count;
    void *self; /* given to the handlers */
} HttpServerSpec;

MUST_CHECK HttpServer *http_server_start(const HttpServerSpec *spec, Error *err);
/* Takes no new request, gives ended streams up to `drain_us` to reach their clients, cuts the
 * others, stops the worker, removes the socket. NULL is fine. */
void http_server_stop(HttpServer *server, int64_t drain_us);

/* Replies ------------------------------------------------------------------------------------ */
void http_reply_json(HttpReply *reply, int status, json_t *take); /* owns `take` */
/* {"error":{"code","message","hint"}}; status 0: 409 for refusals, 400 for usage, else 500. */
void http_reply_error(HttpReply *reply, int status, const Error *err);
/* A body that comes later, from any thread. The caller owns the stream until http_stream_end. */
HttpStream *http_reply_stream(HttpReply *reply, int status, const char *content_type);

/* Never blocks: queues. false when the client is gone (or does not read: 64 MB wait for it). */
bool http_stream_write(HttpStream *stream, const void *data, size_t len);
/* One NDJSON line; does not own `line`. */
bool http_stream_json(HttpStream *stream, const json_t *line);
/* No more comes; the pointer is gone. NULL is fine. */
void http_stream_end(HttpStream *stream);

/* {"code","message","hint"}, for other places where an error goes into JSON. */
json_t *http_error_json(const Error *err);
/* Checks that `path` can be a socket's address; CONFIG says how many bytes it may have. */
MUST_CHECK bool http_check_socket_path(const char *path, Error *err);

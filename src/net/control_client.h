/*
 * control_client - asks the running engine over its control socket (net/http_server.h).
 *
 * Errors   NOT_RUNNING: nobody listens there. IO: the socket belongs to somebody else. CONN_LOST:
 *          the engine went away before it had answered. STOPPED: the stop token. An answer that is
 *          an error comes back as that error: class by its slug, message and hint as the engine
 *          wrote them.
 * Threads  any; each call has a connection of its own.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "bascule/base/error.h"
#include "bascule/base/stop.h"

typedef struct ControlCall {
    const char *socket_path;
    const char *method; /* "GET", "POST" */
    const char *path;   /* "/v1/status" */
    const json_t *body; /* POST; may be NULL */
    int64_t timeout_us; /* of the whole call; 0: none */
    StopToken *stop;    /* may be NULL */
    /* When the stop token is set: true goes on waiting (it is not looked at again), false or NULL
     * ends the call with STOPPED. */
    bool (*on_stop)(void *arg);
    /* For an answer of many lines (application/x-ndjson): each line as it comes, borrowed. */
    void (*on_line)(void *arg, const json_t *line);
    void *arg;
} ControlCall;

/* *out_answer (may be NULL) is the body of an answer that is one JSON value, owned by the caller;
 * NULL when it came as lines. */
MUST_CHECK bool control_call(const ControlCall *call, json_t **out_answer, Error *err);

/* The process that listens there, 0 when the system does not say. NOT_RUNNING when nobody does. */
MUST_CHECK bool control_peer(const char *socket_path, pid_t *out_pid, Error *err);
/* Waits until that process has ended and nobody listens any more; STOPPED. */
MUST_CHECK bool control_wait_gone(const char *socket_path, pid_t pid, StopToken *stop, Error *err);

/* The class with this slug; ERR_BUG when there is none. */
ErrorClass control_class_of(const char *slug);
/* {"code","message","hint"} into *err; false. A null or missing object is BUG. */
bool control_error_of(const json_t *error, Error *err);

/*
 * control_api - the routes of the control socket, on callbacks into the engine.
 *
 *   GET  /v1/status    status JSON
 *   POST /v1/stop      202, the engine finishes its batch and ends
 *   POST /v1/cutover   200 and a stream of NDJSON events; 409 when one runs or the state is wrong
 *   POST /v1/rollback  the same in the other direction, once the target is open
 *   POST /v1/abort     200, or 409 when there is nothing to abort
 *   POST /v1/verify    200 and a stream of NDJSON events; it ends when its client goes away
 *   POST /v1/repair    the same
 *   POST /v1/tables    200 and one NDJSON event, the report
 *
 * Threads  callbacks come from the worker "http" and must not block for long. The events of a
 * cutover may be told from any one thread.
 */
#pragma once

#include "bascule/base/arena.h"
#include "cutover/cutover.h"
#include "net/http_server.h"
#include "ops/status.h"

#define CONTROL_API_DEFAULT (-1)

/* What the client asked; CONTROL_API_DEFAULT where it left the engine's configuration to hold. */
typedef struct ControlCutoverRequest {
    bool dry_run, rehearse, terminate_blockers;
    bool back; /* POST /v1/rollback; not in the body */
    int64_t max_downtime_us, max_lag_us, max_lag_bytes;
    int verify;             /* CutoverVerify or CONTROL_API_DEFAULT */
    int64_t at_wall_us;     /* 0: now */
    int64_t at_window_us;   /* how long after that it may begin; or CONTROL_API_DEFAULT */
    char confirm[32];       /* hash of the plan that was confirmed, "" any */
    char operator_name[64]; /* who says he asks, "" unknown */
    char command[256];      /* what was typed, without secrets */
    /* Who the system says it was: not part of the body. */
    uid_t peer_uid;
    pid_t peer_pid;
} ControlCutoverRequest;

typedef struct ControlEvents ControlEvents;

typedef struct ControlOps {
    void *self;
    bool (*status)(void *self, Arena *arena, StatusReport *out_report, Error *err);
    bool (*stop)(void *self, Error *err);
    /* true: the cutover is on its way in another thread and owns `events`, which it must end with
     * control_events_finish. false: nothing was started, *err is the answer. */
    bool (*cutover)(void *self, const ControlCutoverRequest *request, ControlEvents *events,
                    Error *err);
    bool (*abort)(void *self, Error *err);
    /* As cutover; ends with control_events_line(last). `request` is the body, borrowed. */
    bool (*verify)(void *self, const json_t *request, ControlEvents *events, Error *err);
    bool (*repair)(void *self, const json_t *request, ControlEvents *events, Error *err);
    bool (*tables)(void *self, const json_t *request, ControlEvents *events, Error *err);
} ControlOps;

typedef struct ControlApi ControlApi;

/* ops is copied. */
MUST_CHECK ControlApi *control_api_start(const char *socket_path, const ControlOps *ops,
                                         Error *err);
/* Waits up to 5 s until the last lines of finished cutovers have reached their clients. NULL is
 * fine. */
void control_api_stop(ControlApi *api);

/* Takes `line`; last: frees events. false when the client has gone away: nobody reads on. */
bool control_events_line(ControlEvents *events, json_t *line, bool last);
void control_events_step(ControlEvents *events, const CutoverEvent *event);
/* The last line; frees events. report and err may be NULL. */
void control_events_finish(ControlEvents *events, const CutoverReport *report, const Error *err);
/* The same as CutoverSpec.on_event, with events as the argument. */
void control_events_on_event(void *events, const CutoverEvent *event);

/* The body of POST /v1/cutover, for the client, and back. USAGE names the key that is wrong. */
json_t *control_cutover_request_json(const ControlCutoverRequest *request);
MUST_CHECK bool control_cutover_request_parse(const char *body, size_t len,
                                              ControlCutoverRequest *out_request, Error *err);

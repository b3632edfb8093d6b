/* control_api - see the header. */
#include "ops/control_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "bascule/base/log.h"
#include "net/json_text.h"
#include "ops/report.h"
#include "ops/status_json.h"

#define DRAIN_US ((int64_t)5 * 1000 * 1000)

struct ControlApi {
    ControlOps ops;
    HttpServer *server;
};

/* The stream exists only once the engine has taken the cutover on: until then a refusal must still
 * be able to answer 409. What is told before is kept. */
struct ControlEvents {
    pthread_mutex_t lock; /* guards what follows */
    HttpStream *stream;   /* NULL until attached */
    Buf early;
    bool finished;
};

/* Who asked is what the kernel says of the other end of the socket. */
static void note_request(const HttpRequest *request, const char *action, bool taken,
                         const Error *err)
{
    audit_note(&(AuditNote){.action = action,
                            .event = "request",
                            .result = taken ? "taken" : err_slug(err->cls),
                            .detail = taken ? NULL : err->message,
                            .peer = &(AuditPeer){request->peer_uid, request->peer_pid}});
}

static void handle_status(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    Error err = ERROR_INIT;
    StatusReport report = status_unknown("");
    Arena *arena = arena_new(0);
    (void)request;
    if (api->ops.status(api->ops.self, arena, &report, &err))
        http_reply_json(reply, 200, status_json(&report));
    else
        http_reply_error(reply, 0, &err);
    arena_free(arena);
}

static void handle_stop(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    Error err = ERROR_INIT;
    log_info("stop requested over the control socket pid=%ld", (long)request->peer_pid);
    bool taken = api->ops.stop(api->ops.self, &err);
    note_request(request, "stop", taken, &err);
    if (taken)
        http_reply_json(reply, 202, json_pack("{s:b}", "stopping", 1));
    else
        http_reply_error(reply, 0, &err);
}

static void handle_abort(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    Error err = ERROR_INIT;
    log_info("abort requested over the control socket pid=%ld", (long)request->peer_pid);
    bool taken = api->ops.abort(api->ops.self, &err);
    note_request(request, "abort", taken, &err);
    if (taken)
        http_reply_json(reply, 200, json_pack("{s:b}", "aborting", 1));
    else
        http_reply_error(reply, 0, &err);
}

/* Events ------------------------------------------------------------------------------------- */

static ControlEvents *events_new(void)
{
    ControlEvents *events = calloc(1, sizeof *events);
    ASSERT(events != NULL);
    pthread_mutex_init(&events->lock, NULL);
    return events;
}

static void events_free(ControlEvents *events)
{
    http_stream_end(events->stream);
    buf_done(&events->early);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

bool control_events_line(ControlEvents *events, json_t *line, bool last)
{
    bool attached, heard = true;
    pthread_mutex_lock(&events->lock);
    attached = events->stream != NULL;
    if (attached) {
        heard = http_stream_json(events->stream, line);
    } else {
        json_text_dump(line, JSON_TEXT_FLAGS, &events->early);
        buf_putc(&events->early, '\n');
    }
    events->finished = last;
    pthread_mutex_unlock(&events->lock);
    json_decref(line);
    /* Not attached yet: whoever attaches it frees it. */
    if (last && attached)
        events_free(events);
    return heard;
}

static void events_attach(ControlEvents *events, HttpStream *stream)
{
    pthread_mutex_lock(&events->lock);
    if (events->early.len > 0)
        (void)http_stream_write(stream, events->early.data, events->early.len);
    events->stream = stream;
    bool finished = events->finished;
    pthread_mutex_unlock(&events->lock);
    if (finished)
        events_free(events);
}

void control_events_step(ControlEvents *events, const CutoverEvent *event)
{
    (void)control_events_line(events, report_event_json(event), false);
}

void control_events_on_event(void *events, const CutoverEvent *event)
{
    control_events_step(events, event);
}

void control_events_finish(ControlEvents *events, const CutoverReport *report, const Error *err)
{
    (void)control_events_line(events, report_final_json(report, err), true);
}

/* The cutover's request ---------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value[0] != '\0')
        json_object_set_new(object, key, json_text(value));
}

static void set_number(json_t *object, const char *key, int64_t value, int64_t unit)
{
    if (value != CONTROL_API_DEFAULT)
        json_object_set_new(object, key, json_integer((json_int_t)(value / unit)));
}

json_t *control_cutover_request_json(const ControlCutoverRequest *request)
{
    json_t *object = json_pack("{s:b}", "dry_run", request->dry_run);
    if (request->rehearse)
        json_object_set_new(object, "rehearse", json_true());
    if (request->terminate_blockers)
        json_object_set_new(object, "terminate_blockers", json_true());
    set_number(object, "max_downtime_ms", request->max_downtime_us, 1000);
    set_number(object, "max_lag_ms", request->max_lag_us, 1000);
    set_number(object, "max_lag_bytes", request->max_lag_bytes, 1);
    if (request->at_wall_us != 0) {
        set_number(object, "at_ms", request->at_wall_us, 1000);
        set_number(object, "at_window_ms", request->at_window_us, 1000);
    }
    set_text(object, "confirm", request->confirm);
    set_text(object, "operator", request->operator_name);
    set_text(object, "command", request->command);
    if (request->verify != CONTROL_API_DEFAULT)
        json_object_set_new(object, "verify",
                            json_string(cutover_verify_name((CutoverVerify)request->verify)));
    return object;
}

static bool read_number(const char *key, const json_t *value, int64_t unit, int64_t *out,
                        Error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT64_MAX / unit)
        return ERR(err, ERR_USAGE, "'%s' must be a whole number, not negative", key);
    *out = (int64_t)json_integer_value(value) * unit;
    return true;
}

static bool read_flag(const char *key, const json_t *value, bool *out, Error *err)
{
    if (!json_is_boolean(value))
        return ERR(err, ERR_USAGE, "'%s' must be true or false", key);
    *out = json_is_true(value);
    return true;
}

static bool read_text(const char *key, const json_t *value, char *out, size_t size, Error *err)
{
    if (!json_is_string(value) || json_string_length(value) >= size)
        return ERR(err, ERR_USAGE, "'%s' must be a text of at most %zu bytes", key, size - 1);
    snprintf(out, size, "%s", json_string_value(value));
    return true;
}

static bool read_verify(const json_t *value, int *out, Error *err)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    for (int word = 0; word < CUTOVER_VERIFY_WORDS; word++) {
        if (strcmp(text, cutover_verify_name((CutoverVerify)word)) != 0)
            continue;
        *out = word;
        return true;
    }
    return ERR(err, ERR_USAGE, "'verify' must be \"auto\", \"full\", \"keys\" or \"count\"");
}

static bool read_key(const char *key, const json_t *value, ControlCutoverRequest *out, Error *err)
{
    if (strcmp(key, "dry_run") == 0)
        return read_flag(key, value, &out->dry_run, err);
    if (strcmp(key, "rehearse") == 0)
        return read_flag(key, value, &out->rehearse, err);
    if (strcmp(key, "terminate_blockers") == 0)
        return read_flag(key, value, &out->terminate_blockers, err);
    if (strcmp(key, "max_downtime_ms") == 0)
        return read_number(key, value, 1000, &out->max_downtime_us, err);
    if (strcmp(key, "max_lag_ms") == 0)
        return read_number(key, value, 1000, &out->max_lag_us, err);
    if (strcmp(key, "max_lag_bytes") == 0)
        return read_number(key, value, 1, &out->max_lag_bytes, err);
    if (strcmp(key, "at_ms") == 0)
        return read_number(key, value, 1000, &out->at_wall_us, err);
    if (strcmp(key, "at_window_ms") == 0)
        return read_number(key, value, 1000, &out->at_window_us, err);
    if (strcmp(key, "confirm") == 0)
        return read_text(key, value, out->confirm, sizeof out->confirm, err);
    if (strcmp(key, "operator") == 0)
        return read_text(key, value, out->operator_name, sizeof out->operator_name, err);
    if (strcmp(key, "command") == 0)
        return read_text(key, value, out->command, sizeof out->command, err);
    if (strcmp(key, "verify") == 0)
        return read_verify(value, &out->verify, err);
    return ERR(err, ERR_USAGE, "unknown key '%s'", key);
}

bool control_cutover_request_parse(const char *body, size_t len, ControlCutoverRequest *out_request,
                                   Error *err)
{
    ControlCutoverRequest request = {
        .max_downtime_us = CONTROL_API_DEFAULT,
        .max_lag_us = CONTROL_API_DEFAULT,
        .max_lag_bytes = CONTROL_API_DEFAULT,
        .at_window_us = CONTROL_API_DEFAULT,
        .verify = CONTROL_API_DEFAULT,
    };
    bool ok = true;
    if (len > 0) {
        json_error_t where;
        const char *key;
        json_t *value, *object = json_loadb(body, len, JSON_REJECT_DUPLICATES, &where);
        if (object == NULL)
            return ERR(err, ERR_USAGE, "the request is no JSON: %s (line %d)", where.text,
                       where.line);
        if (!json_is_object(object))
            ok = ERR(err, ERR_USAGE, "the request must be a JSON object");
        json_object_foreach(object, key, value)
        {
            ok = ok && read_key(key, value, &request, err);
        }
        json_decref(object);
    }
    if (ok)
        *out_request = request;
    return ok;
}

static void handle_switch(void *self, const HttpRequest *request, HttpReply *reply, bool back)
{
    ControlApi *api = self;
    Error err = ERROR_INIT;
    ControlCutoverRequest wanted;
    if (!control_cutover_request_parse(request->body, request->body_len, &wanted, &err)) {
        http_reply_error(reply, 400, &err);
        return;
    }
    wanted.peer_uid = request->peer_uid;
    wanted.peer_pid = request->peer_pid;
    wanted.back = back;
    log_info("%s requested over the control socket pid=%ld dry_run=%s",
             back ? "rollback" : "cutover", (long)request->peer_pid, wanted.dry_run ? "yes" : "no");
    ControlEvents *events = events_new();
    if (!api->ops.cutover(api->ops.self, &wanted, events, &err)) {
        events_free(events);
        http_reply_error(reply, 0, &err);
        return;
    }
    events_attach(events, http_reply_stream(reply, 200, "application/x-ndjson"));
}

static void handle_cutover(void *self, const HttpRequest *request, HttpReply *reply)
{
    handle_switch(self, request, reply, false);
}

static void handle_rollback(void *self, const HttpRequest *request, HttpReply *reply)
{
    handle_switch(self, request, reply, true);
}

typedef bool ControlWork(void *self, const json_t *request, ControlEvents *events, Error *err);

/* A request whose body is a JSON object and whose answer are events. */
static void handle_work(ControlApi *api, const HttpRequest *request, HttpReply *reply,
                        ControlWork *work, const char *what)
{
    Error err = ERROR_INIT;
    json_error_t where;
    json_t *body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(body)) {
        ERR(&err, ERR_USAGE, "the request must be a JSON object");
        http_reply_error(reply, 400, &err);
        json_decref(body);
        return;
    }
    log_info("%s requested over the control socket pid=%ld", what, (long)request->peer_pid);
    ControlEvents *events = events_new();
    bool taken = work(api->ops.self, body, events, &err);
    note_request(request, what, taken, &err);
    if (taken) {
        events_attach(events, http_reply_stream(reply, 200, "application/x-ndjson"));
    } else {
        events_free(events);
        http_reply_error(reply, 0, &err);
    }
    json_decref(body);
}

static void handle_verify(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    handle_work(api, request, reply, api->ops.verify, "verify");
}

static void handle_repair(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    handle_work(api, request, reply, api->ops.repair, "repair");
}

static void handle_tables(void *self, const HttpRequest *request, HttpReply *reply)
{
    ControlApi *api = self;
    handle_work(api, request, reply, api->ops.tables, "tables");
}

/* Life --------------------------------------------------------------------------------------- */

static const HttpRoute ROUTES[] = {
    {"GET", "/v1/status", handle_status},    {"POST", "/v1/stop", handle_stop},
    {"POST", "/v1/cutover", handle_cutover}, {"POST", "/v1/rollback", handle_rollback},
    {"POST", "/v1/abort", handle_abort},     {"POST", "/v1/verify", handle_verify},
    {"POST", "/v1/repair", handle_repair},   {"POST", "/v1/tables", handle_tables},
};

ControlApi *control_api_start(const char *socket_path, const ControlOps *ops, Error *err)
{
    ControlApi *api = calloc(1, sizeof *api);
    ASSERT(api != NULL);
    api->ops = *ops;
    HttpServerSpec spec = {
        .socket_path = socket_path,
        .routes = ROUTES,
        .route_count = sizeof ROUTES / sizeof *ROUTES,
        .self = api,
    };
    api->server = http_server_start(&spec, err);
    if (api->server == NULL) {
        free(api);
        return NULL;
    }
    return api;
}

void control_api_stop(ControlApi *api)
{
    if (api == NULL)
        return;
    http_server_stop(api->server, DRAIN_US);
    free(api);
}

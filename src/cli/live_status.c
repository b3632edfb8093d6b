/* live_status - see the header. */
#include "cli/live_status.h"

#include <string.h>

#include "bascule/base/clock.h"
#include "cli/engine.h"
#include "cli/interrupt.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "ops/status_json.h"

#define ANSWER_TIMEOUT_US ((int64_t)15000000)
#define SETTLE_US         ((int64_t)10000000)
#define LOOK_US           ((int64_t)100000)

static bool from_tables(const Config *config, json_t **out_status, Error *err)
{
    Arena *arena = arena_new(0);
    StatusReport report;
    bool found = false;
    bool good = engine_status_offline(config, arena, &report, &found, err);
    if (good && !found) {
        good = ERR(err, ERR_WRONG_STATE, "no engine is running, and the target knows no task '%s'",
                   config_text(config, OPT_TASK));
        err_hint(
            err,
            "'bascule run' begins it; 'bascule config' shows which task and target are meant.");
    }
    if (good)
        *out_status = status_json(&report);
    arena_free(arena);
    return good;
}

bool live_status(const Config *config, json_t **out_status, bool *out_running, Error *err)
{
    ControlCall call = {.socket_path = config_text(config, OPT_CONTROL_SOCKET),
                        .method = "GET",
                        .path = "/v1/status",
                        .timeout_us = ANSWER_TIMEOUT_US};
    *out_running = control_call(&call, out_status, err);
    if (*out_running || err->cls != ERR_NOT_RUNNING)
        return *out_running;
    err_clear(err);
    return from_tables(config, out_status, err);
}

/* A switch has just ended well: the stream in the other direction is begun, or not measured yet. */
static bool is_turning(const json_t *status)
{
    const char *phase = json_get_text(status, "phase", "");
    bool back = strcmp(json_get_text(status, "direction", ""), "back") == 0;
    if (strcmp(phase, "cut-over") == 0 || strcmp(phase, "rolled-back") == 0)
        return true;
    if (back && strcmp(phase, "new") == 0)
        return true; /* the engine of that direction is just starting */
    return back && strcmp(phase, "reversing") == 0 &&
           (!json_is_string(json_get(status, "lsn.received")) ||
            !json_is_number(json_get(status, "lag.bytes")) ||
            !json_is_number(json_get(status, "lag.seconds")));
}

bool live_status_settled(const Config *config, json_t **out_status, bool *out_running, Error *err)
{
    int64_t until_us = clock_now_us() + SETTLE_US;
    for (;;) {
        if (!live_status(config, out_status, out_running, err))
            return false;
        if (!*out_running || !is_turning(*out_status) || clock_now_us() > until_us)
            return true;
        json_decref(*out_status);
        *out_status = NULL;
        if (stop_wait(interrupt_stop(), LOOK_US))
            return ERR(err, ERR_ABORTED, "interrupted before anything was done");
    }
}

/* live_status - see the header. */
#include "cli/live_status.h"

#include "cli/engine.h"
#include "net/control_client.h"
#include "ops/status_json.h"

#define ANSWER_TIMEOUT_US ((int64_t)15000000)

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

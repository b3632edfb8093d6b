/* cmd_abort - bascule abort: gives writes back to the source while the target is not open. */
#include <string.h>

#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/live_status.h"
#include "cli/out.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "task/task.h"

#define ANSWER_TIMEOUT_US ((int64_t)15000000)

static int say(const Config *config, const char *result, const char *text)
{
    if (config_flag(config, FLAG_JSON)) {
        json_t *answer =
            json_pack("{s:s, s:s}", "task", config_text(config, OPT_TASK), "result", result);
        out_json(answer);
        json_decref(answer);
    } else {
        out_printf("%s\n", text);
    }
    return 0;
}

/* By the two decision rows, without an engine's help. */
static int revoke(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Situation before = {0};
    bool good = task_open(config, stop, false, &task, err);
    if (good) {
        before = task_situation(task);
        good = task_revoke(task, err);
    }
    task_free(task);
    stop_free(stop);
    if (!good)
        return cli_failed(err);
    if (before.known && (before.back == DECISION_FENCED || before.back == DECISION_REVOKED))
        return say(config, "revoked",
                   "the rollback is taken back: the target takes writes again, the source stays "
                   "fenced");
    if (before.forward == DECISION_FENCED)
        return say(config, "revoked",
                   "the fence is taken back: the source takes writes again, the target stays "
                   "closed");
    return say(config, "nothing", "there was no fence: the source takes writes");
}

/* A fence that an earlier, killed process left is no cutover of the engine that runs now. */
static bool fence_left(const Config *config)
{
    json_t *status = NULL;
    bool running = false;
    Error ignored = ERROR_INIT;
    bool fenced = live_status(config, &status, &running, &ignored) &&
                  (strcmp(json_get_text(status, "cutover.decision", ""), "fenced") == 0 ||
                   strcmp(json_get_text(status, "rollback.decision", ""), "fenced") == 0);
    json_decref(status);
    return fenced;
}

static int run(const Config *config, Error *err)
{
    ControlCall call = {.socket_path = config_text(config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = "/v1/abort",
                        .timeout_us = ANSWER_TIMEOUT_US};
    if (control_call(&call, NULL, err))
        return say(config, "aborting",
                   "the engine aborts the cutover; 'bascule cutover' reports the end");
    if (err->cls == ERR_NOT_RUNNING || (err->cls == ERR_WRONG_STATE && fence_left(config))) {
        err_clear(err);
        return revoke(config, err);
    }
    return cli_failed(err);
}

const Command CMD_ABORT = {
    .name = "abort",
    .summary = "abort a cutover whose target is not open: writes go back to the source",
    .usage = "",
    .help = "While a cutover runs: the engine rolls the freeze back and goes on streaming. After a "
            "crash between\n"
            "the fence and the opening: takes the fence back on both sides; needs no engine. Once "
            "the target is\n"
            "open there is nothing to abort, and the command is refused.",
    .example = "bascule --config clinic.yaml abort",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 6},
    .run = run,
};

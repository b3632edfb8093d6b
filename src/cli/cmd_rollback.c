/* cmd_rollback - bascule rollback: gives the source its writes back, whatever the cutover has come to. */
#include <string.h>

#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/discard_client.h"
#include "cli/live_status.h"
#include "cli/out.h"
#include "cli/switch_client.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "task/task.h"

#define ANSWER_TIMEOUT_US ((int64_t)15000000)

static int say(const Config *config, const char *outcome, const char *text)
{
    if (config_flag(config, FLAG_JSON)) {
        json_t *event = json_pack("{s:s, s:i, s:n, s:{s:s, s:s}}", "event", "report", "exit", 0,
                                  "error", "report", "outcome", outcome, "direction", "back");
        out_json_line(event);
        json_decref(event);
    } else {
        out_printf("%s\n", text);
    }
    return 0;
}

/* Fenced, not open: nobody has written anywhere, taking the fence back is all. */
static int revoke(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    bool good = task_open(config, stop, false, &task, err) && task_revoke(task, err);
    task_free(task);
    stop_free(stop);
    return good ? say(config, "revoked", "the fence is taken back: the source takes writes again")
                : cli_failed(err);
}

/* Before the fence: the cutover that runs gives the writes back. */
static int abort_running(const Config *config, Error *err)
{
    ControlCall call = {.socket_path = config_text(config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = "/v1/abort",
                        .timeout_us = ANSWER_TIMEOUT_US};
    if (!control_call(&call, NULL, err))
        return cli_failed(err);
    return say(config, "aborting",
               "the engine aborts the cutover; 'bascule cutover' reports the end");
}

static int refuse(const json_t *status, Error *err)
{
    ERR(err, ERR_WRONG_STATE, "there is no way back: %s",
        json_get_text(status, "rollback.not_ready_because", "unknown"));
    err_hint(err, "What is written on the target is not known to the source. See "
                  "docs/operations/rollback.md for what can still be done.");
    return cli_failed(err);
}

static int by_state(const Config *config, const json_t *status, bool running, Error *err)
{
    const char *forward = json_get_text(status, "cutover.decision", "unknown");
    bool dry_run = config_flag(config, FLAG_DRY_RUN) || config_flag(config, FLAG_CHECK) ||
                   config_flag(config, FLAG_REHEARSE);
    if (strcmp(forward, "unknown") == 0) {
        ERR(err, ERR_UNDECIDED, "a side does not answer: its row is half of the decision");
        return cli_failed(err);
    }
    if (strcmp(json_get_text(status, "phase", ""), "cutting-over") == 0 && running && !dry_run)
        return abort_running(config, err);
    if (strcmp(forward, "fenced") == 0 || strcmp(forward, "revoked") == 0) {
        if (dry_run)
            return say(config, "dry-run", "the fence of a cutover would be taken back");
        return revoke(config, err);
    }
    bool half_done = strcmp(json_get_text(status, "rollback.decision", ""), "fenced") == 0 &&
                     strcmp(json_get_text(status, "phase", ""), "rolled-back") == 0;
    if (half_done ||
        (config_flag(config, FLAG_DISCARD_TARGET_WRITES) && strcmp(forward, "opened") == 0))
        return discard_client(config, err);
    if (strcmp(forward, "opened") != 0)
        return say(config, "already-done", "already done: the source is open, the target is not");
    const char *phase = json_get_text(status, "phase", "");
    if (strcmp(json_get_text(status, "direction", ""), "back") != 0 ||
        strcmp(phase, "completed") == 0)
        return refuse(status, err);
    return switch_client(config, true, running, err);
}

static int run(const Config *config, Error *err)
{
    json_t *status = NULL;
    bool running = false;
    if (!live_status_settled(config, &status, &running, err))
        return cli_failed(err);
    int code = by_state(config, status, running, err);
    json_decref(status);
    return code;
}

const Command CMD_ROLLBACK = {
    .name = "rollback",
    .summary = "go back to the source, with every write that was made on the target",
    .usage = "",
    .help =
        "Does what the state asks for. While a cutover runs: aborts it. Fenced and not open: "
        "takes the fence\n"
        "back. Once the target is open: a cutover in the other direction, with the same "
        "checks, freeze, comparison\n"
        "and report. The stream back brought everything that was written on the target, so "
        "nothing is lost;\n"
        "afterwards 'bascule cutover' can go forward again without copying anything.\n"
        "\n"
        "With --discard-target-writes the source opens with what has streamed back, and what has "
        "not is written to\n"
        "a file and left behind. --dry-run says how much that is; it asks for the target "
        "database's name and then\n"
        "for the number of transactions, or wants --confirm=HASH (--yes is refused). There is no "
        "way forward after\n"
        "it but a full load.\n"
        "\n"
        "Refused with the reason where nothing streams back. May be run again after any crash: "
        "it finishes what\n"
        "was decided, or says that it is done.",
    .example = "bascule --config clinic.yaml rollback --dry-run\n"
               "bascule -c clinic.yaml rollback --yes\n"
               "bascule -c clinic.yaml rollback --discard-target-writes --dry-run",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER,
    .own = USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_DRY_RUN) | FLAG_BIT(FLAG_CHECK) |
             FLAG_BIT(FLAG_CONFIRM) | FLAG_BIT(FLAG_REHEARSE) | FLAG_BIT(FLAG_AT) |
             FLAG_BIT(FLAG_TERMINATE_BLOCKERS) | FLAG_BIT(FLAG_DISCARD_TARGET_WRITES) |
             FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 4, 5, 6, 7},
    .run = run,
};

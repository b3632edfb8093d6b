/* cmd_stop - bascule stop: asks the engine to end, and waits until its process has. */
#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "net/control_client.h"

static int run(const Config *config, Error *err)
{
    const char *path = config_text(config, OPT_CONTROL_SOCKET);
    StopToken *stop = interrupt_stop();
    pid_t pid = 0;
    ControlCall call = {.socket_path = path, .method = "POST", .path = "/v1/stop", .stop = stop};
    if (!control_peer(path, &pid, err) || !control_call(&call, NULL, err) ||
        !control_wait_gone(path, pid, stop, err))
        return err->cls == ERR_STOPPED ? EXIT_ERROR : cli_failed(err);
    if (config_flag(config, FLAG_JSON)) {
        json_t *done = json_pack("{s:s, s:b}", "task", config_text(config, OPT_TASK), "stopped", 1);
        out_json(done);
        json_decref(done);
    } else {
        out_printf("task '%s' has stopped; 'bascule run' goes on where it was\n",
                   config_text(config, OPT_TASK));
    }
    return 0;
}

const Command CMD_STOP = {
    .name = "stop",
    .summary = "ask the running engine to stop, and wait until it has",
    .usage = "",
    .help = "The engine finishes the batch it is applying, tells the source what is safe, and "
            "ends. Nothing is\n"
            "lost: the slot keeps the changes, and 'bascule run' goes on where it was. Mind that "
            "the source keeps\n"
            "WAL for as long as nobody reads it ('bascule status' says how much).",
    .example = "bascule --config clinic.yaml stop",
    .uses = USE_TASK,
    .flags = FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3},
    .run = run,
};

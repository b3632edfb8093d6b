/* cmd_status - bascule status [--watch] [--json] */
#include <unistd.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/live_status.h"
#include "cli/out.h"
#include "ops/status_live.h"
#include "ops/status_text.h"

#define WATCH_US ((int64_t)1000000)

static void render(const json_t *status, bool all_tables, Buf *out)
{
    StatusTextStyle style = {.width = status_live_width(STDOUT_FILENO),
                             .max_tables = all_tables ? -1 : 0,
                             .color = status_live_color(STDOUT_FILENO)};
    status_text(status, &style, out);
}

static bool show_once(const Config *config, Error *err)
{
    json_t *status = NULL;
    bool running = false;
    if (!live_status(config, &status, &running, err))
        return false;
    if (config_flag(config, FLAG_JSON)) {
        out_json(status);
    } else {
        CLEANUP_BUF Buf text = BUF_INIT;
        render(status, !out_interactive(), &text);
        out_buf(&text);
    }
    json_decref(status);
    return true;
}

/* One look a second until the first interrupt: a screen that is drawn again, or a line of JSON
 * each. */
static bool watch(const Config *config, StatusLive *live, Error *err)
{
    StopToken *stop = interrupt_stop();
    bool good = true;
    do {
        json_t *status = NULL;
        bool running = false;
        good = live_status(config, &status, &running, err);
        if (good && live == NULL) {
            out_json_line(status);
        } else if (good) {
            CLEANUP_BUF Buf text = BUF_INIT;
            render(status, false, &text);
            status_live_draw(live, buf_str(&text));
        }
        json_decref(status);
    } while (good && !out_failed() && !stop_wait(stop, WATCH_US));
    return good;
}

static int run(const Config *config, Error *err)
{
    bool good;
    if (!config_flag(config, FLAG_WATCH)) {
        good = show_once(config, err);
    } else if (config_flag(config, FLAG_JSON)) {
        good = watch(config, NULL, err);
    } else {
        StatusLive *live = status_live_new(STDOUT_FILENO);
        if (live == NULL) {
            ERR(err, ERR_USAGE,
                "'--watch' needs a terminal, or '--json' for one line of JSON a second");
            return cli_failed(err);
        }
        good = watch(config, live, err);
        status_live_free(live, true);
    }
    return good ? 0 : cli_failed(err);
}

const Command CMD_STATUS = {
    .name = "status",
    .summary = "show where the task is: phase, lag, WAL kept, tables, ready for cutover or why not",
    .usage = "",
    .help = "Asks the running engine. Without one it reads the control tables on the target and "
            "the slot on the\n"
            "source, and says that the engine is stopped. What nobody has measured is 'unknown', "
            "never 0.",
    .example = "bascule --config clinic.yaml status\n"
               "bascule -c clinic.yaml status --watch\n"
               "bascule -c clinic.yaml status --json | jq .lag.seconds",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_WATCH),
    .exits = {1, 2, 3},
    .run = run,
};

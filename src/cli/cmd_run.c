/* run - owns the engine until it is stopped, done, or cut over. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/worker.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "ops/status_json.h"
#include "ops/status_live.h"
#include "ops/status_text.h"

#define STATUS_LINE_US 10000000
#define REDRAW_MS      500

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    /* Blocked before any thread exists, so that only this descriptor sees them. */
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void draw(Engine *engine, StatusLive *live)
{
    if (live == NULL)
        return;
    Arena *arena = arena_new(0);
    StatusReport report;
    CLEANUP_BUF Buf text = BUF_INIT;
    engine_status(engine, arena, &report);
    json_t *json = status_json(&report);
    StatusTextStyle style = {.width = status_live_width(STDERR_FILENO),
                             .color = status_live_color(STDERR_FILENO)};
    status_text_short(json, &style, &text);
    status_live_draw(live, buf_str(&text));
    json_decref(json);
    arena_free(arena);
}

/* The periodic line of a log without a terminal: what is going on, and why not more. */
static void status_line(Engine *engine)
{
    Arena *arena = arena_new(0);
    StatusReport r;
    char lag[64] = "unknown", bytes[32] = "unknown", changes[32] = "unknown";
    char tables[64] = "unknown";
    engine_status(engine, arena, &r);
    if (r.lag_us != PROGRESS_UNKNOWN)
        clock_format_duration(r.lag_us, lag, sizeof lag);
    if (r.lag_bytes != PROGRESS_UNKNOWN)
        snprintf(bytes, sizeof bytes, "%lld", (long long)r.lag_bytes);
    if (r.load_tables_total != PROGRESS_UNKNOWN)
        snprintf(tables, sizeof tables, "%lld/%lld", (long long)r.load_tables_done,
                 (long long)r.load_tables_total);
    if (r.changes != PROGRESS_UNKNOWN)
        snprintf(changes, sizeof changes, "%lld", (long long)r.changes);
    log_info("status phase=%s tables=%s lag_bytes=%s lag=%s changes=%s ready=%s%s%s", r.phase,
             tables, bytes, lag, changes, r.ready_for_cutover ? "yes" : "no",
             r.not_ready_because == NULL ? "" : " because=",
             r.not_ready_because == NULL ? "" : r.not_ready_because);
    arena_free(arena);
}

/* First signal: finish the batch and end. Second: end now; nothing is lost, the next run goes on.
 */
static void on_signal(int fd, StopToken *stop)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (stop_requested(stop))
            _exit(128 + (int)info.ssi_signo);
        log_info("signal received, stopping after the batch signal=%s",
                 strsignal((int)info.ssi_signo));
        stop_request(stop);
    }
}

static void wait_for_end(Engine *engine, StopToken *stop, int signals)
{
    StatusLive *live = status_live_new(STDERR_FILENO);
    int64_t next_line_us = clock_now_us() + STATUS_LINE_US;
    while (!engine_ended(engine)) {
        struct pollfd fd = {.fd = signals, .events = POLLIN};
        if (poll(&fd, 1, live != NULL ? REDRAW_MS : 200) > 0)
            on_signal(signals, stop);
        draw(engine, live);
        if (live == NULL && clock_now_us() >= next_line_us) {
            status_line(engine);
            next_line_us = clock_now_us() + STATUS_LINE_US;
        }
    }
    status_live_free(live, true);
}

/* While the engine starts: the target's backup may take hours. */
typedef struct Starting {
    int signals;
    StopToken *stop, *over;
} Starting;

static StepResult listen_step(void *self, Error *err)
{
    (void)err;
    Starting *starting = self;
    if (stop_poll(starting->over, starting->signals, POLLIN, CLOCK_NEVER) != 0)
        on_signal(starting->signals, starting->stop);
    return STEP_IDLE;
}

static bool start(const Config *config, StopToken *stop, int signals, Engine **out_engine,
                  Error *err)
{
    Starting starting = {.signals = signals, .stop = stop, .over = stop_new()};
    WorkerSpec spec = {.name = "signals", .self = &starting, .step = listen_step};
    Worker *listener = worker_start(&spec, starting.over, err);
    bool ok = listener != NULL &&
              engine_start(config, stop, config_flag(config, FLAG_UNTIL), out_engine, err);
    stop_request(starting.over);
    if (listener != NULL)
        worker_join(listener, NULL);
    stop_free(starting.over);
    return ok;
}

static int run(const Config *config, Error *err)
{
    Engine *engine = NULL;
    int signals = open_signals();
    StopToken *stop = stop_new();
    bool ok = start(config, stop, signals, &engine, err);
    int code = 0;
    if (ok) {
        wait_for_end(engine, stop, signals);
        ok = engine_finish(engine, err);
    }
    if (!ok && err->cls != ERR_STOPPED)
        code = cli_failed(err);
    else
        log_info("ended");
    stop_free(stop);
    close(signals);
    return code;
}

const Command CMD_RUN = {
    .name = "run",
    .summary = "load, follow and keep following, until stopped or cut over",
    .usage = "",
    .help = "Owns the engine of one task. The first time it prepares (locks, slot, snapshot), "
            "restores the schema,\n"
            "copies the tables, builds indexes and then applies changes as they are committed on "
            "the source. Run it\n"
            "again after a stop, a crash or a reboot: it goes on where it was. Nothing is asked, "
            "nothing is lost.\n"
            "Only with confirm: true (a profile named production) a new task wants the target "
            "database's name,\n"
            "typed on a terminal or as --confirm=NAME.\n"
            "\n"
            "SIGINT or SIGTERM (or 'bascule stop') finishes the batch and ends with 0; a second "
            "signal ends at once.\n"
            "The other commands talk to it through the control socket in work_dir.",
    .example = "bascule --config clinic.yaml run\n"
               "bascule -c clinic.yaml run --until caught-up",
    .uses = USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_UNTIL) | FLAG_BIT(FLAG_CONFIRM),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3},
    .run = run,
};

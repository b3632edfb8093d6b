/* cmd_cutover - bascule cutover: the client of the engine's cutover, live; without an engine it
 * starts one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/live_status.h"
#include "cli/out.h"
#include "config/endpoint.h"
#include "net/control_client.h"
#include "ops/control_api.h"
#include "ops/json_get.h"
#include "ops/report.h"
#include "ops/status_live.h"
#include "ops/status_text.h"

#define LOOK_US ((int64_t)200000)
/* After the stream has begun: how long to wait for a lag that is small enough, before the engine is
 * asked anyway and says what is wrong. */
#define READY_WAIT_US ((int64_t)60000000)

typedef struct Client {
    const Config *config;
    bool json;
    int step;
    json_t *last; /* the report event */
} Client;

/* Events ------------------------------------------------------------------------------------- */
static void on_line(void *arg, const json_t *line)
{
    Client *client = arg;
    if (client->json)
        out_json_line(line);
    if (strcmp(json_get_text(line, "event", ""), "report") == 0) {
        json_decref(client->last);
        client->last = json_deep_copy(line);
    } else if (!client->json) {
        CLEANUP_BUF Buf text = BUF_INIT;
        report_event_text(line, &client->step, &text);
        out_buf(&text);
    }
}

static bool on_stop(void *arg)
{
    Client *client = arg;
    Error ignored = ERROR_INIT;
    ControlCall call = {.socket_path = config_text(client->config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = "/v1/abort",
                        .timeout_us = 5000000};
    fputs("interrupted: the engine is asked to abort; interrupt again to leave without waiting\n",
          stderr);
    (void)!control_call(&call, NULL, &ignored);
    return true;
}

static int64_t asked(const Config *config, OptionId id, int64_t value)
{
    return config_set(config, id) ? value : CONTROL_API_DEFAULT;
}

static json_t *request_of(const Config *config)
{
    ControlCutoverRequest request = {
        .dry_run = config_flag(config, FLAG_DRY_RUN),
        .max_downtime_us = asked(config, OPT_CUTOVER_MAX_DOWNTIME,
                                 config_duration_us(config, OPT_CUTOVER_MAX_DOWNTIME)),
        .max_lag_us =
            asked(config, OPT_CUTOVER_MAX_LAG, config_duration_us(config, OPT_CUTOVER_MAX_LAG)),
        .max_lag_bytes = asked(config, OPT_CUTOVER_MAX_LAG_SIZE,
                               config_size_bytes(config, OPT_CUTOVER_MAX_LAG_SIZE)),
        .verify = config_set(config, OPT_CUTOVER_VERIFY) ? config_choice(config, OPT_CUTOVER_VERIFY)
                                                         : CONTROL_API_DEFAULT,
    };
    return control_cutover_request_json(&request);
}

/* The end ------------------------------------------------------------------------------------ */
/* Where an application connects to: not as whom we did. */
static const char *place_of(const PgEndpoint *endpoint, Arena *arena)
{
    const char *user = strstr(endpoint->shown, " user=");
    return user == NULL ? endpoint->shown
                        : arena_dup(arena, endpoint->shown, (size_t)(user - endpoint->shown));
}

static void print_verdict(const Client *client, const json_t *report)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    Arena *arena = arena_new(0);
    PgEndpoint target;
    Error ignored = ERROR_INIT;
    const char *outcome = json_get_text(report, "outcome", "");
    buf_putc(&text, '\n');
    report_text(report, status_live_width(STDOUT_FILENO), &text);
    if (strcmp(outcome, "cut-over") == 0 &&
        config_endpoint(client->config, false, &target, arena, &ignored))
        buf_printf(&text,
                   "\nThe application writes to %s now.\nWhen all is well: bascule cleanup\n",
                   place_of(&target, arena));
    out_buf(&text);
    arena_free(arena);
}

static int finish(Client *client, Error *err)
{
    const json_t *report = json_get(client->last, "report");
    const json_t *error = json_get(client->last, "error");
    if (!client->json && json_is_object(report))
        print_verdict(client, report);
    if (json_is_object(error))
        control_error_of(error, err);
    return (int)json_integer_value(json_get(client->last, "exit"));
}

static int lost(Client *client, Error *err)
{
    if (err->cls != ERR_CONN_LOST || config_flag(client->config, FLAG_DRY_RUN))
        return cli_failed(err);
    err->cls = ERR_UNDECIDED;
    err_context(err, "the outcome is not known here");
    err_hint(err, "Run 'bascule cutover' again: it finds out what was decided and finishes it. "
                  "'bascule status' only "
                  "looks.");
    return cli_failed(err);
}

static int ask_engine(const Config *config, Error *err)
{
    Client client = {.config = config, .json = config_flag(config, FLAG_JSON)};
    json_t *request = request_of(config);
    ControlCall call = {.socket_path = config_text(config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = "/v1/cutover",
                        .body = request,
                        .stop = interrupt_stop(),
                        .on_stop = on_stop,
                        .on_line = on_line,
                        .arg = &client};
    bool good = control_call(&call, NULL, err);
    json_decref(request);
    if (good && client.last == NULL)
        good = ERR(err, ERR_CONN_LOST, "the engine ended its answer without a report");
    int code = good ? finish(&client, err) : lost(&client, err);
    json_decref(client.last);
    return code;
}

/* Without an engine --------------------------------------------------------------------------- */
/* What the tables say must allow a cutover before a whole engine is started for it. */
static bool check_begun(const json_t *status, Error *err)
{
    static const char *const FAR[] = {"catching-up", "streaming", "cutting-over"};
    const char *phase = json_get_text(status, "phase", "unknown");
    if (strcmp(json_get_text(status, "cutover.decision", ""), "fenced") == 0)
        return true;
    for (size_t i = 0; i < sizeof FAR / sizeof *FAR; i++)
        if (strcmp(phase, FAR[i]) == 0)
            return true;
    ERR(err, ERR_WRONG_STATE, "the task is %s: there is nothing to cut over yet", phase);
    return err_hint(err,
                    "'bascule run' loads and catches up; 'bascule status' tells when it is ready.");
}

static void draw(const json_t *status, StatusLive *live)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    StatusTextStyle style = {.width = status_live_width(STDERR_FILENO),
                             .color = status_live_color(STDERR_FILENO)};
    status_text_short(status, &style, &text);
    status_live_draw(live, buf_str(&text));
}

/* Until the stream runs and a cutover would be taken, or the engine has ended; STOPPED on
 * interrupt. */
static bool wait_ready(const Config *config, const Engine *engine, StatusLive *live, Error *err)
{
    StopToken *stop = interrupt_stop();
    int64_t give_up_us = CLOCK_NEVER;
    while (!engine_ended(engine)) {
        json_t *status = NULL;
        bool running = false;
        if (!live_status(config, &status, &running, err))
            return false;
        bool streaming = strcmp(json_get_text(status, "phase", ""), "streaming") == 0;
        bool fenced = strcmp(json_get_text(status, "cutover.decision", ""), "fenced") == 0;
        bool ready = streaming && (fenced || json_get_true(status, "ready_for_cutover"));
        draw(status, live);
        json_decref(status);
        if (streaming && give_up_us == CLOCK_NEVER)
            give_up_us = clock_now_us() + READY_WAIT_US;
        if (ready || clock_now_us() > give_up_us)
            return true;
        if (stop_wait(stop, LOOK_US))
            return ERR(err, ERR_ABORTED, "interrupted before anything was frozen");
    }
    return true;
}

static int with_own_engine(const Config *config, Error *err)
{
    Engine *engine = NULL;
    StopToken *engine_stop = stop_new();
    int code = 0;
    /* the checklist tells the same; what the operator asked for stays */
    if (!config_set(config, OPT_LOG_LEVEL))
        log_init(LOG_WARN, strcmp(config_text(config, OPT_LOG_FORMAT), "json") == 0);
    if (!engine_start(config, engine_stop, false, &engine, err)) {
        code = cli_failed(err);
    } else {
        StatusLive *live = status_live_new(STDERR_FILENO);
        Error end = ERROR_INIT;
        bool good = wait_ready(config, engine, live, err);
        status_live_free(live, false);
        bool ended = engine_ended(engine);
        if (good && !ended)
            code = ask_engine(config, err);
        else if (!good)
            code = cli_failed(err);
        /* an engine whose target is open ends by itself */
        if (code != 0)
            stop_request(engine_stop);
        if (!engine_finish(engine, &end) && end.cls != ERR_STOPPED && code == 0) {
            *err = end;
            code = cli_failed(err);
        }
    }
    stop_free(engine_stop);
    return code;
}

/* Consent -------------------------------------------------------------------------------------- */
static bool agreed(const Config *config, Error *err)
{
    if (config_flag(config, FLAG_YES) || config_flag(config, FLAG_DRY_RUN))
        return true;
    if (!out_interactive() || config_flag(config, FLAG_JSON)) {
        ERR(err, ERR_USAGE, "nothing was done: cutover needs '--yes' where it cannot ask");
        return err_hint(err, "Say --yes, or --dry-run to see what would happen.");
    }
    Arena *arena = arena_new(0);
    PgEndpoint source, target;
    bool good = config_endpoint(config, true, &source, arena, err) &&
                config_endpoint(config, false, &target, arena, err);
    if (good) {
        const char *name = config_database(config, true, arena);
        out_printf("Writes move from  %s\n              to  %s\n", source.shown, target.shown);
        const char *question =
            arena_printf(arena, "Type the source database's name (%s) to cut over: ", name);
        good =
            out_confirm(question, name) || ERR(err, ERR_ABORTED, "not confirmed, nothing was done");
    }
    arena_free(arena);
    return good;
}

static int already_done(const Config *config, const json_t *status)
{
    if (config_flag(config, FLAG_JSON)) {
        json_t *event = json_pack("{s:s, s:i, s:n, s:{s:s, s:O}}", "event", "report", "exit", 0,
                                  "error", "report", "outcome", "already-done", "epoch",
                                  json_get(status, "cutover.epoch"));
        out_json_line(event);
        json_decref(event);
    } else {
        out_printf("already done: the target is open, the source refuses writes\n");
    }
    return 0;
}

static int run(const Config *config, Error *err)
{
    json_t *status = NULL;
    bool running = false;
    int code;
    if (!live_status(config, &status, &running, err))
        return cli_failed(err);
    if (strcmp(json_get_text(status, "cutover.decision", ""), "opened") == 0) {
        code = already_done(config, status);
    } else if (!running && config_flag(config, FLAG_DRY_RUN)) {
        ERR(err, ERR_NOT_RUNNING, "a dry run asks the running engine, and none is running");
        code = cli_failed(err);
    } else if ((!running && !check_begun(status, err)) || !agreed(config, err)) {
        code = cli_failed(err);
    } else {
        code = running ? ask_engine(config, err) : with_own_engine(config, err);
    }
    json_decref(status);
    return code;
}

const Command CMD_CUTOVER = {
    .name = "cutover",
    .summary = "switch over: freeze, drain, set sequences, compare, open the target",
    .usage = "",
    .help = "Freezes writes on the source, waits until every change is on the target, sets the "
            "sequences, compares\n"
            "all tables, fences the source and opens the target; prints each step as it ends and a "
            "report with the\n"
            "downtime. Anything that goes wrong before the target is open gives the writes back to "
            "the source.\n"
            "Refused while the lag is above --max-lag. When --max-downtime runs out, writes are "
            "given back (exit 7).\n"
            "\n"
            "Uses the running engine, or starts one when the task is stopped. May be run again "
            "after any crash: it\n"
            "finishes what was decided, or says that it is done. The first interrupt (Ctrl-C) asks "
            "to abort.",
    .example = "bascule --config clinic.yaml cutover --dry-run\n"
               "bascule -c clinic.yaml cutover --max-downtime 5s\n"
               "bascule -c clinic.yaml cutover --yes --json",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER,
    .own = USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_DRY_RUN) | FLAG_BIT(FLAG_JSON),
    .exits = {1, 2, 3, 4, 6, 7},
    .run = run,
};

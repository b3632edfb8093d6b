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
#include "cli/switch_client.h"
#include "cli/when.h"
#include "config/endpoint.h"
#include "net/control_client.h"
#include "ops/control_api.h"
#include "ops/json_get.h"
#include "ops/report.h"
#include "ops/report_checks.h"
#include "ops/status_live.h"
#include "ops/status_text.h"

#define LOOK_US ((int64_t)200000)
/* After the stream has begun: how long to wait for a lag that is small enough, before the engine is
 * asked anyway and says what is wrong. */
#define READY_WAIT_US ((int64_t)60000000)

typedef struct Client {
    const Config *config;
    bool json;
    bool own_engine;
    bool quiet; /* steps are not printed: only the end counts */
    int step;
    json_t *last; /* the report event */
} Client;

/* What this call asks for, beyond the configuration. */
typedef struct Wish {
    bool back; /* a rollback */
    bool dry_run, check;
    bool rehearse;
    const char *confirm; /* "" any plan */
    int64_t at_wall_us;  /* 0: now */
} Wish;

/* Events ------------------------------------------------------------------------------------- */
/* What goes back, as this operator would type it; null where nothing does. */
static json_t *rollback_command(const Client *client, const json_t *report)
{
    const char *path = config_path(client->config);
    bool back = strcmp(json_get_text(report, "direction", ""), "back") == 0;
    if (back || !json_get_true(report, "way_back.armed"))
        return json_null();
    return json_sprintf("bascule%s%s rollback", path != NULL ? " --config " : "",
                        path != NULL ? path : "");
}

static void on_line(void *arg, const json_t *line)
{
    Client *client = arg;
    bool last = strcmp(json_get_text(line, "event", ""), "report") == 0;
    if (last) {
        json_decref(client->last);
        client->last = json_deep_copy(line);
        json_t *report = json_object_get(client->last, "report");
        if (json_is_object(report))
            json_object_set_new(report, "rollback_command", rollback_command(client, report));
    }
    if (client->json) {
        out_json_line(last ? client->last : line);
    } else if (last) {
        return;
    } else if (!client->quiet) {
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

static json_t *request_of(const Config *config, const Wish *wish)
{
    ControlCutoverRequest request = {
        .dry_run = wish->dry_run,
        .rehearse = wish->rehearse,
        .terminate_blockers = config_flag(config, FLAG_TERMINATE_BLOCKERS),
        .at_wall_us = wish->at_wall_us,
        .at_window_us = config_duration_us(config, OPT_CUTOVER_AT_WINDOW),
        .max_downtime_us = asked(config, OPT_CUTOVER_MAX_DOWNTIME,
                                 config_duration_us(config, OPT_CUTOVER_MAX_DOWNTIME)),
        .max_lag_us =
            asked(config, OPT_CUTOVER_MAX_LAG, config_duration_us(config, OPT_CUTOVER_MAX_LAG)),
        .max_lag_bytes = asked(config, OPT_CUTOVER_MAX_LAG_SIZE,
                               config_size_bytes(config, OPT_CUTOVER_MAX_LAG_SIZE)),
        .verify = config_set(config, OPT_CUTOVER_VERIFY) ? config_choice(config, OPT_CUTOVER_VERIFY)
                                                         : CONTROL_API_DEFAULT,
    };
    snprintf(request.confirm, sizeof request.confirm, "%s", wish->confirm);
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

/* What the operator may type next. */
static void put_next(const Client *client, bool back, const json_t *report, Buf *out)
{
    const char *path = config_path(client->config);
    const char *given = path != NULL ? " --config " : "", *file = path != NULL ? path : "";
    bool armed = json_get_true(report, "way_back.armed");
    if (armed && client->own_engine)
        buf_printf(out,
                   "The engine of this command ends now. Keep 'bascule%s%s run' up: it streams "
                   "the other way.\n",
                   given, file);
    if (back && armed)
        buf_printf(out, "To go there again:  bascule%s%s cutover\n", given, file);
    else if (back)
        buf_printf(out,
                   "Nothing streams forward any more. To move again, by a full load that replaces "
                   "the target's rows:\n"
                   "  bascule%s%s cleanup --yes\n  bascule%s%s run --target-prepare truncate\n",
                   given, file, given, file);
    else if (armed)
        buf_printf(out,
                   "When no way back is needed any more:   bascule%s%s complete\n"
                   "To go back with every write:           bascule%s%s rollback\n",
                   given, file, given, file);
    else
        buf_printf(out, "There is no way back (%s).\nWhen all is well: bascule%s%s cleanup\n",
                   json_get_text(report, "way_back.why_not", "unknown"), given, file);
}

static void print_verdict(const Client *client, bool back, const json_t *report)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    Arena *arena = arena_new(0);
    PgEndpoint now;
    Error ignored = ERROR_INIT;
    const char *outcome = json_get_text(report, "outcome", "");
    buf_putc(&text, '\n');
    report_text(report, status_live_width(STDOUT_FILENO), &text);
    bool switched = strcmp(outcome, "cut-over") == 0 || strcmp(outcome, "rolled-back") == 0;
    if (switched && config_endpoint(client->config, back, &now, arena, &ignored)) {
        buf_printf(&text, "\nThe application writes to %s now.\n", place_of(&now, arena));
        put_next(client, back, report, &text);
    }
    out_buf(&text);
    arena_free(arena);
}

static void print_checks(const json_t *report)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    report_checks_text(report, status_live_width(STDOUT_FILENO), status_live_color(STDOUT_FILENO),
                       &text);
    out_buf(&text);
}

static int finish(Client *client, const Wish *wish, Error *err)
{
    const json_t *report = json_get(client->last, "report");
    const json_t *error = json_get(client->last, "error");
    int code = (int)json_integer_value(json_get(client->last, "exit"));
    if (!client->json && wish->check && json_get(report, "checks") != NULL)
        print_checks(report);
    else if (!client->json && json_is_object(report))
        print_verdict(client, wish->back, report);
    if (json_is_object(error))
        control_error_of(error, err);
    return code == 0 && wish->check && report_checks_count(report, "warning") > 0 ? EXIT_WARNINGS
                                                                                  : code;
}

static int lost(const Wish *wish, Error *err)
{
    if (err->cls != ERR_CONN_LOST || wish->dry_run)
        return cli_failed(err);
    err->cls = ERR_UNDECIDED;
    err_context(err, "the outcome is not known here");
    err_hint(err,
             "Run 'bascule %s' again: it finds out what was decided and finishes it. 'bascule "
             "status' only looks.",
             wish->back ? "rollback" : "cutover");
    return cli_failed(err);
}

/* Asks the engine; the caller owns client->last. */
static bool call_engine(Client *client, const Wish *wish, Error *err)
{
    json_t *request = request_of(client->config, wish);
    ControlCall call = {.socket_path = config_text(client->config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = wish->back ? "/v1/rollback" : "/v1/cutover",
                        .body = request,
                        .stop = interrupt_stop(),
                        .on_stop = on_stop,
                        .on_line = on_line,
                        .arg = client};
    bool good = control_call(&call, NULL, err);
    json_decref(request);
    if (good && client->last == NULL)
        good = ERR(err, ERR_CONN_LOST, "the engine ended its answer without a report");
    return good;
}

static int ask_engine(const Config *config, const Wish *wish, bool own, Error *err)
{
    Client client = {.config = config,
                     .own_engine = own,
                     .json = config_flag(config, FLAG_JSON),
                     .quiet = wish->check};
    bool good = call_engine(&client, wish, err);
    int code = good ? finish(&client, wish, err) : lost(wish, err);
    json_decref(client.last);
    return code;
}

static void on_own_event(void *arg, const CutoverEvent *event)
{
    json_t *line = report_event_json(event);
    on_line(arg, line);
    json_decref(line);
}

int switch_in_process(const Config *config, bool back, bool dry_run, SwitchRun run, void *arg,
                      Error *err)
{
    Client client = {.config = config, .json = config_flag(config, FLAG_JSON)};
    Wish wish = {.back = back, .dry_run = dry_run};
    Arena *arena = arena_new(0);
    CutoverReport report = {0};
    bool good = run(arg, on_own_event, &client, arena, &report, err);
    json_t *last = report_final_json(&report, good ? NULL : err);
    on_line(&client, last);
    json_decref(last);
    int code = finish(&client, &wish, err);
    json_decref(client.last);
    arena_free(arena);
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
static bool is_ready(const json_t *status, bool back, bool *out_streaming)
{
    const char *phase = json_get_text(status, "phase", "");
    const char *decision =
        json_get_text(status, back ? "rollback.decision" : "cutover.decision", "");
    *out_streaming = strcmp(phase, back ? "reversing" : "streaming") == 0;
    return *out_streaming && (strcmp(decision, "fenced") == 0 ||
                              json_get_true(status, back ? "rollback.ready" : "ready_for_cutover"));
}

static bool wait_ready(const Config *config, const Engine *engine, bool back, StatusLive *live,
                       Error *err)
{
    StopToken *stop = interrupt_stop();
    int64_t give_up_us = CLOCK_NEVER;
    while (!engine_ended(engine)) {
        json_t *status = NULL;
        bool running = false;
        if (!live_status(config, &status, &running, err))
            return false;
        bool streaming = false, ready = is_ready(status, back, &streaming);
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

static int with_own_engine(const Config *config, const Wish *wish, Error *err)
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
        bool good = wait_ready(config, engine, wish->back, live, err);
        status_live_free(live, false);
        bool ended = engine_ended(engine);
        if (good && !ended)
            code = ask_engine(config, wish, true, err);
        else if (!good)
            code = cli_failed(err);
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
/* The plan of a dry run, shown; its hash is what the answer then stands for. false: *err, or (ERR_NONE)
 * the report was a refusal that is printed already. */
static bool show_plan(const Config *config, bool back, char hash[32], int *out_code, Error *err)
{
    Client client = {.config = config};
    Wish look = {.back = back, .dry_run = true, .confirm = ""};
    bool good = call_engine(&client, &look, err);
    if (good) {
        const char *made = json_get_text(client.last, "report.plan_hash", "");
        *out_code = (int)json_integer_value(json_get(client.last, "exit"));
        snprintf(hash, 32, "%s", made);
        if (json_is_object(json_get(client.last, "error")))
            good = control_error_of(json_get(client.last, "error"), err);
    } else {
        *out_code = cli_failed(err);
    }
    json_decref(client.last);
    return good;
}

static bool ask_person(const Config *config, bool back, Error *err)
{
    Arena *arena = arena_new(0);
    PgEndpoint source, target;
    bool good = config_endpoint(config, true, &source, arena, err) &&
                config_endpoint(config, false, &target, arena, err);
    if (good) {
        const char *name = config_database(config, !back, arena);
        out_printf("Writes move from  %s\n              to  %s\n",
                   back ? target.shown : source.shown, back ? source.shown : target.shown);
        const char *question = arena_printf(
            arena, "Type the %s database's name (%s) to %s: ", back ? "target" : "source", name,
            back ? "roll back" : "cut over");
        good =
            out_confirm(question, name) || ERR(err, ERR_ABORTED, "not confirmed, nothing was done");
    }
    arena_free(arena);
    return good;
}

/* --yes, --confirm, or a person who has seen the plan. *out_code counts when false. */
static bool agreed(const Config *config, bool running, Wish *wish, char hash[32], int *out_code,
                   Error *err)
{
    *out_code = 0;
    if (wish->dry_run || config_flag(config, FLAG_YES) || wish->confirm[0] != '\0')
        return true;
    if (!out_interactive() || config_flag(config, FLAG_JSON)) {
        ERR(err, ERR_USAGE,
            "nothing was done: %s needs '--yes' or '--confirm=HASH' where it cannot ask",
            wish->back ? "rollback" : "cutover");
        err_hint(err, "Run it with --dry-run to see the plan and its hash.");
        *out_code = cli_failed(err);
        return false;
    }
    if (running) {
        if (!show_plan(config, wish->back, hash, out_code, err))
            return false;
        wish->confirm = hash;
    }
    if (ask_person(config, wish->back, err))
        return true;
    *out_code = cli_failed(err);
    return false;
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

static bool read_wish(const Config *config, Wish *out, Error *err)
{
    const char *confirm = config_flag_text(config, FLAG_CONFIRM);
    const char *at = config_flag_text(config, FLAG_AT);
    *out = (Wish){
        .check = config_flag(config, FLAG_CHECK),
        .dry_run = config_flag(config, FLAG_DRY_RUN) || config_flag(config, FLAG_CHECK),
        .rehearse = config_flag(config, FLAG_REHEARSE),
        .confirm = confirm == NULL ? "" : confirm,
    };
    if (out->dry_run && out->rehearse)
        return ERR(err, ERR_USAGE,
                   "'--rehearse' freezes writes for a moment, '--dry-run' and "
                   "'--check' do not: choose one");
    if (at != NULL && out->dry_run)
        return ERR(err, ERR_USAGE, "'--at' waits, '--dry-run' and '--check' look now: choose one");
    if (at != NULL && !when_parse(at, clock_wall_us(), &out->at_wall_us, err))
        return err_context(err, "--at");
    if (strlen(out->confirm) > 31 || (confirm != NULL && confirm[0] == '\0'))
        return ERR(err, ERR_USAGE, "'--confirm' takes the hash that the dry run printed");
    return true;
}

int switch_client(const Config *config, bool back, bool running, Error *err)
{
    char hash[32] = "";
    int code;
    Wish wish;
    if (!read_wish(config, &wish, err))
        return cli_failed(err);
    wish.back = back;
    if (!running && wish.dry_run) {
        ERR(err, ERR_NOT_RUNNING, "a dry run asks the running engine, and none is running");
        return cli_failed(err);
    }
    if (!agreed(config, running, &wish, hash, &code, err))
        return code;
    return running ? ask_engine(config, &wish, false, err) : with_own_engine(config, &wish, err);
}

static int run(const Config *config, Error *err)
{
    json_t *status = NULL;
    bool running = false;
    int code;
    if (!live_status_settled(config, &status, &running, err))
        return cli_failed(err);
    if (strcmp(json_get_text(status, "rollback.decision", ""), "fenced") == 0) {
        ERR(err, ERR_WRONG_STATE, "a rollback stopped between fence and opening");
        err_hint(err, "'bascule rollback' finishes it, 'bascule abort' gives writes back to the "
                      "target.");
        code = cli_failed(err);
    } else if (strcmp(json_get_text(status, "cutover.decision", ""), "opened") == 0) {
        code = already_done(config, status);
    } else if (running || check_begun(status, err)) {
        code = switch_client(config, false, running, err);
    } else {
        code = cli_failed(err);
    }
    json_decref(status);
    return code;
}

const Command CMD_CUTOVER = {
    .name = "cutover",
    .summary = "switch over: freeze, drain, set sequences, compare, open the target",
    .usage = "",
    .help =
        "Freezes writes on the source, waits until every change is on the target, sets the\n"
        "sequences, compares all tables, fences the source and opens the target; prints each step\n"
        "as it ends and a report with the downtime. Anything that goes wrong before the target is\n"
        "open gives the writes back to the source. Refused while the lag is above --max-lag.\n"
        "When --max-downtime runs out, writes are given back (exit 7).\n"
        "\n"
        "With --check it prints every check with what it found (exit 5: warnings, 3: blockers);\n"
        "with --dry-run also what would happen, how long writes would wait, and the plan's hash.\n"
        "With --confirm=HASH it runs that plan and is refused, with what has changed, when it is\n"
        "another one by now.\n"
        "\n"
        "With --rehearse it freezes, drains, sets sequences, compares and prepares the opening,\n"
        "then gives the writes back: real figures for a short pause. With --at it waits for the\n"
        "time and then until nothing stands in the way, at most as long as --within says; the\n"
        "engine must stay up. With --terminate-blockers sessions that keep the tables from being\n"
        "locked are ended, after cutover.terminate_after attempts.\n"
        "\n"
        "Uses the running engine, or starts one when the task is stopped. May be run again after\n"
        "any crash: it finishes what was decided, or says that it is done. The first interrupt\n"
        "(Ctrl-C) asks to abort.",
    .example = "bascule --config clinic.yaml cutover --check\n"
               "bascule -c clinic.yaml cutover --dry-run\n"
               "bascule -c clinic.yaml cutover --rehearse --yes\n"
               "bascule -c clinic.yaml cutover --at 02:00 --within 30min --yes\n"
               "bascule -c clinic.yaml cutover --confirm=1f0c9d3a5b7e2468\n"
               "bascule -c clinic.yaml cutover --max-downtime 5s\n"
               "bascule -c clinic.yaml cutover --yes --json",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE | USE_CUTOVER,
    .own = USE_CUTOVER,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_DRY_RUN) | FLAG_BIT(FLAG_CHECK) |
             FLAG_BIT(FLAG_CONFIRM) | FLAG_BIT(FLAG_REHEARSE) | FLAG_BIT(FLAG_AT) |
             FLAG_BIT(FLAG_TERMINATE_BLOCKERS) | FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT_FIRST,
    .exits = {1, 2, 3, 4, 5, 6, 7},
    .run = run,
};

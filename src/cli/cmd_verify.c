/* cmd_verify - bascule verify: the client of the engine's verification; without an engine it
 * compares by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/report_client.h"
#include "cli/table_list.h"
#include "cli/when.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "ops/status_live.h"
#include "ops/verify_report.h"
#include "ops/verify_request.h"
#include "source/catalog.h"

/* What is asked --------------------------------------------------------------------------------- */

static bool read_since(const Config *config, TaskVerify *out, Error *err)
{
    const char *text = config_flag_text(config, FLAG_SINCE);
    out->since_column = config_flag_text(config, FLAG_SINCE_COLUMN);
    if (text == NULL)
        return out->since_column == NULL || ERR(err, ERR_USAGE, "'--since-column' needs '--since'");
    if (option_parse_duration(text, &out->since_us) && out->since_us >= 1000000)
        return true;
    out->since_us = 0;
    return when_parse_past(text, clock_wall_us(), &out->since_at_us, err) ||
           err_context(err, "--since");
}

static bool read_spots(const Config *config, TaskVerify *out, Error *err)
{
    const char *text = config_flag_text(config, FLAG_SPOT_CHECK);
    char *end = NULL;
    if (text == NULL)
        return true;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > 10000)
        return ERR(err, ERR_USAGE, "'--spot-check %s': a number from 1 to 10000 is needed", text);
    out->spot_rows = (int)n;
    return true;
}

static bool read_request(const Config *config, Arena *arena, TaskVerify *out, Error *err)
{
    bool counts = config_flag(config, FLAG_COUNTS), orphans = config_flag(config, FLAG_ORPHANS);
    bool spots = config_flag_text(config, FLAG_SPOT_CHECK) != NULL;
    bool since = config_flag_text(config, FLAG_SINCE) != NULL;
    const char *tables = config_flag_text(config, FLAG_TABLES);
    *out = (TaskVerify){.jobs = config_i64(config, OPT_VERIFY_JOBS),
                        .max_rate_bytes = config_size_bytes(config, OPT_VERIFY_MAX_RATE),
                        .max_snapshot_us = config_duration_us(config, OPT_VERIFY_MAX_SNAPSHOT_AGE),
                        .hold_us = config_duration_us(config, OPT_VERIFY_MAX_HOLD),
                        .show_values = config_flag(config, FLAG_SHOW_VALUES),
                        .mask_keys = config_flag(config, FLAG_MASK_KEYS),
                        .restart = config_flag(config, FLAG_RESTART)};
    if (counts + orphans + spots + (since && !counts) > 1)
        return ERR(err, ERR_USAGE,
                   "'--counts', '--spot-check', '--orphans' and '--since' exclude each other "
                   "('--counts --since' counts new rows)");
    out->what = counts    ? VERIFY_COUNTS
                : spots   ? VERIFY_SPOT
                : orphans ? VERIFY_ORPHANS
                          : VERIFY_ROWS;
    if (orphans)
        out->references = config_list(config, OPT_VERIFY_REFERENCES, &out->reference_count);
    if (tables != NULL)
        out->tables = table_patterns(tables, arena, &out->table_count);
    return read_since(config, out, err) && read_spots(config, out, err);
}

/* What is told ---------------------------------------------------------------------------------- */

static int finish(const ReportClient *client, Error *err)
{
    const json_t *report = json_get(client->last, "report");
    if (client->json) {
        out_json(client->last);
    } else if (json_is_object(report) && json_array_size(json_get(report, "tables")) > 0) {
        CLEANUP_BUF Buf text = BUF_INIT;
        verify_report_text(report, status_live_width(STDOUT_FILENO), &text);
        out_buf(&text);
    }
    return report_client_exit(client, err);
}

/* With and without an engine ---------------------------------------------------------------------- */

static void on_progress(void *arg, const VerifyProgress *progress)
{
    json_t *line = verify_progress_json(progress);
    report_client_progress(arg, line);
    json_decref(line);
}

static int alone(ReportClient *client, TaskVerify *options, Arena *arena, Error *err)
{
    Task *task = NULL;
    Relations *rels = NULL;
    VerifyReport report = {0};
    options->stop = interrupt_stop();
    options->on_progress = on_progress;
    options->progress_arg = client;
    if (!task_open(client->config, interrupt_stop(), false, &task, err))
        return cli_failed(err);
    bool good = task_verify_offline(task, options, arena, &report, &rels, err);
    report_client_hide(client);
    int code;
    if (good || report.table_count > 0) {
        client->last = verify_final_json(&report, good ? NULL : err);
        code = finish(client, err);
    } else {
        code = cli_failed(err);
    }
    relations_free(rels);
    task_free(task);
    return code;
}

static int run(const Config *config, Error *err)
{
    ReportClient client = report_client(config);
    Arena *arena = arena_new(0);
    TaskVerify options;
    pid_t pid = 0;
    int code;
    if (!read_request(config, arena, &options, err)) {
        code = cli_failed(err);
    } else if (control_peer(config_text(config, OPT_CONTROL_SOCKET), &pid, err)) {
        report_client_show(&client);
        code = report_client_ask(&client, "/v1/verify", verify_request_json(&options),
                                 "Run 'bascule verify' again: it goes on where it was.", err)
                   ? finish(&client, err)
                   : cli_failed(err);
    } else if (err->cls == ERR_NOT_RUNNING) {
        err_clear(err);
        report_client_show(&client);
        code = alone(&client, &options, arena, err);
    } else {
        code = cli_failed(err);
    }
    report_client_done(&client);
    arena_free(arena);
    return code;
}

const Command CMD_VERIFY = {
    .name = "verify",
    .summary = "compare both sides row by row while writes flow, and name every difference",
    .usage = "",
    .help =
        "With the engine running both sides are read at one and the same position of the source: "
        "the applier stands\n"
        "still for a moment while two snapshots are taken, then goes on. Every table gets a "
        "verdict: proven,\n"
        "contained (the target has rows of its own beside, which a rule keeps), mismatch (with "
        "table, key, columns\n"
        "and both values, masked unless --show-values), or not verified with the reason. "
        "Differences are kept in\n"
        "bascule.failures on the target. An interrupted run goes on where it was.\n"
        "Without an engine the sides are read one after the other: what is equal is equal, but a "
        "difference proves\n"
        "nothing then and is 'not verified'.\n"
        "Exit 0: equal. 4: different. 6: could not be told.",
    .example =
        "bascule --config clinic.yaml verify\n"
        "bascule -c clinic.yaml verify --tables 'public.orders,public.order_%' --show-values\n"
        "bascule -c clinic.yaml verify --since 1d --max-rate 20MB\n"
        "bascule -c clinic.yaml verify --since '2026-01-31 02:00'\n"
        "bascule -c clinic.yaml verify --spot-check 20\n"
        "bascule -c clinic.yaml verify --json | jq '.report.tables[] | {table, verdict}'",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_VERIFY,
    .own = USE_VERIFY,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_TABLES) | FLAG_BIT(FLAG_COUNTS) |
             FLAG_BIT(FLAG_SPOT_CHECK) | FLAG_BIT(FLAG_ORPHANS) | FLAG_BIT(FLAG_SINCE) |
             FLAG_BIT(FLAG_SINCE_COLUMN) | FLAG_BIT(FLAG_SHOW_VALUES) | FLAG_BIT(FLAG_MASK_KEYS) |
             FLAG_BIT(FLAG_RESTART),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 4, 6},
    .run = run,
};

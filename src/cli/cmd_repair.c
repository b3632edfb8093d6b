/* cmd_repair - bascule repair: the client of the engine's repair. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/out.h"
#include "cli/report_client.h"
#include "cli/table_list.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "ops/repair_report.h"
#include "ops/repair_request.h"

static bool read_rows(const Config *config, TaskRepair *out, Error *err)
{
    const char *text = config_flag_text(config, FLAG_MAX_ROWS);
    char *end = NULL;
    out->max_rows = REPAIR_ROWS_DEFAULT;
    if (text == NULL)
        return true;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > REPAIR_ROWS_MOST)
        return ERR(err, ERR_USAGE, "'--max-rows %s': a number from 1 to %d is needed", text,
                   REPAIR_ROWS_MOST);
    out->max_rows = n;
    return true;
}

static bool read_request(const Config *config, Arena *arena, TaskRepair *out, Error *err)
{
    bool plan = config_flag(config, FLAG_PLAN) || config_flag(config, FLAG_DRY_RUN);
    const char *tables = config_flag_text(config, FLAG_TABLES);
    *out = (TaskRepair){.apply = config_flag(config, FLAG_APPLY),
                        .fresh = config_flag(config, FLAG_FRESH),
                        .keys_only = config_flag(config, FLAG_KEYS_ONLY),
                        .show_values = config_flag(config, FLAG_SHOW_VALUES),
                        .mask_keys = config_flag(config, FLAG_MASK_KEYS)};
    if (plan && out->apply)
        return ERR(err, ERR_USAGE, "'--apply' and '--plan' (or '--dry-run') exclude each other");
    if (tables != NULL)
        out->tables = table_patterns(tables, arena, &out->table_count);
    return read_rows(config, out, err);
}

static int finish(const ReportClient *client, Error *err)
{
    if (client->json) {
        out_json(client->last);
    } else if (!json_is_object(json_get(client->last, "error")) ||
               json_array_size(json_get(client->last, "report.rows")) > 0) {
        CLEANUP_BUF Buf text = BUF_INIT;
        repair_report_text(json_get(client->last, "report"), status_live_width(STDOUT_FILENO),
                           &text);
        out_buf(&text);
    }
    return report_client_exit(client, err);
}

static int run(const Config *config, Error *err)
{
    ReportClient client = report_client(config);
    Arena *arena = arena_new(0);
    TaskRepair options;
    pid_t pid = 0;
    int code;
    if (read_request(config, arena, &options, err) &&
        control_peer(config_text(config, OPT_CONTROL_SOCKET), &pid, err)) {
        report_client_show(&client);
        code = report_client_ask(&client, "/v1/repair", repair_request_json(&options),
                                 "Rows are repaired all or none: run 'bascule repair' again, it "
                                 "looks at both sides anew.",
                                 err)
                   ? finish(&client, err)
                   : cli_failed(err);
    } else {
        if (err->cls == ERR_NOT_RUNNING)
            err_hint(err, "A repair stands between two transactions of the stream: start "
                          "'bascule run', then repair. A finished migration is not repaired.");
        code = cli_failed(err);
    }
    report_client_done(&client);
    arena_free(arena);
    return code;
}

const Command CMD_REPAIR = {
    .name = "repair",
    .summary = "bring rows of the target that differ back to what the source has",
    .usage = "",
    .help =
        "Takes the rows that 'bascule verify' recorded as differing (--fresh: compares first) and "
        "shows what would be\n"
        "done with each; --apply does it. The applier stands still at one position of the source, "
        "the rows are read\n"
        "there under a snapshot of that position, and one transaction of the target deletes and "
        "inserts them. No change\n"
        "of the stream can be committed before it, and newer changes come on top of it, so that "
        "nothing newer is ever\n"
        "overwritten. Then the tables are compared again as a whole.\n"
        "More rows than --max-rows are refused. Rows of tables without a key are found by all "
        "their values. After the\n"
        "cutover nothing is repaired.\n"
        "Exit 0: nothing differs (any more). 4: rows differ (also of a plan). 6: could not be "
        "told. 3: refused.",
    .example = "bascule --config clinic.yaml repair --plan\n"
               "bascule -c clinic.yaml repair --plan --show-values --tables 'public.orders'\n"
               "bascule -c clinic.yaml repair --apply\n"
               "bascule -c clinic.yaml repair --apply --fresh --max-rows 5000",
    .uses = USE_TASK | USE_CONNECT,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_PLAN) | FLAG_BIT(FLAG_APPLY) |
             FLAG_BIT(FLAG_DRY_RUN) | FLAG_BIT(FLAG_TABLES) | FLAG_BIT(FLAG_FRESH) |
             FLAG_BIT(FLAG_MAX_ROWS) | FLAG_BIT(FLAG_KEYS_ONLY) | FLAG_BIT(FLAG_SHOW_VALUES) |
             FLAG_BIT(FLAG_MASK_KEYS),
    .audit = COMMAND_AUDIT_FIRST,
    .exits = {1, 2, 3, 4, 6},
    .run = run,
};

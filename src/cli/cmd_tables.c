/* cmd_tables - bascule tables: single tables of a running task. */
#include <string.h>

#include "cli/command.h"
#include "cli/live_status.h"
#include "cli/out.h"
#include "cli/report_client.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "ops/tables_request.h"

#define TABLES_MOST 64

static int list(const Config *config, Error *err)
{
    static const char *const TITLES[] = {"Table", "State", ">Rows loaded", "Message", NULL};
    json_t *status = NULL;
    bool running = false;
    if (!live_status(config, &status, &running, err))
        return cli_failed(err);
    const json_t *tables = json_get(status, "tables");
    if (config_flag(config, FLAG_JSON)) {
        json_t *answer = json_pack("{s:s, s:O}", "task", config_text(config, OPT_TASK), "tables",
                                   (json_t *)(uintptr_t)tables);
        out_json(answer);
        json_decref(answer);
    } else {
        CLEANUP_BUF Buf text = BUF_INIT;
        Arena *arena = arena_new(0);
        OutTable *table = out_table_new(arena, TITLES);
        for (size_t i = 0; i < json_array_size(tables); i++) {
            const json_t *one = json_array_get(tables, i);
            const char *cells[] = {json_get_text(one, "table", "unknown"),
                                   json_get_text(one, "state", "unknown"),
                                   out_count(arena, json_get_number(one, "full_load_rows")),
                                   json_get_text(one, "message", "")};
            out_table_row(table, cells);
        }
        out_table_put(table, &text);
        out_buf(&text);
        arena_free(arena);
    }
    json_decref(status);
    return 0;
}

static int finish(const ReportClient *client, Error *err)
{
    if (client->json) {
        out_json(client->last);
    } else {
        CLEANUP_BUF Buf text = BUF_INIT;
        tables_report_text(json_get(client->last, "report"), &text);
        out_buf(&text);
    }
    return report_client_exit(client, err);
}

static int ask(const Config *config, TablesAction action, const char *const *patterns, int count,
               Error *err)
{
    ReportClient client = report_client(config);
    pid_t pid = 0;
    int code;
    if (control_peer(config_text(config, OPT_CONTROL_SOCKET), &pid, err)) {
        code =
            report_client_ask(&client, "/v1/tables", tables_request_json(action, patterns, count),
                              "'bascule tables' shows what became of it; asking again does no "
                              "harm.",
                              err)
                ? finish(&client, err)
                : cli_failed(err);
    } else {
        if (err->cls == ERR_NOT_RUNNING)
            err_hint(err, "The running engine does it: start 'bascule run'. A change of "
                          "tables.include takes effect when it starts.");
        code = cli_failed(err);
    }
    report_client_done(&client);
    return code;
}

static int run(const Config *config, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    TablesAction action;
    if (count == 0 || (strcmp(args[0], "list") == 0 && count == 1))
        return list(config, err);
    if (!tables_action_parse(args[0], &action)) {
        ERR(err, ERR_USAGE, "'bascule tables %s': there is list, add, reload, pause and resume",
            args[0]);
        return cli_failed(err);
    }
    if (count == 1) {
        ERR(err, ERR_USAGE,
            "'bascule tables %s': which tables? (schema.table, %% for any characters)", args[0]);
        return cli_failed(err);
    }
    return ask(config, action, args + 1, count - 1, err);
}

const Command CMD_TABLES = {
    .name = "tables",
    .summary = "add, copy again, pause or resume single tables while the others stream",
    .usage = "[list | add | reload | pause | resume] [SCHEMA.TABLE ...]",
    .help =
        "list shows the tables of the task. The others are done by the running engine, each in one "
        "transaction\n"
        "with its record: it is done or not, whenever the engine dies.\n"
        "add      takes more tables in (% or * stand for any characters). The target must have "
        "them, or 'status'\n"
        "         names what it lacks; then they are copied and join the stream. It is remembered "
        "until 'cleanup';\n"
        "         put it into tables.include as well.\n"
        "reload   empties tables on the target and copies them again, while the others go on.\n"
        "pause    leaves tables out from one position of the source on. The slot keeps what comes, "
        "up to\n"
        "         tables.pause_limit of WAL; above that the table is copied again when it is "
        "resumed.\n"
        "resume   turns the stream back to that position for paused tables; nothing is copied.\n"
        "A cutover is refused while a table is paused or being copied. Exit 3: refused in this "
        "state.",
    .example = "bascule -c clinic.yaml tables\n"
               "bascule -c clinic.yaml tables add 'billing.%'\n"
               "bascule -c clinic.yaml tables reload public.orders\n"
               "bascule -c clinic.yaml tables pause public.audit_log\n"
               "bascule -c clinic.yaml tables resume public.audit_log",
    .uses = USE_TASK | USE_CONNECT,
    .flags = FLAG_BIT(FLAG_JSON),
    .max_args = 1 + TABLES_MOST,
    .audit = COMMAND_AUDIT_FIRST,
    .look_word = "list",
    .exits = {1, 2, 3, 6},
    .run = run,
};

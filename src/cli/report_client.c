/* report_client - see the header. */
#include "cli/report_client.h"

#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "net/control_client.h"
#include "ops/json_get.h"
#include "ops/verify_report.h"

ReportClient report_client(const Config *config)
{
    return (ReportClient){.config = config, .json = config_flag(config, FLAG_JSON)};
}

void report_client_show(ReportClient *client)
{
    client->live = client->json ? NULL : status_live_new(STDERR_FILENO);
}

void report_client_progress(ReportClient *client, const json_t *line)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    if (client->json || client->live == NULL)
        return;
    verify_progress_text(line, &text);
    buf_putc(&text, '\n');
    status_live_draw(client->live, buf_str(&text));
}

void report_client_hide(ReportClient *client)
{
    status_live_free(client->live, false);
    client->live = NULL;
}

static void on_line(void *arg, const json_t *line)
{
    ReportClient *client = arg;
    if (strcmp(json_get_text(line, "event", ""), "report") == 0) {
        json_decref(client->last);
        client->last = json_deep_copy(line);
    } else {
        report_client_progress(client, line);
    }
}

bool report_client_ask(ReportClient *client, const char *path, json_t *request, const char *again,
                       Error *err)
{
    ControlCall call = {.socket_path = config_text(client->config, OPT_CONTROL_SOCKET),
                        .method = "POST",
                        .path = path,
                        .body = request,
                        .stop = interrupt_stop(),
                        .on_line = on_line,
                        .arg = client};
    bool good = control_call(&call, NULL, err);
    json_decref(request);
    report_client_hide(client);
    if (good && client->last == NULL)
        good = ERR(err, ERR_CONN_LOST, "the engine ended its answer without a report");
    if (!good && (err->cls == ERR_STOPPED || err->cls == ERR_CONN_LOST)) {
        err->cls = ERR_UNDECIDED;
        err_hint(err, "%s", again);
    }
    return good;
}

int report_client_exit(const ReportClient *client, Error *err)
{
    const json_t *error = json_get(client->last, "error");
    if (json_is_object(error))
        control_error_of(error, err);
    return (int)json_integer_value(json_get(client->last, "exit"));
}

void report_client_done(ReportClient *client)
{
    json_decref(client->last);
}

/* tables_request - see the header. */
#include "ops/tables_request.h"

#include <string.h>

#include "net/http_server.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/text_layout.h"
#include "ops/verify_request.h"

json_t *tables_request_json(TablesAction action, const char *const *patterns, int count)
{
    json_t *tables = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(tables, json_string(patterns[i]));
    return json_pack("{s:s, s:o}", "action", tables_action_name(action), "tables", tables);
}

bool tables_request_read(const json_t *request, Arena *arena, TablesAsk *out_ask, Error *err)
{
    TablesAsk ask = {.arena = arena, .action = TABLES_ACTION_COUNT};
    const char *key;
    json_t *value;
    bool ok = true;
    json_object_foreach((json_t *)request, key, value)
    {
        if (strcmp(key, "tables") == 0)
            ok = ok && request_texts(key, value, arena, &ask.patterns, &ask.count, err);
        else if (ok && strcmp(key, "action") != 0)
            ok = ERR(err, ERR_USAGE, "unknown key '%s'", key);
        else if (ok && (!json_is_string(value) ||
                        !tables_action_parse(json_string_value(value), &ask.action)))
            ok = ERR(err, ERR_USAGE, "'action' must be add, reload, pause or resume");
    }
    if (ok && ask.action == TABLES_ACTION_COUNT)
        ok = ERR(err, ERR_USAGE, "'action' is missing");
    if (ok && ask.count == 0)
        ok = ERR(err, ERR_USAGE, "'tables' must name at least one table");
    if (ok)
        *out_ask = ask;
    return ok;
}

json_t *tables_final_json(const TablesAsk *ask, const Error *err)
{
    bool failed = err != NULL && err->cls != ERR_NONE;
    json_t *tables = json_array();
    for (int i = 0; i < ask->table_count; i++)
        json_array_append_new(
            tables, json_pack("{s:o, s:s, s:o}", "table", json_text(ask->tables[i].table), "result",
                              ask->tables[i].result, "note", json_text(ask->tables[i].note)));
    json_t *report =
        json_pack("{s:s, s:o}", "action", tables_action_name(ask->action), "tables", tables);
    return json_pack("{s:s, s:i, s:o, s:o}", "event", "report", "exit",
                     failed ? err_exit_code(err->cls) : 0, "error",
                     failed ? http_error_json(err) : json_null(), "report", report);
}

void tables_report_text(const json_t *report, Buf *out)
{
    const json_t *list = json_get(report, "tables");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *note = json_get_text(one, "note", "");
        text_put_clean(out, json_get_text(one, "table", "unknown"));
        buf_printf(out, ": %s", json_get_text(one, "result", "unknown"));
        if (note[0] != '\0') {
            buf_puts(out, " (");
            text_put_clean(out, note);
            buf_putc(out, ')');
        }
        buf_putc(out, '\n');
    }
}

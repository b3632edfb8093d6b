/* repair_report - see the header. */
#include "ops/repair_report.h"

#include <string.h>

#include "net/http_server.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/text_layout.h"
#include "ops/verify_report.h"

#define SHOWN_ROWS   50
#define EXIT_UNKNOWN 6

static int refused_tables(const RepairReport *rows)
{
    int refused = 0;
    for (int t = 0; t < rows->table_count; t++)
        refused += rows->tables[t].refused[0] != '\0';
    return refused;
}

int repair_exit_code(const TaskRepairReport *r, const Error *err)
{
    const RepairReport *rows = &r->rows;
    if (err != NULL && (err->cls == ERR_STOPPED || err->cls == ERR_SLOT || err->cls == ERR_LAG))
        return EXIT_UNKNOWN;
    if (err != NULL && err->cls != ERR_NONE)
        return err_exit_code(err->cls);
    if (r->compared && rows->row_count == 0)
        return verify_exit_code(&r->before, NULL);
    if (refused_tables(rows) > 0)
        return err_exit_code(ERR_DIFFERENT);
    if (r->verified)
        return verify_exit_code(&r->after, NULL);
    if (rows->applied)
        return 0;
    return rows->counts[REPAIR_INSERT] + rows->counts[REPAIR_REPLACE] +
                       rows->counts[REPAIR_DELETE] ==
                   0
               ? 0
               : err_exit_code(ERR_DIFFERENT);
}

/* JSON --------------------------------------------------------------------------------------- */

static const RepairTable *table_of(const RepairReport *rows, int row)
{
    for (int t = 0; t < rows->table_count; t++)
        if (row >= rows->tables[t].first && row < rows->tables[t].first + rows->tables[t].count)
            return &rows->tables[t];
    return NULL;
}

static json_t *rows_json(const TaskRepairReport *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->rows.row_count; i++) {
        const RepairRow *row = &r->rows.rows[i];
        const RepairTable *table = table_of(&r->rows, i);
        if (table == NULL || table->refused[0] != '\0')
            continue;
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s, s:I, s:o, s:o}", "table", json_text(row->rel->display),
                            "key", report_key_json(row->key, r->mask_keys), "action",
                            repair_action_name(row->action), "copies", (json_int_t)row->copies,
                            "columns", report_details_json(row->details), "first_lsn",
                            json_text_lsn(row->first_lsn)));
    }
    return list;
}

static json_t *refused_json(const RepairReport *rows)
{
    json_t *list = json_array();
    for (int t = 0; t < rows->table_count; t++)
        if (rows->tables[t].refused[0] != '\0')
            json_array_append_new(list, json_pack("{s:o, s:i, s:o}", "table",
                                                  json_text(rows->tables[t].rel->display), "rows",
                                                  rows->tables[t].count, "why",
                                                  json_text(rows->tables[t].refused)));
    return list;
}

static const char *verdict_of(const TaskRepairReport *r)
{
    if (r->verified)
        return verify_verdict_name(r->after.verdict == VERIFY_UNDECIDED ? VERIFY_NOT_VERIFIED
                                                                        : r->after.verdict);
    return r->rows.applied ? "rows-equal" : "not-verified";
}

json_t *repair_final_json(const TaskRepairReport *r, const Error *err)
{
    const int64_t *counts = r->rows.counts;
    bool failed = err != NULL && err->cls != ERR_NONE;
    json_t *report = json_pack(
        "{s:s, s:b, s:o, s:o, s:s, s:{s:I, s:I, s:I, s:I, s:I}}", "mode",
        r->asked_to_apply ? "apply" : "plan", "applied", r->rows.applied, "lsn",
        json_text_lsn(r->rows.lsn), "applier_held_ms", json_text_ms(r->rows.held_us), "verdict",
        verdict_of(r), "counts", "inserted", (json_int_t)counts[REPAIR_INSERT], "replaced",
        (json_int_t)counts[REPAIR_REPLACE], "deleted", (json_int_t)counts[REPAIR_DELETE],
        "equal_already", (json_int_t)counts[REPAIR_EQUAL], "kept", (json_int_t)counts[REPAIR_KEEP]);
    json_object_set_new(report, "rows", rows_json(r));
    json_object_set_new(report, "refused", refused_json(&r->rows));
    json_object_set_new(report, "compared_before",
                        r->compared ? verify_report_json(&r->before) : json_null());
    json_object_set_new(report, "verified",
                        r->verified ? verify_report_json(&r->after) : json_null());
    return json_pack("{s:s, s:i, s:o, s:o}", "event", "report", "exit", repair_exit_code(r, err),
                     "error", failed ? http_error_json(err) : json_null(), "report", report);
}

/* Text --------------------------------------------------------------------------------------- */

static void put_counts(const json_t *r, Buf *out)
{
    bool applied = json_get_true(r, "applied");
    int64_t kept = json_get_number(r, "counts.kept");
    buf_printf(out, "%s: %lld inserted, %lld replaced, %lld deleted, %lld equal already",
               applied ? "Rows" : "Would be", (long long)json_get_number(r, "counts.inserted"),
               (long long)json_get_number(r, "counts.replaced"),
               (long long)json_get_number(r, "counts.deleted"),
               (long long)json_get_number(r, "counts.equal_already"));
    if (kept > 0)
        buf_printf(out, ", %lld kept, which only the target has (keep-extra)", (long long)kept);
    buf_putc(out, '\n');
}

static void put_row(const json_t *row, Buf *out)
{
    CLEANUP_BUF Buf key = BUF_INIT;
    int64_t copies = json_get_number(row, "copies");
    json_text_dump(json_get(row, "key"), JSON_TEXT_FLAGS | JSON_ENCODE_ANY, &key);
    buf_printf(out, "%-8s", json_get_text(row, "action", "unknown"));
    text_put_clean(out, json_get_text(row, "table", "unknown"));
    buf_putc(out, ' ');
    text_put_clean(out, buf_str(&key));
    if (copies > 1)
        buf_printf(out, " %lld times", (long long)copies);
    buf_printf(out, ", first seen at %s", json_get_text(row, "first_lsn", "unknown"));
    report_columns_text(json_get(row, "columns"), out);
}

static void put_rows(const json_t *rows, Buf *out)
{
    size_t count = json_array_size(rows);
    if (count > 0)
        buf_putc(out, '\n');
    for (size_t i = 0; i < count && i < SHOWN_ROWS; i++)
        put_row(json_array_get(rows, i), out);
    if (count > SHOWN_ROWS)
        buf_printf(out, "... and %zu more: see --json or bascule.failures on the target\n",
                   count - SHOWN_ROWS);
}

static void put_refused(const json_t *list, Buf *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        buf_puts(out, "not repaired: ");
        text_put_clean(out, json_get_text(one, "table", "unknown"));
        buf_printf(out, " (%lld rows): ", (long long)json_get_number(one, "rows"));
        text_put_clean(out, json_get_text(one, "why", "unknown"));
        buf_putc(out, '\n');
    }
}

static void put_headline(const json_t *r, Buf *out)
{
    bool rows = json_array_size(json_get(r, "rows")) + json_array_size(json_get(r, "refused")) > 0;
    const char *lsn = json_get_text(r, "lsn", "unknown");
    if (!rows)
        buf_puts(out, "Nothing to repair: no row that differs is recorded. That proves nothing; "
                      "'bascule verify' compares.\n");
    else if (json_get_true(r, "applied"))
        buf_printf(out, "REPAIRED at %s: the rows below are what the source had there\n", lsn);
    else if (strcmp(json_get_text(r, "mode", "plan"), "plan") == 0)
        buf_printf(out, "PLAN at %s: nothing was changed; 'bascule repair --apply' does it\n", lsn);
    else
        buf_puts(out, "NOTHING was repaired\n");
}

void repair_report_text(const json_t *report, int width, Buf *out)
{
    const json_t *verified = json_get(report, "verified");
    const json_t *before = json_get(report, "compared_before");
    put_headline(report, out);
    if (json_array_size(json_get(report, "rows")) > 0)
        put_counts(report, out);
    put_refused(json_get(report, "refused"), out);
    put_rows(json_get(report, "rows"), out);
    if (json_is_object(verified)) {
        buf_puts(out, "\nThe tables again, as a whole\n");
        verify_report_text(verified, width, out);
    } else if (json_is_object(before)) {
        buf_puts(out, "\nCompared before\n");
        verify_report_text(before, width, out);
    }
}

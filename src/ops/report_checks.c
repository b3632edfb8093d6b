/* report_checks - see the header. */
#include "ops/report_checks.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/model/progress.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/text_layout.h"

enum { LABEL_WIDTH = 15, RESULT_WIDTH = 9, NAME_WIDTH = 21 };

static const char *const RESULTS[] = {
    [CUTOVER_CHECK_OK] = "ok", [CUTOVER_CHECK_WARN] = "warning", [CUTOVER_CHECK_BLOCK] = "blocker"};

/* JSON --------------------------------------------------------------------------------------- */

static json_t *part(int64_t us)
{
    return json_text_ms(us < 0 ? PROGRESS_UNKNOWN : us);
}

void report_checks_json(const CutoverReport *report, json_t *out)
{
    const CutoverPrediction *p = &report->prediction;
    json_t *checks = json_array();
    for (int i = 0; i < report->check_count; i++)
        json_array_append_new(checks, json_pack("{s:s, s:o, s:o}", "result",
                                                RESULTS[report->checks[i].result], "check",
                                                json_text(report->checks[i].name), "text",
                                                json_text(report->checks[i].text)));
    if (report->check_count > 0)
        json_object_set(out, "checks", checks);
    json_decref(checks);
    if (p->total_us > 0)
        json_object_set_new(out, "prediction",
                            json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "lock_ms",
                                      part(p->lock_us), "drain_ms", part(p->drain_us), "prove_ms",
                                      part(p->prove_us), "prove_bytes",
                                      json_text_number(p->prove_bytes), "before_tables",
                                      (json_int_t)p->first_tables, "before_bytes",
                                      (json_int_t)p->first_bytes, "total_ms", part(p->total_us)));
    if (report->plan_hash[0] != '\0')
        json_object_set_new(out, "plan_hash", json_text(report->plan_hash));
}

/* Text --------------------------------------------------------------------------------------- */

int report_checks_count(const json_t *report, const char *result)
{
    const json_t *checks = json_get(report, "checks");
    int count = 0;
    for (size_t i = 0; i < json_array_size(checks); i++)
        count += strcmp(json_get_text(json_array_get(checks, i), "result", ""), result) == 0;
    return count;
}

static void put_check(const json_t *check, int width, bool color, Buf *out)
{
    static const char *const COLORS[] = {"\033[32m", "\033[33m", "\033[31m"};
    const char *result = json_get_text(check, "result", "unknown");
    for (int i = 0; color && i < 3; i++)
        if (strcmp(result, RESULTS[i]) == 0)
            buf_puts(out, COLORS[i]);
    text_put_cell(out, result, RESULT_WIDTH, false);
    if (color)
        buf_puts(out, "\033[0m");
    text_put_cell(out, json_get_text(check, "check", "unknown"), NAME_WIDTH, false);
    const char *text = json_get_text(check, "text", "");
    text_put_wrapped(out, text[0] == '\0' ? "fine" : text, RESULT_WIDTH + NAME_WIDTH,
                     RESULT_WIDTH + NAME_WIDTH, width);
}

void report_checks_text(const json_t *report, int width, bool color, Buf *out)
{
    const json_t *checks = json_get(report, "checks");
    width = width < 60 ? 80 : width;
    text_put_cell(out, "RESULT", RESULT_WIDTH, false);
    text_put_cell(out, "CHECK", NAME_WIDTH, false);
    buf_puts(out, "FINDING\n");
    for (int r = 0; r < 3; r++)
        for (size_t i = 0; i < json_array_size(checks); i++) {
            const json_t *check = json_array_get(checks, i);
            if (strcmp(json_get_text(check, "result", ""), RESULTS[r]) == 0)
                put_check(check, width, color, out);
        }
    int warnings = report_checks_count(report, "warning");
    int blockers = report_checks_count(report, "blocker");
    buf_printf(out, "\n%d ok, %d warning%s, %d blocker%s\n", report_checks_count(report, "ok"),
               warnings, warnings == 1 ? "" : "s", blockers, blockers == 1 ? "" : "s");
    report_plan_text(report, width, out);
}

static void label_line(Buf *out, int width, const char *label, const char *text)
{
    text_put_cell(out, label, LABEL_WIDTH, false);
    text_put_wrapped(out, text, LABEL_WIDTH, LABEL_WIDTH, width);
}

void report_plan_text(const json_t *report, int width, Buf *out)
{
    const json_t *p = json_get(report, "prediction");
    const char *hash = json_get_text(report, "plan_hash", "");
    if (json_is_object(p)) {
        char n[4][TEXT_NUMBER_SIZE], text[200];
        snprintf(text, sizeof text, "%s (lock and commit %s, drain %s, prove %s)",
                 text_duration(json_get_us(p, "total_ms", 1e3), n[0]),
                 text_duration(json_get_us(p, "lock_ms", 1e3), n[1]),
                 text_duration(json_get_us(p, "drain_ms", 1e3), n[2]),
                 text_duration(json_get_us(p, "prove_ms", 1e3), n[3]));
        label_line(out, width, "Predicted", text);
    }
    if (hash[0] != '\0')
        label_line(out, width, "Plan", hash);
}

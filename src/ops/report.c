/* report - see the header. */
#include "ops/report.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/model/progress.h"
#include "net/http_server.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/report_checks.h"
#include "ops/text_layout.h"

#define LABEL_WIDTH 15
#define LEFT_SHOWN  20 /* the JSON has all */

/* JSON --------------------------------------------------------------------------------------- */

static json_t *json_text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_text(text);
}

/* -1 stands for "never" in the cutover's own figures. */
static json_t *ms_or_null(int64_t us)
{
    return json_text_ms(us < 0 ? PROGRESS_UNKNOWN : us);
}

static json_t *wall_json(int64_t wall_us)
{
    char text[40];
    return wall_us == 0 ? json_null() : json_string(clock_format_wall(wall_us, text, sizeof text));
}

json_t *report_event_json(const CutoverEvent *event)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "event", "step", "step",
                     json_text(event->step), "text", json_text(event->text), "elapsed_ms",
                     ms_or_null(event->elapsed_us), "frozen_ms", ms_or_null(event->frozen_us),
                     "failed", event->failed);
}

static const char *verdict_name(CompareVerdict verdict)
{
    switch (verdict) {
    case COMPARE_EQUAL:
        return "equal";
    case COMPARE_CONTAINED:
        return "contained";
    case COMPARE_DIFFERENT:
        return "different";
    case COMPARE_NOT_DONE:
        break;
    }
    return "not-done";
}

static json_t *side_json(const CompareTable *table, const RowsHash *hash)
{
    char text[33];
    if (!table->read)
        return json_null();
    return json_pack("{s:I, s:o}", "rows", (json_int_t)hash->rows, "hash",
                     table->how == COMPARE_BY_HASH ? json_string(rows_hash_text(hash, text))
                                                   : json_null());
}

static json_t *tables_json(const CutoverReport *report)
{
    json_t *tables = json_array();
    for (int i = 0; i < report->table_count; i++) {
        const CompareTable *t = &report->tables[i];
        CLEANUP_BUF Buf proof = BUF_INIT;
        cutover_proof_text(report, t, &proof);
        json_t *table =
            json_pack("{s:o, s:s, s:o, s:o, s:I, s:o, s:o}", "table",
                      json_text(t->rel != NULL ? t->rel->display : NULL), "verdict",
                      verdict_name(t->verdict), "source", side_json(t, &t->source), "target",
                      side_json(t, &t->target), "bytes", (json_int_t)t->bytes, "elapsed_ms",
                      ms_or_null(t->elapsed_us), "why", json_text(t->why));
        json_object_set_new(table, "method", json_string(cutover_proof_method(t)));
        json_object_set_new(table, "kept", json_integer(t->kept));
        json_object_set_new(table, "keys", t->by_keys ? json_integer(t->keys) : json_null());
        json_object_set_new(table, "base_lsn", json_text_lsn(t->by_keys ? t->base_lsn : 0));
        json_object_set_new(table, "proof", json_text(buf_str(&proof)));
        json_array_append_new(tables, table);
    }
    return tables;
}

static json_t *views_json(const CutoverReport *report)
{
    json_t *views = json_array();
    for (int i = 0; i < report->views.count; i++) {
        const View *view = &report->views.all[i];
        json_array_append_new(views,
                              json_pack("{s:o, s:b, s:o, s:o}", "view", json_text(view->display),
                                        "refreshed", view->refreshed, "elapsed_ms",
                                        ms_or_null(view->elapsed_us), "why", json_text(view->why)));
    }
    return views;
}

static json_t *hooks_json(const CutoverReport *report)
{
    json_t *hooks = json_array();
    for (int i = 0; i < report->hook_count; i++) {
        const CutoverHookRun *run = &report->hooks[i];
        json_array_append_new(
            hooks, json_pack("{s:s, s:o, s:b, s:o, s:o}", "point", run->point, "name",
                             json_text(run->name), "done", run->why[0] == '\0', "elapsed_ms",
                             ms_or_null(run->elapsed_us), "why", json_text(run->why)));
    }
    return hooks;
}

/* null: nobody looked, or the server did not say. */
static json_t *left_json(const CutoverReport *report)
{
    if (!report->left_known)
        return json_null();
    json_t *left = json_array();
    for (int i = 0; i < report->left_count; i++) {
        const CutoverSession *s = &report->left[i];
        json_array_append_new(left, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "pid",
                                              (json_int_t)s->pid, "user", json_text(s->role),
                                              "application", json_text(s->application), "address",
                                              json_text(s->address), "state", json_text(s->state),
                                              "since_ms", json_text_ms(s->since_us)));
    }
    return left;
}

static json_t *given_up_json(const ExportTotals *totals)
{
    bool written = totals != NULL && totals->sha256[0] != '\0';
    if (totals == NULL)
        return json_null();
    json_t *out = json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o}", "transactions", (json_int_t)totals->transactions,
        "changes", (json_int_t)totals->changes, "applied_lsn", json_text_lsn(totals->from_lsn),
        "up_to_lsn", json_text_lsn(totals->up_to_lsn), "first_commit", wall_json(totals->first_us),
        "last_commit", wall_json(totals->last_us));
    json_object_set_new(out, "file", json_text(written ? totals->file : NULL));
    json_object_set_new(out, "sha256", json_text(written ? totals->sha256 : NULL));
    json_object_set_new(out, "bytes",
                        written ? json_integer((json_int_t)totals->bytes) : json_null());
    return out;
}

json_t *report_json(const CutoverReport *report)
{
    json_t *phases = json_array();
    for (int i = 0; i < report->phase_count; i++)
        json_array_append_new(phases,
                              json_pack("{s:o, s:o}", "name", json_text(report->phases[i].name),
                                        "elapsed_ms", ms_or_null(report->phases[i].elapsed_us)));
    json_t *out = json_pack(
        "{s:o, s:I, s:o, s:o, s:o}", "outcome", json_text(report->outcome), "epoch",
        (json_int_t)report->epoch, "started_at", wall_json(report->started_wall_us), "frozen_at",
        wall_json(report->frozen_wall_us), "opened_at", wall_json(report->opened_wall_us));
    json_object_set_new(out, "downtime_ms", ms_or_null(report->downtime_us));
    json_object_set_new(out, "paused_ms", ms_or_null(report->paused_us));
    json_object_set_new(out, "lag_before",
                        json_pack("{s:o, s:o}", "bytes", json_text_number(report->lag_bytes_before),
                                  "seconds", json_text_seconds(report->lag_us_before)));
    json_object_set_new(out, "barrier_lsn", json_text_lsn(report->barrier_lsn));
    json_object_set_new(out, "drained_bytes", json_text_number(report->drained_bytes));
    json_object_set_new(out, "phases", phases);
    json_object_set_new(out, "rows_compared", json_text_number(report->rows_compared));
    json_object_set_new(out, "keys_compared", json_text_number(report->keys_compared));
    json_object_set_new(out, "bytes_compared", json_text_number(report->bytes_compared));
    json_object_set_new(out, "sequences",
                        json_pack("{s:i, s:i}", "total", report->sequences_total, "raised",
                                  report->sequences_raised));
    json_object_set_new(out, "views", views_json(report));
    json_object_set_new(out, "hooks", hooks_json(report));
    json_object_set_new(out, "left_behind", left_json(report));
    json_object_set_new(out, "tables", tables_json(report));
    json_object_set_new(out, "given_up", given_up_json(report->given_up));
    report_checks_json(report, out);
    json_object_set_new(out, "direction", json_string(report->back ? "back" : "forward"));
    json_object_set_new(out, "way_back",
                        json_pack("{s:b, s:o}", "armed", report->way_back, "why_not",
                                  json_text_or_null(report->no_way_back)));
    return out;
}

json_t *report_final_json(const CutoverReport *report, const Error *err)
{
    bool failed = err != NULL && err->cls != ERR_NONE;
    return json_pack("{s:s, s:i, s:o, s:o}", "event", "report", "exit",
                     failed ? err_exit_code(err->cls) : 0, "error",
                     failed ? http_error_json(err) : json_null(), "report",
                     report != NULL ? report_json(report) : json_null());
}

/* Text --------------------------------------------------------------------------------------- */

void report_event_text(const json_t *event, int *step_number, Buf *out)
{
    char elapsed[TEXT_NUMBER_SIZE], frozen[TEXT_NUMBER_SIZE];
    int64_t frozen_us = json_get_us(event, "frozen_ms", 1e3);
    buf_printf(out, "%2d. ", ++*step_number);
    text_put_cell(out, text_duration(json_get_us(event, "elapsed_ms", 1e3), elapsed), 9, true);
    buf_puts(out, "  ");
    text_put_cell(out, json_get_text(event, "step", "unknown"), 10, false);
    buf_puts(out, json_get_true(event, "failed") ? " FAILED  " : " ");
    text_put_clean(out, json_get_text(event, "text", ""));
    if (frozen_us != PROGRESS_UNKNOWN)
        buf_printf(out, " (frozen for %s)", text_duration(frozen_us, frozen));
    buf_putc(out, '\n');
}

static void label_line(Buf *out, int width, const char *label, const char *text)
{
    text_put_cell(out, label, LABEL_WIDTH, false);
    text_put_wrapped(out, text, LABEL_WIDTH, LABEL_WIDTH, width);
}

static void verdict_line(const json_t *report, int width, Buf *out)
{
    const char *outcome = json_get_text(report, "outcome", "unknown");
    const char *meaning = "";
    bool back = strcmp(json_get_text(report, "direction", ""), "back") == 0;
    if (strcmp(outcome, "cut-over") == 0)
        meaning = ": the target is open, the source refuses writes";
    else if (strcmp(outcome, "rolled-back") == 0)
        meaning = ": the source is open again, the target refuses writes";
    else if (strcmp(outcome, "already-done") == 0)
        meaning = back ? ": the source was already open, nothing was changed"
                       : ": the target was already open, nothing was changed";
    else if (strcmp(outcome, "rehearsed") == 0)
        meaning = ": everything but the commit was done, writes were given back";
    else if (strcmp(outcome, "dry-run") == 0)
        meaning = ": nothing was changed";
    else if (strcmp(outcome, "aborted") == 0)
        meaning = back ? ": writes were given back to the target, the source is not open"
                       : ": writes were given back to the source, the target is not open";
    else if (strcmp(outcome, "refused") == 0)
        meaning = ": nothing was changed";
    char text[160];
    snprintf(text, sizeof text, "%s%s", outcome, meaning);
    label_line(out, width, "Outcome", text);
}

static void times(const json_t *report, int width, Buf *out)
{
    char text[256], a[TEXT_NUMBER_SIZE], b[TEXT_NUMBER_SIZE];
    int64_t downtime_us = json_get_us(report, "downtime_ms", 1e3);
    label_line(out, width, "Started", json_get_text(report, "started_at", "unknown"));
    label_line(out, width, "Frozen", json_get_text(report, "frozen_at", "never"));
    label_line(out, width, "Opened", json_get_text(report, "opened_at", "never"));
    label_line(out, width, "Downtime",
               downtime_us == PROGRESS_UNKNOWN ? "none (never frozen)"
                                               : text_duration(downtime_us, a));
    snprintf(text, sizeof text, "%s, %s",
             text_bytes(json_get_number(report, "lag_before.bytes"), a),
             text_duration(json_get_us(report, "lag_before.seconds", 1e6), b));
    label_line(out, width, "Lag before", text);
    snprintf(text, sizeof text, "%s of WAL, up to %s",
             text_bytes(json_get_number(report, "drained_bytes"), a),
             json_get_text(report, "barrier_lsn", "unknown"));
    label_line(out, width, "Drained",
               json_get_text(report, "barrier_lsn", "")[0] != '\0' ? text : "nothing");
    if (json_get_us(report, "paused_ms", 1e3) != PROGRESS_UNKNOWN)
        label_line(out, width, "Pooler paused",
                   text_duration(json_get_us(report, "paused_ms", 1e3), a));
}

static void phases(const json_t *report, int width, Buf *out)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    const json_t *list = json_get(report, "phases");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char n[TEXT_NUMBER_SIZE];
        const json_t *phase = json_array_get(list, i);
        buf_printf(&text, "%s%s %s", i > 0 ? ", " : "", json_get_text(phase, "name", "unknown"),
                   text_duration(json_get_us(phase, "elapsed_ms", 1e3), n));
    }
    if (text.len > 0)
        label_line(out, width, "By phase", buf_str(&text));
}

static void table_line(const json_t *table, int name_width, Buf *out)
{
    char n[TEXT_NUMBER_SIZE];
    const char *hash = json_get_text(table, "source.hash", "");
    const char *why = json_get_text(table, "why", "");
    text_put_cell(out, json_get_text(table, "table", "unknown"), name_width, false);
    buf_putc(out, ' ');
    text_put_cell(out, json_get_text(table, "verdict", "unknown"), 9, false);
    text_put_cell(out, text_count(json_get_number(table, "source.rows"), n), 14, true);
    text_put_cell(out, text_count(json_get_number(table, "target.rows"), n), 14, true);
    buf_printf(out, "  %.12s\n", hash);
    const char *method = json_get_text(table, "method", "");
    if (strcmp(method, "keys") == 0 || strcmp(method, "contained") == 0) {
        buf_puts(out, "  ");
        text_put_clean(out, json_get_text(table, "proof", ""));
        buf_putc(out, '\n');
    }
    if (why[0] != '\0') {
        buf_puts(out, "  ");
        text_put_clean(out, why);
        buf_putc(out, '\n');
    }
}

static void tables(const json_t *report, int width, Buf *out)
{
    char text[256], n[5][TEXT_NUMBER_SIZE];
    const json_t *list = json_get(report, "tables");
    size_t count = json_array_size(list), equal = 0, different = 0, contained = 0;
    for (size_t i = 0; i < count; i++) {
        const char *verdict = json_get_text(json_array_get(list, i), "verdict", "");
        equal += strcmp(verdict, "equal") == 0;
        different += strcmp(verdict, "different") == 0;
        contained += strcmp(verdict, "contained") == 0;
    }
    int used = snprintf(text, sizeof text, "%s tables equal, ", text_count((int64_t)equal, n[0]));
    if (contained > 0)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s contained, ",
                         text_count((int64_t)contained, n[4]));
    used +=
        snprintf(text + used, sizeof text - (size_t)used,
                 "%s different, %s not compared; %s rows, ", text_count((int64_t)different, n[1]),
                 text_count((int64_t)(count - equal - different - contained), n[2]),
                 text_count(json_get_number(report, "rows_compared"), n[3]));
    snprintf(text + used, sizeof text - (size_t)used, "%s",
             text_bytes(json_get_number(report, "bytes_compared"), n[0]));
    label_line(out, width, "Compared", text);
    if (count == 0)
        return;
    int name_width = width - 54 > 12 ? width - 54 : 12;
    buf_putc(out, '\n');
    text_put_cell(out, "Table", name_width, false);
    bool back = strcmp(json_get_text(report, "direction", ""), "back") == 0;
    buf_puts(out, back ? " Verdict    Target rows   Source rows  Hash\n"
                       : " Verdict    Source rows   Target rows  Hash\n");
    for (size_t i = 0; i < count; i++)
        table_line(json_array_get(list, i), name_width, out);
}

static void views(const json_t *report, int width, Buf *out)
{
    const json_t *list = json_get(report, "views");
    size_t count = json_array_size(list), refreshed = 0;
    CLEANUP_BUF Buf text = BUF_INIT;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        refreshed += json_get_true(json_array_get(list, i), "refreshed");
    buf_printf(&text, "%zu of %zu refreshed", refreshed, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *view = json_array_get(list, i);
        if (!json_get_true(view, "refreshed"))
            buf_printf(&text, "; not %s: %s", json_get_text(view, "view", "unknown"),
                       json_get_text(view, "why", "unknown"));
    }
    label_line(out, width, "Views", buf_str(&text));
}

static void hooks(const json_t *report, int width, Buf *out)
{
    const json_t *list = json_get(report, "hooks");
    size_t count = json_array_size(list), failed = 0;
    CLEANUP_BUF Buf text = BUF_INIT;
    int64_t took_us = 0;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const json_t *run = json_array_get(list, i);
        failed += !json_get_true(run, "done");
        took_us += json_get_us(run, "elapsed_ms", 1e3);
    }
    char took[TEXT_NUMBER_SIZE];
    buf_printf(&text, "%zu run, %s together, %zu failed", count, text_duration(took_us, took),
               failed);
    for (size_t i = 0; i < count; i++) {
        const json_t *run = json_array_get(list, i);
        if (!json_get_true(run, "done"))
            buf_printf(&text, "; %s", json_get_text(run, "why", "unknown"));
    }
    label_line(out, width, "Hooks", buf_str(&text));
}

static void left_behind(const json_t *report, int width, Buf *out)
{
    const json_t *list = json_get(report, "left_behind");
    bool back = strcmp(json_get_text(report, "direction", ""), "back") == 0;
    CLEANUP_BUF Buf text = BUF_INIT;
    char n[TEXT_NUMBER_SIZE];
    if (!json_is_array(list))
        return;
    buf_printf(&text, "%s sessions on the %s, their writes are refused",
               text_count((int64_t)json_array_size(list), n), back ? "target" : "source");
    for (size_t i = 0; i < json_array_size(list) && i < LEFT_SHOWN; i++) {
        const json_t *s = json_array_get(list, i);
        buf_printf(&text, "%s pid %lld, user %s, application %s, from %s", i > 0 ? ";" : ":",
                   (long long)json_get_number(s, "pid"), json_get_text(s, "user", ""),
                   json_get_text(s, "application", ""), json_get_text(s, "address", ""));
    }
    label_line(out, width, "Left behind", json_array_size(list) > 0 ? buf_str(&text) : "nobody");
}

static void given_up(const json_t *report, int width, Buf *out)
{
    const json_t *part = json_get(report, "given_up");
    char text[256], n[2][TEXT_NUMBER_SIZE];
    const char *file = json_get_text(part, "file", "");
    if (!json_is_object(part))
        return;
    snprintf(text, sizeof text, "%s transactions (%s changes), committed from %s to %s",
             text_count(json_get_number(part, "transactions"), n[0]),
             text_count(json_get_number(part, "changes"), n[1]),
             json_get_text(part, "first_commit", "unknown"),
             json_get_text(part, "last_commit", "unknown"));
    label_line(out, width, file[0] != '\0' ? "Discarded" : "Would discard",
               json_get_number(part, "changes") > 0 ? text : "nothing");
    snprintf(text, sizeof text,
             "everything that the target committed up to %s of its WAL, nothing after it",
             json_get_text(part, "applied_lsn", "unknown"));
    label_line(out, width, "Source has", text);
    if (file[0] == '\0')
        return;
    label_line(out, width, "Written to", file);
    label_line(out, width, "SHA-256", json_get_text(part, "sha256", "unknown"));
}

void report_text(const json_t *report, int width, Buf *out)
{
    char text[128], a[TEXT_NUMBER_SIZE], b[TEXT_NUMBER_SIZE];
    if (width <= 0)
        width = 80;
    verdict_line(report, width, out);
    given_up(report, width, out);
    times(report, width, out);
    phases(report, width, out);
    snprintf(text, sizeof text, "%s raised of %s",
             text_count(json_get_number(report, "sequences.raised"), a),
             text_count(json_get_number(report, "sequences.total"), b));
    label_line(out, width, "Sequences", text);
    views(report, width, out);
    hooks(report, width, out);
    left_behind(report, width, out);
    tables(report, width, out);
    report_plan_text(report, width, out);
}

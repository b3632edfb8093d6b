/* verify_report - see the header. */
#include "ops/verify_report.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/model/progress.h"
#include "net/http_server.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/text_layout.h"

#define SHOWN_FAILURES 20
#define EXIT_UNKNOWN   6

/* JSON --------------------------------------------------------------------------------------- */

static json_t *unknown_below_zero(int64_t n)
{
    return json_text_number(n < 0 ? PROGRESS_UNKNOWN : n);
}

json_t *verify_progress_json(const VerifyProgress *p)
{
    return json_pack("{s:s, s:o, s:i, s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "event", "progress",
                     "table", json_text(p->table), "tables_done", p->tables_done, "tables_total",
                     p->tables_total, "bytes_done", (json_int_t)p->bytes_done, "bytes_total",
                     (json_int_t)p->bytes_total, "rows", (json_int_t)p->rows_done, "differences",
                     (json_int_t)p->differences, "elapsed_seconds",
                     json_text_seconds(p->elapsed_us), "left_seconds",
                     json_text_seconds(p->left_us < 0 ? PROGRESS_UNKNOWN : p->left_us), "lsn",
                     json_text_lsn(p->lsn));
}

static json_t *side_json(const VerifyTable *t, int side)
{
    char text[33];
    bool read = t->chunks > 0 || t->verdict == VERIFY_PROVEN || t->verdict == VERIFY_EQUAL ||
                t->verdict == VERIFY_CONTAINED;
    return json_pack(
        "{s:o, s:o}", "rows", read ? json_integer((json_int_t)t->rows[side]) : json_null(), "hash",
        read && t->hash[side].rows > 0 ? json_string(rows_hash_text(&t->hash[side], text))
                                       : json_null());
}

static json_t *table_json(const VerifyTable *t)
{
    json_t *out = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o}", "table", json_text(t->rel->display), "verdict",
        verify_verdict_name(t->verdict == VERIFY_UNDECIDED ? VERIFY_NOT_VERIFIED : t->verdict),
        "why", json_text(t->why), "method", json_text(t->method), "source", side_json(t, 0),
        "target", side_json(t, 1));
    json_object_set_new(out, "differences",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "missing",
                                  (json_int_t)t->missing, "extra", (json_int_t)t->extra,
                                  "different", (json_int_t)t->different, "representation",
                                  (json_int_t)t->representation, "by_others",
                                  (json_int_t)t->by_others, "at_least", t->at_least));
    json_object_set_new(out, "outside",
                        t->outside >= 0 ? json_integer((json_int_t)t->outside) : json_null());
    json_object_set_new(out, "kept",
                        t->kept >= 0 ? json_integer((json_int_t)t->kept) : json_null());
    json_object_set_new(out, "rows_where",
                        t->rel->filter != NULL ? json_text(t->rel->filter->text) : json_null());
    json_object_set_new(out, "chunks", json_integer((json_int_t)t->chunks));
    json_object_set_new(out, "bytes", json_integer((json_int_t)t->bytes));
    json_object_set_new(out, "first_lsn", json_text_lsn(t->first_lsn));
    json_object_set_new(out, "last_lsn", json_text_lsn(t->last_lsn));
    json_object_set_new(out, "resumed", json_boolean(t->resumed));
    json_object_set_new(out, "guarded", json_boolean(t->guarded));
    return out;
}

/* What the engine wrote as JSON text goes in as JSON; a text that is none (an encoding) as text. */
static json_t *embedded(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_text(text);
}

json_t *report_key_json(const char *text, bool mask)
{
    json_t *key = embedded(text);
    const char *name;
    json_t *value;
    void *next;
    if (!mask)
        return key;
    if (!json_is_object(key)) {
        json_decref(key);
        return json_string("***");
    }
    json_object_foreach_safe(key, next, name, value)
    {
        char masked[40];
        snprintf(masked, sizeof masked, "*** (%zu bytes)", json_string_length(value));
        json_object_set_new(key, name, json_string(masked));
    }
    return key;
}

json_t *report_details_json(const char *text)
{
    return embedded(text);
}

/* Of the row that the target has; null: it has none, or nobody asked. */
static json_t *origin_json(const RowOrigin *o)
{
    char at[40];
    if (!o->known)
        return json_null();
    return json_pack("{s:s, s:o, s:o}", "by", o->others ? "others" : "unknown", "at",
                     o->written_us > 0
                         ? json_string(clock_format_wall(o->written_us, at, sizeof at))
                         : json_null(),
                     "replication_origin", json_text(o->replication_origin));
}

static json_t *failures_json(const VerifyFailure *failures, int count, bool mask_keys)
{
    json_t *list = json_array();
    char seen[40];
    for (int i = 0; i < count; i++) {
        const VerifyFailure *f = &failures[i];
        json_t *one =
            json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "table", json_text(f->rel->display), "kind",
                      keydiff_kind_name(f->kind), "key", report_key_json(f->key, mask_keys),
                      "columns", embedded(f->details), "lsn", json_text_lsn(f->lsn), "first_lsn",
                      json_text_lsn(f->first_lsn));
        json_object_set_new(one, "first_seen_at",
                            f->first_us > 0
                                ? json_string(clock_format_wall(f->first_us, seen, sizeof seen))
                                : json_null());
        json_object_set_new(one, "written", origin_json(&f->origin));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *orphans_json(const VerifyReport *report)
{
    json_t *list = json_array();
    for (int i = 0; i < report->orphan_count; i++) {
        const VerifyOrphans *o = &report->orphans[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "table", json_text(o->table),
                            "constraint", json_text(o->constraint), "references",
                            json_text(o->references), "source", unknown_below_zero(o->source),
                            "target", unknown_below_zero(o->target), "example",
                            o->example[0] != '\0' ? report_key_json(o->example, report->mask_keys)
                                                  : json_null(),
                            "note", json_text(o->note)));
    }
    return list;
}

json_t *verify_report_json(const VerifyReport *r)
{
    char started[40];
    json_t *tables = json_array();
    for (int i = 0; i < r->table_count; i++)
        json_array_append_new(tables, table_json(&r->tables[i]));
    json_t *out = json_pack(
        "{s:s, s:s, s:I, s:b, s:b, s:b, s:s, s:o, s:i, s:o, s:o, s:o}", "what", r->what, "verdict",
        verify_verdict_name(r->verdict == VERIFY_UNDECIDED ? VERIFY_NOT_VERIFIED : r->verdict),
        "run", (json_int_t)r->run, "complete", r->complete, "exact", r->exact, "resumed",
        r->resumed, "started_at", clock_format_wall(r->started_wall_us, started, sizeof started),
        "elapsed_seconds", json_text_seconds(r->elapsed_us), "snapshots", r->snapshots,
        "applier_held_ms", json_text_ms(r->held_us), "source_lsn", json_text_lsn(r->source_lsn),
        "target_lsn", json_text_lsn(r->target_lsn));
    json_object_set_new(out, "tables", tables);
    json_object_set_new(out, "failures",
                        failures_json(r->failures, r->failure_count, r->mask_keys));
    json_object_set_new(out, "spots", failures_json(r->spots, r->spot_count, r->mask_keys));
    json_object_set_new(out, "orphans", orphans_json(r));
    return out;
}

int verify_exit_code(const VerifyReport *report, const Error *err)
{
    if (report->verdict == VERIFY_MISMATCH)
        return err_exit_code(ERR_DIFFERENT);
    /* Nothing is wrong with the data as far as is known: the snapshots could not be had. */
    if (err != NULL && (err->cls == ERR_STOPPED || err->cls == ERR_SLOT || err->cls == ERR_LAG))
        return EXIT_UNKNOWN;
    if (err != NULL && err->cls != ERR_NONE)
        return err_exit_code(err->cls);
    return report->verdict == VERIFY_PROVEN || report->verdict == VERIFY_CONTAINED ||
                   report->verdict == VERIFY_EQUAL
               ? 0
               : EXIT_UNKNOWN;
}

json_t *verify_final_json(const VerifyReport *report, const Error *err)
{
    bool failed = err != NULL && err->cls != ERR_NONE;
    return json_pack(
        "{s:s, s:i, s:o, s:o}", "event", "report", "exit", verify_exit_code(report, err), "error",
        failed ? http_error_json(err) : json_null(), "report", verify_report_json(report));
}

/* Text --------------------------------------------------------------------------------------- */

void verify_progress_text(const json_t *p, Buf *out)
{
    char n[3][TEXT_NUMBER_SIZE];
    int64_t done = json_get_number(p, "bytes_done"), total = json_get_number(p, "bytes_total");
    int64_t left_us = json_get_us(p, "left_seconds", 1e6);
    buf_printf(
        out, "%3d %%  table %lld of %lld  %s rows  %lld differences  ",
        total > 0 ? (int)(done * 100 / total) : 0, (long long)json_get_number(p, "tables_done"),
        (long long)json_get_number(p, "tables_total"), text_count(json_get_number(p, "rows"), n[0]),
        (long long)json_get_number(p, "differences"));
    if (left_us != PROGRESS_UNKNOWN)
        buf_printf(out, "%s left  ", text_duration(left_us, n[1]));
    text_put_clean(out, json_get_text(p, "table", ""));
}

static void put_headline(const json_t *r, Buf *out)
{
    const char *verdict = json_get_text(r, "verdict", "not-verified");
    const char *what = json_get_text(r, "what", "rows");
    bool rows = strcmp(what, "rows") == 0;
    if (strcmp(verdict, "proven") == 0)
        buf_puts(out, "PROVEN: every row of every table is the same on both sides\n");
    else if (strcmp(verdict, "contained") == 0)
        buf_puts(out,
                 "CONTAINED: every row of the source is on the target and the same; the target "
                 "has more, which rules keep (keep-extra)\n");
    else if (strcmp(verdict, "equal") == 0)
        buf_printf(out, "EQUAL as far as asked (%s): not every row was compared\n",
                   rows ? "rows since a time" : what);
    else if (strcmp(verdict, "mismatch") == 0)
        buf_puts(out, "MISMATCH: the sides differ\n");
    else
        buf_puts(out, "NOT VERIFIED: it could not be told whether the sides are equal\n");
}

static void put_facts(const json_t *r, Buf *out)
{
    char n[TEXT_NUMBER_SIZE];
    if (json_get_true(r, "exact"))
        buf_printf(out, "Both sides read at %s; the applier stood for at most %s; %lld %s\n",
                   json_get_text(r, "source_lsn", "unknown"),
                   text_duration(json_get_us(r, "applier_held_ms", 1e3), n),
                   (long long)json_get_number(r, "snapshots"),
                   json_get_number(r, "snapshots") == 1 ? "snapshot" : "snapshots");
    else
        buf_printf(out, "Source read at %s, target stands at %s: not one position\n",
                   json_get_text(r, "source_lsn", "unknown"),
                   json_get_text(r, "target_lsn", "unknown"));
    buf_printf(out, "Run %lld%s, %s\n\n", (long long)json_get_number(r, "run"),
               json_get_true(r, "resumed") ? " (gone on with)" : "",
               text_duration(json_get_us(r, "elapsed_seconds", 1e6), n));
}

static int64_t count_of(const json_t *table, const char *key)
{
    int64_t n = json_get_number(table, key);
    return n == PROGRESS_UNKNOWN ? 0 : n;
}

static void put_table(const json_t *t, int name_width, Buf *out)
{
    char n[TEXT_NUMBER_SIZE];
    const char *why = json_get_text(t, "why", "");
    text_put_cell(out, json_get_text(t, "table", "unknown"), name_width, false);
    buf_putc(out, ' ');
    text_put_cell(out, json_get_text(t, "verdict", "not-verified"), 13, false);
    text_put_cell(out, text_count(json_get_number(t, "source.rows"), n), 14, true);
    text_put_cell(out, text_count(json_get_number(t, "target.rows"), n), 14, true);
    buf_puts(out, "  ");
    text_put_clean(out, json_get_text(t, "method", ""));
    buf_putc(out, '\n');
    int64_t missing = count_of(t, "differences.missing"), extra = count_of(t, "differences.extra");
    int64_t different = count_of(t, "differences.different");
    int64_t number = count_of(t, "differences.representation");
    if (missing + extra + different + number > 0)
        buf_printf(out,
                   "    %s%lld missing, %lld extra, %lld different, %lld other representation\n",
                   json_get_true(t, "differences.at_least") ? "at least " : "", (long long)missing,
                   (long long)extra, (long long)different, (long long)number);
    if (why[0] != '\0') {
        buf_puts(out, "    ");
        text_put_clean(out, why);
        buf_putc(out, '\n');
    }
    int64_t kept = count_of(t, "kept");
    if (kept > 0)
        buf_printf(out,
                   "    %lld rows are on the target alone, and a rule keeps them (keep-extra)\n",
                   (long long)kept);
    int64_t outside = count_of(t, "outside");
    if (outside > 0)
        buf_printf(out, "    %lld more rows of the target are outside of the filter\n",
                   (long long)outside);
    int64_t others = count_of(t, "differences.by_others");
    if (others > 0)
        buf_printf(out, "    %lld of the rows named below were not written by bascule\n",
                   (long long)others);
    if (missing + extra + different + number > 0)
        buf_printf(out, "    writes of others on the target are %s\n",
                   json_get_true(t, "guarded")
                       ? "refused by its trigger: only bascule's own role could have done this"
                       : "not refused: anybody with the right could have done this");
}

static void put_json(Buf *out, const json_t *value)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    json_text_dump(value, JSON_TEXT_FLAGS | JSON_ENCODE_ANY, &text);
    text_put_clean(out, buf_str(&text));
}

static void put_value(Buf *out, const json_t *value)
{
    if (json_is_null(value) || value == NULL)
        buf_puts(out, "NULL");
    else if (json_is_string(value) && json_string_length(value) == 0)
        buf_puts(out, "''");
    else if (json_is_string(value))
        text_put_clean(out, json_string_value(value));
    else
        put_json(out, value);
}

void report_columns_text(const json_t *columns, Buf *out)
{
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *c = json_array_get(columns, i);
        const char *note = json_get_text(c, "note", "");
        buf_puts(out, "\n    ");
        if (note[0] != '\0') {
            text_put_clean(out, note);
            continue;
        }
        text_put_clean(out, json_get_text(c, "column", "unknown"));
        buf_puts(out, ": source ");
        put_value(out, json_object_get(c, "source"));
        buf_puts(out, ", target ");
        put_value(out, json_object_get(c, "target"));
    }
    buf_putc(out, '\n');
}

static void put_origin(const json_t *written, Buf *out)
{
    const char *at = json_get_text(written, "at", "");
    const char *origin = json_get_text(written, "replication_origin", "");
    bool others = strcmp(json_get_text(written, "by", "unknown"), "others") == 0;
    buf_printf(out, "\n    target's row written%s%s by %s", at[0] != '\0' ? " at " : "", at,
               others ? "somebody else than bascule" : "bascule or somebody else (unknown)");
    if (origin[0] != '\0') {
        buf_puts(out, ", replication origin ");
        text_put_clean(out, origin);
    }
}

static void put_failure(const json_t *f, Buf *out)
{
    const json_t *columns = json_get(f, "columns");
    text_put_clean(out, json_get_text(f, "table", "unknown"));
    buf_putc(out, ' ');
    put_json(out, json_get(f, "key"));
    buf_printf(out, " %s", json_get_text(f, "kind", "unknown"));
    if (json_is_string(json_get(f, "first_lsn")))
        buf_printf(out, ", first seen at %s (%s)", json_get_text(f, "first_lsn", "unknown"),
                   json_get_text(f, "first_seen_at", "unknown"));
    if (json_is_object(json_get(f, "written")))
        put_origin(json_get(f, "written"), out);
    report_columns_text(columns, out);
}

static void put_list(const json_t *list, const char *title, size_t shown, Buf *out)
{
    size_t count = json_array_size(list);
    if (count == 0)
        return;
    buf_printf(out, "\n%s\n", title);
    for (size_t i = 0; i < count && i < shown; i++)
        put_failure(json_array_get(list, i), out);
    if (count > shown)
        buf_printf(out, "... and %zu more: see --json or bascule.failures on the target\n",
                   count - shown);
}

static void put_orphans(const json_t *list, Buf *out)
{
    if (json_array_size(list) > 0)
        buf_puts(out, "\nForeign keys\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        char n[2][TEXT_NUMBER_SIZE];
        const char *note = json_get_text(o, "note", "");
        text_put_clean(out, json_get_text(o, "table", "unknown"));
        buf_puts(out, " -> ");
        text_put_clean(out, json_get_text(o, "references", "unknown"));
        buf_printf(out, ": %s orphans on the source, %s on the target",
                   text_count(json_get_number(o, "source"), n[0]),
                   text_count(json_get_number(o, "target"), n[1]));
        if (!json_is_null(json_get(o, "example"))) {
            buf_puts(out, ", e.g. ");
            put_json(out, json_get(o, "example"));
        }
        if (note[0] != '\0') {
            buf_puts(out, "; ");
            text_put_clean(out, note);
        }
        buf_putc(out, '\n');
    }
}

void verify_report_text(const json_t *report, int width, Buf *out)
{
    const json_t *tables = json_get(report, "tables");
    if (width <= 0)
        width = 80;
    int name_width = width - 66 > 24 ? width - 66 : 24;
    put_headline(report, out);
    put_facts(report, out);
    text_put_cell(out, "Table", name_width, false);
    buf_puts(out, " Verdict         Source rows   Target rows  By\n");
    for (size_t i = 0; i < json_array_size(tables); i++)
        put_table(json_array_get(tables, i), name_width, out);
    put_list(json_get(report, "failures"), "Differences", SHOWN_FAILURES, out);
    put_list(json_get(report, "spots"), "Rows side by side", 1000, out);
    put_orphans(json_get(report, "orphans"), out);
}

/* status_text - see the header. */
#include "ops/status_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/model/progress.h"
#include "bascule/model/relation.h"
#include "ops/json_get.h"
#include "ops/status_proof.h"
#include "ops/text_layout.h"

#define SOURCE_DDL_SHOWN 10
#define LABEL_WIDTH      11
#define DEFAULT_WIDTH    80
#define LEAST_WIDTH      20
#define DEFAULT_TABLES   12
#define LIST_LENGTH      512

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

typedef struct Screen {
    const json_t *status;
    int width, max_tables;
    bool color;
    Buf *out;
} Screen;

static Screen screen_of(const json_t *status, const StatusTextStyle *style, Buf *out)
{
    Screen s = {.status = status, .out = out, .color = style->color};
    s.width = style->width <= 0 ? DEFAULT_WIDTH : style->width;
    if (s.width < LEAST_WIDTH)
        s.width = LEAST_WIDTH;
    s.max_tables = style->max_tables == 0 ? DEFAULT_TABLES : style->max_tables;
    return s;
}

static void color_on(const Screen *s, const char *color)
{
    if (s->color)
        buf_puts(s->out, color);
}

/* "Label      text", wrapped under the text. */
static void line(const Screen *s, const char *label, const char *color, const char *text)
{
    text_put_cell(s->out, label, LABEL_WIDTH, false);
    if (color != NULL)
        color_on(s, color);
    size_t before = s->out->len;
    text_put_wrapped(s->out, text, LABEL_WIDTH, LABEL_WIDTH, s->width);
    if (color != NULL && s->color && s->out->len > before) {
        s->out->len--; /* the colour ends before the newline */
        buf_puts(s->out, PLAIN "\n");
    }
}

static const char *count_at(const Screen *s, const char *path, char *out)
{
    return text_count(json_get_number(s->status, path), out);
}

static const char *bytes_at(const Screen *s, const char *path, char *out)
{
    return text_bytes(json_get_number(s->status, path), out);
}

static void head(const Screen *s)
{
    char text[LIST_LENGTH];
    bool running = strcmp(json_get_text(s->status, "engine", ""), "running") == 0;
    bool back = strcmp(json_get_text(s->status, "direction", ""), "back") == 0;
    const char *phase = json_get_text(s->status, "phase", "unknown");
    snprintf(text, sizeof text, "%s (engine %s)", phase,
             json_get_text(s->status, "engine", "unknown"));
    line(s, "Task", BOLD, json_get_text(s->status, "task", "unknown"));
    line(s, "Phase", strcmp(phase, "failed") == 0 ? RED : running ? GREEN : YELLOW, text);
    snprintf(text, sizeof text, "%smode %s, plugin %s, slot %s", back ? "target to source, " : "",
             json_get_text(s->status, "mode", "unknown"),
             json_get_text(s->status, "plugin", "unknown"),
             json_get_text(s->status, "slot", "unknown"));
    line(s, "Move", NULL, text);
}

/* Once the target is open it is the way back that counts. */
static void rollback(const Screen *s)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    char n[3][TEXT_NUMBER_SIZE];
    bool ready = json_get_true(s->status, "rollback.ready");
    if (ready)
        buf_puts(&text, "ready");
    else
        buf_printf(
            &text, "not ready, because %s",
            json_get_text(s->status, "rollback.not_ready_because", "nothing is known of it"));
    buf_printf(&text, "; the target has been open for %s",
               text_duration(json_get_us(s->status, "rollback.open_seconds", 1e6), n[0]));
    line(s, "Rollback", ready ? GREEN : YELLOW, buf_str(&text));
    int64_t fences = json_get_number(s->status, "rollback.fences");
    int64_t armed = json_get_number(s->status, "rollback.fences_armed");
    if (fences == PROGRESS_UNKNOWN)
        return;
    buf_clear(&text);
    buf_printf(&text, "%s of %s fence triggers of the source in force%s", text_count(armed, n[1]),
               text_count(fences, n[2]),
               armed < fences ? ": somebody may be writing there, and the comparison of a rollback "
                                "will find it"
                              : "");
    line(s, "Fence", armed < fences ? RED : NULL, buf_str(&text));
}

static void verdict(const Screen *s)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    if (strcmp(json_get_text(s->status, "cutover.decision", ""), "opened") == 0) {
        rollback(s);
        return;
    }
    if (json_get_true(s->status, "ready_for_cutover")) {
        line(s, "Cutover", GREEN, "ready");
        return;
    }
    buf_printf(&text, "not ready, because %s",
               json_get_text(s->status, "not_ready_because", "nothing is known of the engine"));
    line(s, "Cutover", YELLOW, buf_str(&text));
}

/* true, and one word printed, when none of the figures under `key` is known. */
static bool all_unknown(const Screen *s, const char *label, const char *key)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json_get(s->status, key), name, value)
    {
        if (!json_is_null(value))
            return false;
    }
    line(s, label, NULL, "unknown");
    return true;
}

static void lag(const Screen *s)
{
    char text[LIST_LENGTH], a[TEXT_NUMBER_SIZE], b[TEXT_NUMBER_SIZE], c[TEXT_NUMBER_SIZE],
        d[TEXT_NUMBER_SIZE];
    if (all_unknown(s, "Lag", "lag"))
        return;
    snprintf(text, sizeof text, "%s, %s behind (capture %s, apply %s)", bytes_at(s, "lag.bytes", a),
             text_duration(json_get_us(s->status, "lag.seconds", 1e6), b),
             bytes_at(s, "lag.capture_bytes", c), bytes_at(s, "lag.apply_bytes", d));
    line(s, "Lag", NULL, text);
}

static void positions(const Screen *s)
{
    char text[LIST_LENGTH];
    if (all_unknown(s, "LSN", "lsn"))
        return;
    snprintf(text, sizeof text, "source %s, received %s, applied %s, durable %s, confirmed %s",
             json_get_text(s->status, "lsn.source_end", "unknown"),
             json_get_text(s->status, "lsn.received", "unknown"),
             json_get_text(s->status, "lsn.applied", "unknown"),
             json_get_text(s->status, "lsn.durable", "unknown"),
             json_get_text(s->status, "lsn.confirmed", "unknown"));
    line(s, "LSN", NULL, text);
}

static void wal(const Screen *s)
{
    char text[LIST_LENGTH], a[TEXT_NUMBER_SIZE], b[TEXT_NUMBER_SIZE];
    if (all_unknown(s, "WAL", "wal"))
        return;
    const char *status = json_get_text(s->status, "wal.status", "unknown");
    bool known_no_limit = json_get_number(s->status, "wal.left_bytes") == PROGRESS_UNKNOWN &&
                          strcmp(status, "reserved") == 0;
    snprintf(text, sizeof text, "retained %s, left until the slot is lost: %s, slot %s",
             bytes_at(s, "wal.retained_bytes", a),
             known_no_limit ? "no limit, or unknown" : bytes_at(s, "wal.left_bytes", b), status);
    bool danger = strcmp(status, "unreserved") == 0 || strcmp(status, "lost") == 0;
    line(s, "WAL", danger ? RED : NULL, text);
}

static void load(const Screen *s)
{
    char text[LIST_LENGTH], n[8][TEXT_NUMBER_SIZE], percent[16] = "";
    if (all_unknown(s, "Load", "load"))
        return;
    int64_t bytes = json_get_number(s->status, "load.bytes");
    int64_t total = json_get_number(s->status, "load.bytes_total");
    if (bytes != PROGRESS_UNKNOWN && total > 0)
        snprintf(percent, sizeof percent, " (%d %%)", (int)(100.0 * (double)bytes / (double)total));
    int used =
        snprintf(text, sizeof text, "%s/%s tables, %s of about %s rows, %s of %s%s",
                 count_at(s, "load.tables_done", n[0]), count_at(s, "load.tables_total", n[1]),
                 count_at(s, "load.rows", n[2]), count_at(s, "load.rows_estimated", n[3]),
                 text_bytes(bytes, n[4]), text_bytes(total, n[5]), percent);
    bool done = json_get_number(s->status, "load.tables_done") ==
                json_get_number(s->status, "load.tables_total");
    if (!done && used > 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, ", %s/s, time left %s",
                 bytes_at(s, "load.bytes_per_second", n[6]),
                 text_duration(json_get_us(s->status, "load.eta_seconds", 1e6), n[7]));
    line(s, "Load", NULL, text);
}

static void stream(const Screen *s)
{
    char text[LIST_LENGTH], n[5][TEXT_NUMBER_SIZE];
    if (all_unknown(s, "Stream", "stream"))
        return;
    snprintf(text, sizeof text,
             "%s transactions, %s changes, queued %s, spilled %s, batches row by row: %s",
             count_at(s, "stream.transactions", n[0]), count_at(s, "stream.changes", n[1]),
             bytes_at(s, "stream.queued_bytes", n[2]), bytes_at(s, "stream.spilled_bytes", n[3]),
             count_at(s, "stream.fallback_batches", n[4]));
    line(s, "Stream", NULL, text);
}

/* Only where both sides are written. */
static void conflicts(const Screen *s)
{
    char text[LIST_LENGTH], n[5][TEXT_NUMBER_SIZE];
    int64_t waiting = json_get_number(s->status, "conflicts.waiting");
    if (json_get_number(s->status, "conflicts.recorded") == PROGRESS_UNKNOWN &&
        (waiting == PROGRESS_UNKNOWN || waiting == 0))
        return;
    snprintf(text, sizeof text,
             "%s recorded, %s wait for a decision; rows that were there already: %s, ahead: %s, "
             "gone already: %s",
             count_at(s, "conflicts.recorded", n[0]), count_at(s, "conflicts.waiting", n[1]),
             count_at(s, "conflicts.already_there", n[2]), count_at(s, "conflicts.ahead", n[3]),
             count_at(s, "conflicts.already_gone", n[4]));
    line(s, "Conflicts", waiting > 0 ? RED : NULL, text);
}

static void decision(const Screen *s)
{
    char text[LIST_LENGTH], n[TEXT_NUMBER_SIZE];
    const char *what = json_get_text(s->status, "cutover.decision", "unknown");
    const char *meaning = "";
    if (strcmp(what, "none") == 0)
        meaning = "source open, target not open";
    else if (strcmp(what, "fenced") == 0)
        meaning = "source fenced, target not open: run 'bascule cutover' or 'bascule abort'";
    else if (strcmp(what, "opened") == 0)
        meaning = "source fenced, target open";
    else if (strcmp(what, "revoked") == 0)
        meaning = "taken back, source open";
    if (strcmp(json_get_text(s->status, "rollback.decision", ""), "fenced") == 0) {
        what = "rollback fenced";
        meaning = "target fenced, source not open: run 'bascule rollback' or 'bascule abort'";
    }
    snprintf(text, sizeof text, "%s%s%s (epoch %s)", what, meaning[0] != '\0' ? ", " : "", meaning,
             count_at(s, "cutover.epoch", n));
    line(s, "Decision", strstr(what, "fenced") != NULL ? RED : NULL, text);
}

static void trouble(const Screen *s)
{
    const char *text = json_get_text(s->status, "trouble", "");
    if (text[0] != '\0')
        line(s, "Trouble", RED, text);
}

/* Schema scripts, where there are any. */
static void schema(const Screen *s)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    char n[3][TEXT_NUMBER_SIZE];
    const json_t *known = json_get(s->status, "schema");
    if (!json_is_object(known))
        return;
    const char *state = json_get_text(s->status, "schema.state", "unknown");
    buf_printf(&text, "%s, revision %s, %s applied, %s pending; the last took %s", state,
               json_get_text(s->status, "schema.revision", "none"),
               count_at(s, "schema.applied", n[0]), count_at(s, "schema.pending", n[1]),
               text_duration(json_get_us(s->status, "schema.last_seconds", 1e6), n[2]));
    line(s, "Schema", strcmp(state, "inconsistent") == 0 ? RED : NULL, buf_str(&text));
}

static void proof(const Screen *s)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    const char *color = status_proof_text(s->status, &text) ? YELLOW : NULL;
    if (text.len > 0)
        line(s, "Proof", color, buf_str(&text));
}

/* Tables ------------------------------------------------------------------------------------- */

typedef struct Row {
    const json_t *table;
    int64_t activity;
    int rank; /* trouble first, then what is being loaded, then the rest */
    size_t at;
} Row;

static int64_t known(int64_t n)
{
    return n == PROGRESS_UNKNOWN ? 0 : n;
}

static Row row_of(const json_t *table, size_t at)
{
    const char *state = json_get_text(table, "state", "");
    Row row = {.table = table, .at = at, .rank = 2};
    row.activity =
        known(json_get_number(table, "inserts")) + known(json_get_number(table, "updates")) +
        known(json_get_number(table, "deletes")) + known(json_get_number(table, "truncates"));
    if (strcmp(state, table_state_name(TABLE_ERROR)) == 0 ||
        json_get_text(table, "message", "")[0] != '\0')
        row.rank = 0;
    else if (strcmp(state, table_state_name(TABLE_FULL_LOAD)) == 0)
        row.rank = 1;
    return row;
}

static int compare_rows(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank - y->rank;
    if (x->activity != y->activity)
        return x->activity > y->activity ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void states_line(const Screen *s, const json_t *tables)
{
    char text[LIST_LENGTH] = "", n[TEXT_NUMBER_SIZE];
    size_t used = 0, i;
    const json_t *table;
    for (int state = TABLE_STATE_COUNT - 1; state >= -1; state--) {
        int64_t count = 0;
        /* -1 prints as "unknown" and gathers what is none of the others */
        json_array_foreach((json_t *)(uintptr_t)tables, i, table)
        {
            const char *name = json_get_text(table, "state", "unknown");
            count += strcmp(name, table_state_name(state)) == 0;
        }
        if (count > 0 && used < sizeof text)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s: %s", used > 0 ? ", " : "",
                                 table_state_name(state), text_count(count, n));
    }
    line(s, "Tables", NULL, used > 0 ? text : "none");
}

typedef struct TableColumn {
    const char *key, *title;
    int least_width; /* shown from this screen width on */
} TableColumn;

static const TableColumn COLUMNS[] = {
    {"full_load_rows", "Loaded", 0}, {"inserts", "Inserts", 72},      {"updates", "Updates", 72},
    {"deletes", "Deletes", 72},      {"truncates", "Truncates", 100},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof *COLUMNS, NUMBER_WIDTH = 11, STATE_WIDTH = 15 };

static int name_width(const Screen *s)
{
    int taken = s->width >= 40 ? STATE_WIDTH + 1 : 0;
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (s->width >= COLUMNS[c].least_width)
            taken += NUMBER_WIDTH;
    return s->width - taken > 6 ? s->width - taken : 6;
}

static void table_head(const Screen *s)
{
    int width = name_width(s);
    color_on(s, BOLD);
    text_put_cell(s->out, "Table", width, false);
    if (s->width >= 40) {
        buf_putc(s->out, ' ');
        text_put_cell(s->out, "State", STATE_WIDTH, false);
    }
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (s->width >= COLUMNS[c].least_width)
            text_put_cell(s->out, COLUMNS[c].title, NUMBER_WIDTH, true);
    color_on(s, PLAIN);
    buf_putc(s->out, '\n');
}

/* Where it was left, and the statement as one line, so that it can be copied from the screen. */
static void table_suspension(const Screen *s, const json_t *table)
{
    const char *since = json_get_text(table, "suspended_lsn", "");
    const char *statement = json_get_text(table, "statement", "");
    if (since[0] != '\0')
        buf_printf(s->out, "  since LSN %s\n", since);
    const char *ran = json_get_text(table, "source_statement", "");
    if (ran[0] != '\0')
        buf_printf(s->out, "  the source ran: %s\n", ran);
    if (statement[0] != '\0')
        buf_printf(s->out, "  to do on the target: %s\n", statement);
}

static void table_row(const Screen *s, const json_t *table)
{
    char n[TEXT_NUMBER_SIZE];
    const char *message = json_get_text(table, "message", "");
    const char *rows = json_get_text(table, "rows", "");
    text_put_cell(s->out, json_get_text(table, "table", "unknown"), name_width(s), false);
    if (s->width >= 40) {
        buf_putc(s->out, ' ');
        text_put_cell(s->out, json_get_text(table, "state", "unknown"), STATE_WIDTH, false);
    }
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (s->width >= COLUMNS[c].least_width)
            text_put_cell(s->out, text_count(json_get_number(table, COLUMNS[c].key), n),
                          NUMBER_WIDTH, true);
    buf_putc(s->out, '\n');
    if (rows[0] != '\0')
        buf_printf(s->out, "  rows where %s\n", rows);
    if (message[0] != '\0') {
        buf_puts(s->out, "  ");
        text_put_wrapped(s->out, message, 2, 2, s->width);
    }
    table_suspension(s, table);
}

static void tables(const Screen *s)
{
    const json_t *list = json_get(s->status, "tables");
    size_t count = json_array_size(list);
    states_line(s, list);
    if (count == 0 || s->max_tables == 0)
        return;
    Row *rows = calloc(count, sizeof *rows);
    ASSERT(rows != NULL);
    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(json_array_get(list, i), i);
    qsort(rows, count, sizeof *rows, compare_rows);
    size_t shown =
        s->max_tables > 0 && (size_t)s->max_tables < count ? (size_t)s->max_tables : count;
    buf_putc(s->out, '\n');
    table_head(s);
    for (size_t i = 0; i < shown; i++)
        table_row(s, rows[i].table);
    if (shown < count) {
        char text[80];
        snprintf(text, sizeof text, "... and %zu more (--json lists all)", count - shown);
        text_put_wrapped(s->out, text, 0, 0, s->width);
    }
    free(rows);
}

/* What the source ran and no copy covers: an index, a key, a sequence. Of suspended tables it stands there. */
static void source_ddl(const Screen *s)
{
    const json_t *list = json_get(s->status, "source_ddl");
    size_t count = json_array_size(list);
    if (count == 0 || s->max_tables == 0)
        return;
    buf_puts(s->out, "\nThe source ran, and bascule did not carry (does the target need it?):\n");
    for (size_t i = 0; i < count && i < SOURCE_DDL_SHOWN; i++) {
        const json_t *one = json_array_get(list, i);
        const char *text = json_get_text(one, "statement", "");
        buf_printf(s->out, "  %s  ", json_get_text(one, "lsn", "unknown"));
        if (text[0] != '\0')
            buf_printf(s->out, "%s;\n", text);
        else
            buf_printf(s->out, "%s %s (text withheld)\n", json_get_text(one, "tag", ""),
                       json_get_text(one, "name", ""));
    }
    if (count > SOURCE_DDL_SHOWN)
        buf_printf(s->out, "  ... and %zu more (--json lists them)\n", count - SOURCE_DDL_SHOWN);
}

void status_text(const json_t *status, const StatusTextStyle *style, Buf *out)
{
    Screen s = screen_of(status, style, out);
    head(&s);
    verdict(&s);
    trouble(&s);
    lag(&s);
    wal(&s);
    load(&s);
    stream(&s);
    conflicts(&s);
    positions(&s);
    decision(&s);
    proof(&s);
    schema(&s);
    tables(&s);
    source_ddl(&s);
}

void status_text_short(const json_t *status, const StatusTextStyle *style, Buf *out)
{
    Screen s = screen_of(status, style, out);
    CLEANUP_BUF Buf text = BUF_INIT;
    const char *phase = json_get_text(status, "phase", "unknown");
    bool loading =
        json_get_number(status, "load.tables_done") != json_get_number(status, "load.tables_total");
    buf_printf(&text, "%s: %s", json_get_text(status, "task", "unknown"), phase);
    line(&s, "Phase", BOLD, buf_str(&text));
    if (loading)
        load(&s);
    else
        stream(&s);
    lag(&s);
    if (!loading)
        verdict(&s);
    trouble(&s);
    if (loading)
        tables(&s);
}

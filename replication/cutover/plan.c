/*
 * plan - what a cutover is about to do, as sorted lines of text, and their digest.
 *
 * The dry run prints the digest; --confirm runs only a plan of the same digest. So whatever would
 * surprise the person who read the dry run is a line here: both ends, every table with its shape
 * and place, the limits, what the program adds (hooks, traffic). Figures that change by themselves
 * (lag, sizes) are none. The text of each plan is kept by the program, to say what has changed.
 */
#include <stdio.h>
#include <string.h>

#include "bascule/base/hash.h"
#include "bascule/base/sha256.h"
#include "cutover/internal.h"
#include "source/catalog.h"
#include "sql_files.h"

#define CHANGES_SHOWN 6

static bool put_side(Buf *out, PgConn *conn, const PgEndpoint *endpoint, Error *err)
{
    SourceIdentity who;
    if (!source_identify(conn, &who, err))
        return false;
    buf_printf(out, "%s: %s, system %s, database %s\n", endpoint->side, endpoint->shown,
               who.system_id, who.database);
    return true;
}

static void put_table(Buf *out, const Relation *rel)
{
    CLEANUP_BUF Buf shape = BUF_INIT;
    RowsHash hash = {0};
    char hex[33];
    for (int i = 0; i < rel->column_count; i++)
        buf_printf(&shape, "%s %s %d,", rel->columns[i].name, rel->columns[i].type_text,
                   rel->columns[i].not_null);
    for (int i = 0; i < rel->key_count; i++)
        buf_printf(&shape, " key %d", rel->key[i]);
    buf_printf(&shape, " %c", rel->replica_identity);
    rows_hash_add(&hash, shape.data, shape.len);
    rows_hash_text(&hash, hex);
    buf_printf(out, "table %s: to %s.%s, %d columns, shape %.12s\n", rel->display,
               rel->target_schema, rel->target_name, rel->column_count, hex + 20);
}

static void put_options(Buf *out, const CutoverSpec *spec)
{
    buf_printf(out, "max downtime: %lld ms\n", (long long)(spec->max_downtime_us / 1000));
    buf_printf(out, "max lag: %lld ms, %lld bytes\n", (long long)(spec->max_lag_us / 1000),
               (long long)spec->max_lag_bytes);
    buf_printf(out, "verify: %s, %d jobs\n", cutover_verify_name(spec->verify), spec->jobs);
    buf_printf(out, "locking: %d attempts of %lld ms\n", spec->lock_tries,
               (long long)(spec->lock_timeout_us / 1000));
    buf_printf(out, "terminate blockers: %s\n",
               spec->terminate_after > 0 ? "those listed twice" : "no");
    if (spec->max_waiting > 0)
        buf_printf(out, "max waiting: %d sessions\n", spec->max_waiting);
    buf_printf(out, "sequence margin: %lld\n", (long long)spec->sequence_margin);
}

bool plan_make(Cutover *cut, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    CLEANUP_BUF Buf text = BUF_INIT;
    char hex[SHA256_HEX_SIZE];
    buf_printf(&text, "task: %s\n", spec->task);
    if (!put_side(&text, cut->source, &spec->source, err) ||
        !put_side(&text, cut->target, &spec->target, err))
        return false;
    put_options(&text, spec);
    if (spec->plan_extra != NULL)
        buf_puts(&text, spec->plan_extra);
    for (int i = 0; i < spec->rels->count; i++)
        put_table(&text, spec->rels->all[i]);
    sha256_hex(text.data, text.len, hex);
    memcpy(cut->report->plan_hash, hex, sizeof cut->report->plan_hash - 1);
    cut->report->plan_text = arena_strdup(cut->arena, buf_str(&text));
    return true;
}

/* A line of a plan up to its ": ", which is what it is about. */
static size_t subject_len(const char *line)
{
    const char *end = strstr(line, ": ");
    size_t all = strcspn(line, "\n");
    return end != NULL && (size_t)(end - line) < all ? (size_t)(end - line) : all;
}

static const char *find_subject(const char *text, const char *line, size_t len)
{
    for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strncmp(at, line, len + 1) == 0)
            return at;
    }
    return NULL;
}

/* Lines of `a` that are not in `b`; with `both`, those whose subject is in b are left out. */
static void put_changes(Buf *out, const char *a, const char *b, bool only_gone, int *count)
{
    for (const char *line = a; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\n");
        const char *other = find_subject(b, line, subject_len(line));
        if (other != NULL && (only_gone || strncmp(other, line, len + 1) == 0))
            continue;
        if ((*count)++ >= CHANGES_SHOWN)
            continue;
        buf_puts(out, out->len > 0 ? "; " : "");
        if (other == NULL)
            buf_printf(out, "%s %.*s", only_gone ? "gone:" : "new:", (int)len, line);
        else
            buf_printf(out, "%.*s (was%.*s)", (int)len, line,
                       (int)(strcspn(other, "\n") - subject_len(line) - 1),
                       other + subject_len(line) + 1);
    }
}

void plan_changes(const char *before, const char *now, Buf *out)
{
    int count = 0;
    put_changes(out, now, before, false, &count);
    put_changes(out, before, now, true, &count);
    if (count > CHANGES_SHOWN)
        buf_printf(out, "; and %d more", count - CHANGES_SHOWN);
}

bool plan_confirmed(Cutover *cut, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    CLEANUP_BUF Buf before = BUF_INIT;
    CLEANUP_BUF Buf changes = BUF_INIT;
    if (spec->plan_keep != NULL &&
        !spec->plan_keep(spec->plan_arg, cut->report->plan_hash, cut->report->plan_text, err))
        return false;
    if (spec->approved != NULL && !spec->approved(spec->approved_arg, cut->report->plan_hash, err))
        return false;
    if (spec->confirm == NULL || strcmp(spec->confirm, cut->report->plan_hash) == 0)
        return true;
    if (spec->plan_find != NULL && spec->plan_find(spec->plan_arg, spec->confirm, &before))
        plan_changes(buf_str(&before), cut->report->plan_text, &changes);
    else
        buf_puts(&changes, "no plan of that name is known here");
    ERR(err, ERR_PLAN_CHANGED, "plan '%s' was confirmed, the plan is '%s' now: %s", spec->confirm,
        cut->report->plan_hash, buf_str(&changes));
    return false;
}

bool plan_rehearsed(Cutover *cut, bool *out_rehearsed, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(cut->target, SQL_CUTOVER_REHEARSED,
                      PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(cut->report->plan_hash)), &rows,
                      err))
        return false;
    *out_rehearsed = pgrows_bool(rows, 0, 0);
    return true;
}

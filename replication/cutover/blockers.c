/*
 * blockers - who holds the tables that the freeze wants, in words for the operator. Queries are
 * shown without literals: what is in them may be somebody's data.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cutover/internal.h"
#include "sql_files.h"
#include "verify/arrays.h"

#define QUERY_CHARS 60
#define SHOWN       5
#define HOPELESS_US 5000000 /* idle in transaction for longer: nobody knows when it ends */

static bool read_holders(PgConn *conn, const FenceSet *fences, uint32_t but_pid, PgRows **out_rows,
                         Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    char pid[16];
    arrays_begin(&oids);
    for (int i = 0; i < fences->count; i++)
        arrays_put_u32(&oids, fences->all[i].oid);
    snprintf(pid, sizeof pid, "%u", but_pid);
    return pgconn_query(conn, SQL_CUTOVER_BLOCKERS,
                        PG_PARAMS(PG_TEXT(arrays_end(&oids)), PG_TEXT(pid)), out_rows, err);
}

static const char *skip_quoted(const char *p, bool escapes)
{
    for (p++; *p != '\0'; p++) {
        if (escapes && *p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '\'' && p[1] == '\'')
            p++;
        else if (*p == '\'')
            return p + 1;
    }
    return p;
}

static const char *skip_dollar_quoted(const char *p)
{
    const char *tag_end = p + 1;
    while (isalnum((unsigned char)*tag_end) || *tag_end == '_')
        tag_end++;
    if (*tag_end != '$')
        return NULL;
    size_t tag_len = (size_t)(tag_end + 1 - p);
    for (const char *q = tag_end + 1; *q != '\0'; q++) {
        if (strncmp(q, p, tag_len) == 0)
            return q + tag_len;
    }
    return tag_end + strlen(tag_end);
}

/* Strings and numbers become ?, white space one blank, at most QUERY_CHARS. */
void blockers_mask(Buf *out, const char *query)
{
    size_t limit = out->len + QUERY_CHARS;
    const char *p = query;
    while (*p != '\0' && out->len < limit) {
        const char *end = NULL;
        char before = p > query ? p[-1] : ' ';
        bool in_word = isalnum((unsigned char)before) || before == '_' || before == '$';
        if (*p == '\'')
            end = skip_quoted(p, before == 'E' || before == 'e');
        else if (*p == '$' && !in_word && !isdigit((unsigned char)p[1]))
            end = skip_dollar_quoted(p);
        else if (isdigit((unsigned char)*p) && !in_word)
            for (end = p; isalnum((unsigned char)*end) || *end == '.'; end++)
                ;
        if (end != NULL) {
            buf_putc(out, '?');
            p = end;
        } else if (isspace((unsigned char)*p)) {
            if (out->len > 0 && out->data[out->len - 1] != ' ')
                buf_putc(out, ' ');
            p++;
        } else {
            buf_putc(out, *p++);
        }
    }
    if (*p != '\0')
        buf_puts(out, "...");
}

static void put_holder(Buf *out, const PgRows *rows, int r)
{
    char age[32] = "of unknown age";
    if (!pgrows_null(rows, r, 5))
        clock_format_duration(pgrows_i64(rows, r, 5), age, sizeof age);
    if (out->len > 0)
        buf_puts(out, "; ");
    if (pgrows_null(rows, r, 0)) {
        buf_printf(out, "a prepared transaction on %s", pgrows_text(rows, r, 6));
        return;
    }
    buf_printf(out, "pid %s (%s", pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
    if (pgrows_length(rows, r, 2) > 0)
        buf_printf(out, ", role %s", pgrows_text(rows, r, 2));
    if (pgrows_length(rows, r, 3) > 0)
        buf_printf(out, ", application %s", pgrows_text(rows, r, 3));
    if (pgrows_length(rows, r, 10) > 0)
        buf_printf(out, ", from %s", pgrows_text(rows, r, 10));
    if (pgrows_length(rows, r, 4) > 0)
        buf_printf(out, ", %s", pgrows_text(rows, r, 4));
    buf_printf(out, ", %s) on %s", age, pgrows_text(rows, r, 6));
    if (pgrows_length(rows, r, 7) > 0) {
        buf_puts(out, ": ");
        blockers_mask(out, pgrows_text(rows, r, 7));
    }
}

bool blockers_describe(PgConn *conn, const FenceSet *fences, uint32_t but_pid, Buf *out,
                       bool *out_all_yield, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!read_holders(conn, fences, but_pid, &rows, err))
        return false;
    bool all_yield = pgrows_count(rows) > 0;
    buf_clear(out);
    for (int r = 0; r < pgrows_count(rows); r++) {
        all_yield = all_yield && pgrows_bool(rows, r, 8);
        if (r < SHOWN)
            put_holder(out, rows, r);
    }
    if (pgrows_count(rows) > SHOWN)
        buf_printf(out, "; and %d more", pgrows_count(rows) - SHOWN);
    *out_all_yield = all_yield;
    return true;
}

bool blockers_judge(PgConn *conn, const FenceSet *fences, Buf *out_hopeless, Buf *out_slow,
                    Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!read_holders(conn, fences, 0, &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        if (strcmp(pgrows_text(rows, r, 1), "autovacuum worker") == 0 || pgrows_null(rows, r, 0) ||
            pgrows_i64(rows, r, 5) < HOPELESS_US)
            continue; /* a prepared transaction is a finding of its own */
        bool idle = strncmp(pgrows_text(rows, r, 4), "idle in transaction", 19) == 0;
        put_holder(idle ? out_hopeless : out_slow, rows, r);
    }
    return true;
}

/* Ending them
 * ------------------------------------------------------------------------------------- */

static bool was_seen(const BlockersSeen *seen, const Blocker *blocker)
{
    for (int i = 0; i < seen->count; i++) {
        if (strcmp(seen->all[i].pid, blocker->pid) == 0 &&
            strcmp(seen->all[i].started, blocker->started) == 0)
            return true;
    }
    return false;
}

static bool end_one(Cutover *cut, const PgRows *rows, int r, const Blocker *blocker, Error *err)
{
    CLEANUP_PGROWS PgRows *ended = NULL;
    CLEANUP_BUF Buf who = BUF_INIT;
    put_holder(&who, rows, r);
    if (!pgconn_query(cut->source, SQL_CUTOVER_TERMINATE,
                      PG_PARAMS(PG_TEXT(blocker->pid), PG_TEXT(blocker->started)), &ended, err)) {
        err_hint(err, "GRANT pg_signal_backend to our role, or end the sessions yourself.");
        return err_context(err, "ending %s", buf_str(&who));
    }
    bool sent = pgrows_count(ended) == 1 && pgrows_bool(ended, 0, 0);
    cutover_tell(cut, "freeze", false, "%s: %s", sent ? "ended" : "gone by now", buf_str(&who));
    cut->report->terminated += sent;
    return true;
}

bool blockers_terminate(Cutover *cut, bool may_end, BlockersSeen *seen, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    BlockersSeen now = {0};
    if (!read_holders(cut->source, &cut->fences, cut->freeze.pid, &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows) && now.count < (int)(sizeof now.all / sizeof *now.all);
         r++) {
        Blocker *blocker = &now.all[now.count];
        if (strcmp(pgrows_text(rows, r, 1), "client backend") != 0 ||
            strncmp(pgrows_text(rows, r, 3), "bascule:", 8) == 0)
            continue;
        snprintf(blocker->pid, sizeof blocker->pid, "%.15s", pgrows_text(rows, r, 0));
        snprintf(blocker->started, sizeof blocker->started, "%.47s", pgrows_text(rows, r, 9));
        now.count++;
        if (may_end && was_seen(seen, blocker) && !end_one(cut, rows, r, blocker, err))
            return false;
    }
    *seen = now;
    return true;
}

/*
 * left_behind - who is still connected to the side that was left: their writes are refused from now
 * on, and somebody should know before they call.
 */
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

#define SHOWN 20

static void keep(Cutover *cut, const PgRows *rows)
{
    CutoverReport *report = cut->report;
    report->left = arena_new_array(cut->arena, CutoverSession, pgrows_count(rows) + 1);
    for (int r = 0; r < pgrows_count(rows); r++)
        report->left[report->left_count++] = (CutoverSession){
            .pid = pgrows_i64(rows, r, 0),
            .role = arena_strdup(cut->arena, pgrows_text(rows, r, 1)),
            .application = arena_strdup(cut->arena, pgrows_text(rows, r, 2)),
            .address = arena_strdup(cut->arena, pgrows_text(rows, r, 3)),
            .state = arena_strdup(cut->arena, pgrows_text(rows, r, 4)),
            .since_us = pgrows_null(rows, r, 5) ? PROGRESS_UNKNOWN : pgrows_i64(rows, r, 5),
        };
    report->left_known = true;
}

static const char *or_unknown(const char *text, const char *unknown)
{
    return text[0] != '\0' ? text : unknown;
}

void left_behind_tell(Cutover *cut)
{
    Error err = ERROR_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (cut->source == NULL || !pgconn_usable(cut->source) ||
        !pgconn_query(cut->source, SQL_CUTOVER_LEFT_BEHIND, PG_NO_PARAMS, &rows, &err)) {
        log_debug("looking for sessions left behind: %s", err.message);
        return;
    }
    keep(cut, rows);
    for (int r = 0; r < cut->report->left_count && r < SHOWN; r++) {
        const CutoverSession *session = &cut->report->left[r];
        char since[32] = "unknown";
        if (session->since_us != PROGRESS_UNKNOWN)
            clock_format_duration(session->since_us, since, sizeof since);
        cutover_tell(cut, "left", false,
                     "still on the %s: pid %lld, role %s, application %s, from %s, %s for %s",
                     FROM_SIDE(cut), (long long)session->pid, session->role,
                     or_unknown(session->application, "unnamed"),
                     or_unknown(session->address, "unknown"),
                     or_unknown(session->state, "in unknown state"), since);
    }
    if (cut->report->left_count > SHOWN)
        cutover_tell(cut, "left", false, "and %d more sessions", cut->report->left_count - SHOWN);
}

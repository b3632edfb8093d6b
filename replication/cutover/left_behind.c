/*
 * left_behind - who is still connected to the side that was left: their writes are refused from now
 * on, and somebody should know before they call.
 */
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

#define SHOWN 20

void left_behind_tell(Cutover *cut)
{
    Error err = ERROR_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (cut->source == NULL || !pgconn_usable(cut->source) ||
        !pgconn_query(cut->source, SQL_CUTOVER_LEFT_BEHIND, PG_NO_PARAMS, &rows, &err)) {
        log_debug("looking for sessions left behind: %s", err.message);
        return;
    }
    for (int r = 0; r < pgrows_count(rows) && r < SHOWN; r++) {
        char since[32] = "unknown";
        if (!pgrows_null(rows, r, 5))
            clock_format_duration(pgrows_i64(rows, r, 5), since, sizeof since);
        cutover_tell(cut, "left", false,
                     "still on the %s: pid %s, role %s, application %s, from %s, %s for %s",
                     FROM_SIDE(cut), pgrows_text(rows, r, 0), pgrows_text(rows, r, 1),
                     pgrows_length(rows, r, 2) > 0 ? pgrows_text(rows, r, 2) : "unnamed",
                     pgrows_length(rows, r, 3) > 0 ? pgrows_text(rows, r, 3) : "unknown",
                     pgrows_length(rows, r, 4) > 0 ? pgrows_text(rows, r, 4) : "in unknown state",
                     since);
    }
    if (pgrows_count(rows) > SHOWN)
        cutover_tell(cut, "left", false, "and %d more sessions", pgrows_count(rows) - SHOWN);
}

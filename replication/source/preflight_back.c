/*
 * preflight_back - what the target lacks for a rollback after its opening. A load runs without
 * it, so these are warnings; but wal_level takes a restart of the target, which is cheap before the
 * load and dear on the day of the cutover, where the same is refused.
 */
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

#define WHY "cutover.reverse: nothing could stream back to the source, and the cutover is refused"

void preflight_back(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!p->spec->way_back || p->spec->mode == PREFLIGHT_LOAD || p->target.conn == NULL ||
        !PREFLIGHT_ASK(p, &p->target, "way-back", SQL_BACK_FACTS, &rows))
        return;
    bool fine = true;
    if (strcmp(pgrows_text(rows, 0, 0), "logical") != 0) {
        fine = false;
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "way-back", .subject = "target",
            .what = preflight_text(p, "wal_level is %s", pgrows_text(rows, 0, 0)), .why = WHY,
            .remedy = "ALTER SYSTEM SET wal_level = logical;  -- on the target, restart it");
    }
    if (!pgrows_bool(rows, 0, 1)) {
        fine = false;
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "way-back", .subject = "target",
                      .what = preflight_text(p, "role %s may not stream", pgrows_text(rows, 0, 4)),
                      .why = WHY,
                      .remedy = preflight_text(p, "ALTER ROLE %s REPLICATION;  -- on the target",
                                               pgrows_text(rows, 0, 4)));
    }
    if (pgrows_i64(rows, 0, 2) < 1 || pgrows_i64(rows, 0, 3) < 1) {
        fine = false;
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "way-back", .subject = "target",
                      .what = "no replication slot or no walsender is free", .why = WHY,
                      .remedy = "raise max_replication_slots and max_wal_senders on the target, "
                                "restart it");
    }
    if (fine)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "way-back", .subject = "target",
                      .what = "it can stream back after the opening", .why = "", .remedy = "");
}

/* origin - see the header. */
#include "verify/origin.h"

#include <string.h>

#include "sqltext/sqltext.h"
#include "verify/keydiff.h"

/* An age below zero, or above half of the numbers there are, says that they have come round. */
static void build(SqlText *st, const Relation *rel)
{
    sqltext_put(st, "SELECT w.place, pg_catalog.age(t.xmin) >= 0 AND pg_catalog.age(t.xmin) < "
                    "(SELECT pg_catalog.age(pg_catalog.xid(r.wrote)) FROM bascule.resume r "
                    "WHERE r.wrote_parts IS NOT TRUE AND r.task = ");
    sqltext_param(st, rel->key_count + 1);
    sqltext_put(st, "), (EXTRACT(epoch FROM c.at) * 1000000)::pg_catalog.int8, o.roname");
    keydiff_put_rows(st, rel, false);
    sqltext_put(st, " LEFT JOIN LATERAL (SELECT x.\"timestamp\" AS at, x.roident "
                    "FROM pg_catalog.pg_xact_commit_timestamp_origin(CASE WHEN "
                    "pg_catalog.current_setting('track_commit_timestamp')::pg_catalog.bool "
                    "THEN t.xmin END) x) c ON true "
                    "LEFT JOIN pg_catalog.pg_replication_origin o ON o.roident = c.roident");
}

bool origin_read(PgConn *target, const char *task, const Relation *rel,
                 const char *const *const *keys, int count, Arena *arena, RowOrigin *out,
                 Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgParam *params = keydiff_params(rel, keys, count, arena, 1);
    params[rel->key_count] = PG_TEXT(task);
    build(&st, rel);
    if (!pgconn_query(target, sqltext_sql(&st), params, rel->key_count + 1, &rows, err))
        return err_context(err, "looking who wrote rows of table '%s'", rel->display);
    memset(out, 0, sizeof *out * (size_t)count);
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *name = pgrows_null(rows, r, 3) ? NULL : pgrows_text(rows, r, 3);
        out[pgrows_i64(rows, r, 0) - 1] =
            (RowOrigin){.known = true,
                        .others = pgrows_bool(rows, r, 1) || name != NULL,
                        .written_us = pgrows_i64(rows, r, 2),
                        .replication_origin = arena_strdup(arena, name)};
    }
    return true;
}

/* row_filters - rows that a filter leaves out stay on the side that is left: somebody should know how
 * many before, since the fence closes them, too. */
#include "cutover/findings.h"
#include "source/catalog.h"
#include "sql_files.h"
#include "sqltext/reading.h"

#define COUNT_BEGIN "BEGIN READ ONLY; SET LOCAL statement_timeout = '5s'"

static bool count_outside(PgConn *conn, const Relation *rel, int64_t *out, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SELECT pg_catalog.count(*) FROM ");
    if (rel->has_children)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->schema, rel->name);
    reading_outside(&st, rel, true);
    if (!pgconn_query(conn, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    *out = pgrows_i64(rows, 0, 0);
    return true;
}

static bool tell_outside(Findings *f, const Relation *rel, Error *err)
{
    PgConn *conn = f->cut->source;
    Error why = ERROR_INIT;
    /* The fence closes the table as a whole. */
    const char *then = f->cut->spec->back ? "" : ", where nobody can write them any more";
    int64_t rows = 0;
    if (!pgconn_script(conn, SQL(COUNT_BEGIN), err))
        return false;
    bool counted = count_outside(conn, rel, &rows, &why);
    if (!pgconn_exec(conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, err))
        return false;
    if (!counted)
        finding_warn(f,
                     "table '%s': rows outside of its filter stay on the %s%s, how many is not "
                     "known (%s)",
                     rel->display, FROM_SIDE(f->cut), then, why.message);
    else if (rows > 0)
        finding_warn(f, "table '%s': %lld rows are outside of its filter (%s) and stay on the %s%s",
                     rel->display, (long long)rows, rel->filter->text, FROM_SIDE(f->cut), then);
    return true;
}

/* On the way back no table can be left out and copied again. */
static bool tell_large_values(Findings *f, Error *err)
{
    const Relations *back = f->cut->way_back.rels;
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT;
    bool any = false;
    for (int i = 0; back != NULL && i < back->count; i++)
        any = any || (back->all[i]->filter != NULL && back->all[i]->replica_identity != 'f');
    if (!any)
        return true;
    relations_oid_array(back, &oids);
    if (!pgconn_query(f->cut->target, SQL_PREFLIGHT_LARGE_VALUES,
                      PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        const Relation *rel = relations_by_oid(back, pgrows_u32(rows, r, 0));
        if (rel == NULL || rel->filter == NULL || rel->replica_identity == 'f')
            continue;
        finding_warn(f,
                     "table '%s': an UPDATE on the %s that moves a row into its filter may come "
                     "without its large values, which would stop the way back: ALTER TABLE %s "
                     "REPLICA IDENTITY FULL there",
                     rel->display, TO_SIDE(f->cut), rel->display);
    }
    return true;
}

bool preflight_row_filters(Findings *f, Error *err)
{
    const Relations *rels = f->cut->spec->rels;
    int filtered = 0;
    for (int i = 0; i < rels->count; i++) {
        if (rels->all[i]->filter == NULL)
            continue;
        filtered++;
        if (!tell_outside(f, rels->all[i], err))
            return false;
    }
    if (filtered > 0 && !f->cut->spec->back)
        finding_fine(f, "of %d tables only the rows of their filter move", filtered);
    return tell_large_values(f, err);
}

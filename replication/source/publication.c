/*
 * publication - the source's list of tables for pgoutput: what slot.h promises about it.
 */
#include "bascule/base/log.h"
#include "source/slot.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

/* Unlogged tables write no WAL and may not be published; a root has its partitions' rows. */
static bool publishable(const Relation *rel)
{
    return rel->persistence == 'p' && !rel->is_root;
}

static const Relation *table_at(const Relations *rels, int i)
{
    return i < rels->count ? rels->all[i] : rels->leaves[i - rels->count];
}

/* *out_found false: there is none of that name. SLOT when it publishes something else. */
static bool publication_fits(PgConn *source, const char *name, const Relations *rels,
                             bool *out_found, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    int count = 0;
    buf_putc(&oids, '{');
    for (int i = 0; i < rels->count + rels->leaf_count; i++) {
        const Relation *rel = table_at(rels, i);
        if (publishable(rel))
            buf_printf(&oids, "%s%u", count++ > 0 ? "," : "", rel->oid);
    }
    buf_putc(&oids, '}');
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_PUBLICATION_STATE,
                      PG_PARAMS(PG_TEXT(name), PG_TEXT(buf_str(&oids))), &rows, err))
        return false;
    *out_found = pgrows_count(rows) > 0;
    if (!*out_found)
        return true;
    const char *why = NULL;
    if (!pgrows_bool(rows, 0, 0))
        why = "it does not publish insert, update, delete and truncate";
    else if (pgrows_bool(rows, 0, 1))
        why = "it publishes by partition root";
    else if (pgrows_i64(rows, 0, 2) > 0)
        why = "tables in scope are missing";
    else if (pgrows_i64(rows, 0, 3) > 0)
        why = "it has tables that are not in scope";
    else if (pgrows_bool(rows, 0, 4))
        why = "it has row filters or column lists";
    if (why == NULL)
        return true;
    ERR(err, ERR_SLOT, "publication '%s' exists and does not fit: %s", name, why);
    return err_hint(err,
                    "Drop it (bascule makes its own), or set publication.name to another name.");
}

static bool create_publication(PgConn *source, const char *name, const Relations *rels, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int count = 0;
    /* Each table gets a SHARE UPDATE EXCLUSIVE lock for a moment: never queue for long. */
    sqltext_put(&st, "BEGIN; SET LOCAL lock_timeout = '15s'; CREATE PUBLICATION ");
    sqltext_ident(&st, name);
    for (int i = 0; i < rels->count + rels->leaf_count; i++) {
        const Relation *rel = table_at(rels, i);
        if (!publishable(rel))
            continue;
        if (count++ == 0)
            sqltext_put(&st, " FOR TABLE ONLY ");
        else
            sqltext_put(&st, ", ONLY ");
        sqltext_qualified(&st, rel->schema, rel->name);
    }
    sqltext_put(&st, " WITH (publish_via_partition_root = false); COMMIT");
    if (pgconn_script(source, sqltext_sql(&st), err))
        return true;
    if (pgconn_usable(source) && pgconn_in_transaction(source)) {
        Error ignored = ERROR_INIT;
        (void)!pgconn_exec(source, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored);
    }
    return false;
}

bool publication_create(PgConn *source, const char *name, const Relations *rels, bool *out_created,
                        Error *err)
{
    bool found = false;
    if (!publication_fits(source, name, rels, &found, err))
        return err_context(err, "preparing publication '%s'", name);
    *out_created = !found;
    if (found)
        return true;
    if (!create_publication(source, name, rels, err))
        return err_context(err, "creating publication '%s'", name);
    log_info("publication created publication=%s", name);
    return true;
}

static bool add_table(PgConn *source, const char *name, const Relation *rel, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (!publishable(rel))
        return true;
    if (!pgconn_query(source, SQL_SOURCE_PUBLISHED,
                      PG_PARAMS(PG_TEXT(name), PG_TEXT(rel->schema), PG_TEXT(rel->name)), &rows,
                      err))
        return false;
    if (pgrows_bool(rows, 0, 0))
        return true;
    sqltext_put(&st, "BEGIN; SET LOCAL lock_timeout = '15s'; ALTER PUBLICATION ");
    sqltext_ident(&st, name);
    sqltext_put(&st, " ADD TABLE ONLY ");
    sqltext_qualified(&st, rel->schema, rel->name);
    sqltext_put(&st, "; COMMIT");
    if (pgconn_script(source, sqltext_sql(&st), err))
        return true;
    return err_context(err, "adding table '%s' to publication '%s'", rel->display, name);
}

bool publication_add(PgConn *source, const char *name, const Relation *rel, Error *err)
{
    for (int i = 0; i < rel->leaf_count; i++)
        if (!add_table(source, name, rel->leaves[i], err))
            return false;
    return add_table(source, name, rel, err);
}

bool publication_drop(PgConn *source, const char *name, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "DROP PUBLICATION IF EXISTS ");
    sqltext_ident(&st, name);
    if (!pgconn_exec(source, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return err_context(err, "dropping publication '%s'", name);
    return true;
}

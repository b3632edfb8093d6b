/* truncate - load_truncate(): the tables in scope are emptied before the first load. */
#include <string.h>

#include "bascule/base/log.h"
#include "load/load.h"
#include "load/names.h"
#include "sql_files.h"
#include "sqltext/reading.h"

static bool to_be_emptied(const Relation *rel)
{
    return atomic_load(&rel->load_state) != TABLE_COMPLETED;
}

/* Emptying a referenced table would break, or cascade into, the table that refers to it. */
static bool refuse_outside(PgConn *target, TargetNames *names, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(
            target, SQL_LOAD_OUTSIDE_REFERENCES,
            PG_PARAMS(PG_TEXT(buf_str(&names->schemas)), PG_TEXT(buf_str(&names->tables))), &rows,
            err))
        return false;
    if (pgrows_count(rows) == 0)
        return true;
    ERR(err, ERR_TARGET_NOT_EMPTY,
        "table '%s' of the target is not in scope and references table '%s' (constraint '%s')",
        pgrows_text(rows, 0, 0), pgrows_text(rows, 0, 1), pgrows_text(rows, 0, 2));
    return err_hint(err,
                    "Take the table into the scope, drop the foreign key for the time of the load, "
                    "or empty the tables by hand and use target.prepare: nothing.");
}

static bool truncate_all(PgConn *target, TargetNames *names, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (!pgconn_query(
            target, SQL_TARGET_TRUNCATE_SET,
            PG_PARAMS(PG_TEXT(buf_str(&names->schemas)), PG_TEXT(buf_str(&names->tables))), &rows,
            err))
        return false;
    if (pgrows_count(rows) == 0)
        return true;
    sqltext_put(&st, "TRUNCATE ");
    for (int i = 0; i < pgrows_count(rows); i++) {
        if (i > 0)
            sqltext_put(&st, ", ");
        if (pgrows_bool(rows, i, 2))
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, pgrows_text(rows, i, 0), pgrows_text(rows, i, 1));
    }
    return pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err);
}

/* Children first: the plan's order backwards. */
static bool delete_all(const LoadSpec *spec, PgConn *target, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    for (int i = spec->rels->count - 1; i >= 0; i--) {
        const Relation *rel = spec->rels->all[spec->plan->order[i]];
        if (!to_be_emptied(rel))
            continue;
        sqltext_clear(&st);
        /* Children by inheritance are relations of their own, or not in scope at all. */
        sqltext_put(&st, "DELETE FROM ");
        if (rel->has_children)
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, rel->target_schema, rel->target_name);
        reading_where(&st, rel, false, NULL);
        if (!pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
            return err_context(err, "deleting the rows of table '%s'", rel->display);
    }
    return true;
}

/* The rows that the filters leave out are not the task's. */
static bool any_filter(const LoadSpec *spec)
{
    for (int i = 0; i < spec->rels->count; i++)
        if (relation_filtered(spec->rels->all[i]) && to_be_emptied(spec->rels->all[i]))
            return true;
    return false;
}

static bool empty_all(const LoadSpec *spec, PgConn *target, TargetNames *names, Error *err)
{
    if (!pgconn_script(target, SQL("BEGIN; SET LOCAL lock_timeout = '30s'"), err) ||
        !refuse_outside(target, names, err) || !pgconn_script(target, SQL("SAVEPOINT empty"), err))
        return false;
    if (any_filter(spec)) {
        if (!pgconn_script(target, SQL("SET CONSTRAINTS ALL DEFERRED"), err) ||
            !delete_all(spec, target, err))
            return false;
    } else if (!truncate_all(target, names, err)) {
        if (strcmp(err->sqlstate, "0A000") != 0 && err->cls != ERR_PRIVILEGE)
            return false;
        log_info("the tables cannot be truncated, their rows are deleted (%s)", err->message);
        err_clear(err);
        if (!pgconn_script(target, SQL("ROLLBACK TO SAVEPOINT empty; SET CONSTRAINTS ALL DEFERRED"),
                           err) ||
            !delete_all(spec, target, err))
            return false;
    }
    return pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool load_truncate(const LoadSpec *spec, PgConn *target, Error *err)
{
    TargetNames names = TARGET_NAMES_INIT;
    for (int i = 0; i < spec->rels->count; i++) {
        if (to_be_emptied(spec->rels->all[i]))
            names_add(&names, spec->rels->all[i]);
    }
    names_end(&names);
    bool ok = names.count == 0 || empty_all(spec, target, &names, err);
    names_done(&names);
    if (ok)
        return true;
    if (pgconn_usable(target) && pgconn_in_transaction(target)) {
        Error ignored = ERROR_INIT;
        (void)!pgconn_exec(target, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored);
    }
    return err_context(err, "emptying the tables of the target");
}

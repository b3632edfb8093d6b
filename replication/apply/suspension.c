/* suspension - see the header */
#include "apply/suspension.h"

#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sql_files.h"

bool suspension_write(PgConn *target, const char *task, const Relation *rel, const char *remedy,
                      Error *err)
{
    LsnText lsn = lsn_text(rel->suspended_lsn);
    char oid[16];
    snprintf(oid, sizeof oid, "%u", rel->oid);
    const char *schema = rel->row_schema != NULL ? rel->row_schema : rel->schema;
    const char *name = rel->row_name != NULL ? rel->row_name : rel->name;
    return pgconn_exec(target, SQL_CONTROL_SUSPEND,
                       PG_PARAMS(PG_TEXT(task), PG_TEXT(schema), PG_TEXT(name), PG_TEXT(oid),
                                 PG_TEXT(lsn.text), PG_TEXT(rel->suspend_reason), PG_TEXT(remedy),
                                 PG_TEXT(rel->target_schema), PG_TEXT(rel->target_name)),
                       NULL, err) ||
           err_context(err, "recording that table '%s' is suspended", rel->display);
}

bool suspension_write_due(PgConn *target, const char *task, const Relations *rels, Error *err)
{
    for (int i = 0; i < rels->count; i++) {
        if (atomic_load(&rels->all[i]->suspended) != SUSPEND_DUE)
            continue;
        if (!suspension_write(target, task, rels->all[i], NULL, err) ||
            FAULT_ERROR(SUSPEND_WRITTEN, err))
            return false;
    }
    return true;
}

void suspension_committed(const Relations *rels)
{
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (atomic_load(&rel->suspended) != SUSPEND_DUE)
            continue;
        atomic_store(&rel->suspended, SUSPENDED);
        log_warn("table suspended, the others go on table=%s lsn=" LSN_FMT ": %s", rel->display,
                 LSN_ARGS(rel->suspended_lsn), rel->suspend_reason);
    }
}

static bool is_row_of(const Relation *rel, const char *schema, const char *name)
{
    return strcmp(rel->row_schema != NULL ? rel->row_schema : rel->schema, schema) == 0 &&
           strcmp(rel->row_name != NULL ? rel->row_name : rel->name, name) == 0;
}

bool suspension_read(PgConn *target, const char *task, const Relations *rels, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_SUSPENDED_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading the suspended tables");
    for (int row = 0; row < pgrows_count(rows); row++) {
        for (int i = 0; i < rels->count; i++) {
            Relation *rel = rels->all[i];
            if (!is_row_of(rel, pgrows_text(rows, row, 0), pgrows_text(rows, row, 1)))
                continue;
            relation_suspend(rel, pgrows_lsn(rows, row, 2), pgrows_text(rows, row, 3));
            atomic_store(&rel->suspended, SUSPENDED);
            break;
        }
    }
    return true;
}

bool suspension_is_shape(const Error *err)
{
    static const char *const STATES[] = {
        "22P02", /* no such enum label; text that the type does not read */
        "22001", /* too long */
        "22003", /* out of range */
        "42703", /* no such column */
        "42P01", /* no such table */
        "42804", /* another type */
        "3F000", /* no such schema */
    };
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++)
        if (strcmp(err->sqlstate, STATES[i]) == 0)
            return true;
    return false;
}

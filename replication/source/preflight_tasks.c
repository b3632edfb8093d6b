/* preflight_tasks - what other tasks move into the target; see source/others.h. */
#include "source/others.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

bool others_check(PgConn *target, const char *task, const Relations *rels,
                  bool (*meant)(const Relation *rel), Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    preflight_array_begin(&schemas);
    preflight_array_begin(&names);
    for (int i = 0; i < rels->count; i++) {
        if (meant != NULL && !meant(rels->all[i]))
            continue;
        preflight_array_put(&schemas, rels->all[i]->target_schema);
        preflight_array_put(&names, rels->all[i]->target_name);
    }
    if (!pgconn_query(target, SQL_TABLES_OF_OTHERS,
                      PG_PARAMS(PG_TEXT(task), PG_TEXT(preflight_array_end(&schemas)),
                                PG_TEXT(preflight_array_end(&names))),
                      &rows, err))
        return err_context(err, "looking for other tasks");
    if (pgrows_count(rows) == 0)
        return true;
    ERR(err, ERR_BLOCKED, "table '%s.%s' is moved into this target by task '%s' already",
        pgrows_text(rows, 0, 1), pgrows_text(rows, 0, 2), pgrows_text(rows, 0, 0));
    return err_hint(err,
                    "Leave it out (tables.exclude), or end that task first: 'bascule cleanup' with "
                    "its configuration.");
}

void preflight_tasks(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Error err = ERROR_INIT;
    if (p->target.conn == NULL || !preflight_fact_true(&p->target, "bascule_schema") ||
        !PREFLIGHT_ASK(p, &p->target, "other-task",
                       SQL("SELECT pg_catalog.to_regclass('bascule.table_state') IS NOT NULL"),
                       &rows) ||
        !pgrows_bool(rows, 0, 0) ||
        others_check(p->target.conn, p->spec->task, p->rels, NULL, &err))
        return;
    PREFLIGHT_ADD(p, err.cls == ERR_BLOCKED ? PREFLIGHT_BLOCKER : PREFLIGHT_UNKNOWN,
                  .code = "other-task", .subject = "target",
                  .what = preflight_text(p, "%s", err.message),
                  .why = "two tasks would write one table, and one fence would take the place of "
                         "the other's",
                  .remedy = preflight_text(p, "%s", err_hint_of(&err)));
}

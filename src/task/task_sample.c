/* task_sample - see the header. */
#include "task/task_sample.h"

#include <string.h>

#include "bascule/base/log.h"
#include "bascule/port/conninfo.h"
#include "schema/schema.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"
#include "task/task_internal.h"

/* A scratch database ------------------------------------------------------------------------------ */

/* *out_there false: there is no such database. */
static bool look(PgConn *target, const char *name, const char *task, bool *out_there, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_SAMPLE_DATABASE, PG_PARAMS(PG_TEXT(name)), &rows, err))
        return false;
    *out_there = pgrows_count(rows) > 0;
    return !*out_there ||
           sample_ours("database", name, pgrows_null(rows, 0, 0) ? NULL : pgrows_text(rows, 0, 0),
                       task, err);
}

static bool drop_database(PgConn *target, const char *name, const char *task, bool *out_dropped,
                          Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (!look(target, name, task, out_dropped, err))
        return false;
    if (!*out_dropped)
        return true;
    sqltext_put(&st, "DROP DATABASE ");
    sqltext_ident(&st, name);
    return pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err);
}

static bool create_database(PgConn *target, const char *name, const char *task, Arena *arena,
                            Error *err)
{
    CLEANUP_PGROWS PgRows *like = NULL;
    CLEANUP_SQLTEXT SqlText make = SQLTEXT_INIT;
    CLEANUP_SQLTEXT SqlText mark = SQLTEXT_INIT;
    if (!pgconn_query(target, SQL_SAMPLE_LIKE, PG_NO_PARAMS, &like, err))
        return false;
    sqltext_put(&make, "CREATE DATABASE ");
    sqltext_ident(&make, name);
    sqltext_put(&make, " TEMPLATE template0 ENCODING ");
    sqltext_string(&make, pgrows_text(like, 0, 0));
    sqltext_put(&make, " LC_COLLATE ");
    sqltext_string(&make, pgrows_text(like, 0, 1));
    sqltext_put(&make, " LC_CTYPE ");
    sqltext_string(&make, pgrows_text(like, 0, 2));
    sqltext_put(&mark, "COMMENT ON DATABASE ");
    sqltext_ident(&mark, name);
    sqltext_put(&mark, " IS ");
    sqltext_string(&mark, sample_mark(arena, task));
    if (pgconn_exec(target, sqltext_sql(&make), PG_NO_PARAMS, NULL, err))
        return pgconn_exec(target, sqltext_sql(&mark), PG_NO_PARAMS, NULL, err);
    if (err->cls == ERR_PRIVILEGE)
        err_hint(err, "With target.prepare: create a sample is loaded into a database of its own: "
                      "ALTER ROLE ... CREATEDB for the time of it, or make the tables first and "
                      "use target.prepare: truncate or nothing.");
    return false;
}

/* A new one in place of an earlier sample's. */
static bool make_database(const Task *task, const char *name, Arena *arena, PgEndpoint *out,
                          Error *err)
{
    Conninfo parts;
    bool dropped = false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "sample", err);
    *out = task->spec.target;
    if (target == NULL || !drop_database(target, name, task->spec.task, &dropped, err) ||
        !create_database(target, name, task->spec.task, arena, err) ||
        !conninfo_parse(arena, task->spec.target.conninfo, &parts, err))
        return false;
    conninfo_put(arena, &parts, "dbname", name);
    out->conninfo = conninfo_text(arena, &parts);
    return true;
}

/* The sample -------------------------------------------------------------------------------------- */

static SampleSpec spec_of(const Task *task, const TaskSample *options)
{
    int count = 0;
    const char *const *references = config_list(task->config, OPT_VERIFY_REFERENCES, &count);
    return (SampleSpec){
        .source = task->spec.source,
        .target = task->spec.target,
        .task = task->spec.task,
        .rules = task->spec.rules,
        .rows = options->rows,
        .tables = options->tables,
        .table_count = options->table_count,
        .references = references,
        .reference_count = count,
        .scratch = config_text(task->config, OPT_LOAD_SAMPLE_NAME),
        .jobs = task->spec.load_jobs,
    };
}

bool task_sample(Task *task, const TaskSample *options, Arena *arena, SampleReport *out, Error *err)
{
    SampleSpec spec = spec_of(task, options);
    if (task->spec.prepare != PREPARE_CREATE)
        return sample_run(&spec, arena, out, err);
    SchemaPort port;
    if (!make_database(task, spec.scratch, arena, &spec.target, err))
        return false;
    SchemaRestoreSpec restore = {
        .source = spec.source,
        .target = spec.target,
        .everything = task->spec.rules->count == 0,
        .directory = config_text(task->config, OPT_WORK_DIR),
        .jobs = spec.jobs,
        .stop = task->stop,
    };
    SchemaRestore *schema = schema_restore_new(&restore, &port);
    spec.schema = &port;
    bool ok = task_make_dirs(task, err) && sample_run(&spec, arena, out, err);
    schema_restore_free(schema);
    return ok;
}

bool task_sample_drop(Task *task, Arena *arena, const char **out_what, Error *err)
{
    const char *name = config_text(task->config, OPT_LOAD_SAMPLE_NAME);
    bool schema = false, database = false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "sample", err);
    if (target == NULL || !sample_drop_schema(target, name, task->spec.task, &schema, err) ||
        !drop_database(target, name, task->spec.task, &database, err))
        return false;
    *out_what = schema && database ? arena_printf(arena, "schema and database %s", name)
                : schema           ? arena_printf(arena, "schema %s", name)
                : database         ? arena_printf(arena, "database %s", name)
                                   : "";
    return true;
}

/* analyze - load_analyze(): statistics for the planner, before anybody uses the target. */
#include <pthread.h>
#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "load/lanes.h"
#include "load/load.h"
#include "load/names.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

typedef struct Analyze {
    const LoadSpec *spec;
    const PgRows *tables;
    _Atomic int next;
    PgConn **conns; /* by lane */
    int *current;   /* by lane: the table to do, -1 none; kept over a reconnect */
} Analyze;

static StepResult analyze_step(void *self, int lane, Error *err)
{
    Analyze *analyze = self;
    if (analyze->current[lane] < 0)
        analyze->current[lane] = atomic_fetch_add(&analyze->next, 1);
    int i = analyze->current[lane];
    if (i >= pgrows_count(analyze->tables))
        return STEP_DONE;
    if (analyze->conns[lane] == NULL)
        analyze->conns[lane] = pgconn_open(&analyze->spec->target, PG_SESSION_SQL, "analyze", err);
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "ANALYZE ");
    sqltext_qualified(&st, pgrows_text(analyze->tables, i, 0), pgrows_text(analyze->tables, i, 1));
    if (analyze->conns[lane] == NULL ||
        !pgconn_exec(analyze->conns[lane], sqltext_sql(&st), PG_NO_PARAMS, NULL, err)) {
        (void)err_context(err, "analyzing table '%s.%s'", pgrows_text(analyze->tables, i, 0),
                          pgrows_text(analyze->tables, i, 1));
        return STEP_FAILED;
    }
    analyze->current[lane] = -1;
    return STEP_AGAIN;
}

static void analyze_reset(void *self, int lane)
{
    Analyze *analyze = self;
    pgconn_close(analyze->conns[lane]);
    analyze->conns[lane] = NULL;
}

static bool list_tables(const LoadSpec *spec, PgRows **out_rows, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&spec->target, PG_SESSION_SQL, "analyze", err);
    TargetNames names = TARGET_NAMES_INIT;
    for (int i = 0; i < spec->rels->count; i++)
        names_add(&names, spec->rels->all[i]);
    names_end(&names);
    bool ok = conn != NULL && pgconn_query(conn, SQL_LOAD_ANALYZE_TARGETS,
                                           PG_PARAMS(PG_TEXT(buf_str(&names.schemas)),
                                                     PG_TEXT(buf_str(&names.tables))),
                                           out_rows, err);
    names_done(&names);
    return ok;
}

bool load_analyze(const LoadSpec *spec, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!list_tables(spec, &rows, err))
        return err_context(err, "listing the tables to analyze");
    int lanes = spec->jobs < 1 ? 1 : spec->jobs;
    Analyze analyze = {.spec = spec, .tables = rows};
    analyze.conns = mem_zalloc(sizeof(PgConn *) * (size_t)lanes);
    analyze.current = mem_alloc(sizeof(int) * (size_t)lanes);
    for (int i = 0; i < lanes; i++)
        analyze.current[i] = -1;
    LanesSpec lanes_spec = {
        .name = "analyze",
        .count = lanes,
        .outer_stop = spec->stop,
        .self = &analyze,
        .step = analyze_step,
        .reset = analyze_reset,
    };
    bool ok = lanes_run(&lanes_spec, err);
    free(analyze.conns);
    free(analyze.current);
    return ok;
}

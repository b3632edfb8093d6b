/* merge - see the header. */
#include "apply/merge.h"

#include <stdlib.h>
#include <string.h>

#include "apply/dual.h"
#include "apply/dualwise.h"
#include "apply/session.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "sql_files.h"
#include "sqltext/dml_conflict.h"

struct Merge {
    const char *task;
    Progress *progress;
    Shapes *shapes; /* only read */
};

bool merge_open(PgConn *target, const char *task, const Relations *rels, Progress *progress,
                Merge **out_merge, Error *err)
{
    Merge *merge = mem_zalloc(sizeof *merge);
    merge->task = task;
    merge->progress = progress;
    if (!dual_make_table(target, err) || !shapes_read(target, rels, &merge->shapes, err)) {
        merge_close(merge);
        return false;
    }
    *out_merge = merge;
    return true;
}

void merge_close(Merge *merge)
{
    if (merge == NULL)
        return;
    shapes_free(merge->shapes);
    free(merge);
}

bool merge_begin(void *self, PgConn *target, const Relation *rel, Error *err)
{
    Merge *merge = self;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_MERGE_TABLE,
                      PG_PARAMS(PG_TEXT(merge->task), PG_TEXT(rel->schema), PG_TEXT(rel->name)),
                      &rows, err))
        return false;
    if (pgrows_count(rows) > 0 &&
        strcmp(pgrows_text(rows, 0, 0), table_state_name(TABLE_COMPLETED)) == 0)
        return ERR(err, ERR_CONN_LOST, "an attempt whose answer was lost has committed its rows");
    dml_stage_make(&st, &merge->shapes->all[rel->id].table);
    if (pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return true;
    if (err->cls == ERR_PRIVILEGE)
        err_hint(err, "GRANT TEMPORARY ON DATABASE ... TO bascule's role on the target.");
    return err_context(err, "making a place for rows that are to be merged");
}

/* A row of the stage as the stream would bring it. */
static Value *row_values(Arena *arena, const DmlTable *table, const PgRows *rows, int row)
{
    Value *values = arena_new_array(arena, Value, table->column_count + 1);
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].made != NULL)
            values[i].kind = VALUE_UNCHANGED;
        else if (pgrows_null(rows, row, i))
            values[i].kind = VALUE_NULL;
        else
            values[i] = (Value){.data = pgrows_text(rows, row, i),
                                .len = (uint32_t)pgrows_length(rows, row, i),
                                .kind = VALUE_TEXT};
    }
    return values;
}

static bool merge_rows(Session *session, Relation *rel, const PgRows *rows, Lsn start_lsn,
                       Error *err)
{
    const DmlTable *table = &session->shapes->all[rel->id].table;
    Flow flow = {.commit_lsn = start_lsn};
    bool ok = true;
    for (int r = 0; ok && r < pgrows_count(rows); r++) {
        Arena *arena = arena_new(0);
        Change change = {
            .kind = CHANGE_INSERT, .rel = rel, .new_values = row_values(arena, table, rows, r)};
        ok = dualwise_change(session, &flow, &change, err) && lane_drain(session->lane, err);
        arena_free(arena);
    }
    return ok;
}

/* Rows that are there already, and differ: one by one. */
static bool merge_rest(Session *session, Relation *rel, Lsn start_lsn, int64_t *out_rest,
                       Error *err)
{
    const DmlTable *table = &session->shapes->all[rel->id].table;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    dml_stage_rest(&st, table);
    *out_rest = 0;
    if (!pgconn_exec(session->conn, SQL("ANALYZE pg_temp.bascule_stage"), PG_NO_PARAMS, NULL,
                     err) ||
        !pgconn_exec(session->conn, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return false;
    for (bool more = true; more;) {
        CLEANUP_PGROWS PgRows *rows = NULL;
        if (!pgconn_query(session->conn, SQL("FETCH 200 FROM bascule_rest"), PG_NO_PARAMS, &rows,
                          err) ||
            !merge_rows(session, rel, rows, start_lsn, err))
            return false;
        *out_rest += pgrows_count(rows);
        more = pgrows_count(rows) > 0;
    }
    return pgconn_exec(session->conn, SQL("CLOSE bascule_rest"), PG_NO_PARAMS, NULL, err);
}

bool merge_end(void *self, PgConn *target, Relation *rel, int64_t rows, Lsn start_lsn, Error *err)
{
    Merge *merge = self;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int64_t made = 0, rest = 0;
    dml_stage_insert(&st, &merge->shapes->all[rel->id].table);
    bool ok = pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, &made, err);
    if (ok && made < rows) {
        Session session = {.conn = target,
                           .lane = lane_new(target),
                           .shapes = merge->shapes,
                           .task = merge->task,
                           .scratch = arena_new(64 * 1024),
                           .text = SQLTEXT_INIT,
                           .dual = dual_new(merge->task, 0, merge->progress)};
        ok = merge_rest(&session, rel, start_lsn, &rest, err);
        lane_free(session.lane);
        arena_free(session.scratch);
        sqltext_done(&session.text);
        buf_done(&session.bytes);
        dual_free(session.dual); /* its counts are read from the table when the stream begins */
    }
    if (!ok ||
        !pgconn_exec(target, SQL("DROP TABLE pg_temp.bascule_stage"), PG_NO_PARAMS, NULL, err))
        return err_context(err, "merging rows into the target's");
    log_info("rows merged table=%s rows=%lld inserted=%lld equal=%lld different=%lld", rel->display,
             (long long)rows, (long long)made, (long long)(rows - made - rest), (long long)rest);
    return true;
}

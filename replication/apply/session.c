/* session - see the header */
#include "apply/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "sql_files.h"

static const char RESUME[] = "UPDATE of the resume row";

/* Statements of set-up; each must be legal on PostgreSQL 15 and later. */
static bool set_up(PgConn *conn, Error *err)
{
    return pgconn_script(conn,
                         SQL("SET synchronous_commit = off;"
                             "SET enable_seqscan = off;"
                             "SET enable_hashjoin = off;"
                             "SET enable_mergejoin = off;"
                             "SET enable_memoize = off;"
                             "SET enable_material = off;"
                             "SET plan_cache_mode = force_generic_plan;"
                             "SET work_mem = '64MB'"),
                         err);
}

bool session_be_replica(PgConn *conn, bool *out_live, Error *err)
{
    Error refused = ERROR_INIT;
    *out_live = !pgconn_exec(conn, SQL("SET session_replication_role = replica"), PG_NO_PARAMS,
                             NULL, &refused);
    if (!*out_live)
        return true;
    if (refused.cls != ERR_PRIVILEGE) {
        *err = refused;
        return false;
    }
    log_info("the role may not set session_replication_role: foreign keys of the target are live "
             "while changes are applied");
    return true;
}

/* Through the fence of this task, where our role streams back (cutover/fence.c). */
static bool say_who(PgConn *conn, const char *task, Error *err)
{
    return pgconn_exec(conn, SQL("SELECT pg_catalog.set_config('bascule.apply', $1, false)"),
                       PG_PARAMS(PG_TEXT(task)), NULL, err);
}

static bool read_resume(Session *session, Lsn *out_resume_lsn, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(session->conn, SQL_APPLY_RESUME_OPEN, PG_PARAMS(PG_TEXT(session->task)),
                      &rows, err))
        return err_context(err, "reading the resume position");
    if (pgrows_count(rows) != 1)
        return ERR(err, ERR_TARGET_STATE, "the target has no resume position for task '%s'",
                   session->task);
    *out_resume_lsn = pgrows_lsn(rows, 0, 0);
    return true;
}

static bool open_in(Session *session, const PgEndpoint *endpoint, const Relations *rels,
                    Lsn *out_resume_lsn, Error *err)
{
    session->conn = pgconn_open(endpoint, PG_SESSION_SQL, "apply", err);
    if (session->conn == NULL)
        return false;
    bool refused = false;
    if (!set_up(session->conn, err) || !say_who(session->conn, session->task, err) ||
        !session_be_replica(session->conn, &refused, err) ||
        !shapes_read(session->conn, rels, &session->shapes, err) ||
        !read_resume(session, out_resume_lsn, err))
        return false;
    session->live = refused;
    session->lane = lane_new(session->conn);
    session->scratch = arena_new(64 * 1024);
    for (int i = 0; i < rels->count; i++)
        if (session->array_count < 2 * rels->all[i]->column_count)
            session->array_count = 2 * rels->all[i]->column_count;
    session->arrays = mem_zalloc(sizeof(PgArray) * (size_t)(session->array_count + 1));
    return true;
}

bool session_open(Session *session, const PgEndpoint *endpoint, const char *task,
                  const Relations *rels, Lsn *out_resume_lsn, Error *err)
{
    *session = (Session){.task = task, .text = SQLTEXT_INIT};
    if (open_in(session, endpoint, rels, out_resume_lsn, err))
        return true;
    session_close(session);
    return false;
}

void session_close(Session *session)
{
    lane_free(session->lane);
    pgconn_close(session->conn);
    shapes_free(session->shapes);
    if (session->scratch != NULL)
        arena_free(session->scratch);
    for (int i = 0; i < session->array_count; i++)
        pgarray_done(&session->arrays[i]);
    free(session->arrays);
    sqltext_done(&session->text);
    buf_done(&session->bytes);
    *session = (Session){0};
}

bool session_move(Session *session, Lsn from_lsn, Lsn to_lsn, int64_t commit_time_us,
                  SessionRows rows, Error *err)
{
    LaneStatement *statement;
    bool made;
    LsnText from = lsn_text(from_lsn), to = lsn_text(to_lsn);
    char time[24], written[8];
    snprintf(written, sizeof written, "%d", (int)rows);
    snprintf(time, sizeof time, "%lld", (long long)commit_time_us);
    LaneExpect expect = {.what = RESUME, .min_rows = 1, .max_rows = 1};
    if (!lane_statement(session->lane, RESUME, sizeof RESUME, &statement, &made, err) ||
        (made && !lane_prepare(session->lane, statement, NULL, SQL_APPLY_RESUME_MOVE, err)))
        return false;
    return lane_execute(session->lane, statement,
                        PG_PARAMS(PG_TEXT(session->task), PG_TEXT(from.text), PG_TEXT(to.text),
                                  PG_TEXT(commit_time_us != 0 ? time : NULL), PG_TEXT(written)),
                        &expect, err);
}

bool session_begin(Session *session, Lsn from_lsn, Lsn to_lsn, int64_t commit_time_us,
                   SessionRows rows, bool durable, Error *err)
{
    LaneExpect any = {.what = "beginning a transaction", .max_rows = -1};
    lane_forget_failure(session->lane);
    if (!lane_send(session->lane, SQL("BEGIN"), PG_NO_PARAMS, &any, err) ||
        !lane_send(session->lane, SQL("SET CONSTRAINTS ALL DEFERRED"), PG_NO_PARAMS, &any, err))
        return false;
    if (durable && !lane_send(session->lane, SQL("SET LOCAL synchronous_commit = on"), PG_NO_PARAMS,
                              &any, err))
        return false;
    return session_move(session, from_lsn, to_lsn, commit_time_us, rows, err);
}

bool session_commit(Session *session, Error *err)
{
    return pgconn_exec(session->conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool session_rollback(Session *session)
{
    Error ignored = ERROR_INIT;
    lane_abandon(session->lane);
    pgconn_copy_fail(session->conn, "rolled back");
    return pgconn_usable(session->conn) &&
           pgconn_exec(session->conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored);
}

bool session_failed_at_resume(const Session *session)
{
    int64_t rows;
    const LaneExpect *failed = lane_failed(session->lane, &rows);
    return failed != NULL && failed->what == RESUME;
}

void session_reclass(Error *err)
{
    if (strcmp(err->sqlstate, "57014") == 0 && err->cls == ERR_SQL)
        err->cls = ERR_SERIALIZATION;
    if (strcmp(err->sqlstate, "55006") == 0)
        err->cls = ERR_APPLY_CONFLICT;
}

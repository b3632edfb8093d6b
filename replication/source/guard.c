/*
 * guard - one READ COMMITTED transaction that holds ACCESS SHARE on many tables and nothing else
 * (no snapshot between statements, no xid), so it delays neither vacuum nor the creation of a slot.
 *
 * A transaction cannot give one lock back. To give tables up, a second session locks the others
 * (NOWAIT: we never queue behind an application), then the first is closed.
 *
 * A waiter must be noticed from the first moment on, not only while tables are copied: an
 * application that waits for us with a transaction open is waited for by the creation of the slot,
 * and pg_dump queues behind it. Nobody in that circle is waited for by the server's deadlock
 * detection, so a thread looks until guard_yield() is called for the first time.
 */
#include "source/guard.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/worker.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define RETRY_US      100000
#define WATCH_US      100000
#define REPLACE_TRIES 20

struct Guard {
    PgEndpoint source;
    const Relations *rels;
    atomic_bool *done; /* by relation id: needs no guard any more; set by the copiers */
    Worker *watcher;
    StopToken *watcher_stop;
    pthread_mutex_t lock; /* for what follows */
    PgConn *conn;
    bool *held;     /* by relation id: locked by conn */
    bool *given_up; /* by relation id */
    bool yielded;   /* guard_yield() has been called: the watcher ends */
    int64_t patience_us;
};

static void oid_array(const Guard *guard, Buf *out)
{
    bool first = true;
    buf_putc(out, '{');
    for (int i = 0; i < guard->rels->count; i++) {
        if (!guard->held[i])
            continue;
        buf_printf(out, "%s%u", first ? "" : ",", guard->rels->all[i]->oid);
        first = false;
    }
    buf_putc(out, '}');
}

/* Locks everything that is `held` in one statement of a new transaction on conn. */
static bool lock_held(const Guard *guard, PgConn *conn, Error *err)
{
    if (!pgconn_script(conn, SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"), err))
        return false;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int count = 0;
    sqltext_put(&st, "LOCK TABLE ");
    for (int i = 0; i < guard->rels->count; i++) {
        const Relation *rel = guard->rels->all[i];
        if (!guard->held[i])
            continue;
        if (count++ > 0)
            sqltext_put(&st, ", ");
        if (!rel->is_root)
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, rel->schema, rel->name);
    }
    if (count == 0)
        return true;
    sqltext_put(&st, " IN ACCESS SHARE MODE NOWAIT");
    if (pgconn_exec(conn, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return true;
    if (strcmp(err->sqlstate, "53200") == 0) {
        err->cls = ERR_BLOCKED;
        return err_hint(
            err, "%d tables need a lock each: raise max_locks_per_transaction on the source.",
            count);
    }
    return false;
}

/* Locks are taken by name: a table dropped and made again since the catalog was read is another
 * one. */
static bool check_identity(const Guard *guard, PgConn *conn, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    oid_array(guard, &oids);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_SOURCE_GUARD_MISSING, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows,
                      err))
        return false;
    if (pgrows_count(rows) == 0)
        return true;
    const Relation *rel = relations_by_oid(guard->rels, pgrows_u32(rows, 0, 0));
    return ERR(err, ERR_SCHEMA_CHANGED, "table '%s' was replaced by another one of the same name",
               rel->display);
}

static PgConn *open_locked(const Guard *guard, Error *err)
{
    PgConn *conn = pgconn_open(&guard->source, PG_SESSION_SQL, "guard", err);
    if (conn == NULL)
        return NULL;
    if (lock_held(guard, conn, err) && check_identity(guard, conn, err))
        return conn;
    pgconn_close(conn);
    return NULL;
}

/* Puts table and holder into the error of a lock that was not to be had. */
static bool name_holder(const Guard *guard, Error *err)
{
    Error ignored = ERROR_INIT;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&guard->source, PG_SESSION_SQL, "guard", &ignored);
    CLEANUP_BUF Buf oids = BUF_INIT;
    oid_array(guard, &oids);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (conn == NULL ||
        !pgconn_query(conn, SQL_SOURCE_GUARD_HOLDERS, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows,
                      &ignored) ||
        pgrows_count(rows) == 0)
        return false;
    const Relation *rel = relations_by_oid(guard->rels, pgrows_u32(rows, 0, 0));
    ERR(err, ERR_LOCK_TIMEOUT, "table '%s' is locked: %s in mode ACCESS EXCLUSIVE",
        rel != NULL ? rel->display : "?", pgrows_text(rows, 0, 1));
    return err_hint(err,
                    "Let that session finish, or end it; DDL on the tables has to wait for the "
                    "load.");
}

static Guard *guard_new(const PgEndpoint *source, const Relations *rels)
{
    Guard *guard = calloc(1, sizeof *guard);
    size_t n = (size_t)rels->count + 1;
    ASSERT(guard != NULL);
    *guard = (Guard){.source = *source, .rels = rels};
    guard->held = calloc(n, sizeof *guard->held);
    guard->given_up = calloc(n, sizeof *guard->given_up);
    guard->done = calloc(n, sizeof *guard->done);
    ASSERT(guard->held != NULL && guard->given_up != NULL && guard->done != NULL);
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

static bool wait_or_stop(const Guard *guard, int64_t us, Error *err)
{
    if (guard->source.stop == NULL) {
        (void)poll(NULL, 0, (int)(us / 1000));
        return true;
    }
    if (stop_wait(guard->source.stop, us))
        return ERR(err, ERR_STOPPED, "stopped while waiting for locks");
    return true;
}

/* Marks the tables somebody has waited for longer than the patience as no longer held; true in
 * *out_waiter when one was held. */
static bool find_waiters(Guard *guard, const uint32_t *our_pids, int npids, int64_t patience_us,
                         bool *out_waiter, Error *err)
{
    CLEANUP_BUF Buf pids = BUF_INIT;
    buf_putc(&pids, '{');
    for (int i = 0; i < npids; i++)
        buf_printf(&pids, "%s%u", i > 0 ? "," : "", our_pids[i]);
    buf_putc(&pids, '}');
    char patience[24];
    snprintf(patience, sizeof patience, "%lld", (long long)patience_us);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(guard->conn, SQL_SOURCE_GUARD_WAITERS,
                      PG_PARAMS(PG_TEXT(buf_str(&pids)), PG_TEXT(patience)), &rows, err))
        return err_context(err, "looking for sessions that wait for the guarded tables");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const Relation *rel = relations_holder(guard->rels, pgrows_u32(rows, i, 0));
        if (rel == NULL)
            continue;
        if (guard->held[rel->id])
            *out_waiter = true;
        guard->held[rel->id] = false;
        if (guard->given_up[rel->id] || atomic_load(&guard->done[rel->id]))
            continue;
        guard->given_up[rel->id] = true;
        log_info("an application waits for a lock, the table's copy is given up table=%s",
                 rel->display);
    }
    return true;
}

/* One look: who waits is let through. Under the lock. */
static bool look(Guard *guard, const uint32_t *our_pids, int npids, int64_t patience_us, Error *err)
{
    bool waiter = false;
    if (!find_waiters(guard, our_pids, npids, patience_us, &waiter, err))
        return false;
    if (!waiter)
        return true;
    for (int i = 0; i < guard->rels->count; i++) {
        if (atomic_load(&guard->done[i]))
            guard->held[i] = false;
    }
    for (int tries = 1;; tries++) {
        PgConn *conn = open_locked(guard, err);
        if (conn != NULL) {
            pgconn_close(guard->conn);
            guard->conn = conn;
            return true;
        }
        /* Somebody began to wait for another table meanwhile: that one goes too. */
        if (err->cls != ERR_LOCK_TIMEOUT || tries == REPLACE_TRIES ||
            !wait_or_stop(guard, RETRY_US / 10, err) ||
            !find_waiters(guard, our_pids, npids, 0, &waiter, err))
            return err_context(err, "moving the guard locks to a new session");
    }
}

/* A failure is met again, and reported, by guard_yield(). */
static StepResult watch_step(void *self, Error *err)
{
    Guard *guard = self;
    pthread_mutex_lock(&guard->lock);
    bool end = guard->yielded || !look(guard, NULL, 0, 0, err);
    pthread_mutex_unlock(&guard->lock);
    err_clear(err);
    return end || stop_wait(guard->watcher_stop, WATCH_US) ? STEP_DONE : STEP_IDLE;
}

static bool start_watcher(Guard *guard, Error *err)
{
    WorkerSpec spec = {.name = "guard", .self = guard, .step = watch_step};
    guard->watcher_stop = stop_new();
    guard->watcher = worker_start(&spec, guard->watcher_stop, err);
    return guard->watcher != NULL;
}

bool guard_take(const PgEndpoint *source, const Relations *rels, int64_t wait_us, Guard **out_guard,
                Error *err)
{
    Guard *guard = guard_new(source, rels);
    for (int i = 0; i < rels->count; i++) {
        bool copied = atomic_load(&rels->all[i]->load_state) == TABLE_COMPLETED;
        atomic_store(&guard->done[i], copied);
        guard->held[i] = !copied;
    }
    int64_t deadline = clock_now_us() + wait_us;
    while ((guard->conn = open_locked(guard, err)) == NULL) {
        if (err->cls != ERR_LOCK_TIMEOUT)
            break;
        if (clock_now_us() >= deadline) {
            (void)name_holder(guard, err);
            break;
        }
        if (!wait_or_stop(guard, RETRY_US, err))
            break;
    }
    if (guard->conn == NULL || !start_watcher(guard, err)) {
        guard_free(guard);
        return err_context(err, "guarding the tables against changes of their shape");
    }
    *out_guard = guard;
    return true;
}

void guard_patience(Guard *guard, int64_t patience_us)
{
    pthread_mutex_lock(&guard->lock);
    guard->patience_us = patience_us;
    pthread_mutex_unlock(&guard->lock);
}

bool guard_yield(Guard *guard, const uint32_t *our_pids, int npids, bool *given_up, bool *out_any,
                 Error *err)
{
    pthread_mutex_lock(&guard->lock);
    guard->yielded = true;
    bool ok = look(guard, our_pids, npids, guard->patience_us, err);
    *out_any = false;
    for (int i = 0; i < guard->rels->count; i++) {
        *out_any = *out_any || (guard->given_up[i] && !given_up[i]);
        given_up[i] = guard->given_up[i];
    }
    pthread_mutex_unlock(&guard->lock);
    return ok;
}

bool guard_holds(Guard *guard)
{
    Error lost = ERROR_INIT;
    pthread_mutex_lock(&guard->lock);
    bool holds = pgconn_exec(guard->conn, SQL("SELECT 1"), PG_NO_PARAMS, NULL, &lost);
    pthread_mutex_unlock(&guard->lock);
    return holds;
}

void guard_done(Guard *guard, const Relation *rel)
{
    atomic_store(&guard->done[rel->id], true);
}

void guard_free(Guard *guard)
{
    if (guard == NULL)
        return;
    if (guard->watcher != NULL) {
        stop_request(guard->watcher_stop);
        (void)worker_join(guard->watcher, NULL);
    }
    stop_free(guard->watcher_stop);
    pgconn_close(guard->conn);
    pthread_mutex_destroy(&guard->lock);
    free(guard->held);
    free(guard->given_up);
    free(guard->done);
    free(guard);
}

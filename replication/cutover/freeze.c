/*
 * freeze - one transaction on the source that makes all writers wait, and the watcher that keeps it
 * alive and ends it.
 *
 * The transaction: LOCK ... IN SHARE ROW EXCLUSIVE MODE on every table (granted means: no
 * uncommitted change is left on them, and readers go on), then the fence triggers, created but not
 * committed. ROLLBACK is an instant un-freeze; a killed tool is rolled back by the server when the
 * socket closes; a tool that hangs or is cut off is rolled back by
 * idle_in_transaction_session_timeout, which every beat sets to min(2 s, time left).
 *
 * A LOCK that waits makes later writers wait behind it, so each attempt is short: lock_timeout a
 * table, statement_timeout over all. With deadlock_timeout at 100 ms (where the role may set it)
 * autovacuum yields at once and in a deadlock it is always us who give up. Where it may not be set,
 * attempts that were in autovacuum's way wait longer than the server's own deadlock_timeout, a few
 * times.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

#define BEAT_US                200000
#define IDLE_LIMIT_US          2000000
#define SQLSTATE_OUT_OF_MEMORY "53200"
#define BUDGET_PERCENT         80
#define PATIENT_TRIES          3
#define WAIT_MIN_US            150000 /* between attempts: writers that queued behind us get their turn */
#define WAIT_SPREAD_US         350000

/* The watcher ---------------------------------------------------------------------------------- */

static void roll_back(Freeze *freeze)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(freeze->conn) && !pgconn_script(freeze->conn, SQL("ROLLBACK"), &ignored))
        log_debug("rollback of the freeze: %s", ignored.message);
    if (!pgconn_usable(freeze->conn)) {
        pgconn_close(freeze->conn); /* the server rolls back when the socket closes */
        freeze->conn = NULL;
    }
    freeze->state = FREEZE_RELEASED;
    freeze->released_us = clock_now_us();
}

int64_t freeze_released_us(const Freeze *freeze)
{
    bool server_was_first = freeze->silenced || freeze->silent_until_us < freeze->released_us;
    return server_was_first ? freeze->silent_until_us : freeze->released_us;
}

/* With cut->lock held. */
static void give_up(Cutover *cut, const Error *why)
{
    Freeze *freeze = &cut->freeze;
    if (freeze->gave_up || freeze->state == FREEZE_FINAL)
        return;
    freeze->gave_up = true;
    freeze->why = *why;
    if (freeze->state == FREEZE_HELD)
        roll_back(freeze);
    stop_request(cut->give_up);
}

static int64_t idle_limit_us(const Freeze *freeze, int64_t now_us)
{
    int64_t left = freeze->watchdog_us - now_us;
    if (left > IDLE_LIMIT_US)
        left = IDLE_LIMIT_US;
    return left < 10000 ? 10000 : left;
}

void freeze_explain_silence(Cutover *cut, Error *err)
{
    if (strcmp(err->sqlstate, "25P03") != 0)
        return;
    ERR(err, ERR_DEADLINE,
        "bascule was silent for too long, so the %s gave the writes back by itself",
        FROM_SIDE(cut));
    cut->freeze.silenced = true;
}

/* A crowd behind the freeze hurts more than another try later: then false, DEADLINE. */
static bool count_waiting(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(cut->freeze.conn, SQL_CUTOVER_WAITING, PG_NO_PARAMS, &rows, err))
        return false;
    int waiting = (int)pgrows_i64(rows, 0, 0);
    if (waiting > cut->report->most_waiting)
        cut->report->most_waiting = waiting;
    if (cut->spec->max_waiting == 0 || waiting <= cut->spec->max_waiting)
        return true;
    ERR(err, ERR_DEADLINE, "%d sessions wait behind the freeze, the limit is %d", waiting,
        cut->spec->max_waiting);
    return err_hint(err, "Writes were given back and nothing changed. Choose a quieter moment, or "
                         "raise cutover.max_waiting.");
}

/* With cut->lock held. */
static void beat(Cutover *cut)
{
    Freeze *freeze = &cut->freeze;
    Error err = ERROR_INIT;
    int64_t now_us = clock_now_us();
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "SET LOCAL idle_in_transaction_session_timeout = ");
    sqltext_i64(&st, idle_limit_us(freeze, now_us) / 1000);
    freeze->next_beat_us = now_us + BEAT_US;
    if (pgconn_script(freeze->conn, sqltext_sql(&st), &err) && count_waiting(cut, &err)) {
        freeze->silent_until_us = clock_now_us() + idle_limit_us(freeze, now_us);
        return;
    }
    if (err.cls == ERR_DEADLINE) {
        give_up(cut, &err);
        return;
    }
    err_context(&err, "the session that freezes the %s", FROM_SIDE(cut));
    freeze_explain_silence(cut, &err);
    give_up(cut, &err);
}

bool freeze_asked_to_end(const Cutover *cut, Error *err)
{
    if (cut->spec->abort != NULL && stop_requested(cut->spec->abort))
        return !ERR(err, ERR_ABORTED, "aborted by the operator");
    if (cut->spec->stop != NULL && stop_requested(cut->spec->stop))
        return !ERR(err, ERR_ABORTED, "the program was asked to stop");
    return false;
}

static StepResult watch_step(void *self, Error *err)
{
    Cutover *cut = self;
    Freeze *freeze = &cut->freeze;
    (void)err;
    int64_t wake_us = clock_now_us() + BEAT_US / 4;
    int fd = cut->spec->abort != NULL ? stop_fd(cut->spec->abort) : -1;
    stop_poll(cut->watch_stop, fd, POLLIN, wake_us);
    if (stop_requested(cut->watch_stop))
        return STEP_DONE;

    Error why = ERROR_INIT;
    pthread_mutex_lock(&cut->lock);
    if (freeze_asked_to_end(cut, &why)) {
        give_up(cut, &why);
    } else if (freeze->state == FREEZE_HELD) {
        int64_t now_us = clock_now_us();
        if (now_us >= freeze->watchdog_us) {
            ERR(&why, ERR_DEADLINE, "%d %% of the downtime budget are used up", BUDGET_PERCENT);
            give_up(cut, &why);
        } else if (now_us >= freeze->next_beat_us) {
            beat(cut);
        }
    }
    bool over = freeze->gave_up || freeze->state == FREEZE_FINAL;
    pthread_mutex_unlock(&cut->lock);
    return over ? STEP_DONE : STEP_IDLE;
}

bool freeze_watch_start(Cutover *cut, Error *err)
{
    WorkerSpec spec = {.name = "cutover-watch", .self = cut, .step = watch_step};
    cut->watcher = worker_start(&spec, cut->watch_stop, err);
    return cut->watcher != NULL;
}

void freeze_watch_stop(Cutover *cut)
{
    if (cut->watcher == NULL)
        return;
    stop_request(cut->watch_stop);
    worker_join(cut->watcher, NULL);
    cut->watcher = NULL;
}

/* The watcher may hang in a beat on a dead network: after a second its session is cut off. */
static void lock_patiently(Cutover *cut)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (pthread_mutex_timedlock(&cut->lock, &until) == 0)
        return;
    stop_request(cut->freeze.stop);
    pthread_mutex_lock(&cut->lock);
}

bool freeze_take(Cutover *cut, Error *err)
{
    lock_patiently(cut);
    bool mine = cut->freeze.state == FREEZE_HELD && !cut->freeze.gave_up;
    if (mine)
        cut->freeze.state = FREEZE_FINAL;
    else
        *err = cut->freeze.why;
    pthread_mutex_unlock(&cut->lock);
    return mine;
}

void freeze_give_back(Cutover *cut)
{
    lock_patiently(cut);
    if (cut->freeze.conn != NULL &&
        (cut->freeze.state == FREEZE_HELD || cut->freeze.state == FREEZE_FINAL))
        roll_back(&cut->freeze);
    else if (cut->freeze.state == FREEZE_FINAL) {
        cut->freeze.state = FREEZE_RELEASED;
        cut->freeze.released_us = clock_now_us();
    }
    pthread_mutex_unlock(&cut->lock);
}

/* Since when applications have waited: for the locks, or before that behind a pooler. */
static int64_t waited_since_us(const Cutover *cut, int64_t begun_us)
{
    const CutoverSpec *spec = cut->spec;
    int64_t since_us = spec->waiting_since != NULL ? spec->waiting_since(spec->traffic_arg) : 0;
    return since_us != 0 && since_us < begun_us ? since_us : begun_us;
}

static int64_t budget_end_us(const Cutover *cut, int64_t begun_us)
{
    return waited_since_us(cut, begun_us) + cut->spec->max_downtime_us / 100 * BUDGET_PERCENT;
}

/* Applications that wait elsewhere do not wait for as many attempts as we like. */
static bool time_for_another(const Cutover *cut, Error *err)
{
    int64_t now_us = clock_now_us();
    return now_us < budget_end_us(cut, now_us) ||
           ERR(err, ERR_DEADLINE,
               "%d %% of the downtime budget are used up: clients have waited behind the pooler, "
               "and the tables could not be locked",
               BUDGET_PERCENT);
}

/* The session ---------------------------------------------------------------------------------- */

bool freeze_open_session(Cutover *cut, Error *err)
{
    Freeze *freeze = &cut->freeze;
    CLEANUP_PGROWS PgRows *locked = NULL;
    CLEANUP_BUF Buf what = BUF_INIT;
    Error refused = ERROR_INIT;
    freeze->conn = cutover_connect(&cut->spec->source, freeze->stop, "cutover-lock", err);
    if (freeze->conn == NULL)
        return false;
    freeze->pid = pgconn_backend_pid(freeze->conn);
    cut->deadlock_timeout_set =
        pgconn_script(freeze->conn, SQL("SET deadlock_timeout = '100ms'"), &refused);
    if (!cut->deadlock_timeout_set)
        log_info("deadlock_timeout may not be set by our role on the %s: a running autovacuum "
                 "can delay the freeze",
                 FROM_SIDE(cut));
    /* Whoever holds this is the lock session, or it is gone: how a lost COMMIT answer is decided.
     */
    buf_printf(&what, "lock session of %s", cut->spec->task);
    if (!pgconn_query(freeze->conn, SQL_CUTOVER_TRY_LOCK, PG_PARAMS(PG_TEXT(buf_str(&what))),
                      &locked, err))
        return false;
    if (!pgrows_bool(locked, 0, 0))
        return ERR(err, ERR_ALREADY_RUNNING, "another cutover of task '%s' holds its lock session",
                   cut->spec->task);
    return true;
}

static void build_lock(const FenceSet *set, SqlText *out)
{
    sqltext_put(out, "LOCK TABLE ");
    for (int i = 0; i < set->count; i++) {
        if (i > 0)
            sqltext_put(out, ", ");
        sqltext_put(out, "ONLY ");
        sqltext_qualified(out, set->all[i].schema, set->all[i].name);
    }
    sqltext_put(out, " IN SHARE ROW EXCLUSIVE MODE");
}

typedef enum LockResult {
    LOCK_GRANTED,
    LOCK_BUSY,
    LOCK_OVERTAKEN, /* granted to us, but somebody waits for more before our readers are in */
    LOCK_FAILED,
} LockResult;

static bool is_busy(const Error *err)
{
    return err->cls == ERR_LOCK_TIMEOUT || err->cls == ERR_SERIALIZATION ||
           strcmp(err->sqlstate, "57014") == 0;
}

static bool begin_attempt(Cutover *cut, int64_t timeout_us, Error *err)
{
    char lock_ms[24], statement_ms[24], idle_ms[24];
    snprintf(lock_ms, sizeof lock_ms, "%lld", (long long)(timeout_us / 1000));
    snprintf(statement_ms, sizeof statement_ms, "%lld", (long long)(timeout_us / 1000 * 2));
    snprintf(idle_ms, sizeof idle_ms, "%d", IDLE_LIMIT_US / 1000);
    return pgconn_script(cut->freeze.conn, SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
                         err) &&
           pgconn_exec(cut->freeze.conn, SQL_CUTOVER_LOCK_SETTINGS,
                       PG_PARAMS(PG_TEXT(lock_ms), PG_TEXT(statement_ms), PG_TEXT(idle_ms)), NULL,
                       err);
}

/* The readers of the comparison go in while nobody else waits: behind a TRUNCATE that waits for us
 * they would wait as long as we do. */
static bool hold_readers(Cutover *cut, Error *err)
{
    if (cut->compare == NULL ||
        compare_hold(cut->compare, cut->spec->max_downtime_us + IDLE_LIMIT_US, err))
        return true;
    if (strcmp(err->sqlstate, SQLSTATE_OUT_OF_MEMORY) != 0)
        return false;
    /* Thousands of tables and a small max_locks_per_transaction: at worst the comparison waits. */
    log_warn("the source's lock table has no room for the comparison's sessions: an application's "
             "TRUNCATE during the freeze can make the cutover give up");
    err_clear(err);
    return true;
}

static LockResult try_lock(Cutover *cut, Sql lock, int64_t timeout_us, Error *err)
{
    Error ignored = ERROR_INIT;
    if (!begin_attempt(cut, timeout_us, err))
        return LOCK_FAILED;
    int64_t sent_us = clock_now_us();
    bool locked = pgconn_script(cut->freeze.conn, lock, err);
    if (locked && hold_readers(cut, err)) {
        cut->freeze.begun_us = sent_us;
        return LOCK_GRANTED;
    }
    if (!pgconn_usable(cut->freeze.conn) ||
        !pgconn_script(cut->freeze.conn, SQL("ROLLBACK"), &ignored))
        return LOCK_FAILED;
    if (!is_busy(err))
        return LOCK_FAILED;
    return locked ? LOCK_OVERTAKEN : LOCK_BUSY;
}

static int64_t jitter_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t seed = (uint64_t)now.tv_nsec;
    return WAIT_MIN_US + (int64_t)(hash_bytes(&seed, sizeof seed) % WAIT_SPREAD_US);
}

static bool lock_tables(Cutover *cut, Error *err)
{
    CLEANUP_SQLTEXT SqlText lock = SQLTEXT_INIT;
    CLEANUP_BUF Buf holders = BUF_INIT;
    bool all_yield = false;
    int patient = 0, end_after = cut->spec->terminate_after;
    BlockersSeen seen = {0};
    Error busy = ERROR_INIT;
    build_lock(&cut->fences, &lock);
    for (int i = 1; i <= cut->spec->lock_tries || i == 1; i++) {
        int64_t timeout_us = cut->spec->lock_timeout_us;
        if (all_yield && !cut->deadlock_timeout_set && patient++ < PATIENT_TRIES)
            timeout_us = cut->server_deadlock_us + 300000;
        LockResult result = try_lock(cut, sqltext_sql(&lock), timeout_us, &busy);
        if (result == LOCK_GRANTED)
            return true;
        if (result == LOCK_FAILED) {
            *err = busy;
            return err_context(err, "locking the tables");
        }
        if (cutover_given_up(cut, err) ||
            !blockers_describe(cut->source, &cut->fences, cut->freeze.pid, &holders, &all_yield,
                               err))
            return false;
        if (result == LOCK_OVERTAKEN)
            buf_printf(&holders, "%sa TRUNCATE or ALTER that waited for its turn",
                       holders.len > 0 ? "; " : "");
        cutover_tell(cut, "freeze", false, "attempt %d of %d: locked by others (%s)", i,
                     cut->spec->lock_tries, holders.len > 0 ? buf_str(&holders) : "gone by now");
        if (end_after > 0 && !blockers_terminate(cut, i > end_after, &seen, err))
            return false;
        if (i < cut->spec->lock_tries)
            stop_wait(cut->give_up, jitter_us());
        if (cutover_given_up(cut, err) || !time_for_another(cut, err))
            return false;
    }
    ERR(err, ERR_LOCK_TIMEOUT, "the tables could not be locked in %d attempts; held by: %s",
        cut->spec->lock_tries, holders.len > 0 ? buf_str(&holders) : "nobody that is still there");
    return err_hint(err,
                    "End those transactions (--terminate-blockers does it), or choose a quieter "
                    "moment. Nothing was changed.");
}

/* Once more, with the tables locked: a fence that was committed since the preflight is seen now, and none
 * can come before ours. */
static bool still_free(Cutover *cut, Error *err)
{
    return cut->spec->back ||
           fence_check_others(cut->freeze.conn, cut->arena, cut->spec->task, &cut->fences, err);
}

static bool arm_triggers(Cutover *cut, Error *err)
{
    CLEANUP_SQLTEXT SqlText arm = SQLTEXT_INIT;
    int64_t left_ms = (cut->freeze.watchdog_us - clock_now_us()) / 1000;
    sqltext_put(&arm, "SET LOCAL statement_timeout = ");
    sqltext_i64(&arm, left_ms > 10 ? left_ms : 10);
    sqltext_put(&arm, ";\nSET LOCAL client_min_messages = warning;\n");
    fence_write_arm(&arm, &cut->fences, cut->spec->task, cut->spec->new_primary,
                    cut->way_back.armed ? cut->way_back.role : NULL);
    return pgconn_script(cut->freeze.conn, sqltext_sql(&arm), err) ||
           err_context(err, "creating the fence triggers");
}

CutoverFsmEvent cutover_freeze(Cutover *cut, Error *err)
{
    Freeze *freeze = &cut->freeze;
    cut->step_us = clock_now_us();
    if (!lock_tables(cut, err))
        return cutover_fail(cut, err);
    freeze->watchdog_us = budget_end_us(cut, freeze->begun_us);
    cut->report->frozen_wall_us = clock_wall_us();
    Lsn received;
    cut->applied_at_freeze = progress_reached_lsn(cut->spec->progress, &received);
    /* Held from here on: the triggers are a quick write of ours, then the watcher may use the
     * session. */
    pthread_mutex_lock(&cut->lock);
    freeze->state = FREEZE_HELD;
    freeze->next_beat_us = clock_now_us() + BEAT_US;
    freeze->silent_until_us = clock_now_us() + IDLE_LIMIT_US;
    bool ok = !freeze->gave_up && !FAULT_ERROR(CUTOVER_LOCKED, err) && still_free(cut, err) &&
              arm_triggers(cut, err);
    if (!ok && !freeze->gave_up) {
        freeze_explain_silence(cut, err);
        give_up(cut, err);
    }
    pthread_mutex_unlock(&cut->lock);
    if (!ok)
        return cutover_fail(cut, err);
    cut->step_us = freeze->begun_us;
    cutover_phase(cut, "freeze");
    cutover_tell(cut, "freeze", false, "%d tables locked and fenced, writers wait",
                 cut->fences.count);
    FAULT(CUTOVER_FENCED);
    return CUT_EV_DONE;
}

/*
 * sync - life cycle of the Sync, the walk through the states, and what others may ask.
 */
#include "sync/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/target_catalog.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sync/internal.h"

#define SETTLE_US 5000000 /* the conductor looks every 50 ms */

static const char *const MODES[] = {"full-load", "cdc", "full-load-and-cdc"};
static const char *const PREPARES[] = {"create", "truncate", "nothing", "merge"};

const char *sync_mode_name(SyncMode mode)
{
    return MODES[mode];
}

const char *sync_prepare_name(SyncPrepare prepare)
{
    return PREPARES[prepare];
}

Sync *sync_new(const SyncSpec *spec)
{
    Sync *sync = calloc(1, sizeof *sync);
    ASSERT(sync != NULL);
    sync->spec = *spec;
    sync->arena = arena_new(0);
    sync->stream_stop = stop_new();
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&sync->lock, NULL);
    pthread_cond_init(&sync->changed, &attr);
    pthread_condattr_destroy(&attr);
    atomic_store(&sync->state, TASK_NEW);
    sync->base_rules = spec->rules;
    Progress *p = &sync->progress;
    atomic_store(&p->wal_retained_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->wal_left_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->lag_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->capture_lag_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->apply_lag_us, PROGRESS_UNKNOWN);
    atomic_store(&p->lag_p99_us, PROGRESS_UNKNOWN);
    atomic_store(&p->wal_rate, PROGRESS_UNKNOWN);
    atomic_store(&p->apply_rate, PROGRESS_UNKNOWN);
    return sync;
}

void sync_free(Sync *sync)
{
    if (sync == NULL)
        return;
    sync_stream_stop(sync);
    keylog_close(atomic_load(&sync->keylog));
    free(sync->proofs);
    free(sync->recheck);
    load_start_done(&sync->load_start);
    pgconn_close(sync->control);
    relations_free(atomic_load(&sync->rels));
    for (int i = 0; i < sync->retired_count; i++)
        relations_free(sync->retired[i]);
    free(sync->retired);
    stop_free(sync->stream_stop);
    pthread_mutex_destroy(&sync->lock);
    pthread_cond_destroy(&sync->changed);
    arena_free(sync->arena);
    if (sync->watch.arena != NULL)
        arena_free(sync->watch.arena);
    arena_free(sync->heard_arena);
    free(sync);
}

bool sync_event(Sync *sync, TaskEvent event, Error *err)
{
    TaskState from = (TaskState)atomic_load(&sync->state);
    const TaskRow *row = task_fsm_next(from, event);
    if (row == NULL)
        return ERR(err, ERR_BUG, "event '%s' is not possible in state '%s'", task_event_name(event),
                   task_state_name(from));
    if (row->durable) {
        if (!sync_keep_control(sync, err))
            return false;
        if (!control_set_state(sync->control, sync->spec.task, task_state_name(row->to), err))
            return false;
        snprintf(sync->row.state, sizeof sync->row.state, "%s", task_state_name(row->to));
    }
    int expected = (int)from;
    if (!atomic_compare_exchange_strong(&sync->state, &expected, row->to))
        return true; /* a cutover began meanwhile: it decides what comes next */
    log_info("%s", row->comment);
    return true;
}

static bool reopen_control(Sync *sync, Error *err)
{
    pgconn_close(sync->control);
    sync->control = pgconn_open(&sync->spec.target, PG_SESSION_SQL, "control", err);
    return sync->control != NULL && control_lock(sync->control, sync->spec.task, err);
}

bool sync_keep_control(Sync *sync, Error *err)
{
    Error lost = ERROR_INIT;
    if (pgconn_usable(sync->control) &&
        pgconn_exec(sync->control, SQL("SELECT 1"), PG_NO_PARAMS, NULL, &lost))
        return true;
    log_warn("the control session on the target is lost, opening it again");
    int64_t wait_us = 100000;
    for (;;) {
        err_clear(err);
        if (reopen_control(sync, err))
            return true;
        /* The lock of our own dead session may linger for a moment; a living owner keeps it. */
        bool transient = err_action(err->cls) != ERR_ACTION_STOP || err->cls == ERR_ALREADY_RUNNING;
        if (!transient || wait_us > 20000000)
            return err_context(err, "control session");
        if (stop_wait(sync->spec.stop, wait_us))
            return ERR(err, ERR_STOPPED, "stopped while the target was away");
        wait_us *= 2;
    }
}

void sync_roll_back(Sync *sync)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(sync->control) && !pgconn_script(sync->control, SQL("ROLLBACK"), &ignored))
        log_debug("rollback: %s", ignored.message);
}

/* The task row must belong to this very source; a mixed-up configuration must not write anything.
 */
static bool check_identity(Sync *sync, Error *err)
{
    const ControlTask *row = &sync->row;
    if (row->source_system_id[0] == '\0')
        return true;
    if (strcmp(row->source_system_id, sync->source_identity.system_id) != 0 ||
        strcmp(row->source_database, sync->source_identity.database) != 0) {
        ERR(err, ERR_TARGET_STATE,
            "task '%s' on the target was started from another source (system %s, database '%s'; "
            "this is "
            "system %s, database '%s')",
            sync->spec.task, row->source_system_id, row->source_database,
            sync->source_identity.system_id, sync->source_identity.database);
        return err_hint(err,
                        "Use another task name, or run 'bascule cleanup' with the old "
                        "configuration. After a failover of the source its slot is gone and the "
                        "task must load again.");
    }
    if (strcmp(row->mode, sync_mode_name(sync->spec.mode)) != 0)
        return ERR(err, ERR_TARGET_STATE, "task '%s' was started with mode '%s', not '%s'",
                   sync->spec.task, row->mode, sync_mode_name(sync->spec.mode));
    if (row->slot_name[0] != '\0' && strcmp(row->slot_name, sync->spec.slot_name) != 0)
        return ERR(err, ERR_TARGET_STATE, "task '%s' was started with slot.name '%s', not '%s'",
                   sync->spec.task, row->slot_name, sync->spec.slot_name);
    return true;
}

static bool read_identity(Sync *sync, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "identify", err);
    if (conn == NULL)
        return false;
    if (!source_identify(conn, &sync->source_identity, err))
        return false;
    snprintf(sync->encoding, sizeof sync->encoding, "%s", sync->source_identity.encoding);
    sync->spec.source.encoding = sync->encoding;
    sync->spec.target.encoding = sync->encoding;
    return true;
}

/* Both must be known to differ: the same cluster and database is refused before anything is
 * written. */
static bool check_not_same(Sync *sync, Error *err)
{
    SourceIdentity target;
    if (!source_identify(sync->control, &target, err))
        return false;
    if (source_is_same(&target, &sync->source_identity))
        return ERR(err, ERR_SAME_SERVER,
                   "source and target are the same database '%s' of the same "
                   "server (system %s)",
                   target.database, target.system_id);
    return true;
}

static bool open_task(Sync *sync, Error *err)
{
    sync->may_undo = false;
    atomic_store(&sync->state, TASK_NEW);
    if (!read_identity(sync, err))
        return err_context(err, "source");
    pgconn_close(sync->control);
    sync->control = pgconn_open(&sync->spec.target, PG_SESSION_SQL, "control", err);
    if (sync->control == NULL)
        return err_context(err, "target");
    if (!check_not_same(sync, err) || !control_create(sync->control, err) ||
        !control_lock(sync->control, sync->spec.task, err) ||
        !control_read(sync->control, sync->spec.task, &sync->row, &sync->row_found, err))
        return false;
    TaskState state = TASK_NEW;
    if (sync->row_found) {
        if (!task_state_parse(sync->row.state, &state))
            return ERR(err, ERR_TARGET_STATE,
                       "task '%s' is in state '%s', which this version does not know",
                       sync->spec.task, sync->row.state);
        atomic_store(&sync->state, state);
        if (!check_identity(sync, err))
            return false;
        log_info("task goes on state=%s resume_lsn=" LSN_FMT, sync->row.state,
                 LSN_ARGS(sync->row.resume_lsn));
    }
    /* On the way back nothing is copied: the task stops. */
    sync->may_suspend =
        sync->spec.mode != SYNC_FULL_LOAD && !sync->spec.reverse && sync_may_silence(sync->control);
    /* Only now is it known that the lock, the row and the source are ours. */
    sync->may_undo = state <= TASK_PREPARING && !sync->spec.reverse;
    return true;
}

static bool lag_is_short(Sync *sync)
{
    int64_t lag = atomic_load(&sync->progress.lag_bytes);
    int64_t lag_us = atomic_load(&sync->progress.apply_lag_us);
    return lag != PROGRESS_UNKNOWN && lag_us != PROGRESS_UNKNOWN && lag_us < 1000000;
}

/* Waits for the end of the stream: stop, failure, cut over, or caught up when that is all we want.
 */
static bool stream_until_end(Sync *sync, Error *err)
{
    int64_t next_look_us = clock_now_us() + 5000000;
    for (;;) {
        if (stop_requested(sync->spec.stop))
            return true;
        if (sync_stream_failed(sync, err))
            return false;
        TaskState state = (TaskState)atomic_load(&sync->state);
        if (state == TASK_CATCHING_UP || state == TASK_STREAMING) {
            int64_t lag_us = atomic_load(&sync->progress.apply_lag_us);
            bool near = lag_is_short(sync);
            bool far = lag_us != PROGRESS_UNKNOWN && lag_us > 30000000;
            if (state == TASK_CATCHING_UP && near) {
                sync_keys_caught_up(sync);
                if (!sync_event(sync, TASK_EV_CAUGHT_UP, err))
                    return false;
                if (sync->spec.until_caught_up)
                    return true;
            } else if (state == TASK_STREAMING && far) {
                if (!sync_event(sync, TASK_EV_FELL_BEHIND, err))
                    return false;
            }
        }
        if (state == TASK_REVERSING && sync->spec.until_caught_up && lag_is_short(sync))
            return true;
        pthread_mutex_lock(&sync->lock);
        bool over = sync->cutover_over, opened = sync->cutover_opened;
        sync->cutover_over = false;
        pthread_mutex_unlock(&sync->lock);
        if (over && !sync_event(sync, opened ? TASK_EV_OPENED : TASK_EV_CUTOVER_ABORTED, err))
            return false;
        if (over && opened)
            return true;
        if (!sync_watch(sync, err))
            return false;
        if (clock_now_us() >= next_look_us) {
            if (!sync_keep_control(sync, err))
                return false;
            next_look_us = clock_now_us() + 5000000;
        }
        stop_wait(sync->spec.stop, 50000);
    }
}

/* The target may have changed while nobody ran; and that it was caught up then says nothing about
 * now. */
static bool restart_stream(Sync *sync, Error *err)
{
    if (atomic_load(&sync->state) == TASK_STREAMING && !sync_event(sync, TASK_EV_FELL_BEHIND, err))
        return false;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "capture", err);
    if (source == NULL || !sync_capture(sync, source, err))
        return false;
    if (sync->spec.stale_slot != NULL) {
        if (!slot_drop(sync->control, sync->spec.stale_slot, err))
            return err_context(err, "dropping the slot of the other direction");
        sync->spec.stale_slot = NULL; /* from now on it is the next cutover's */
    }
    /* What fired while this side was open is quiet again. */
    return target_catalog_match(sync->control, sync_relations(sync), MATCH_STREAM, err) &&
           sync_quiet_triggers(sync, err) && sync_stream_start(sync, err);
}

static bool is_over(TaskState state)
{
    return state == TASK_CUT_OVER || state == TASK_ROLLED_BACK || state == TASK_COMPLETED;
}

static bool rolled_back(const Sync *sync, Error *err)
{
    ERR(err, ERR_WRONG_STATE,
        "task '%s' was rolled back without a way forward: nothing goes on from there",
        sync->spec.task);
    return err_hint(err, "'bascule rollback' finishes a rollback that stopped half way. To move "
                         "again, by a full load: 'bascule cleanup --yes', then 'bascule run "
                         "--target-prepare truncate', which destroys the rows on the target.");
}

/* One walk through the states, from whatever the target's control tables say. */
static bool walk(Sync *sync, Error *err)
{
    if (!open_task(sync, err))
        return false;
    if (is_over((TaskState)atomic_load(&sync->state))) {
        if (atomic_load(&sync->state) == TASK_ROLLED_BACK)
            return rolled_back(sync, err);
        ERR(err, ERR_WRONG_STATE,
            "task '%s' has cut over, without a way back (any more): there is nothing to run",
            sync->spec.task);
        return err_hint(err, "Run 'bascule cleanup' to remove what is left of it.");
    }
    if (sync->spec.reverse && atomic_load(&sync->state) != TASK_REVERSING)
        return ERR(err, ERR_TARGET_STATE, "task '%s' has no way back: its state on the %s is '%s'",
                   sync->spec.task, sync->spec.target.side, sync->row.state);
    if (atomic_load(&sync->state) == TASK_LOADED) {
        log_info("task is loaded already; nothing to do");
        return true;
    }
    if (atomic_load(&sync->state) <= TASK_PREPARING) {
        if (!sync_prepare(sync, err))
            return false;
    } else if (!sync_recall(sync, err)) {
        return false;
    }
    if (atomic_load(&sync->state) == TASK_LOADING && !sync_load(sync, err))
        return false;
    if (atomic_load(&sync->state) == TASK_INDEXING && !sync_index(sync, err))
        return false;
    if (atomic_load(&sync->state) == TASK_LOADED)
        return true;
    if (!sync->streaming && !restart_stream(sync, err))
        return false;
    return stream_until_end(sync, err);
}

/* The stream's workers reconnect by themselves; here it is the load and the schema work that begin
 * again where they were. What never began is not tried again: its operator is still looking. */
static bool worth_another_try(const Sync *sync, const Error *err, int tries)
{
    ErrorAction action = err_action(err->cls);
    int state = atomic_load(&sync->state);
    return (action == ERR_ACTION_RETRY || action == ERR_ACTION_RECONNECT) &&
           !stop_requested(sync->spec.stop) &&
           (state >= TASK_LOADING || (state == TASK_PREPARING && tries < 3));
}

bool sync_run(Sync *sync, Error *err)
{
    int64_t wait_us = 1000000;
    for (int tries = 1;; tries++) {
        TaskState before = (TaskState)atomic_load(&sync->state);
        bool ok = walk(sync, err);
        sync_watch_done(sync);
        sync_stream_stop(sync);
        load_start_done(&sync->load_start);
        if (ok) {
            /* Its lock ends here: the other direction may begin while this Sync is still shown. */
            pgconn_close(sync->control);
            sync->control = NULL;
            return true;
        }
        bool again = worth_another_try(sync, err, tries);
        if (sync->may_undo && atomic_load(&sync->state) <= TASK_PREPARING)
            sync_undo_prepare(sync);
        /* Its lock is ours: gone before the next try asks for it. */
        pgconn_close(sync->control);
        sync->control = NULL;
        if (!again)
            return false;
        if ((TaskState)atomic_load(&sync->state) != before)
            wait_us = 1000000; /* it came further than last time */
        log_error_value(LOG_WARN, err, "the work is interrupted, trying again in %lld s",
                        (long long)(wait_us / 1000000));
        if (stop_wait(sync->spec.stop, wait_us))
            return ERR(err, ERR_STOPPED, "stopped");
        wait_us = wait_us < 16000000 ? wait_us * 2 : 30000000;
        err_clear(err);
    }
}

TaskState sync_state(const Sync *sync)
{
    return (TaskState)atomic_load(&sync->state);
}

Progress *sync_progress(Sync *sync)
{
    return &sync->progress;
}

Relations *sync_relations(Sync *sync)
{
    return atomic_load(&sync->rels);
}

const char *sync_plugin(const Sync *sync)
{
    return sync->plugin;
}

int64_t sync_epoch(const Sync *sync)
{
    return sync->row.epoch;
}

void sync_trouble(Sync *sync, char *out, size_t size)
{
    out[0] = '\0';
    pthread_mutex_lock(&sync->lock);
    Worker *const workers[] = {sync->reader_worker, sync->apply_worker, sync->ticker_worker};
    for (size_t i = 0; i < sizeof workers / sizeof workers[0] && out[0] == '\0'; i++) {
        if (workers[i] != NULL)
            worker_trouble(workers[i], out, size);
    }
    pthread_mutex_unlock(&sync->lock);
}

void sync_wal_status(Sync *sync, char *out, size_t size)
{
    pthread_mutex_lock(&sync->lock);
    snprintf(out, size, "%s", sync->wal_status);
    pthread_mutex_unlock(&sync->lock);
}

static bool paused(const Relation *rel, Error *err)
{
    ERR(err, ERR_WRONG_STATE, "table '%s' is paused", rel->display);
    return err_hint(err, "'bascule tables resume %s' takes it in again.", rel->display);
}

bool sync_ready(void *engine, Error *err)
{
    Sync *sync = engine;
    TaskState state = (TaskState)atomic_load(&sync->state);
    Relations *rels = atomic_load(&sync->rels);
    if (sync_stream_failed(sync, err))
        return false;
    if (rels == NULL || (state != TASK_STREAMING && state != TASK_CUTTING_OVER &&
                         state != TASK_REVERSING && state != TASK_ROLLING_BACK))
        return ERR(err, ERR_WRONG_STATE, "the task is %s, not streaming", task_state_name(state));
    for (int i = 0; i < rels->count; i++) {
        if (atomic_load(&rels->all[i]->suspended) != SUSPEND_NOT) {
            const char *remedy = atomic_load(&rels->all[i]->remedy);
            if (atomic_load(&rels->all[i]->paused) != PAUSE_NOT)
                return paused(rels->all[i], err);
            ERR(err, ERR_WRONG_STATE, "table '%s' is suspended: %s", rels->all[i]->display,
                rels->all[i]->suspend_reason);
            return remedy == NULL || remedy[0] == '\0' ? false : err_hint(err, "%s", remedy);
        }
        if (atomic_load(&rels->all[i]->load_state) != TABLE_COMPLETED)
            return ERR(err, ERR_WRONG_STATE, "table '%s' is not loaded", rels->all[i]->display);
    }
    if (rels->gone_count > 0)
        return ERR(err, ERR_WRONG_STATE,
                   "table '%s' is on the target, but %s: drop it there, or exclude it",
                   rels->gone[0].display, rels->gone[0].reason);
    Lsn received;
    if (progress_reached_lsn(&sync->progress, &received) < sync_newest_start(sync))
        return ERR(err, ERR_WRONG_STATE, "the stream is not yet where the newest table was copied");
    return true;
}

bool sync_wait_message(void *engine, const char *content, int64_t deadline_us, Error *err)
{
    Sync *sync = engine;
    for (;;) {
        pthread_mutex_lock(&sync->lock);
        bool seen = strcmp(sync->message, content) == 0;
        if (!seen && !sync->failed) {
            int64_t until = clock_now_us() + 20000;
            if (until > deadline_us)
                until = deadline_us;
            struct timespec ts = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
            pthread_cond_timedwait(&sync->changed, &sync->lock, &ts);
            seen = strcmp(sync->message, content) == 0;
        }
        pthread_mutex_unlock(&sync->lock);
        if (seen)
            return true;
        if (sync_stream_failed(sync, err))
            return false;
        if (stop_requested(sync->spec.stop))
            return ERR(err, ERR_STOPPED, "stopped while waiting for the barrier");
        if (clock_now_us() >= deadline_us)
            return ERR(err, ERR_DEADLINE, "the barrier has not arrived on the target in time");
    }
}

bool sync_stop_apply(void *engine, Error *err)
{
    return sync_hold_apply_wait(engine, err);
}

void sync_resume_apply(Sync *sync)
{
    sync_hold_apply(sync, false);
}

bool sync_cutover_begin(Sync *sync, Error *err)
{
    TaskState state = (TaskState)atomic_load(&sync->state);
    const TaskRow *row = task_fsm_next(state, TASK_EV_CUTOVER);
    if (row == NULL)
        return ERR(err, ERR_WRONG_STATE, "the task is %s; cutover needs a streaming task",
                   task_state_name(state));
    int expected = state;
    if (!atomic_compare_exchange_strong(&sync->state, &expected, row->to))
        return ERR(err, ERR_WRONG_STATE, "the task changed its state just now; try again");
    if (atomic_load(&sync->reshaping)) {
        expected = TASK_CUTTING_OVER;
        atomic_compare_exchange_strong(&sync->state, &expected, state);
        return ERR(err, ERR_WRONG_STATE, "a table is being taken in again; try again");
    }
    sync_gate_revoke(sync, true);
    return true;
}

static bool is_switching(TaskState state)
{
    return state == TASK_CUTTING_OVER || state == TASK_ROLLING_BACK;
}

void sync_cutover_end(Sync *sync, bool opened)
{
    pthread_mutex_lock(&sync->lock);
    sync->cutover_over = true;
    sync->cutover_opened = opened;
    sync->gates_shut = opened;
    pthread_mutex_unlock(&sync->lock);
    int64_t until_us = clock_now_us() + SETTLE_US;
    while (is_switching((TaskState)atomic_load(&sync->state)) && clock_now_us() < until_us &&
           !stop_wait(sync->spec.stop, 5000))
        ;
}

const char *sync_encoding(const Sync *sync)
{
    return sync->encoding[0] != '\0' ? sync->encoding : NULL;
}

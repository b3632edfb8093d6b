/* engine - see the header. */
#include "cli/engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/worker.h"
#include "cli/confirm.h"
#include "cli/engine_tables.h"
#include "cli/engine_verify.h"
#include "ops/control_api.h"
#include "ops/report.h"
#include "task/task_steps.h"

struct Engine {
    Task *task;
    StopToken *stop;
    Worker *worker;
    bool failed; /* the task's worker writes, read after it ended */
    Error failure;
    ControlApi *api;
    StatusRate rate;
    pthread_mutex_t lock;
    Worker *cutover;        /* lock: the last one started by the control socket */
    struct CutoverJob *job; /* lock */
    EngineVerify *verify;
    EngineTables *tables;
};

/* One cutover asked for by the control socket, in a thread of its own. */
typedef struct CutoverJob {
    Engine *engine;
    TaskCutover options;
    ControlCutoverRequest request; /* what options borrow from */
    ControlEvents *events;
} CutoverJob;

static StepResult task_step(void *self, Error *err)
{
    Engine *engine = self;
    /* Whatever is worth another try has been tried inside: an error here is the end. */
    if (!task_run(engine->task, &engine->failure))
        engine->failed = true;
    (void)err;
    return STEP_DONE;
}

static StepResult cutover_step(void *self, Error *err)
{
    (void)err;
    CutoverJob *job = self;
    Arena *arena = arena_new(0);
    CutoverReport report = {0};
    Error failure = ERROR_INIT;
    bool ok = task_cutover(job->engine->task, &job->options, arena, &report, &failure);
    if (!ok)
        log_error_value(LOG_WARN, &failure, "%s ended", job->options.back ? "rollback" : "cutover");
    control_events_finish(job->events, &report, ok ? NULL : &failure);
    arena_free(arena);
    return STEP_DONE; /* its end is the client's to judge; the stream goes on */
}

static bool on_status(void *self, Arena *arena, StatusReport *out_report, Error *err)
{
    (void)err;
    engine_status(self, arena, out_report);
    return true;
}

static bool on_stop(void *self, Error *err)
{
    (void)err;
    Engine *engine = self;
    log_info("asked to stop");
    stop_request(engine->stop);
    return true;
}

static void join_cutover(Engine *engine)
{
    if (engine->cutover != NULL)
        worker_join(engine->cutover, NULL);
    free(engine->job);
    engine->cutover = NULL;
    engine->job = NULL;
}

static bool on_cutover(void *self, const ControlCutoverRequest *request, ControlEvents *events,
                       Error *err)
{
    Engine *engine = self;
    bool ok = true;
    pthread_mutex_lock(&engine->lock);
    if (engine->cutover != NULL && !worker_ended(engine->cutover)) {
        ok = ERR(err, ERR_WRONG_STATE, "a cutover is running already");
    } else {
        join_cutover(engine);
        CutoverJob *job = calloc(1, sizeof *job);
        ASSERT(job != NULL);
        job->engine = engine;
        job->events = events;
        job->request = *request;
        job->options = (TaskCutover){
            .back = request->back,
            .dry_run = request->dry_run,
            .confirm = job->request.confirm,
            .rehearse = request->rehearse,
            .terminate_blockers = request->terminate_blockers,
            .at_wall_us = request->at_wall_us,
            .at_window_us = request->at_window_us,
            .verify = request->verify,
            .max_downtime_us = request->max_downtime_us,
            .max_lag_us = request->max_lag_us,
            .max_lag_bytes = request->max_lag_bytes,
            .peer = {request->peer_uid, request->peer_pid},
            .on_event = control_events_on_event,
            .event_arg = events,
            .report_json = report_json,
        };
        WorkerSpec spec = {.name = "cutover", .self = job, .step = cutover_step};
        engine->cutover = worker_start(&spec, engine->stop, err);
        engine->job = job;
        ok = engine->cutover != NULL;
    }
    pthread_mutex_unlock(&engine->lock);
    return ok;
}

static bool on_abort(void *self, Error *err)
{
    Engine *engine = self;
    return task_abort(engine->task, err);
}

static bool on_verify(void *self, const json_t *request, ControlEvents *events, Error *err)
{
    Engine *engine = self;
    return engine_verify_start(engine->verify, request, events, err);
}

static bool on_repair(void *self, const json_t *request, ControlEvents *events, Error *err)
{
    Engine *engine = self;
    return engine_repair_start(engine->verify, request, events, err);
}

static bool on_tables(void *self, const json_t *request, ControlEvents *events, Error *err)
{
    Engine *engine = self;
    return engine_tables_start(engine->tables, request, events, err);
}

static bool agreed(const Config *config, Error *err)
{
    return confirm_write(config, "to let the task begin", err);
}

static void free_engine(Engine *engine)
{
    engine_verify_end(engine->verify);
    engine_tables_end(engine->tables);
    control_api_stop(engine->api);
    engine_verify_free(engine->verify);
    engine_tables_free(engine->tables);
    task_free(engine->task);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

bool engine_start(const Config *config, StopToken *stop, bool until_caught_up, Engine **out_engine,
                  Error *err)
{
    Engine *engine = calloc(1, sizeof *engine);
    ASSERT(engine != NULL);
    *engine = (Engine){.stop = stop, .rate = STATUS_RATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    ControlOps ops = {.self = engine,
                      .status = on_status,
                      .stop = on_stop,
                      .cutover = on_cutover,
                      .abort = on_abort,
                      .verify = on_verify,
                      .repair = on_repair,
                      .tables = on_tables};
    WorkerSpec spec = {.name = "sync", .self = engine, .step = task_step};
    if (task_open(config, stop, until_caught_up, &engine->task, err))
        task_on_first_write(engine->task, agreed);
    if (engine->task == NULL || (engine->verify = engine_verify_new(engine->task)) == NULL ||
        (engine->tables = engine_tables_new(engine->task)) == NULL ||
        !task_make_dirs(engine->task, err) ||
        (engine->api = control_api_start(config_text(config, OPT_CONTROL_SOCKET), &ops, err)) ==
            NULL ||
        !task_preflight(engine->task, err) ||
        (engine->worker = worker_start(&spec, stop, err)) == NULL) {
        free_engine(engine);
        return false;
    }
    *out_engine = engine;
    return true;
}

bool engine_ended(const Engine *engine)
{
    return worker_ended(engine->worker);
}

bool engine_finish(Engine *engine, Error *err)
{
    bool ok = worker_join(engine->worker, err);
    if (ok && engine->failed) {
        *err = engine->failure;
        ok = false;
    }
    pthread_mutex_lock(&engine->lock);
    join_cutover(engine);
    pthread_mutex_unlock(&engine->lock);
    free_engine(engine);
    return ok;
}

Task *engine_task(Engine *engine)
{
    return engine->task;
}

static void convert(const SyncStatus *st, Arena *arena, StatusReport *out)
{
    out->engine_running = st->engine_running;
    out->phase = st->phase;
    out->mode = st->mode;
    out->plugin = st->plugin;
    out->slot = st->slot;
    out->lag_bytes = st->lag_bytes;
    out->capture_lag_bytes = st->capture_lag_bytes;
    out->apply_lag_bytes = st->apply_lag_bytes;
    out->lag_us = st->lag_us;
    out->source_end_lsn = st->source_end_lsn;
    out->received_lsn = st->received_lsn;
    out->applied_lsn = st->applied_lsn;
    out->durable_lsn = st->durable_lsn;
    out->confirmed_lsn = st->confirmed_lsn;
    out->wal_retained_bytes = st->wal_retained_bytes;
    out->wal_left_bytes = st->wal_left_bytes;
    out->wal_status = st->wal_status;
    out->transactions = st->transactions;
    out->changes = st->changes;
    out->fallback_batches = st->fallback_batches;
    out->queued_bytes = st->queued_bytes;
    out->spilled_bytes = st->spilled_bytes;
    out->epoch = st->epoch;
    out->trouble = st->trouble;
    out->heard = st->heard;
    out->table_count = st->table_count;
    out->tables = arena_new_array(arena, StatusTable, st->table_count);
    out->load_tables_total = st->table_count;
    out->load_tables_done = 0;
    out->load_rows = out->load_bytes = 0;
    for (int i = 0; i < st->table_count; i++) {
        const SyncTableStatus *t = &st->tables[i];
        out->tables[i] = (StatusTable){
            .table = t->table,
            .state = t->state,
            .start_lsn = t->start_lsn,
            .full_load_rows = t->rows,
            .inserts = t->inserts,
            .updates = t->updates,
            .deletes = t->deletes,
            .truncates = t->truncates,
            .message = t->message,
            .paused = t->paused,
            .suspended_lsn = t->suspended_lsn,
            .remedy = t->remedy,
            .source_statement = t->source_statement,
        };
        out->load_tables_done += strcmp(t->state, table_state_name(TABLE_COMPLETED)) == 0;
        out->load_rows += t->rows;
        out->load_bytes += t->bytes;
    }
}

/* Tables that the source has no more stand behind the others. */
static void add_gone(StatusReport *out, Arena *arena, const StatusTable *gone, int count)
{
    if (count <= 0)
        return;
    StatusTable *all = arena_new_array(arena, StatusTable, out->table_count + count);
    memcpy(all, out->tables, sizeof *all * (size_t)out->table_count);
    memcpy(all + out->table_count, gone, sizeof *all * (size_t)count);
    out->tables = all;
    out->table_count += count;
}

static void judge(Task *task, const SyncStatus *st, Arena *arena, StatusReport *out)
{
    char why[512];
    Situation now = task_situation(task);
    out->decision = now.forward;
    out->rollback = now.back;
    if (now.known) {
        out->epoch = now.forward_epoch;
        out->rollback_epoch = now.back_epoch;
        out->direction = now.way == WAY_BACK ? "back" : "forward";
        out->open_us = now.open_us;
        if (now.fences >= 0 && now.forward == DECISION_OPENED) {
            out->fences = now.fences;
            out->fences_armed = now.fences_armed;
        }
    }
    out->ready_for_cutover = task_ready(task, st, now.forward, why, sizeof why);
    out->not_ready_because = out->ready_for_cutover ? NULL : arena_strdup(arena, why);
    out->ready_for_rollback = task_ready_back(task, st, &now, why, sizeof why);
    out->no_rollback_because = out->ready_for_rollback ? NULL : arena_strdup(arena, why);
    if (now.known)
        out->conflicts_waiting = now.conflicts_waiting;
    if (out->ready_for_cutover && now.known && now.conflicts_waiting > 0) {
        out->ready_for_cutover = false;
        out->not_ready_because =
            arena_printf(arena, "%lld conflicts wait for a decision ('bascule conflicts list')",
                         (long long)now.conflicts_waiting);
    }
}

static void fill_conflicts(const Progress *progress, StatusReport *out)
{
    out->conflicts_already = atomic_load(&progress->conflicts_already);
    out->conflicts_ahead = atomic_load(&progress->conflicts_ahead);
    out->conflicts_recorded = atomic_load(&progress->conflicts_recorded);
    out->conflicts_gone = atomic_load(&progress->conflicts_gone);
}

void engine_status(Engine *engine, Arena *arena, StatusReport *out)
{
    *out = status_unknown(task_name(engine->task));
    out->engine_running = true;
    out->phase = "new";
    out->steps = task_steps_status(engine->task, arena);
    Sync *sync = task_sync(engine->task);
    if (sync == NULL)
        return;
    SyncStatus st;
    sync_status(sync, arena, &st);
    convert(&st, arena, out);
    const Relations *rels = sync_relations(sync);
    if (rels != NULL) {
        const StatusTable *all = out->tables;
        int count = out->table_count;
        status_fill_tables(out, arena, rels);
        status_fill_proofs(out, arena, sync, rels);
        for (int i = 0; i < rels->count && i < count; i++)
            out->tables[i].source_statement = all[i].source_statement;
        add_gone(out, arena, all + rels->count, count - rels->count);
        status_fill_rate(out, &engine->rate, clock_now_us());
    }
    const SyncSpec *spec = NULL;
    if (task_running(engine->task, &spec) == sync && spec->dual_write)
        fill_conflicts(sync_progress(sync), out);
    judge(engine->task, &st, arena, out);
}

bool engine_status_offline(const Config *config, Arena *arena, StatusReport *out, bool *out_found,
                           Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    *out_found = false;
    bool ok = task_open(config, stop, false, &task, err);
    if (ok) {
        const SyncSpec *spec = task_sync_spec(task);
        SyncStatus st;
        *out = status_unknown(arena_strdup(arena, task_name(task)));
        if (task_situation(task).way == WAY_BACK)
            spec = task_back_spec(task);
        ok = sync_status_offline(&spec->source, &spec->target, spec->task, arena, &st, out_found,
                                 err);
        if (ok && *out_found) {
            convert(&st, arena, out);
            judge(task, &st, arena, out);
            out->steps = task_steps_status_now(task, arena);
        }
        task_free(task);
    }
    stop_free(stop);
    return ok;
}

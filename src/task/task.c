/* task - see the header. */
#include "task/task.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "config/endpoint.h"
#include "schema/schema.h"
#include "source/preflight.h"
#include "task/plans.h"

struct Task {
    const Config *config;
    Arena *arena;
    Rules rules;
    SyncSpec spec;
    SchemaPort schema;
    SchemaRestore *restore;
    Sync *sync;
    StopToken *stop, *abort;
    pthread_mutex_t lock;
    bool cutting;                  /* lock */
    CutoverDecision seen_decision; /* lock: the last answer of both sides, for status */
    int64_t seen_epoch, next_decision_us;
};

static bool make_dir(const char *path, Error *err)
{
    char partial[4096];
    if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
        return ERR(err, ERR_CONFIG, "directory name is too long: '%s'", path);
    for (char *p = partial + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST)
            return ERR_OS(err, ERR_IO, "cannot make the directory '%s'", partial);
        *p = kept;
        if (kept == '\0')
            break;
    }
    if (access(path, W_OK | X_OK) != 0)
        return ERR_OS(err, ERR_IO, "cannot write in the directory '%s'", path);
    return true;
}

static bool close_target(void *arg, PgConn *target, const Relations *rels, Error *err)
{
    const Task *task = arg;
    bool skipped = false;
    if (!target_fence_install(target, task->spec.task, rels, &skipped, err))
        return false;
    if (skipped)
        log_warn("the target could not be closed to other writers: the role may not create "
                 "triggers there");
    return true;
}

static void fill_spec(Task *task)
{
    const Config *c = task->config;
    SyncSpec *s = &task->spec;
    s->task = config_text(c, OPT_TASK);
    s->mode = (SyncMode)config_choice(c, OPT_MODE);
    static const SyncMode MODES[] = {SYNC_FULL_LOAD, SYNC_CDC, SYNC_FULL_LOAD_AND_CDC};
    static const SyncPrepare PREPARES[] = {PREPARE_CREATE, PREPARE_TRUNCATE, PREPARE_NOTHING};
    static const PluginChoice PLUGINS[] = {PLUGIN_AUTO, PLUGIN_WAL2JSON, PLUGIN_PGOUTPUT};
    s->mode = MODES[config_choice(c, OPT_MODE)];
    s->prepare = PREPARES[config_choice(c, OPT_TARGET_PREPARE)];
    s->plugin = PLUGINS[config_choice(c, OPT_PLUGIN)];
    s->slot_name = config_text(c, OPT_SLOT_NAME);
    s->publication = config_text(c, OPT_PUBLICATION_NAME);
    s->slot_wait_us = config_duration_us(c, OPT_SLOT_CREATE_TIMEOUT);
    s->cdc_start_lsn = config_lsn(c, OPT_CDC_START_LSN);
    s->rules = &task->rules;
    s->load_jobs = (int)config_i64(c, OPT_LOAD_JOBS);
    s->load_chunk_bytes = config_size_bytes(c, OPT_LOAD_CHUNK_SIZE);
    s->load_binary = config_bool(c, OPT_LOAD_BINARY);
    s->load_analyze = config_bool(c, OPT_LOAD_ANALYZE);
    s->stream_memory_bytes = (size_t)config_size_bytes(c, OPT_STREAM_MEMORY);
    s->spill_dir = config_text(c, OPT_STREAM_SPILL_DIR);
    s->spill_limit_bytes = config_size_bytes(c, OPT_STREAM_SPILL_LIMIT);
    s->batch_bytes = (size_t)config_size_bytes(c, OPT_STREAM_BATCH_SIZE);
    s->batch_changes = config_i64(c, OPT_STREAM_BATCH_CHANGES);
    s->status_interval_us = config_duration_us(c, OPT_STREAM_STATUS_INTERVAL);
    s->keys_disk_bytes = config_size_bytes(c, OPT_KEYS_DISK_LIMIT);
    s->keys_dir = s->keys_disk_bytes > 0 ? config_text(c, OPT_KEYS_DIR) : NULL;
    s->keys_memory_bytes = (size_t)config_size_bytes(c, OPT_KEYS_MEMORY);
    s->close_target = close_target;
    s->close_arg = task;
    s->stop = task->stop;
}

bool task_open(const Config *config, StopToken *stop, bool until_caught_up, Task **out_task,
               Error *err)
{
    Task *task = calloc(1, sizeof *task);
    ASSERT(task != NULL);
    task->config = config;
    task->stop = stop;
    task->spec.until_caught_up = until_caught_up;
    task->abort = stop_new();
    task->arena = arena_new(0);
    task->seen_decision = DECISION_UNKNOWN;
    pthread_mutex_init(&task->lock, NULL);
    SyncSpec *spec = &task->spec;
    if (!config_rules(config, &task->rules, task->arena, err) ||
        !config_endpoint(config, true, &spec->source, task->arena, err) ||
        !config_endpoint(config, false, &spec->target, task->arena, err)) {
        task_free(task);
        return false;
    }
    spec->source.stop = stop;
    spec->target.stop = stop;
    fill_spec(task);
    *out_task = task;
    return true;
}

void task_free(Task *task)
{
    if (task == NULL)
        return;
    sync_free(task->sync);
    schema_restore_free(task->restore);
    stop_free(task->abort);
    pthread_mutex_destroy(&task->lock);
    arena_free(task->arena);
    free(task);
}

Sync *task_sync(Task *task)
{
    pthread_mutex_lock(&task->lock);
    Sync *sync = task->sync;
    pthread_mutex_unlock(&task->lock);
    return sync;
}

const SyncSpec *task_sync_spec(const Task *task)
{
    return &task->spec;
}

const char *task_name(const Task *task)
{
    return task->spec.task;
}

/* The first blocker is the error; the others are in the log above it. */
static bool refuse(const PreflightReport *report, Error *err)
{
    const PreflightFinding *first = NULL;
    for (int i = 0; i < report->count; i++) {
        const PreflightFinding *f = &report->findings[i];
        if (f->result != PREFLIGHT_BLOCKER)
            continue;
        if (first == NULL)
            first = f;
        else
            log_error("%s: %s (%s)", f->subject, f->what, f->why);
    }
    ErrorClass cls = ERR_BLOCKED;
    for (int c = 1; c < ERR_CLASS_COUNT; c++) {
        if (strcmp(err_slug((ErrorClass)c), first->code) == 0 && err_exit_code((ErrorClass)c) == 3)
            cls = (ErrorClass)c;
    }
    ERR(err, cls, "%s: %s: %s", first->subject, first->what, first->why);
    if (first->remedy[0] != '\0')
        err_hint(err, "%s", first->remedy);
    return false;
}

/* Connection troubles are told as what they are, not as a blocker among others. */
static bool reach(const PgEndpoint *endpoint, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(endpoint, PG_SESSION_SQL, "preflight", err);
    return conn != NULL || err_context(err, "%s", endpoint->side);
}

PreflightSpec task_preflight_spec(const Task *task)
{
    static const PreflightPrepare PREPARES[] = {PREFLIGHT_CREATE, PREFLIGHT_TRUNCATE,
                                                PREFLIGHT_NOTHING};
    static const PreflightMode MODES[] = {PREFLIGHT_LOAD, PREFLIGHT_CDC, PREFLIGHT_LOAD_AND_CDC};
    const SyncSpec *s = &task->spec;
    return (PreflightSpec){
        .source = s->source,
        .target = s->target,
        .task = s->task,
        .rules = s->rules,
        .plugin = s->plugin,
        .prepare = PREPARES[s->prepare],
        .mode = MODES[s->mode],
        .jobs = s->load_jobs,
        .slot_name = s->slot_name,
        .publication = s->publication,
        .slot_wait_us = s->slot_wait_us,
    };
}

bool task_preflight(Task *task, Error *err)
{
    const SyncSpec *s = &task->spec;
    bool found = false;
    SyncStatus status;
    if (!reach(&s->source, err) || !reach(&s->target, err))
        return false;
    if (!sync_status_offline(&s->source, &s->target, s->task, task->arena, &status, &found, err))
        return false;
    TaskState state = TASK_NEW;
    if (found && task_state_parse(status.phase, &state) && state > TASK_PREPARING)
        return true;
    PreflightSpec spec = task_preflight_spec(task);
    PreflightReport report;
    if (!preflight_run(&spec, task->arena, &report, err))
        return false;
    log_info("preflight ok=%d warnings=%d blockers=%d", report.ok, report.warnings,
             report.blockers);
    return report.blockers == 0 || refuse(&report, err);
}

bool task_make_dirs(const Task *task, Error *err)
{
    return make_dir(config_text(task->config, OPT_WORK_DIR), err) &&
           make_dir(task->spec.spill_dir, err);
}

bool task_run(Task *task, Error *err)
{
    SyncSpec *s = &task->spec;
    if (s->prepare == PREPARE_CREATE) {
        SchemaRestoreSpec spec = {
            .source = s->source,
            .target = s->target,
            .everything = s->rules->count == 0,
            .directory = config_text(task->config, OPT_WORK_DIR),
            .jobs = s->load_jobs,
            .stop = task->stop,
        };
        task->restore = schema_restore_new(&spec, &task->schema);
        s->schema = &task->schema;
    }
    pthread_mutex_lock(&task->lock);
    task->sync = sync_new(s);
    pthread_mutex_unlock(&task->lock);
    return sync_run(task->sync, err);
}

static bool begin_cutover(Task *task, bool dry_run, Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&task->lock);
    if (task->sync == NULL)
        ok = ERR(err, ERR_WRONG_STATE, "the engine is still starting");
    else if (task->cutting)
        ok = ERR(err, ERR_WRONG_STATE, "a cutover is running already");
    else if (!dry_run && !sync_cutover_begin(task->sync, err))
        ok = false;
    if (ok) {
        task->cutting = true;
        stop_free(task->abort);
        task->abort = stop_new();
    }
    pthread_mutex_unlock(&task->lock);
    return ok;
}

static void end_cutover(Task *task, bool dry_run, bool opened)
{
    if (!dry_run) {
        if (!opened)
            sync_resume_apply(task->sync);
        sync_cutover_end(task->sync, opened);
    }
    pthread_mutex_lock(&task->lock);
    task->cutting = false;
    task->next_decision_us = 0;
    pthread_mutex_unlock(&task->lock);
}

static int64_t chosen(int64_t asked, int64_t configured)
{
    return asked >= 0 ? asked : configured;
}

bool task_cutover(Task *task, const TaskCutover *options, Arena *arena, CutoverReport *out_report,
                  Error *err)
{
    const Config *c = task->config;
    if (!begin_cutover(task, options->dry_run, err))
        return false;
    CutoverSpec spec = {
        .source = task->spec.source,
        .target = task->spec.target,
        .task = task->spec.task,
        .slot_name = task->spec.slot_name,
        .rels = sync_relations(task->sync),
        .rules = task->spec.rules,
        .progress = sync_progress(task->sync),
        .stop = task->stop,
        .abort = task->abort,
        .dry_run = options->dry_run,
        .verify = (CutoverVerify)chosen(options->verify, config_choice(c, OPT_CUTOVER_VERIFY)),
        .jobs = (int)config_i64(c, OPT_CUTOVER_JOBS),
        .max_downtime_us =
            chosen(options->max_downtime_us, config_duration_us(c, OPT_CUTOVER_MAX_DOWNTIME)),
        .max_lag_us = chosen(options->max_lag_us, config_duration_us(c, OPT_CUTOVER_MAX_LAG)),
        .max_lag_bytes =
            chosen(options->max_lag_bytes, config_size_bytes(c, OPT_CUTOVER_MAX_LAG_SIZE)),
        .lock_timeout_us = config_duration_us(c, OPT_CUTOVER_LOCK_TIMEOUT),
        .lock_tries = (int)config_i64(c, OPT_CUTOVER_LOCK_TRIES),
        .sequence_margin = config_i64(c, OPT_CUTOVER_SEQUENCE_MARGIN),
        .confirm =
            options->confirm == NULL || options->confirm[0] == '\0' ? NULL : options->confirm,
        .plan_arg = (void *)config_text(c, OPT_WORK_DIR),
        .plan_keep = plans_keep,
        .plan_find = plans_find,
        .new_primary = task->spec.target.shown,
        .engine = task->sync,
        .ready = sync_ready,
        .wait_message = sync_wait_message,
        .stop_apply = sync_stop_apply,
        .on_event = options->on_event,
        .event_arg = options->event_arg,
    };
    spec.source.encoding = spec.target.encoding = sync_encoding(task->sync);
    bool ok = cutover_run(&spec, arena, out_report, err);
    end_cutover(task, options->dry_run, ok && !options->dry_run);
    return ok;
}

bool task_abort(Task *task, Error *err)
{
    pthread_mutex_lock(&task->lock);
    bool cutting = task->cutting;
    if (cutting)
        stop_request(task->abort);
    pthread_mutex_unlock(&task->lock);
    return cutting || ERR(err, ERR_WRONG_STATE, "no cutover is running");
}

bool task_revoke(Task *task, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&task->spec.source, PG_SESSION_SQL, "abort", err);
    if (source == NULL)
        return err_context(err, "source");
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "abort", err);
    if (target == NULL)
        return err_context(err, "target");
    return cutover_revoke(source, target, task->spec.task, err);
}

/* Asked at most every few seconds: status is polled often, and both sides must answer for it. */
CutoverDecision task_decision(Task *task, int64_t *out_epoch)
{
    Error err = ERROR_INIT;
    pthread_mutex_lock(&task->lock);
    bool fresh = clock_now_us() < task->next_decision_us;
    CutoverDecision decision = task->seen_decision;
    *out_epoch = task->seen_epoch;
    pthread_mutex_unlock(&task->lock);
    if (fresh)
        return decision;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&task->spec.source, PG_SESSION_SQL, "status", &err);
    CLEANUP_PGCONN PgConn *target =
        source == NULL ? NULL : pgconn_open(&task->spec.target, PG_SESSION_SQL, "status", &err);
    if (target == NULL ||
        !cutover_read_decision(source, target, task->spec.task, &decision, out_epoch, &err))
        decision = DECISION_UNKNOWN;
    pthread_mutex_lock(&task->lock);
    task->seen_decision = decision;
    task->seen_epoch = *out_epoch;
    task->next_decision_us = clock_now_us() + 5000000;
    pthread_mutex_unlock(&task->lock);
    return decision;
}

bool task_ready(const Task *task, const SyncStatus *st, CutoverDecision decision, char *out_why,
                size_t size)
{
    char lag[64], limit[64];
    int64_t max_us = config_duration_us(task->config, OPT_CUTOVER_MAX_LAG);
    int64_t max_bytes = config_size_bytes(task->config, OPT_CUTOVER_MAX_LAG_SIZE);
    out_why[0] = '\0';
    if (decision == DECISION_OPENED)
        snprintf(out_why, size, "the target is open already");
    else if (!st->engine_running)
        snprintf(out_why, size, "no engine is running: the lag is unknown");
    else if (decision == DECISION_FENCED)
        snprintf(out_why, size,
                 "a cutover stopped between fence and opening: 'cutover' finishes it, 'abort' "
                 "takes it back");
    else if (strcmp(st->phase, "streaming") != 0)
        snprintf(out_why, size, "the task is %s", st->phase);
    else if (st->trouble[0] != '\0')
        snprintf(out_why, size, "%s", st->trouble);
    else if (st->lag_us == PROGRESS_UNKNOWN || st->lag_bytes == PROGRESS_UNKNOWN)
        snprintf(out_why, size, "the lag is unknown");
    else if (st->lag_us > max_us)
        snprintf(out_why, size, "lag %s is above %s",
                 clock_format_duration(st->lag_us, lag, sizeof lag),
                 clock_format_duration(max_us, limit, sizeof limit));
    else if (st->lag_bytes > max_bytes)
        snprintf(out_why, size, "lag of %lld bytes is above %lld", (long long)st->lag_bytes,
                 (long long)max_bytes);
    return out_why[0] == '\0';
}

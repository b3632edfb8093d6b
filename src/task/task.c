/* task - see the header. */
#include "task/task_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_copy.h"
#include "bascule/base/clock.h"
#include "bascule/base/directory.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "config/endpoint.h"
#include "config/mapping.h"
#include "schema/schema.h"
#include "source/preflight.h"
#include "task/task_backup.h"
#include "task/task_steps.h"

static bool close_target(void *arg, PgConn *target, const Relations *rels, Error *err)
{
    const Task *task = arg;
    bool skipped = false;
    if (!task->spec.dual_write &&
        !target_fence_install(target, task->spec.task, rels, &skipped, err))
        return false;
    if (skipped)
        log_warn("the target could not be closed to other writers: the role may not create "
                 "triggers there");
    Error behind = ERROR_INIT;
    int64_t last = 0;
    if (!audit_copy_push(target, &last, &behind))
        log_warn("audit: the copy on the target is behind: %s", behind.message);
    return true;
}

static void fill_spec(Task *task)
{
    const Config *c = task->config;
    SyncSpec *s = &task->spec;
    s->task = config_text(c, OPT_TASK);
    s->mode = (SyncMode)config_choice(c, OPT_MODE);
    static const SyncMode MODES[] = {SYNC_FULL_LOAD, SYNC_CDC, SYNC_FULL_LOAD_AND_CDC};
    static const SyncPrepare PREPARES[] = {PREPARE_CREATE, PREPARE_TRUNCATE, PREPARE_NOTHING,
                                           PREPARE_MERGE};
    static const PluginChoice PLUGINS[] = {PLUGIN_AUTO, PLUGIN_WAL2JSON, PLUGIN_PGOUTPUT};
    s->mode = MODES[config_choice(c, OPT_MODE)];
    s->prepare = PREPARES[config_choice(c, OPT_TARGET_PREPARE)];
    s->plugin = PLUGINS[config_choice(c, OPT_PLUGIN)];
    s->ddl = config_choice(c, OPT_DDL) == 1 ? DDL_APPLY : DDL_REFUSE;
    static const SyncCapture CAPTURES[] = {CAPTURE_OFF, CAPTURE_AUTO, CAPTURE_ON};
    s->capture = CAPTURES[config_choice(c, OPT_DDL_CAPTURE)];
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
    s->recheck_interval_us = config_duration_us(c, OPT_KEYS_RECHECK_INTERVAL);
    s->pause_limit_bytes = config_size_bytes(c, OPT_TABLES_PAUSE_LIMIT);
    s->recheck_rate = config_i64(c, OPT_KEYS_RECHECK_RATE);
    s->dual_write = config_choice(c, OPT_TARGET_WRITES) == 1;
    s->settle_us = config_duration_us(c, OPT_CONFLICTS_SETTLE);
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
    task->steps_arena = arena_new(0);
    task->steps_seen.configured = config_text(config, OPT_SCHEMA_SCRIPTS) != NULL;
    task->steps_seen.last_ms = -1;
    pthread_mutex_init(&task->lock, NULL);
    SyncSpec *spec = &task->spec;
    if (!config_rules(config, &task->rules, task->arena, err) ||
        !config_endpoint(config, true, &spec->source, task->arena, err) ||
        !config_endpoint(config, false, &spec->target, task->arena, err) ||
        !moments_read(config, task->arena, &spec->source, &spec->target, &task->moments, err)) {
        task_free(task);
        return false;
    }
    for (int i = 0; i < task->rules.note_count; i++)
        log_warn("%s", task->rules.notes[i]);
    spec->source.stop = stop;
    spec->target.stop = stop;
    fill_spec(task);
    task->back = way_turned(spec, task->arena);
    *out_task = task;
    return true;
}

void task_free(Task *task)
{
    if (task == NULL)
        return;
    sync_free(task->sync);
    for (int i = 0; i < task->ended_count; i++)
        sync_free(task->ended[i]);
    free(task->ended);
    schema_restore_free(task->restore);
    stop_free(task->abort);
    pthread_mutex_destroy(&task->lock);
    arena_free(task->steps_arena);
    arena_free(task->arena);
    free(task);
}

const Config *task_config(const Task *task)
{
    return task->config;
}

Sync *task_sync(Task *task)
{
    pthread_mutex_lock(&task->lock);
    Sync *sync = task->sync;
    pthread_mutex_unlock(&task->lock);
    return sync;
}

Sync *task_running(Task *task, const SyncSpec **out_spec)
{
    pthread_mutex_lock(&task->lock);
    Sync *sync = task->sync;
    *out_spec = task->way == WAY_BACK ? &task->back : &task->spec;
    pthread_mutex_unlock(&task->lock);
    return sync;
}

const SyncSpec *task_sync_spec(const Task *task)
{
    return &task->spec;
}

const SyncSpec *task_back_spec(const Task *task)
{
    return &task->back;
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

/* A rollback without a way forward is better than none. */
WayBackWish task_way_back_wish(const Task *task, bool back)
{
    static const WayBackWish WISHES[] = {WAY_BACK_AUTO, WAY_BACK_REQUIRED, WAY_BACK_OFF};
    WayBackWish wanted = WISHES[config_choice(task->config, OPT_CUTOVER_REVERSE)];
    return back ? WAY_BACK_AUTO : wanted;
}

PreflightSpec task_preflight_spec(const Task *task)
{
    static const PreflightPrepare PREPARES[] = {PREFLIGHT_CREATE, PREFLIGHT_TRUNCATE,
                                                PREFLIGHT_NOTHING, PREFLIGHT_MERGE};
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
        .dual_write = s->dual_write,
        .capture_may = s->capture != CAPTURE_OFF,
        .capture_must = s->capture == CAPTURE_ON,
        .way_back = task_way_back_wish(task, false) != WAY_BACK_OFF,
        .way_back_required = task_way_back_wish(task, false) == WAY_BACK_REQUIRED,
        .slot_wait_us = s->slot_wait_us,
    };
}

void task_on_first_write(Task *task, bool (*agreed)(const Config *config, Error *err))
{
    task->agreed = agreed;
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
    if (found && !task_state_parse(status.phase, &state))
        state = TASK_NEW;
    if (state <= TASK_PREPARING && task->agreed != NULL && !task->agreed(task->config, err))
        return false;
    if (!task_backup_begin(task, state, found, err) || !task_steps_begin(task, state, err))
        return false;
    PreflightSpec spec = task_preflight_spec(task);
    spec.only_dual =
        state > TASK_PREPARING; /* target_writes may be another one than at its begin */
    if (spec.only_dual && (!s->dual_write || state > TASK_STREAMING))
        return true;
    PreflightReport report;
    if (!preflight_run(&spec, task->arena, &report, err))
        return false;
    log_info("preflight ok=%d warnings=%d blockers=%d", report.ok, report.warnings,
             report.blockers);
    return report.blockers == 0 || refuse(&report, err);
}

bool task_make_dirs(const Task *task, Error *err)
{
    return directory_make(config_text(task->config, OPT_WORK_DIR), err) &&
           directory_make(task->spec.spill_dir, err);
}

/* Which way the task goes. Once under way a server that is away for a moment is waited for. */
static bool look(Task *task, bool under_way, Situation *out, Error *err)
{
    while (!way_read(&task->spec, out, err)) {
        ErrorAction action = err_action(err->cls);
        bool passing = action == ERR_ACTION_RETRY || action == ERR_ACTION_RECONNECT;
        if (!under_way || !passing || stop_wait(task->stop, 1000000))
            return false;
        log_error_value(LOG_WARN, err, "looking which side is open, trying again");
        err_clear(err);
    }
    return true;
}

static void begin_way(Task *task, const Situation *situation)
{
    bool back = situation->way == WAY_BACK;
    SyncSpec spec = back ? task->back : task->spec;
    CutoverDecision decision = back ? situation->back : situation->forward;
    if (situation->found && decision == DECISION_NONE)
        spec.stale_slot = back ? task->spec.slot_name : task->back.slot_name;
    Sync *next = sync_new(&spec);
    pthread_mutex_lock(&task->lock);
    if (task->sync != NULL) {
        task->ended = mem_grow(task->ended, sizeof *task->ended * ((size_t)task->ended_count + 1));
        task->ended[task->ended_count++] = task->sync;
    }
    task->sync = next;
    task->way = situation->way;
    task->next_look_us = 0;
    pthread_mutex_unlock(&task->lock);
}

/* A run that was killed may have left clients waiting at a pooler. */
static void settle_traffic(const Task *task, const Situation *now)
{
    bool decided = (now->forward == DECISION_NONE || now->forward == DECISION_OPENED) &&
                   now->back != DECISION_FENCED && now->back != DECISION_REVOKED;
    if (now->known && decided)
        traffic_settle(&task->moments.traffic, now->forward == DECISION_OPENED);
}

/* A cutover that was killed after it armed left the target's fence up; so does a task that was begun
 * without dual writes. */
static bool let_both_be_written(const Task *task, const Situation *now, Error *err)
{
    if (!task->spec.dual_write || !now->found || now->way != WAY_FORWARD ||
        now->forward != DECISION_NONE)
        return true;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "fence", err);
    return target != NULL && target_fence_lift(target, task->spec.task, err);
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
    Situation now;
    if (!look(task, false, &now, err))
        return false;
    settle_traffic(task, &now);
    if (!let_both_be_written(task, &now, err))
        return false;
    for (;;) {
        begin_way(task, &now);
        if (!sync_run(task->sync, err)) {
            if (now.way == WAY_BACK)
                err_context(err, "streaming back from the target to the source");
            return false;
        }
        TaskState end = sync_state(task->sync);
        bool turned = end == TASK_CUT_OVER || end == TASK_ROLLED_BACK;
        if (!turned || stop_requested(task->stop))
            return true;
        if (!look(task, true, &now, err))
            return stop_requested(task->stop);
        if (!way_goes_on(&now, end))
            return true;
        log_info("the other direction begins way=%s",
                 now.way == WAY_BACK ? "target-to-source" : "source-to-target");
    }
}

bool task_verify_begin(Task *task, StopToken *stop, Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&task->lock);
    if (task->cutting)
        ok = ERR(err, ERR_WRONG_STATE, "a cutover is running");
    else if (task->verifying != NULL)
        ok = ERR(err, ERR_WRONG_STATE, "a verification is running already");
    else
        task->verifying = stop;
    pthread_mutex_unlock(&task->lock);
    return ok;
}

void task_verify_end(Task *task)
{
    pthread_mutex_lock(&task->lock);
    task->verifying = NULL;
    pthread_mutex_unlock(&task->lock);
}

/* Asked at most every few seconds: status is polled often, and both sides must answer for it. */
Situation task_situation(Task *task)
{
    Error err = ERROR_INIT;
    pthread_mutex_lock(&task->lock);
    bool fresh = clock_now_us() < task->next_look_us;
    Situation now = task->seen;
    pthread_mutex_unlock(&task->lock);
    if (fresh)
        return now;
    if (!way_read(&task->spec, &now, &err)) {
        log_debug("looking at both sides: %s", err.message);
        now.known = false;
        now.forward = now.back = DECISION_UNKNOWN;
    }
    pthread_mutex_lock(&task->lock);
    task->seen = now;
    task->next_look_us = clock_now_us() + 5000000;
    pthread_mutex_unlock(&task->lock);
    return now;
}

/* "" when the lag is known and within the limits. */
static void judge_lag(const Task *task, const SyncStatus *st, char *out_why, size_t size)
{
    char lag[64], limit[64];
    int64_t max_us = config_duration_us(task->config, OPT_CUTOVER_MAX_LAG);
    int64_t max_bytes = config_size_bytes(task->config, OPT_CUTOVER_MAX_LAG_SIZE);
    out_why[0] = '\0';
    if (st->trouble[0] != '\0')
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
}

static const SyncTableStatus *suspended_table(const SyncStatus *st)
{
    for (int i = 0; i < st->table_count; i++)
        if (st->tables[i].suspended)
            return &st->tables[i];
    return NULL;
}

/* What the engine itself would refuse the switch with. */
static void ask_engine(Task *task, char *out_why, size_t size)
{
    Error err = ERROR_INIT;
    Sync *sync = task_sync(task);
    if (out_why[0] == '\0' && sync != NULL && !sync_ready(sync, &err))
        snprintf(out_why, size, "%s", err.message);
}

bool task_ready(Task *task, const SyncStatus *st, CutoverDecision decision, char *out_why,
                size_t size)
{
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
    else if (suspended_table(st) != NULL)
        snprintf(out_why, size, "table %s is %s", suspended_table(st)->table,
                 suspended_table(st)->paused != PAUSE_NOT ? "paused" : "suspended");
    else
        judge_lag(task, st, out_why, size);
    ask_engine(task, out_why, size);
    return out_why[0] == '\0';
}

bool task_ready_back(Task *task, const SyncStatus *st, const Situation *now, char *out_why,
                     size_t size)
{
    out_why[0] = '\0';
    if (!now->known)
        snprintf(out_why, size, "a side does not answer");
    else if (now->forward != DECISION_OPENED)
        snprintf(out_why, size, "the target is not open");
    else if (now->way != WAY_BACK)
        snprintf(out_why, size, "the target was opened without a stream back");
    else if (strcmp(now->back_state, "completed") == 0)
        snprintf(out_why, size, "the way back was closed by 'complete'");
    else if (!st->engine_running)
        snprintf(out_why, size, "no engine is running: 'run' streams back");
    else if (now->back == DECISION_FENCED)
        snprintf(out_why, size,
                 "a rollback stopped between fence and opening: 'rollback' finishes it, 'abort' "
                 "takes it back");
    else if (strcmp(st->phase, "reversing") != 0)
        snprintf(out_why, size, "the task is %s", st->phase);
    else
        judge_lag(task, st, out_why, size);
    ask_engine(task, out_why, size);
    return out_why[0] == '\0';
}

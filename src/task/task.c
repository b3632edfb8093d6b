/* task - see the header. */
#include "task/task.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/approval.h"
#include "audit/audit_copy.h"
#include "bascule/base/clock.h"
#include "bascule/base/directory.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "config/endpoint.h"
#include "config/mapping.h"
#include "schema/schema.h"
#include "source/preflight.h"
#include "sync/proofs.h"
#include "task/decisions.h"
#include "task/moments.h"
#include "task/plans.h"
#include "task/schedule.h"
#include "task/way.h"

struct Task {
    const Config *config;
    Arena *arena;
    Rules rules;
    Moments moments;     /* what was read: immutable; the rest belongs to the cutover under way */
    Decisions decisions; /* of the cutover under way */
    SyncSpec spec;
    SchemaPort schema;
    SchemaRestore *restore;
    SyncSpec back; /* the other direction */
    Sync *sync;    /* of the direction that runs */
    Sync **ended;  /* of those before: status may still look at them */
    int ended_count;
    Way way; /* lock */
    StopToken *stop, *abort;
    pthread_mutex_t lock;
    bool cutting;         /* lock */
    StopToken *verifying; /* lock: NULL when no verification runs */
    Situation seen;       /* lock: the last answer of both sides, for status */
    int64_t next_look_us;
};

static bool close_target(void *arg, PgConn *target, const Relations *rels, Error *err)
{
    const Task *task = arg;
    bool skipped = false;
    if (!target_fence_install(target, task->spec.task, rels, &skipped, err))
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
    static const SyncPrepare PREPARES[] = {PREPARE_CREATE, PREPARE_TRUNCATE, PREPARE_NOTHING};
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
    s->recheck_rate = config_i64(c, OPT_KEYS_RECHECK_RATE);
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
static WayBackWish wish(const Task *task, bool back)
{
    static const WayBackWish WISHES[] = {WAY_BACK_AUTO, WAY_BACK_REQUIRED, WAY_BACK_OFF};
    WayBackWish wanted = WISHES[config_choice(task->config, OPT_CUTOVER_REVERSE)];
    return back ? WAY_BACK_AUTO : wanted;
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
        .capture_may = s->capture != CAPTURE_OFF,
        .capture_must = s->capture == CAPTURE_ON,
        .way_back = wish(task, false) != WAY_BACK_OFF,
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

static bool wrong_way(Way way, bool back, Error *err)
{
    if (back)
        return ERR(err, ERR_WRONG_STATE, "nothing streams back: there is nothing to roll back");
    (void)way;
    ERR(err, ERR_WRONG_STATE, "the target is open, its changes stream back to the source");
    return err_hint(err, "'bascule rollback' goes back, 'bascule complete' gives up the way back.");
}

static bool begin_cutover(Task *task, const TaskCutover *options, Sync **out_sync, Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&task->lock);
    if (task->sync == NULL)
        ok = ERR(err, ERR_WRONG_STATE, "the engine is still starting");
    else if (task->cutting)
        ok = ERR(err, ERR_WRONG_STATE, "a cutover is running already");
    else if (options->back != (task->way == WAY_BACK))
        ok = wrong_way(task->way, options->back, err);
    if (ok) {
        task->cutting = true;
        stop_free(task->abort);
        task->abort = stop_new();
        *out_sync = task->sync;
        if (!options->dry_run && task->verifying != NULL)
            stop_request(task->verifying);
    }
    pthread_mutex_unlock(&task->lock);
    return ok;
}

static void end_cutover(Task *task, Sync *sync, bool begun, bool opened)
{
    if (begun) {
        if (!opened)
            sync_resume_apply(sync);
        sync_cutover_end(sync, opened);
    }
    pthread_mutex_lock(&task->lock);
    task->cutting = false;
    task->next_look_us = 0;
    pthread_mutex_unlock(&task->lock);
}

static int64_t chosen(int64_t asked, int64_t configured)
{
    return asked >= 0 ? asked : configured;
}

static void base_of(void *engine, const Relation *rel, CutoverBase *out)
{
    ProofState state;
    proofs_state(engine, rel, &state);
    *out = (CutoverBase){.proved = state.proved, .lsn = state.lsn, .open_keys = state.open_keys};
    if (state.differing > 0)
        snprintf(out->why, sizeof out->why, "%lld rows differ", (long long)state.differing);
    else
        snprintf(out->why, sizeof out->why, "%s", state.whole ? state.why : "never verified");
}

static bool approved(void *arg, const char *plan_hash, Error *err)
{
    const Task *task = arg;
    return approval_find(task->config, plan_hash, &task->decisions.peer, err);
}

/* Going back must never wait for somebody. */
static bool needs_approval(const Config *config, const TaskCutover *options)
{
    return config_choice(config, OPT_CUTOVER_APPROVAL) == 1 && !options->back &&
           !options->dry_run && !options->rehearse;
}

static CutoverSpec cutover_spec(Task *task, Sync *sync, const TaskCutover *options, Arena *arena)
{
    const Config *c = task->config;
    const SyncSpec *from = options->back ? &task->back : &task->spec;
    const SyncSpec *other = options->back ? &task->spec : &task->back;
    CutoverSpec spec = {
        .source = from->source,
        .target = from->target,
        .back = options->back,
        .way_back = wish(task, options->back),
        .back_slot = other->slot_name,
        .back_publication = other->publication,
        .back_plugin = other->plugin,
        .back_slot_wait_us = from->slot_wait_us,
        .mode = sync_mode_name(from->mode),
        .prepare = sync_prepare_name(from->prepare),
        .task = from->task,
        .slot_name = from->slot_name,
        .rels = sync_relations(sync),
        .rules = from->rules,
        .progress = sync_progress(sync),
        .stop = task->stop,
        .abort = task->abort,
        .dry_run = options->dry_run,
        .rehearse = options->rehearse,
        .terminate_after =
            options->terminate_blockers ? (int)config_i64(c, OPT_CUTOVER_TERMINATE_AFTER) : 0,
        .max_waiting = (int)config_i64(c, OPT_CUTOVER_MAX_WAITING),
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
        .refresh_us = config_duration_us(c, OPT_CUTOVER_REFRESH),
        .confirm =
            options->confirm == NULL || options->confirm[0] == '\0' ? NULL : options->confirm,
        .approved = needs_approval(c, options) ? approved : NULL,
        .approved_arg = task,
        .plan_arg = (void *)config_text(c, OPT_WORK_DIR),
        .plan_keep = plans_keep,
        .plan_find = plans_find,
        .new_primary = from->target.shown,
        .engine = sync,
        .ready = sync_ready,
        .wait_message = sync_wait_message,
        .stop_apply = sync_stop_apply,
        .keylog = proofs_keylog(sync),
        .base = base_of,
        .on_event = options->on_event,
        .event_arg = options->event_arg,
    };
    spec.source.encoding = spec.target.encoding = sync_encoding(sync);
    task->moments.hooks.report_json = options->report_json;
    moments_begin(&task->moments, &spec, arena);
    return spec;
}

bool task_cutover(Task *task, const TaskCutover *options, Arena *arena, CutoverReport *out_report,
                  Error *err)
{
    Sync *sync = NULL;
    Schedule schedule = {
        .at_wall_us = options->at_wall_us,
        .window_us =
            chosen(options->at_window_us, config_duration_us(task->config, OPT_CUTOVER_AT_WINDOW)),
    };
    if (!begin_cutover(task, options, &sync, err)) {
        cutover_report_nothing(out_report, err);
        return false;
    }
    CutoverSpec spec = cutover_spec(task, sync, options, arena);
    task->decisions = (Decisions){.next = spec.on_phase,
                                  .next_arg = spec.phase_arg,
                                  .mode = task->moments.hooks.mode,
                                  .peer = options->peer};
    spec.on_phase = decisions_phase;
    spec.phase_arg = &task->decisions;
    if (!options->dry_run)
        decisions_begin(&task->decisions, options->confirm);
    bool ok = schedule.at_wall_us == 0 || options->dry_run || schedule_wait(&schedule, &spec, err);
    bool begun = ok && !options->dry_run && sync_cutover_begin(sync, err);
    ok = ok && (begun || options->dry_run);
    if (ok)
        ok = cutover_run(&spec, arena, out_report, err);
    else
        cutover_report_nothing(out_report, err);
    moments_report(&task->moments, out_report);
    if (!options->dry_run)
        decisions_end(&task->decisions, out_report, ok ? NULL : err);
    end_cutover(task, sync, begun, ok && begun && !options->rehearse);
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
    Situation now;
    if (!way_read_on(source, target, task->spec.task, &now, err))
        return false;
    /* A rollback that stopped half way: the target takes writes again. */
    bool back = now.back == DECISION_FENCED || now.back == DECISION_REVOKED;
    if (!cutover_revoke(back ? target : source, back ? source : target, task->spec.task, err))
        return false;
    if (back || now.forward == DECISION_FENCED || now.forward == DECISION_REVOKED)
        audit_note(&(AuditNote){.action = back ? "rollback" : "cutover",
                                .event = "decision",
                                .result = "revoked",
                                .epoch = back ? now.back_epoch : now.forward_epoch});
    traffic_settle(&task->moments.traffic, back);
    return true;
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

static const char *suspended_table(const SyncStatus *st)
{
    for (int i = 0; i < st->table_count; i++)
        if (st->tables[i].suspended)
            return st->tables[i].table;
    return NULL;
}

bool task_ready(const Task *task, const SyncStatus *st, CutoverDecision decision, char *out_why,
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
        snprintf(out_why, size, "table %s is suspended", suspended_table(st));
    else
        judge_lag(task, st, out_why, size);
    return out_why[0] == '\0';
}

bool task_ready_back(const Task *task, const SyncStatus *st, const Situation *now, char *out_why,
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
    return out_why[0] == '\0';
}

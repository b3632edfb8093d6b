/* The part of task.h that switches over and takes a switch back. */
#include "task/task_internal.h"

#include <stdio.h>

#include "audit/approval.h"
#include "audit/audit.h"
#include "sync/proofs.h"
#include "task/compare_first.h"
#include "task/plans.h"
#include "task/schedule.h"

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
    *out = (CutoverBase){.proved = state.proved,
                         .lsn = state.lsn,
                         .at_wall_us = state.at_wall_us,
                         .open_keys = state.open_keys,
                         .differing = state.differing};
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

CutoverSpec task_switch_spec(Task *task, const TaskCutover *options, Arena *arena)
{
    const Config *c = task->config;
    const SyncSpec *from = options->back ? &task->back : &task->spec;
    const SyncSpec *other = options->back ? &task->spec : &task->back;
    CutoverSpec spec = {
        .source = from->source,
        .target = from->target,
        .back = options->back,
        .way_back = task_way_back_wish(task, options->back),
        .back_slot = other->slot_name,
        .back_publication = other->publication,
        .back_plugin = other->plugin,
        .back_slot_wait_us = from->slot_wait_us,
        .mode = sync_mode_name(from->mode),
        .prepare = sync_prepare_name(from->prepare),
        .task = from->task,
        .slot_name = from->slot_name,
        .rules = from->rules,
        .dual_write = from->dual_write,
        .sequences_apart = task->spec.dual_write,
        .stop = task->stop,
        .abort = task->abort,
        .dry_run = options->dry_run,
        .rehearse = options->rehearse,
        .terminate_after =
            options->terminate_blockers ? (int)config_i64(c, OPT_CUTOVER_TERMINATE_AFTER) : 0,
        .max_waiting = (int)config_i64(c, OPT_CUTOVER_MAX_WAITING),
        .verify = (CutoverVerify)chosen(options->verify, config_choice(c, OPT_CUTOVER_VERIFY)),
        .jobs = (int)config_i64(c, OPT_CUTOVER_JOBS),
        .spill_dir = from->spill_dir,
        .max_downtime_us =
            chosen(options->max_downtime_us, config_duration_us(c, OPT_CUTOVER_MAX_DOWNTIME)),
        .max_verify_age_us = config_duration_us(c, OPT_CUTOVER_MAX_VERIFY_AGE),
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
        .on_event = options->on_event,
        .event_arg = options->event_arg,
    };
    task->moments.hooks.report_json = options->report_json;
    moments_begin(&task->moments, &spec, arena);
    return spec;
}

static CutoverSpec cutover_spec(Task *task, Sync *sync, const TaskCutover *options, Arena *arena)
{
    CutoverSpec spec = task_switch_spec(task, options, arena);
    spec.source.encoding = spec.target.encoding = sync_encoding(sync);
    spec.rels = sync_relations(sync);
    spec.progress = sync_progress(sync);
    spec.engine = sync;
    spec.ready = sync_ready;
    spec.wait_message = sync_wait_message;
    spec.stop_apply = sync_stop_apply;
    spec.keylog = proofs_keylog(sync);
    spec.base = base_of;
    spec.compares_first = true;
    return spec;
}

void task_switch_audit(Task *task, const TaskCutover *options, CutoverSpec *spec)
{
    task->decisions = (Decisions){.next = spec->on_phase,
                                  .next_arg = spec->phase_arg,
                                  .mode = task->moments.hooks.mode,
                                  .peer = options->peer};
    spec->on_phase = decisions_phase;
    spec->phase_arg = &task->decisions;
    if (!options->dry_run)
        decisions_begin(&task->decisions, options->confirm);
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
    task_switch_audit(task, options, &spec);
    bool ok = schedule.at_wall_us == 0 || options->dry_run || schedule_wait(&schedule, &spec, err);
    ok = ok && (options->dry_run || compare_first(task, sync, &spec, err));
    ok = ok && (schedule.at_wall_us == 0 || options->dry_run || schedule_may_begin(&schedule, err));
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

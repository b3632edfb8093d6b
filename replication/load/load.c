/*
 * load - lanes of copiers over a schedule, watched by the caller's thread, which looks five times a
 * second for applications that wait for a table and says every ten seconds how far it is.
 *
 * Locks    `lock` guards the schedule and the copiers' tokens and units; `yield_lock` is held while
 * the guard gives tables up, so that a copier that asks "still guarded?" gets an answer that
 *          stands. Never both.
 */
#include "load/load.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "load/copier.h"
#include "load/lanes.h"
#include "load/schedule.h"

#define REPORT_US 10000000
#define IDLE_US   50000
#define MAX_LANES 64

typedef struct LoadLane {
    Copier copier;
    Unit *unit; /* what it copies; NULL none. Guarded by lock */
    CopyCount *counts;
} LoadLane;

typedef struct Load {
    const LoadSpec *spec;
    Schedule *schedule;
    LoadLane *lanes;
    int lane_count;
    pthread_mutex_t lock, yield_lock;
    bool *given_up;  /* by relation id: the guard's answer; guarded by yield_lock */
    bool *redo_seen; /* by relation id: already taken out of the schedule */
    int64_t begun_us, next_report_us;
    int64_t bytes_before; /* loaded in earlier runs */
    bool halted;
    Error over; /* the snapshot is gone: nothing more can be copied. Guarded by lock */
} Load;

static int lane_count(const LoadSpec *spec)
{
    return spec->jobs < 1 ? 1 : spec->jobs > MAX_LANES ? MAX_LANES : spec->jobs;
}

/* Lanes ---------------------------------------------------------------------------------------- */

static bool still_guarded(void *arg, const Unit *unit)
{
    Load *load = arg;
    bool guarded = true;
    pthread_mutex_lock(&load->yield_lock);
    for (int i = 0; i < unit->member_count; i++)
        guarded = guarded && !load->given_up[unit->members[i]->id];
    pthread_mutex_unlock(&load->yield_lock);
    if (!guarded || load->spec->guard == NULL || guard_holds(load->spec->guard))
        return guarded;
    log_warn("the session that guarded the tables is lost, the copy is not trusted table=%s",
             unit->members[0]->display);
    return false;
}

static void log_loaded(const Relation *rel, int64_t begun_us)
{
    log_info("table loaded table=%s rows=%lld bytes=%lld ms=%lld", rel->display,
             (long long)atomic_load(&rel->loaded_rows), (long long)atomic_load(&rel->loaded_bytes),
             (long long)((clock_now_us() - begun_us) / 1000));
}

/* All rows of the unit are committed and recorded. */
static void unit_finished(Load *load, Unit *unit)
{
    const LoadSpec *spec = load->spec;
    for (int i = 0; i < unit->member_count; i++) {
        Relation *rel = unit->members[i];
        rel->start_lsn = spec->start_lsn;
        atomic_store(&rel->load_state, TABLE_COMPLETED);
        spec->redo[rel->id] = false;
        if (spec->guard != NULL)
            guard_done(spec->guard, rel);
        log_loaded(rel, unit->begun_us);
    }
}

static void show_started(const Job *job)
{
    for (int i = 0; i < job->unit->member_count; i++) {
        Relation *rel = job->unit->members[i];
        atomic_store(&rel->load_state, TABLE_FULL_LOAD);
        if (job->kind == JOB_BEGIN || (job->kind == JOB_COPY && job->unit->pieces == 1)) {
            atomic_store(&rel->loaded_rows, 0);
            atomic_store(&rel->loaded_bytes, 0);
        }
    }
}

/* Rolled back: the target is as it was before. */
static void show_undone(const Job *job)
{
    if (job->unit->dirty || (job->kind == JOB_COPY && job->unit->pieces > 1))
        return;
    for (int i = 0; i < job->unit->member_count; i++)
        atomic_store(&job->unit->members[i]->load_state, TABLE_BEFORE_LOAD);
}

/* The unit is copied again under a newer snapshot; its lanes end what they do for it. */
static void drop_unit(Load *load, uint32_t rel_id)
{
    pthread_mutex_lock(&load->lock);
    if (schedule_give_up(load->schedule, rel_id)) {
        for (int i = 0; i < load->lane_count; i++) {
            Unit *unit = load->lanes[i].unit;
            if (unit != NULL && unit->state == UNIT_GIVEN_UP)
                stop_request(load->lanes[i].copier.stop);
        }
    }
    pthread_mutex_unlock(&load->lock);
}

/* A token that was set for one unit must not end the next one. Under the lock. */
static void renew_token(Load *load, Copier *copier)
{
    if (load->halted || !stop_requested(copier->stop))
        return;
    copier_close(copier); /* its sessions hold the old token */
    stop_free(copier->stop);
    copier->stop = stop_new();
    copier->source_at.stop = copier->target_at.stop = copier->stop;
}

static StepResult finish_copy(Load *load, LoadLane *lane, const Job *job)
{
    int64_t rows = 0, bytes = 0;
    bool whole = job->kind == JOB_FINISH || job->unit->pieces == 1;
    if (job->kind == JOB_COPY && !whole) {
        rows = lane->counts[0].rows;
        bytes = lane->counts[0].bytes;
    }
    if (whole)
        unit_finished(load, job->unit);
    pthread_mutex_lock(&load->lock);
    schedule_done(load->schedule, job, rows, bytes);
    lane->unit = NULL;
    renew_token(load, &lane->copier);
    pthread_mutex_unlock(&load->lock);
    return STEP_AGAIN;
}

/* Of a table that fails for good: the state that `status` shows. Whether it can be written or not,
 * the error that led here counts. */
static void record_failure(Load *load, LoadLane *lane, const Job *job, const Error *cause)
{
    const LoadSpec *spec = load->spec;
    Error ignored = ERROR_INIT;
    CLEANUP_PGCONN PgConn *conn =
        pgconn_open(&lane->copier.target_at, PG_SESSION_SQL, "load", &ignored);
    for (int i = 0; i < job->unit->member_count; i++) {
        Relation *rel = job->unit->members[i];
        atomic_store(&rel->load_state, TABLE_ERROR);
        if (conn != NULL && spec->record != NULL &&
            !spec->record(spec->record_arg, conn, rel, TABLE_ERROR, spec->start_lsn, 0, 0,
                          cause->message, &ignored))
            break;
    }
}

static void give_up_unit(Load *load, const Unit *unit)
{
    for (int i = 0; i < unit->member_count; i++)
        drop_unit(load, unit->members[i]->id);
}

/* What ends the unit's copy in this round but not the load; the next round copies it under a newer
 * snapshot. */
static bool ends_unit(Load *load, const Job *job, CopyResult result)
{
    pthread_mutex_lock(&load->lock);
    bool given_up = job->unit->state == UNIT_GIVEN_UP;
    pthread_mutex_unlock(&load->lock);
    if (given_up)
        return true;
    if (result == COPY_LOCKED) {
        log_info("the table is locked by an application, its copy is given up table=%s",
                 job->rel->display);
        give_up_unit(load, job->unit);
        return true;
    }
    if (result == COPY_UNKNOWN && job->kind == JOB_COPY && job->unit->pieces > 1) {
        log_warn("the answer to a COMMIT was lost, the whole table is copied again table=%s",
                 job->rel->display);
        give_up_unit(load, job->unit);
        return true;
    }
    return false;
}

static StepResult copy_failed(Load *load, LoadLane *lane, const Job *job, CopyResult result,
                              Error *err)
{
    ErrorAction action = err_action(err->cls);
    bool unit_ended = ends_unit(load, job, result);
    bool for_good = !unit_ended && result != COPY_SNAPSHOT && err->cls != ERR_STOPPED &&
                    (action == ERR_ACTION_STOP || action == ERR_ACTION_BUG);
    if (for_good)
        record_failure(load, lane, job, err);
    pthread_mutex_lock(&load->lock);
    schedule_put_back(load->schedule, job, result == COPY_UNKNOWN);
    if (!for_good)
        show_undone(job);
    if (result == COPY_SNAPSHOT && load->over.cls == ERR_NONE)
        load->over = *err;
    lane->unit = NULL;
    renew_token(load, &lane->copier);
    pthread_mutex_unlock(&load->lock);
    if (unit_ended) {
        err_clear(err);
        return STEP_AGAIN;
    }
    return result == COPY_SNAPSHOT ? STEP_DONE : STEP_FAILED;
}

static StepResult build_indexes(Load *load, const Job *job, Error *err)
{
    const SchemaPort *schema = load->spec->schema;
    if (FAULT_ERROR(INDEX_BEFORE, err) || !schema->table_post_data(schema->self, job->rel, err) ||
        FAULT_ERROR(INDEX_AFTER, err)) {
        (void)err_context(err, "building the indexes of table '%s'", job->rel->display);
        pthread_mutex_lock(&load->lock);
        schedule_put_back(load->schedule, job, false);
        pthread_mutex_unlock(&load->lock);
        return STEP_FAILED;
    }
    pthread_mutex_lock(&load->lock);
    schedule_done(load->schedule, job, 0, 0);
    pthread_mutex_unlock(&load->lock);
    return STEP_AGAIN;
}

static StepResult lane_step(void *self, int number, Error *err)
{
    Load *load = self;
    LoadLane *lane = &load->lanes[number];
    Job job;
    pthread_mutex_lock(&load->lock);
    ScheduleAnswer answer =
        load->over.cls != ERR_NONE ? SCHEDULE_FINISHED : schedule_take(load->schedule, &job);
    if (answer == SCHEDULE_JOB && job.kind != JOB_INDEX)
        lane->unit = job.unit;
    pthread_mutex_unlock(&load->lock);
    if (answer == SCHEDULE_FINISHED)
        return STEP_DONE;
    if (answer == SCHEDULE_LATER) {
        (void)stop_wait(lane->copier.stop, IDLE_US);
        return STEP_IDLE;
    }
    if (job.kind == JOB_INDEX)
        return build_indexes(load, &job, err);
    show_started(&job);
    lane->counts = mem_grow(lane->counts, sizeof *lane->counts * (size_t)job.unit->member_count);
    CopyResult result = copier_run(&lane->copier, &job, still_guarded, load, lane->counts, err);
    return result == COPY_DONE ? finish_copy(load, lane, &job)
                               : copy_failed(load, lane, &job, result, err);
}

static void lane_reset(void *self, int number)
{
    Load *load = self;
    copier_close(&load->lanes[number].copier);
}

/* Watching ------------------------------------------------------------------------------------- */

static bool yield_tables(Load *load, Error *err)
{
    const LoadSpec *spec = load->spec;
    uint32_t pids[MAX_LANES];
    int count = 0;
    bool any = false;
    if (spec->guard == NULL)
        return true;
    for (int i = 0; i < load->lane_count; i++) {
        uint32_t pid = atomic_load(&load->lanes[i].copier.source_pid);
        if (pid != 0)
            pids[count++] = pid;
    }
    pthread_mutex_lock(&load->yield_lock);
    bool ok = guard_yield(spec->guard, pids, count, load->given_up, &any, err);
    pthread_mutex_unlock(&load->yield_lock);
    if (!ok)
        return false;
    /* only this thread writes given_up */
    for (int i = 0; any && i < spec->rels->count; i++) {
        if (load->given_up[i] && !load->redo_seen[i]) {
            load->redo_seen[i] = true;
            drop_unit(load, (uint32_t)i);
        }
    }
    return true;
}

/* Bytes in the source's measure, by the share of each table's rows that has arrived. */
static int64_t loaded_bytes(const Relations *rels, int64_t *out_total)
{
    int64_t done = 0, total = 0;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        int64_t rows = atomic_load(&rel->loaded_rows);
        total += rel->bytes;
        if (atomic_load(&rel->load_state) == TABLE_COMPLETED)
            done += rel->bytes;
        else if (rel->estimated_rows > 0)
            done += (int64_t)((double)rel->bytes * (rows < rel->estimated_rows
                                                        ? (double)rows / (double)rel->estimated_rows
                                                        : 1.0));
        else if (rows > 0)
            done += rel->bytes < atomic_load(&rel->loaded_bytes) ? rel->bytes
                                                                 : atomic_load(&rel->loaded_bytes);
    }
    *out_total = total;
    return done;
}

static void report(Load *load)
{
    int64_t now = clock_now_us(), total = 0;
    if (now < load->next_report_us)
        return;
    load->next_report_us = now + REPORT_US;
    int64_t done = loaded_bytes(load->spec->rels, &total);
    double seconds = (double)(now - load->begun_us) / 1e6;
    double rate = (double)(done - load->bytes_before) / seconds;
    char left[64] = "unknown";
    if (rate > 0 && total >= done)
        clock_format_duration((int64_t)((double)(total - done) / rate * 1e6), left, sizeof left);
    log_info("loading done_mb=%lld total_mb=%lld percent=%lld mb_per_s=%.1f left=\"%s\"",
             (long long)(done >> 20), (long long)(total >> 20),
             (long long)(total > 0 ? done * 100 / total : 100), rate / 1048576.0, left);
}

static bool load_tick(void *self, Error *err)
{
    Load *load = self;
    pthread_mutex_lock(&load->lock);
    bool over = load->over.cls != ERR_NONE;
    if (over)
        *err = load->over;
    pthread_mutex_unlock(&load->lock);
    if (over)
        return false;
    report(load);
    return yield_tables(load, err);
}

static void load_halt(void *self)
{
    Load *load = self;
    pthread_mutex_lock(&load->lock);
    load->halted = true;
    for (int i = 0; i < load->lane_count; i++)
        stop_request(load->lanes[i].copier.stop);
    pthread_mutex_unlock(&load->lock);
}

/* Runs ----------------------------------------------------------------------------------------- */

static bool run_schedule(const LoadSpec *spec, const char *name, Schedule *schedule, Error *err)
{
    Load load = {
        .spec = spec, .schedule = schedule, .lane_count = lane_count(spec), .over = ERROR_INIT};
    int64_t total;
    size_t n = (size_t)spec->rels->count + 1;
    load.lanes = mem_zalloc(sizeof *load.lanes * (size_t)load.lane_count);
    load.given_up = mem_zalloc(n * sizeof(bool));
    load.redo_seen = mem_zalloc(n * sizeof(bool));
    load.begun_us = clock_now_us();
    load.next_report_us = load.begun_us + REPORT_US;
    load.bytes_before = loaded_bytes(spec->rels, &total);
    pthread_mutex_init(&load.lock, NULL);
    pthread_mutex_init(&load.yield_lock, NULL);
    for (int i = 0; i < load.lane_count; i++)
        copier_init(&load.lanes[i].copier, spec);
    LanesSpec lanes = {
        .name = name,
        .count = load.lane_count,
        .outer_stop = spec->stop,
        .self = &load,
        .step = lane_step,
        .reset = lane_reset,
        .tick = load_tick,
        .halt = load_halt,
    };
    /* What was given up before we began must not be copied. */
    bool ok = yield_tables(&load, err) && lanes_run(&lanes, err);
    if (ok && load.over.cls != ERR_NONE) {
        *err = load.over;
        ok = false;
    }
    for (int i = 0; i < load.lane_count; i++) {
        copier_done(&load.lanes[i].copier);
        free(load.lanes[i].counts);
    }
    pthread_mutex_destroy(&load.lock);
    pthread_mutex_destroy(&load.yield_lock);
    free(load.lanes);
    free(load.given_up);
    free(load.redo_seen);
    return ok;
}

/* The copies were committed asynchronously: one flushed commit makes them all durable. */
static bool make_durable(const LoadSpec *spec, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&spec->target, PG_SESSION_SQL, "load", err);
    return conn != NULL && pgconn_script(conn, SQL("SET synchronous_commit = on"), err) &&
           pgconn_exec(conn, SQL("SELECT pg_catalog.pg_current_xact_id()"), PG_NO_PARAMS, NULL,
                       err);
}

/* In redo is what is not completed now. */
static int note_redo(const LoadSpec *spec)
{
    int count = 0;
    for (int i = 0; i < spec->rels->count; i++) {
        spec->redo[i] = atomic_load(&spec->rels->all[i]->load_state) != TABLE_COMPLETED;
        count += spec->redo[i];
    }
    return count;
}

bool load_run(const LoadSpec *spec, Error *err)
{
    bool replica = true;
    if (spec->constraints_live && !copier_probe_replica_role(spec, &replica, err))
        return false;
    ScheduleSpec schedule_spec = {
        .rels = spec->rels,
        .plan = spec->plan,
        .chunk_bytes = spec->chunk_bytes,
        .jobs = spec->jobs,
        .strict = spec->constraints_live && !replica,
        .copy = true,
        .whole = spec->merge != NULL,
        .indexes = spec->schema != NULL,
    };
    if (schedule_spec.strict)
        log_info(
            "the target checks foreign keys while rows come in: tables go strictly in their order");
    if (spec->schema != NULL && spec->schema->scope != NULL)
        spec->schema->scope(spec->schema->self, spec->rels);
    Schedule *schedule = schedule_new(&schedule_spec, err);
    if (schedule == NULL)
        return err_context(err, "planning the load");
    int64_t begun_us = clock_now_us();
    bool ok = run_schedule(spec, "copy", schedule, err) && make_durable(spec, err);
    schedule_free(schedule);
    if (!ok)
        return false;
    char took[64];
    int redo = note_redo(spec);
    clock_format_duration(clock_now_us() - begun_us, took, sizeof took);
    log_info("tables loaded tables=%d redo=%d took=\"%s\"", spec->rels->count - redo, redo, took);
    return true;
}

bool load_post_data(const LoadSpec *spec, Error *err)
{
    if (spec->schema == NULL)
        return true;
    ScheduleSpec schedule_spec = {.rels = spec->rels, .plan = spec->plan, .indexes = true};
    LoadSpec without_guard = *spec;
    without_guard.guard = NULL;
    if (spec->schema->scope != NULL)
        spec->schema->scope(spec->schema->self, spec->rels);
    Schedule *schedule = schedule_new(&schedule_spec, err);
    if (schedule == NULL)
        return false;
    bool ok = run_schedule(&without_guard, "index", schedule, err);
    schedule_free(schedule);
    return ok;
}

/*
 * stream - the workers of the stream and what they owe each other.
 *
 * reader --FlowQueue--> apply; apply --progress.durable_lsn--> reader (feedback).
 * Lost source session: the reader puts FLOW_LOST, the applier rolls back, the reader starts again
 * from the resume row. Lost target session: the applier's reset asks for the same by
 * `restart_reader`; until the LOST that answers it arrives, the applier ignores what is still in
 * the queue. Hold: the conductor may park the applier between two flows (schema work, the cutover's
 * last moment).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/ddl_notes.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sync/internal.h"

#define PART_BYTES   (1 << 20)
#define TAKE_WAIT_US 200000

/* The resume row, read on a session of the reader's own. */
static bool read_resume(void *arg, Lsn *out_lsn, Error *err)
{
    Sync *sync = arg;
    ControlTask row;
    bool found = false;
    if (sync->resume_conn == NULL || !pgconn_usable(sync->resume_conn)) {
        pgconn_close(sync->resume_conn);
        sync->resume_conn = pgconn_open(&sync->spec.target, PG_SESSION_SQL, "resume", err);
        if (sync->resume_conn == NULL)
            return false;
    }
    if (!control_read(sync->resume_conn, sync->spec.task, &row, &found, err))
        return false;
    if (!found || row.resume_lsn == LSN_UNKNOWN)
        return ERR(err, ERR_TARGET_STATE, "the target has no resume position for task '%s'",
                   sync->spec.task);
    /* A visible row may not be flushed yet: a crash of the target would take it back behind the stream. */
    Lsn durable_lsn = atomic_load(&sync->progress.durable_lsn);
    *out_lsn = sync_keys_begin_lsn(sync, durable_lsn != LSN_UNKNOWN && durable_lsn < row.resume_lsn
                                             ? durable_lsn
                                             : row.resume_lsn);
    return true;
}

static void put_lost(Sync *sync)
{
    Error err = ERROR_INIT;
    Arena *arena = arena_new(0);
    Flow *flow = arena_new_object(arena, Flow);
    flow->kind = FLOW_LOST;
    flow->arena = arena;
    if (flow_queue_try_put(sync->queue, &flow, &err) != QUEUE_OK)
        flow_free(flow); /* the queue was emptied just now: only a broken disk refuses, and that
                            ends it */
}

static StepResult reader_worker_step(void *self, Error *err)
{
    Sync *sync = self;
    if (atomic_exchange(&sync->restart_reader, false)) {
        reader_reset(sync->reader);
        flow_queue_discard(sync->queue);
        put_lost(sync);
    }
    return reader_step(sync->reader, err);
}

static void reader_worker_reset(void *self)
{
    Sync *sync = self;
    reader_reset(sync->reader);
    if (sync->names != NULL)
        names_reset(sync->names);
}

static bool park_while_held(Sync *sync)
{
    if (!atomic_load(&sync->hold_apply)) {
        atomic_store(&sync->apply_held, false);
        return false;
    }
    atomic_store(&sync->apply_held, true);
    stop_wait(sync->stream_stop, 5000);
    return true;
}

static QueueResult take(Sync *sync, Flow **out_flow, int64_t deadline_us, Error *err)
{
    if (sync->kept == NULL)
        return flow_queue_take(sync->queue, out_flow, deadline_us, err);
    *out_flow = sync->kept;
    sync->kept = NULL;
    return QUEUE_OK;
}

static bool parks(Sync *sync, Error *err, StepResult *out_result)
{
    if (atomic_load(&sync->gate_lsn) != LSN_UNKNOWN)
        return false;
    /* What was taken is committed before the applier parks, so that a hold leaves nothing open. */
    *out_result = STEP_FAILED;
    if (atomic_load(&sync->hold_apply) && !applier_flush(sync->applier, true, err))
        return true;
    /* Locks of half a transaction would stand in the way of what the hold is for: it ends first. */
    *out_result = STEP_IDLE;
    return !applier_in_transaction(sync->applier) && park_while_held(sync);
}

/* The applier has come to the gate: all before it is committed, what is behind it waits. */
static StepResult at_the_gate(Sync *sync, Flow *flow, Error *err)
{
    sync->kept = flow;
    if (!applier_flush(sync->applier, true, err))
        return STEP_FAILED;
    atomic_store(&sync->gate_lsn, LSN_UNKNOWN);
    return STEP_AGAIN;
}

/* What the conductor saw in the catalog: durable with the next commit. */
static void take_suspend_requests(Sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    SuspendRequest *first = sync->suspend_requests;
    sync->suspend_requests = NULL;
    pthread_mutex_unlock(&sync->lock);
    for (SuspendRequest *r = first, *next; r != NULL; r = next) {
        next = r->next;
        applier_suspend(sync->applier, r->rel, r->why);
        free(r);
    }
}

static StepResult apply_worker_step(void *self, Error *err)
{
    Sync *sync = self;
    Flow *flow = NULL;
    StepResult parked;
    if (!applier_open(sync->applier, err))
        return STEP_FAILED;
    take_suspend_requests(sync);
    if (parks(sync, err, &parked))
        return parked;
    QueueResult got = take(sync, &flow, 0, err);
    if (got == QUEUE_EMPTY) {
        if (!applier_flush(sync->applier, true, err))
            return STEP_FAILED;
        int64_t until = clock_now_us() + TAKE_WAIT_US;
        int64_t due = applier_next_flush_us(sync->applier);
        got = take(sync, &flow, due < until ? due : until, err);
    }
    if (got == QUEUE_CLOSED)
        return STEP_FAILED;
    if (got == QUEUE_EMPTY)
        return STEP_IDLE;
    /* A deaf applier would drop what is before the gate as well. */
    if (!applier_deaf(sync->applier) && sync_gate_stops(flow, atomic_load(&sync->gate_lsn)))
        return at_the_gate(sync, flow, err);
    Keylog *keylog = atomic_load(&sync->keylog);
    if (keylog != NULL)
        keylog_note(keylog, flow);
    return applier_put(sync->applier, &flow, err) ? STEP_AGAIN : STEP_FAILED;
}

static void apply_worker_reset(void *self)
{
    Sync *sync = self;
    applier_reset(sync->applier);
    atomic_store(&sync->restart_reader, true);
}

static void on_message(void *arg, const char *content, size_t len, Lsn end_lsn)
{
    Sync *sync = arg;
    DdlNote note;
    if (ddl_note_parse(content, len, &note)) {
        log_info("the source ran %s %s at " LSN_FMT "%s%s", note.tag, note.name, LSN_ARGS(end_lsn),
                 note.statement[0] != '\0' ? ": " : "", note.statement);
        atomic_store(&sync->ddl_noted, true);
        return;
    }
    pthread_mutex_lock(&sync->lock);
    snprintf(sync->message, sizeof sync->message, "%.*s", (int)len, content);
    sync->message_lsn = end_lsn;
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
}

static void on_end(void *self, const Error *err)
{
    Sync *sync = self;
    if (err->cls == ERR_NONE || err->cls == ERR_STOPPED)
        return;
    pthread_mutex_lock(&sync->lock);
    if (!sync->failed) {
        sync->failure = *err;
        sync->failed = true;
    }
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
}

bool sync_stream_failed(Sync *sync, Error *out_err)
{
    pthread_mutex_lock(&sync->lock);
    bool failed = sync->failed;
    if (failed)
        *out_err = sync->failure;
    pthread_mutex_unlock(&sync->lock);
    return failed;
}

void sync_hold_apply(Sync *sync, bool hold)
{
    atomic_store(&sync->hold_apply, hold);
    if (hold && sync->queue != NULL)
        flow_queue_wake(sync->queue);
}

bool sync_hold_apply_wait(Sync *sync, Error *err)
{
    sync_hold_apply(sync, true);
    atomic_store(&sync->apply_held, false); /* of an earlier hold, perhaps */
    while (!atomic_load(&sync->apply_held)) {
        if (sync_stream_failed(sync, err))
            return false;
        if (stop_wait(sync->spec.stop, 1000))
            return ERR(err, ERR_STOPPED, "stopped while the applier was finishing its batch");
    }
    return true;
}

static bool make_parts(Sync *sync, Error *err)
{
    const SyncSpec *spec = &sync->spec;
    Relations *rels = sync_relations(sync);
    sync->queue = flow_queue_open(rels, spec->stream_memory_bytes, spec->spill_dir,
                                  spec->spill_limit_bytes, &sync->progress, err);
    if (sync->queue == NULL)
        return false;
    sync->decoder = strcmp(sync->plugin, "wal2json") == 0 ? wal2json_new(rels) : pgoutput_new(rels);
    ReaderSpec reader = {
        .endpoint = spec->source,
        .slot_name = sync->row.slot_name,
        .publication = sync->row.publication,
        .decoder = sync->decoder,
        .rels = rels,
        .queue = sync->queue,
        .progress = &sync->progress,
        .stop = sync->stream_stop,
        .part_bytes = PART_BYTES,
        .status_interval_us = spec->status_interval_us,
        .resume_lsn = read_resume,
        .resume_arg = sync,
        .wanted_lsn = &sync->gate_lsn,
        .may_suspend = sync->may_suspend,
    };
    if (strcmp(sync->plugin, "wal2json") == 0) {
        sync->names = names_new(&spec->source, rels, sync->stream_stop);
        reader.foreign_row = names_foreign_row;
        reader.foreign_arg = sync->names;
    }
    reader.endpoint.stop = sync->stream_stop;
    ApplierSpec applier = {
        .endpoint = spec->target,
        .task = spec->task,
        .rels = rels,
        .progress = &sync->progress,
        .batch_bytes = spec->batch_bytes,
        .batch_changes = spec->batch_changes,
        .on_message = on_message,
        .message_arg = sync,
        .changed = sync_table_changed,
        .changed_arg = sync,
        .dual_write = spec->dual_write,
        .settle_us = spec->settle_us,
    };
    applier.endpoint.stop = sync->stream_stop;
    sync->reader = reader_new(&reader);
    sync->applier = applier_new(&applier);
    return true;
}

static bool start_worker(Sync *sync, const char *name, StepResult (*step)(void *, Error *),
                         void (*reset)(void *), Worker **out_worker, Error *err)
{
    WorkerSpec spec = {.name = name, .self = sync, .step = step, .reset = reset, .on_end = on_end};
    Worker *worker = worker_start(&spec, sync->stream_stop, err);
    pthread_mutex_lock(&sync->lock);
    *out_worker = worker;
    pthread_mutex_unlock(&sync->lock);
    return worker != NULL;
}

static bool start_parts(Sync *sync, Error *err)
{
    /* Opening makes the resume row durable: before that nothing may be confirmed. */
    return make_parts(sync, err) && applier_open(sync->applier, err) &&
           !FAULT_ERROR(BEFORE_STREAM, err) && sync_keys_begin(sync, err) &&
           (atomic_load(&sync->keylog) == NULL ||
            start_worker(sync, "keys", sync_keys_step, NULL, &sync->keys_worker, err)) &&
           (atomic_load(&sync->keylog) == NULL || sync->spec.recheck_interval_us == 0 ||
            start_worker(sync, "recheck", sync_recheck_step, NULL, &sync->recheck_worker, err)) &&
           start_worker(sync, "apply", apply_worker_step, apply_worker_reset, &sync->apply_worker,
                        err) &&
           start_worker(sync, "reader", reader_worker_step, reader_worker_reset,
                        &sync->reader_worker, err) &&
           start_worker(sync, "ticker", sync_ticker_step, sync_ticker_reset, &sync->ticker_worker,
                        err);
}

/* A stream without some of its parts would stand for ever: who asks sees none, and begins anew. */
bool sync_stream_start(Sync *sync, Error *err)
{
    sync->streaming = true;
    if (start_parts(sync, err))
        return true;
    sync_stream_stop(sync);
    return false;
}

static void join(Sync *sync, Worker **worker)
{
    pthread_mutex_lock(&sync->lock);
    Worker *ending = *worker;
    *worker = NULL;
    pthread_mutex_unlock(&sync->lock);
    if (ending != NULL)
        worker_join(ending, NULL);
}

/* The applier finishes what it has taken: its last commit is synchronous, so that nothing comes
 * twice. */
void sync_stream_stop(Sync *sync)
{
    if (!sync->streaming)
        return;
    sync_gate_revoke(sync, false);
    stop_request(sync->stream_stop);
    if (sync->queue != NULL)
        flow_queue_wake(sync->queue);
    join(sync, &sync->reader_worker);
    join(sync, &sync->apply_worker);
    join(sync, &sync->ticker_worker);
    join(sync, &sync->keys_worker);
    join(sync, &sync->recheck_worker);
    reader_free(sync->reader);
    applier_free(sync->applier);
    sync_keys_rest(sync);
    flow_queue_close(sync->queue);
    flow_free(sync->kept);
    sync->kept = NULL;
    if (sync->decoder != NULL)
        sync->decoder->free(sync->decoder);
    pgconn_close(sync->resume_conn);
    pgconn_close(sync->ticker_conn);
    names_free(sync->names);
    sync->names = NULL;
    for (SuspendRequest *r = sync->suspend_requests, *next; r != NULL; r = next) {
        next = r->next;
        free(r);
    }
    sync->suspend_requests = NULL;
    sync->reader = NULL;
    sync->applier = NULL;
    sync->queue = NULL;
    sync->decoder = NULL;
    sync->resume_conn = NULL;
    sync->ticker_conn = NULL;
    stop_free(sync->stream_stop);
    sync->stream_stop = stop_new();
    sync->failed = false;
    atomic_store(&sync->hold_apply, false);
    atomic_store(&sync->apply_held, false);
    atomic_store(&sync->restart_reader, false);
    sync->streaming = false;
}

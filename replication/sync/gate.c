/*
 * gate - see the header. The applier's own part (parking, stopping before the first transaction
 * behind the gate) stands in stream.c; what passes between the threads is `hold_apply`, `apply_held`
 * and `gate_lsn`: a position while the applier is on its way, LSN_UNKNOWN again when it is there.
 */
#include "sync/gate.h"

#include <stdlib.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"
#include "sync/internal.h"

#define LOOK_US 1000

struct Gate {
    Sync *sync;
    bool revoked; /* sync->lock */
};

bool sync_gate_stops(const Flow *flow, Lsn gate_lsn)
{
    if (gate_lsn == LSN_UNKNOWN)
        return false;
    if (flow->kind == FLOW_POSITION)
        return flow->end_lsn >= gate_lsn;
    return flow->kind == FLOW_PART && flow->begins && flow->commit_lsn >= gate_lsn;
}

/* With sync->lock held. */
static void let_go(Sync *sync)
{
    sync->gate = NULL;
    atomic_store(&sync->gate_lsn, LSN_UNKNOWN);
    atomic_store(&sync->hold_apply, false);
}

void sync_gate_revoke(Sync *sync, bool shut)
{
    pthread_mutex_lock(&sync->lock);
    if (sync->gate != NULL) {
        sync->gate->revoked = true;
        let_go(sync);
    }
    sync->gates_shut = shut;
    pthread_mutex_unlock(&sync->lock);
}

/* With sync->lock held. */
static bool may_hold(Sync *sync, Error *err)
{
    TaskState state = (TaskState)atomic_load(&sync->state);
    if (sync->gates_shut)
        return ERR(err, ERR_WRONG_STATE, "a cutover holds the applier");
    if (sync->failed) {
        *err = sync->failure;
        return false;
    }
    if (state != TASK_CATCHING_UP && state != TASK_STREAMING && state != TASK_REVERSING)
        return ERR(err, ERR_WRONG_STATE, "the task is %s, not streaming", task_state_name(state));
    return true;
}

/* *out_taken false: somebody else has it, or the stream is just beginning. */
static bool try_take(Sync *sync, Gate *gate, bool *out_taken, Error *err)
{
    pthread_mutex_lock(&sync->lock);
    bool ok = may_hold(sync, err);
    *out_taken = ok && sync->gate == NULL && sync->apply_worker != NULL;
    if (*out_taken) {
        sync->gate = gate;
        atomic_store(&sync->apply_held, false); /* of an earlier hold, perhaps */
        atomic_store(&sync->gate_lsn, LSN_UNKNOWN);
        atomic_store(&sync->hold_apply, true);
        flow_queue_wake(sync->queue);
    }
    pthread_mutex_unlock(&sync->lock);
    return ok;
}

/* One look while waiting; false ends the wait. */
static bool keep_waiting(Sync *sync, int64_t deadline_us, const char *what, Error *err)
{
    if (clock_now_us() >= deadline_us)
        return ERR(err, ERR_LAG, "%s took longer than allowed", what);
    if (stop_wait(sync->spec.stop, LOOK_US))
        return ERR(err, ERR_STOPPED, "stopped while waiting for the applier");
    return true;
}

bool gate_check(Gate *gate, Error *err)
{
    Sync *sync = gate->sync;
    pthread_mutex_lock(&sync->lock);
    bool ok = true;
    if (sync->failed) {
        *err = sync->failure;
        ok = false;
    } else if (gate->revoked) {
        /* A stream that ends for a table that is copied again comes back by itself. */
        ok = sync->gates_shut ? ERR(err, ERR_WRONG_STATE, "a cutover took the applier back")
                              : ERR(err, ERR_LAG, "the stream ended while the applier was held");
    }
    pthread_mutex_unlock(&sync->lock);
    return ok;
}

bool gate_hold(Sync *sync, int64_t deadline_us, Gate **out_gate, Error *err)
{
    Gate *gate = mem_zalloc(sizeof *gate);
    gate->sync = sync;
    bool taken = false, ok = true;
    while (ok && !taken) {
        ok = try_take(sync, gate, &taken, err);
        if (ok && !taken)
            ok = keep_waiting(sync, deadline_us, "waiting for the applier", err);
    }
    while (ok && !atomic_load(&sync->apply_held))
        ok = gate_check(gate, err) &&
             keep_waiting(sync, deadline_us, "waiting for the applier to end its batch", err);
    ok = ok && gate_check(gate, err);
    if (ok)
        *out_gate = gate;
    else
        gate_free(gate);
    return ok;
}

bool gate_release_to(Gate *gate, Lsn lsn, int64_t deadline_us, Error *err)
{
    Sync *sync = gate->sync;
    pthread_mutex_lock(&sync->lock);
    if (!gate->revoked) {
        atomic_store(&sync->gate_lsn, lsn);
        reader_wake(sync->reader);
    }
    pthread_mutex_unlock(&sync->lock);
    bool ok = true;
    while (ok && (ok = gate_check(gate, err)) && atomic_load(&sync->gate_lsn) != LSN_UNKNOWN)
        ok =
            keep_waiting(sync, deadline_us, "waiting for the applier to come to the position", err);
    return ok && gate_check(gate, err);
}

void gate_free(Gate *gate)
{
    if (gate == NULL)
        return;
    Sync *sync = gate->sync;
    pthread_mutex_lock(&sync->lock);
    if (sync->gate == gate)
        let_go(sync);
    pthread_mutex_unlock(&sync->lock);
    free(gate);
}

/* For verify/twin.h ----------------------------------------------------------------------------- */

static bool engine_hold(void *self, int64_t deadline_us, void **out_hold, Error *err)
{
    Gate *gate = NULL;
    if (!gate_hold(self, deadline_us, &gate, err))
        return false;
    *out_hold = gate;
    return true;
}

static bool engine_release_to(void *hold, Lsn lsn, int64_t deadline_us, Error *err)
{
    return gate_release_to(hold, lsn, deadline_us, err);
}

static bool engine_check(void *hold, Error *err)
{
    return gate_check(hold, err);
}

static void engine_go_on(void *hold)
{
    gate_free(hold);
}

static Lsn engine_applied_lsn(void *self)
{
    Sync *sync = self;
    return atomic_load(&sync->progress.applied_lsn);
}

TwinEngine gate_twin_engine(Sync *sync)
{
    return (TwinEngine){.self = sync,
                        .hold = engine_hold,
                        .release_to = engine_release_to,
                        .check = engine_check,
                        .go_on = engine_go_on,
                        .applied_lsn = engine_applied_lsn};
}

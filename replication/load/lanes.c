/*
 * lanes - see the header. The lanes' own stop token is apart from the program's, so that the
 * failure of one lane stops only its neighbours.
 */
#include "load/lanes.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"

#define TICK_US  200000
#define ATTEMPTS 9 /* with backoff: about half a minute of a server that does not come back */

typedef struct Lanes Lanes;

typedef struct Lane {
    Lanes *lanes;
    int number;
    Worker *worker;
} Lane;

struct Lanes {
    const LanesSpec *spec;
    StopToken *stop;
    int ended_fd; /* an event for each lane that ended */
    atomic_int ended;
    pthread_mutex_t lock;
    Error failure; /* the first; guarded by lock */
    Lane *lane;
};

static void lane_reset(void *self)
{
    Lane *lane = self;
    lane->lanes->spec->reset(lane->lanes->spec->self, lane->number);
}

static void note_failure(Lanes *lanes, const Error *err)
{
    pthread_mutex_lock(&lanes->lock);
    if (lanes->failure.cls == ERR_NONE)
        lanes->failure = *err;
    pthread_mutex_unlock(&lanes->lock);
}

/* An error that ends everything is handed to the caller, who says it once; what can be retried is
 * the worker loop's. */
static StepResult lane_step(void *self, Error *err)
{
    Lane *lane = self;
    StepResult result = lane->lanes->spec->step(lane->lanes->spec->self, lane->number, err);
    ErrorAction action = result == STEP_FAILED ? err_action(err->cls) : ERR_ACTION_RETRY;
    if (action != ERR_ACTION_STOP && action != ERR_ACTION_BUG)
        return result;
    if (err->cls != ERR_STOPPED)
        note_failure(lane->lanes, err);
    return STEP_DONE;
}

static void lane_end(void *self, const Error *err)
{
    Lane *lane = self;
    Lanes *lanes = lane->lanes;
    uint64_t one = 1;
    if (err->cls != ERR_NONE)
        note_failure(lanes, err);
    lane_reset(lane);
    atomic_fetch_add(&lanes->ended, 1);
    while (write(lanes->ended_fd, &one, sizeof one) < 0)
        ;
}

static bool failed(Lanes *lanes)
{
    pthread_mutex_lock(&lanes->lock);
    bool yes = lanes->failure.cls != ERR_NONE;
    pthread_mutex_unlock(&lanes->lock);
    return yes;
}

static int start_all(Lanes *lanes)
{
    for (int i = 0; i < lanes->spec->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%d", lanes->spec->name, i + 1);
        lanes->lane[i] = (Lane){.lanes = lanes, .number = i};
        WorkerSpec spec = {
            .name = name,
            .self = &lanes->lane[i],
            .step = lane_step,
            .reset = lane_reset,
            .on_end = lane_end,
            .max_restarts = ATTEMPTS,
        };
        Error err = ERROR_INIT;
        lanes->lane[i].worker = worker_start(&spec, lanes->stop, &err);
        if (lanes->lane[i].worker == NULL) {
            note_failure(lanes, &err);
            return i;
        }
    }
    return lanes->spec->count;
}

static void watch(Lanes *lanes, int started)
{
    const LanesSpec *spec = lanes->spec;
    bool halted = false;
    while (atomic_load(&lanes->ended) < started) {
        if (!halted && (stop_requested(spec->outer_stop) || failed(lanes))) {
            halted = true;
            stop_request(lanes->stop);
            if (spec->halt != NULL)
                spec->halt(spec->self);
        }
        uint64_t events;
        /* Once halted, the outer stop would make every wait return at once. */
        int revents = stop_poll(halted ? NULL : spec->outer_stop, lanes->ended_fd, POLLIN,
                                clock_now_us() + TICK_US);
        if (revents != 0 && read(lanes->ended_fd, &events, sizeof events) < 0)
            continue;
        Error err = ERROR_INIT;
        if (!halted && spec->tick != NULL && !spec->tick(spec->self, &err))
            note_failure(lanes, &err);
    }
}

bool lanes_run(const LanesSpec *spec, Error *err)
{
    Lanes lanes = {.spec = spec, .stop = stop_new(), .failure = ERROR_INIT};
    lanes.ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lanes.lane = mem_zalloc(sizeof *lanes.lane * (size_t)spec->count);
    pthread_mutex_init(&lanes.lock, NULL);
    if (lanes.ended_fd < 0) {
        ERR_OS(&lanes.failure, ERR_IO, "cannot make an eventfd");
    } else {
        int started = start_all(&lanes);
        watch(&lanes, started);
        for (int i = 0; i < started; i++)
            (void)worker_join(lanes.lane[i].worker, NULL);
        close(lanes.ended_fd);
    }
    pthread_mutex_destroy(&lanes.lock);
    free(lanes.lane);
    stop_free(lanes.stop);
    if (lanes.failure.cls != ERR_NONE) {
        *err = lanes.failure;
        return false;
    }
    if (stop_requested(spec->outer_stop))
        return ERR(err, ERR_STOPPED, "stopped");
    return true;
}

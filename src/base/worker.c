/*
 * worker - see bascule/base/worker.h.
 *
 * The thread blocks all signals: they belong to main. IDLE does not count as progress by itself,
 * because a worker that connects, idles and fails again would never back off; only when no failure
 * happened for HEALTHY_US does it forget the old ones.
 */
#include "bascule/base/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"

#define FIRST_BACKOFF_US INT64_C(100000)
#define LAST_BACKOFF_US  INT64_C(10000000)
#define HEALTHY_US       INT64_C(30000000)

struct Worker {
    WorkerSpec spec;
    char name[64];
    StopToken *stop;
    pthread_t thread;
    atomic_bool ended;
    Error result; /* valid after the join */
    pthread_mutex_t trouble_lock;
    char trouble[512]; /* guarded by trouble_lock */
    bool troubled;     /* the thread's own copy of trouble[0] != 0 */
    int failures;      /* consecutive */
    int64_t last_failure_us;
    uint32_t random;
};

static void set_trouble(Worker *worker, const char *text)
{
    pthread_mutex_lock(&worker->trouble_lock);
    snprintf(worker->trouble, sizeof worker->trouble, "%s", text);
    pthread_mutex_unlock(&worker->trouble_lock);
    worker->troubled = text[0] != '\0';
}

static void note_success(Worker *worker, bool progress)
{
    if (worker->troubled) {
        set_trouble(worker, "");
        log_info("running again after %d failed attempts", worker->failures);
    }
    if (worker->failures > 0 && (progress || clock_now_us() - worker->last_failure_us > HEALTHY_US))
        worker->failures = 0;
}

/* Doubling, with a quarter of jitter either way so that workers do not come in step. */
static int64_t backoff_us(Worker *worker)
{
    int64_t us = FIRST_BACKOFF_US;
    for (int i = 1; i < worker->failures && us < LAST_BACKOFF_US; i++)
        us *= 2;
    if (us > LAST_BACKOFF_US)
        us = LAST_BACKOFF_US;
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 17;
    worker->random ^= worker->random << 5;
    return us * 3 / 4 + us / 2 * (int64_t)(worker->random % 1024) / 1024;
}

/* What a failed step means. true: go on stepping; false: ended, worker->result says why. */
static bool handle_failure(Worker *worker, const Error *err)
{
    ErrorAction action = err_action(err->cls);
    int64_t wait_us;
    char wait_text[32], trouble[512];

    if (err->cls == ERR_STOPPED || err->cls == ERR_NONE)
        return false;
    if (action == ERR_ACTION_STOP || action == ERR_ACTION_BUG) {
        worker->result = *err;
        return false;
    }
    if (stop_requested(worker->stop)) {
        log_error_value(LOG_DEBUG, err, "failed while stopping");
        return false;
    }
    worker->failures++;
    worker->last_failure_us = clock_now_us();
    if (worker->spec.max_restarts > 0 && worker->failures > worker->spec.max_restarts) {
        worker->result = *err;
        err_context(&worker->result, "gave up after %d attempts", worker->failures);
        return false;
    }
    if (action == ERR_ACTION_RECONNECT && worker->spec.reset != NULL)
        worker->spec.reset(worker->spec.self);
    wait_us = backoff_us(worker);
    clock_format_duration(wait_us, wait_text, sizeof wait_text);
    log_error_value(LOG_WARN, err, "retrying in %s", wait_text);
    snprintf(trouble, sizeof trouble, "%.480s", err->message);
    set_trouble(worker, trouble);
    return !stop_wait(worker->stop, wait_us);
}

static void run(Worker *worker)
{
    Error err = ERROR_INIT;

    while (!stop_requested(worker->stop)) {
        switch (worker->spec.step(worker->spec.self, &err)) {
        case STEP_AGAIN:
            note_success(worker, true);
            break;
        case STEP_IDLE:
            note_success(worker, false);
            break;
        case STEP_DONE:
            return;
        case STEP_FAILED:
            if (!handle_failure(worker, &err))
                return;
            err_clear(&err);
            break;
        }
    }
}

static void *thread_main(void *arg)
{
    Worker *worker = arg;
    char short_name[16];

    snprintf(short_name, sizeof short_name, "%.15s", worker->name);
    pthread_setname_np(pthread_self(), short_name);
    log_set_component(worker->name);
    log_debug("started");
    run(worker);
    if (worker->result.cls != ERR_NONE)
        log_error_value(LOG_ERROR, &worker->result, "stopped");
    else
        log_debug("ended");
    set_trouble(worker, "");
    atomic_store(&worker->ended, true);
    if (worker->spec.on_end != NULL)
        worker->spec.on_end(worker->spec.self, &worker->result);
    return NULL;
}

Worker *worker_start(const WorkerSpec *spec, StopToken *stop, Error *err)
{
    Worker *worker = mem_zalloc(sizeof *worker);
    sigset_t all, before;
    int rc;

    worker->spec = *spec;
    snprintf(worker->name, sizeof worker->name, "%s", spec->name);
    worker->spec.name = worker->name;
    worker->stop = stop;
    worker->result = ERROR_INIT;
    worker->random = (uint32_t)clock_now_us() | 1;
    pthread_mutex_init(&worker->trouble_lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&worker->thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        ERR(err, ERR_IO, "cannot start thread '%s': %s", spec->name, strerrordesc_np(rc));
        pthread_mutex_destroy(&worker->trouble_lock);
        free(worker);
        return NULL;
    }
    return worker;
}

bool worker_join(Worker *worker, Error *out_err)
{
    bool fine;

    pthread_join(worker->thread, NULL);
    fine = worker->result.cls == ERR_NONE;
    if (out_err != NULL)
        *out_err = worker->result;
    pthread_mutex_destroy(&worker->trouble_lock);
    free(worker);
    return fine;
}

bool worker_ended(const Worker *worker)
{
    return atomic_load(&worker->ended);
}

void worker_trouble(const Worker *worker, char *out, size_t size)
{
    Worker *w = (Worker *)worker; /* the lock is not part of the value */
    pthread_mutex_lock(&w->trouble_lock);
    snprintf(out, size, "%s", w->trouble);
    pthread_mutex_unlock(&w->trouble_lock);
}

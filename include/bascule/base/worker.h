/*
 * worker - the one loop of the program: every thread but main is a worker.
 *
 * It calls step() until the stop token is set, STEP_DONE, or an error that stops. It owns start,
 * stop, thread name, backoff (100 ms doubling to 10 s, with jitter), restart intensity and the log
 * line of an error. What an error means is decided by its class (errors.def):
 *   RETRY      wait, then step() again
 *   RECONNECT  reset(), wait, then step() again
 *   STOP, BUG  the worker ends; on_end() is told
 * Retry and backoff live here and nowhere else. A step that made progress resets the backoff.
 */
#pragma once

#include "bascule/base/error.h"
#include "bascule/base/stop.h"

typedef enum StepResult {
    STEP_AGAIN,  /* progress was made, call again */
    STEP_IDLE,   /* nothing to do; the step has waited by itself (poll, queue) */
    STEP_DONE,   /* finished */
    STEP_FAILED, /* *err is filled */
} StepResult;

typedef struct WorkerSpec {
    const char *name; /* thread and log name, copied; 15 characters show in ps */
    void *self;
    StepResult (*step)(void *self, Error *err);
    void (*reset)(void *self); /* may be NULL */
    void (*on_end)(void *self,
                   const Error *err); /* in the worker's thread; err->cls ERR_NONE when done or
                                                       stopped; may be NULL */
    int max_restarts; /* consecutive failures without progress before giving up; 0: no limit */
} WorkerSpec;

typedef struct Worker Worker;

/* Starts the thread. `stop` is borrowed and may be shared by several workers. */
MUST_CHECK Worker *worker_start(const WorkerSpec *spec, StopToken *stop, Error *err);
/* Waits for the end and frees; *out_err (may be NULL) gets the error that ended it. */
bool worker_join(Worker *worker, Error *out_err);
bool worker_ended(const Worker *worker);
/* What the worker waits for while it backs off: copied text for `status`, "" when it runs. */
void worker_trouble(const Worker *worker, char *out, size_t size);

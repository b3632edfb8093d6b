/*
 * engine_job - what the control socket asks of the running engine, one piece of work at a time, in a
 * thread of its own.
 */
#pragma once

#include <jansson.h>
#include <pthread.h>

#include "bascule/base/worker.h"
#include "ops/control_api.h"

typedef struct EngineJob {
    pthread_mutex_t lock; /* guards what follows, for start against start */
    bool ended;
    Worker *worker;
    /* of the work that runs: made for it, gone with the next */
    StopToken *stop;
    Arena *arena;
    ControlEvents *events;
} EngineJob;

typedef struct EngineJobSpec {
    const char *name, *busy; /* busy: what is told while it runs */
    void *self;
    /* Into the arena of the job, before the thread starts. */
    bool (*read)(void *self, const json_t *request, Error *err);
    StepResult (*work)(void *self, Error *err);
} EngineJobSpec;

void engine_job_init(EngineJob *job);
/* WRONG_STATE after the end, ALREADY_RUNNING, or what `read` says. */
MUST_CHECK bool engine_job_start(EngineJob *job, const EngineJobSpec *spec, const json_t *request,
                                 ControlEvents *events, Error *err);
/* Asks what runs to stop (or lets it come to its end), waits, and refuses from then on. */
void engine_job_end(EngineJob *job, bool stop);
void engine_job_done(EngineJob *job); /* after the end */

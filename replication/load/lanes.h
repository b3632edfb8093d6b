/*
 * lanes - some workers that do the same kind of work side by side until there is none left.
 *
 * Runs     in the caller's thread until all lanes have ended; meanwhile tick() is called about five
 *          times a second.
 * Errors   what ends one lane stops the others and is returned; a lane that reconnects (worker.h)
 * gives up after some attempts without progress. ERR_STOPPED when the outer stop came. Threads step
 * and reset run in the lane's thread, tick and halt in the caller's.
 */
#pragma once

#include "bascule/base/worker.h"

typedef struct LanesSpec {
    const char *name; /* threads are called name/1, name/2, ... */
    int count;
    StopToken *outer_stop; /* of the program; may be NULL */
    void *self;
    StepResult (*step)(void *self, int lane, Error *err);
    void (*reset)(void *self, int lane); /* closes what the lane has open; also called at its end */
    bool (*tick)(void *self, Error *err); /* false: everything stops with this error; may be NULL */
    void (*halt)(void *self); /* the lanes shall end now: wake whoever waits; may be NULL */
} LanesSpec;

MUST_CHECK bool lanes_run(const LanesSpec *spec, Error *err);

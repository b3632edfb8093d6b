/*
 * way - in which direction a task goes: which side is open, what the decision rows of both directions
 * say, and the engine's endpoints for it.
 */
#pragma once

#include "cutover/cutover.h"
#include "sync/sync.h"

typedef enum Way {
    WAY_FORWARD, /* source to target; also when the target is open and nothing comes back */
    WAY_BACK,    /* the target is open, what is written there streams to the source */
} Way;

typedef struct Situation {
    bool known; /* both sides answered */
    Way way;
    CutoverDecision forward, back;
    int64_t forward_epoch, back_epoch;
    char forward_state[32],
        back_state[32];        /* of the task on the target and on the source; "" none */
    bool found;                /* the target knows the task */
    int64_t open_us;           /* since the target opened; PROGRESS_UNKNOWN */
    int64_t conflicts_waiting; /* for a person; PROGRESS_UNKNOWN */
    int fences, fences_armed;  /* on the side that was left; -1 unknown */
} Situation;

/* Did the direction that has ended leave the other one armed? */
bool way_goes_on(const Situation *situation, TaskState end);
/* UNKNOWN decisions when a side does not answer, then false with the reason. */
MUST_CHECK bool way_read(const SyncSpec *forward, Situation *out_situation, Error *err);
/* The same on sessions that are open. */
MUST_CHECK bool way_read_on(PgConn *source, PgConn *target, const char *task,
                            Situation *out_situation, Error *err);
/* "<name>_reverse" within the length of a name. */
const char *way_back_name(Arena *arena, const char *name);
/* The same task with the sides exchanged. */
SyncSpec way_turned(const SyncSpec *forward, Arena *arena);

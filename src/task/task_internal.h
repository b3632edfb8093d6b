/*
 * task_internal - what the files of a task share: one task, and who may touch which part of it.
 */
#pragma once

#include <pthread.h>

#include "schema/schema.h"
#include "task/decisions.h"
#include "task/moments.h"
#include "task/steps.h"
#include "task/task.h"
#include "task/way.h"

struct Task {
    const Config *config;
    Arena *arena;
    Rules rules;
    Moments moments;     /* what was read: immutable; the rest belongs to the cutover under way */
    Decisions decisions; /* of the cutover under way */
    SyncSpec spec;
    SchemaPort schema;
    SchemaRestore *restore;
    bool (*agreed)(const Config *config, Error *err); /* to the first write; may be NULL */
    Steps steps;                                      /* of task_steps_begin */
    Arena *steps_arena;                               /* of steps_seen */
    StepsStatus steps_seen;                           /* lock */
    SyncSpec back;                                    /* the other direction */
    Sync *sync;                                       /* of the direction that runs */
    Sync **ended; /* of those before: status may still look at them */
    int ended_count;
    Way way; /* lock */
    StopToken *stop, *abort;
    pthread_mutex_t lock;
    bool cutting;         /* lock */
    StopToken *verifying; /* lock: NULL when no verification runs */
    Situation seen;       /* lock: the last answer of both sides, for status */
    int64_t next_look_us;
};

/* How much of a way back the operator wants of a switch; back: the switch itself goes back. */
WayBackWish task_way_back_wish(const Task *task, bool back);
/* What a switch is asked to do, but for what only an engine knows. */
CutoverSpec task_switch_spec(Task *task, const TaskCutover *options, Arena *arena);
/* Its decisions go into the audit, before what hooks and poolers do; the request too. */
void task_switch_audit(Task *task, const TaskCutover *options, CutoverSpec *spec);

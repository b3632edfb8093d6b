/*
 * cleanup - everything that a task left on both sides: what, and the statement that removes it;
 * then the removal. Works without an engine, with the source frozen, and with one side gone (that
 * side's part stays listed as unknown). Refused while an engine runs.
 */
#pragma once

#include "task/task.h"

typedef struct TaskCleanup {
    CleanupItem *items; /* arena; side is in `what` */
    int count;
    CutoverDecision decision; /* OPENED: removing the fence lets the old source take writes again */
    const char *source_error, *target_error; /* NULL: the side answered */
    bool running;
} TaskCleanup;

MUST_CHECK bool task_cleanup_list(Task *task, Arena *arena, TaskCleanup *out_cleanup, Error *err);
MUST_CHECK bool task_cleanup_run(Task *task, Error *err);

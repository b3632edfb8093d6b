/*
 * task_steps - the schema scripts of a task that runs: done, refused or only told, by how far the
 * task has come.
 */
#pragma once

#include "task/steps.h"
#include "task/task.h"

/* Before the preflight: `state` is what the control tables say, NEW when they know no such task. */
MUST_CHECK bool task_steps_begin(Task *task, TaskState state, Error *err);
/* Any thread; strings in `arena`. */
StepsStatus task_steps_status(Task *task, Arena *arena);
/* Without an engine: asks the target. */
StepsStatus task_steps_status_now(Task *task, Arena *arena);

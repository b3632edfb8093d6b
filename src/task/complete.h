/*
 * complete - ends the time in which a rollback is possible: the slots and publications of both
 * directions go. The old side keeps its fence, so that nobody writes there by mistake; tables are
 * never touched.
 */
#pragma once

#include "task/cleanup.h"

/* WRONG_STATE unless the target is open and nothing is half done. */
MUST_CHECK bool task_complete_list(Task *task, Arena *arena, TaskCleanup *out, Error *err);
/* ALREADY_RUNNING while an engine streams back. Idempotent. */
MUST_CHECK bool task_complete_run(Task *task, Error *err);

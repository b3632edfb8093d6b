/*
 * task_sample - a sample of the load (sync/sample.h) as the configuration means it: in a scratch schema
 * where the target has the tables, else in a scratch database with the source's schema.
 */
#pragma once

#include "sync/sample.h"
#include "task/task.h"

typedef struct TaskSample {
    int64_t rows;
    const char *const *tables; /* patterns; none: all */
    int table_count;
} TaskSample;

MUST_CHECK bool task_sample(Task *task, const TaskSample *options, Arena *arena,
                            SampleReport *out_report, Error *err);
/* Removes the scratch schema and the scratch database of the task. *out_what: what was removed, "" nothing. */
MUST_CHECK bool task_sample_drop(Task *task, Arena *arena, const char **out_what, Error *err);

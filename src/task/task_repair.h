/*
 * task_repair - rows that differ are brought to what the source has, on the running engine: find
 * them, repair them, verify their tables again.
 */
#pragma once

#include "sync/repair.h"
#include "task/task_verify.h"

typedef struct TaskRepair {
    bool apply;     /* else only said what would be done */
    bool fresh;     /* compare first; else what is recorded */
    bool keys_only; /* afterwards the rows are proved, not their tables */
    bool show_values, mask_keys;
    const char *const *tables; /* patterns; none: all */
    int table_count;
    int64_t max_rows;
    StopToken *stop;
    void (*on_progress)(void *arg, const VerifyProgress *progress);
    void *progress_arg;
} TaskRepair;

typedef struct TaskRepairReport {
    bool asked_to_apply, mask_keys;
    RepairReport rows;
    bool compared; /* first: `before` says with what result */
    VerifyReport before;
    bool verified; /* their tables were compared again: `after` says with what result */
    VerifyReport after;
} TaskRepairReport;

/* The report is filled as far as things came even when false is returned. WRONG_STATE: not streaming,
 * or the target is open; BLOCKED: more rows than max_rows, and nothing was done. */
MUST_CHECK bool task_repair(Task *task, const TaskRepair *options, Arena *arena,
                            TaskRepairReport *out_report, Error *err);

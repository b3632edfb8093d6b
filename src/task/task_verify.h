/*
 * task_verify - the comparison of both sides as the program runs it: on the running engine, which
 * holds its applier for it, or without one.
 */
#pragma once

#include "task/task.h"
#include "verify/verify.h"

#define TASK_VERIFY_DEFAULT (-1)

/* TASK_VERIFY_DEFAULT: as configured. */
typedef struct TaskVerify {
    VerifyWhat what;
    const char *const *tables; /* patterns; none: all */
    int table_count;
    const Relations *rels; /* exactly these of the task's tables; NULL: what the patterns say */
    int64_t since_us;      /* rows of the last so long; 0: all rows */
    int64_t since_at_us;   /* or since this moment (wall clock); 0: not given */
    const char *since_column;
    int spot_rows;
    const char *const *references; /* verify.references, for VERIFY_ORPHANS */
    int reference_count;
    int64_t jobs, max_rate_bytes, max_snapshot_us, hold_us;
    bool show_values, mask_keys, restart;
    StopToken *stop;
    void (*on_progress)(void *arg, const VerifyProgress *progress);
    void *progress_arg;
} TaskVerify;

/* On the running engine. A cutover that begins meanwhile ends it with STOPPED. */
MUST_CHECK bool task_verify(Task *task, const TaskVerify *options, Arena *arena,
                            VerifyReport *out_report, Error *err);
/* Before a switch, which has the task to itself: these tables (by relation id of `rels`), beside any
 * verification of the operator's. DIFFERENT when one differs. */
MUST_CHECK bool task_verify_first(Task *task, const Relations *rels, const bool *tables,
                                  StopToken *stop,
                                  void (*on_progress)(void *arg, const VerifyProgress *progress),
                                  void *progress_arg, Error *err);
/* Without an engine: nothing can hold an applier, so the sides are read one after the other.
 * *out_rels (NULL when there are none) is what the report points to: relations_free. */
MUST_CHECK bool task_verify_offline(Task *task, const TaskVerify *options, Arena *arena,
                                    VerifyReport *out_report, Relations **out_rels, Error *err);
/* The tables that patterns name; USAGE when one names none. */
MUST_CHECK bool task_table_patterns(const char *const *texts, int count, const Relations *rels,
                                    Arena *arena, Rules *out_rules, Error *err);
/* The engine's stream is there, perhaps after a moment; WRONG_STATE when it is not. `way` is the
 * direction that runs. */
MUST_CHECK bool task_wait_stream(Task *task, StopToken *stop, Sync **out_sync,
                                 const SyncSpec **out_way, Error *err);

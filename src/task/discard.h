/*
 * discard - `rollback --discard-target-writes`: the source opens with what has streamed back, and what
 * has not is written to a file and left behind. Runs without an engine: the stream back may be broken,
 * and must not go on.
 *
 * Order    open, count, run, close. Nothing is changed before run.
 */
#pragma once

#include "task/task.h"

typedef struct TaskDiscard TaskDiscard;

/* dry_run: an engine may run, nothing is written. Else the task's lock is taken (ALREADY_RUNNING while an
 * engine lives). WRONG_STATE when nothing could have streamed back; when a discard stopped between
 * fence and opening there is only task_discard_run() left to call: see task_discard_half_done(). */
MUST_CHECK bool task_discard_open(Task *task, bool dry_run, TaskDiscard **out_discard, Error *err);
bool task_discard_half_done(const TaskDiscard *discard);
/* What is confirmed: this task, these databases, this opening, this directory. 16 digits. */
const char *task_discard_hash(const TaskDiscard *discard);
/* Reads into the file what would be discarded by now. */
MUST_CHECK bool task_discard_count(TaskDiscard *discard, const ExportTotals **out_totals,
                                   Error *err);
/* The rollback; options: on_event, report_json, terminate_blockers, max_downtime_us. The report's
 * given_up lives until task_discard_close(). */
MUST_CHECK bool task_discard_run(TaskDiscard *discard, const TaskCutover *options, Arena *arena,
                                 CutoverReport *out_report, Error *err);
/* What was written and not discarded is removed. NULL is fine. */
void task_discard_close(TaskDiscard *discard);

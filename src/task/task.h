/*
 * task - one migration as the program runs it: configuration to engine, cutover on the engine,
 * abort.
 *
 * Owns     work_dir (0700), the Sync, the schema steps.
 * Threads  task_run in one thread; task_cutover and task_abort from others while it runs.
 */
#pragma once

#include <jansson.h>

#include "audit/audit.h"
#include "config/config.h"
#include "cutover/cutover.h"
#include "source/preflight.h"
#include "sync/plan.h"
#include "sync/status.h"
#include "sync/sync.h"
#include "task/way.h"

typedef struct Task Task;

/* Reads the configuration into engine specs; connects to nothing. `stop` is borrowed. */
MUST_CHECK bool task_open(const Config *config, StopToken *stop, bool until_caught_up,
                          Task **out_task, Error *err);
void task_free(Task *task); /* NULL is fine */

const Config *task_config(const Task *task);
Sync *task_sync(Task *task);
const SyncSpec *task_sync_spec(const Task *task);
/* The direction that runs, with its specification. NULL: none has begun. */
Sync *task_running(Task *task, const SyncSpec **out_spec);
const SyncSpec *task_back_spec(const Task *task); /* with the sides exchanged */
const char *task_name(const Task *task);

/* work_dir and the spill directory, 0700. */
MUST_CHECK bool task_make_dirs(const Task *task, Error *err);
/* What `check` looks at, from the same configuration. */
PreflightSpec task_preflight_spec(const Task *task);
/* Called by task_preflight before a new task writes anywhere the first time; false refuses. */
void task_on_first_write(Task *task, bool (*agreed)(const Config *config, Error *err));
/* Refuses to begin what `check` would call blocked; a task that is under way is not asked again. */
MUST_CHECK bool task_preflight(Task *task, Error *err);
/* Blocks until stopped, done or failed. */
MUST_CHECK bool task_run(Task *task, Error *err);

/* -1: as configured. */
typedef struct TaskCutover {
    bool back; /* a rollback */
    bool dry_run;
    bool rehearse;
    bool terminate_blockers;
    int64_t at_wall_us;   /* 0: now */
    int64_t at_window_us; /* -1: as configured */
    const char *confirm;  /* hash of the plan that was confirmed; "" or NULL: any */
    int verify;           /* CutoverVerify or -1 */
    AuditPeer peer;       /* who asked */
    int64_t max_downtime_us, max_lag_us, max_lag_bytes;
    void (*on_event)(void *arg, const CutoverEvent *event);
    void *event_arg;
    json_t *(*report_json)(const CutoverReport *report); /* for the webhooks; may be NULL */
} TaskCutover;

/* On the running engine. Blocks; one at a time (WRONG_STATE). */
MUST_CHECK bool task_cutover(Task *task, const TaskCutover *options, Arena *arena,
                             CutoverReport *out_report, Error *err);
/* A verification is running and can be ended by `stop`: a cutover that begins does so, because the
 * locks of readers stand in its way. WRONG_STATE: one is running, or a cutover is. */
MUST_CHECK bool task_verify_begin(Task *task, StopToken *stop, Error *err);
void task_verify_end(Task *task);
/* Asks a running cutover to give up; WRONG_STATE when there is none. */
MUST_CHECK bool task_abort(Task *task, Error *err);
/* Without an engine: takes a fence back whose other side is not open. */
MUST_CHECK bool task_revoke(Task *task, Error *err);
/* Which side is open and what the decision rows say; UNKNOWN when a side does not answer. */
Situation task_situation(Task *task);
/* What `status` shows of readiness: true, or false with one sentence. */
bool task_ready(Task *task, const SyncStatus *status, CutoverDecision decision, char *out_why,
                size_t size);
/* The same for a rollback after the opening. */
bool task_ready_back(Task *task, const SyncStatus *status, const Situation *now, char *out_why,
                     size_t size);

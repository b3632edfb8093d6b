/*
 * task_fsm - the states of a task, as a table.
 *
 * new -> preparing -> loading -> indexing -> catching-up -> streaming -> cutting-over -> cut-over
 * cut-over -> reversing -> rolling-back -> rolled-back -> catching-up -> ...
 *
 * The second line is the same engine with the sides exchanged; its states are kept on the source,
 * where it applies. They are entered in the transactions that decide: reversing with the fence's
 * COMMIT, rolled-back with the opening of the source, catching-up with the fence of the rollback.
 *
 * Durable  every state but `cutting-over` is written to bascule.task before the work it names
 * begins, and a restart enters that work again; the actions are idempotent. `cutting-over` is only
 * shown: what a crash leaves of a cutover is decided by the two decision rows
 * (cutover/cutover_fsm.h). Two interleavings worth knowing:
 *  - killed in preparing: a slot may exist that nobody recorded as a start; it is dropped, nothing
 * was loaded.
 *  - killed in loading: finished tables keep their start_lsn, the others are copied again under a
 * newer snapshot; foreign keys wait until the stream has passed the newest start_lsn.
 */
#pragma once

#include "bascule/base/buf.h"

typedef enum TaskState {
    TASK_NEW,
    TASK_PREPARING,
    TASK_LOADING,
    TASK_INDEXING,
    TASK_CATCHING_UP,
    TASK_STREAMING,
    TASK_CUTTING_OVER,
    TASK_CUT_OVER,
    TASK_LOADED,       /* mode full-load: done, there is no stream */
    TASK_REVERSING,    /* the target is open, its changes stream back */
    TASK_ROLLING_BACK, /* shown only */
    TASK_ROLLED_BACK,  /* the source is open again */
    TASK_COMPLETED,    /* the way back was given up for good */
    TASK_STATE_COUNT,
} TaskState;

typedef enum TaskEvent {
    TASK_EV_START,
    TASK_EV_SLOT_READY,
    TASK_EV_LOADED,
    TASK_EV_INDEXED,
    TASK_EV_CAUGHT_UP,
    TASK_EV_FELL_BEHIND,
    TASK_EV_CUTOVER,
    TASK_EV_CUTOVER_ABORTED,
    TASK_EV_OPENED,
    TASK_EV_FINISHED,
    TASK_EV_REVERSE,
    TASK_EV_FORWARD,
    TASK_EV_COMPLETE,
    TASK_EVENT_COUNT,
} TaskEvent;

typedef struct TaskRow {
    TaskState from;
    TaskEvent event;
    TaskState to;
    bool durable;        /* the new state is stored before its work begins */
    const char *comment; /* what the log prints */
} TaskRow;

extern const TaskRow TASK_FSM[];
extern const int TASK_FSM_ROWS;

const char *task_state_name(TaskState state);
const char *task_event_name(TaskEvent event);
MUST_CHECK bool task_state_parse(const char *name, TaskState *out_state);
/* The row for this event, NULL when it is not allowed in that state. */
const TaskRow *task_fsm_next(TaskState from, TaskEvent event);
void task_fsm_print_mermaid(Buf *out);

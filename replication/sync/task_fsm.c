/* task_fsm - see the header. */
#include "sync/task_fsm.h"

#include <string.h>

const TaskRow TASK_FSM[] = {
    {TASK_NEW, TASK_EV_START, TASK_PREPARING, true, "preparing: locks, slot, snapshot"},
    {TASK_PREPARING, TASK_EV_START, TASK_PREPARING, true, "preparing again from the beginning"},
    {TASK_PREPARING, TASK_EV_SLOT_READY, TASK_LOADING, true, "the slot's snapshot is the start"},
    {TASK_LOADING, TASK_EV_LOADED, TASK_INDEXING, true, "all tables are copied"},
    {TASK_INDEXING, TASK_EV_INDEXED, TASK_CATCHING_UP, true, "the target is ready for changes"},
    {TASK_INDEXING, TASK_EV_FINISHED, TASK_LOADED, true, "full load finished"},
    {TASK_PREPARING, TASK_EV_INDEXED, TASK_CATCHING_UP, true, "changes only, no load"},
    {TASK_CATCHING_UP, TASK_EV_CAUGHT_UP, TASK_STREAMING, true, "caught up"},
    {TASK_STREAMING, TASK_EV_FELL_BEHIND, TASK_CATCHING_UP, true, "catching up"},
    {TASK_STREAMING, TASK_EV_CUTOVER, TASK_CUTTING_OVER, false, "cutting over"},
    {TASK_CATCHING_UP, TASK_EV_CUTOVER, TASK_CUTTING_OVER, false,
     "cutting over (finishing what a crash left)"},
    {TASK_CUTTING_OVER, TASK_EV_CUTOVER_ABORTED, TASK_STREAMING, false,
     "the source is open again, the stream goes on"},
    {TASK_CUTTING_OVER, TASK_EV_OPENED, TASK_CUT_OVER, true, "the target is open"},
    {TASK_CUT_OVER, TASK_EV_REVERSE, TASK_REVERSING, true,
     "what is written on the target streams back to the source"},
    {TASK_REVERSING, TASK_EV_CUTOVER, TASK_ROLLING_BACK, false, "rolling back"},
    {TASK_ROLLING_BACK, TASK_EV_CUTOVER_ABORTED, TASK_REVERSING, false,
     "the target is open again, its changes stream back"},
    {TASK_ROLLING_BACK, TASK_EV_OPENED, TASK_ROLLED_BACK, true, "the source is open again"},
    {TASK_ROLLED_BACK, TASK_EV_FORWARD, TASK_CATCHING_UP, true,
     "what is written on the source streams to the target again"},
    {TASK_REVERSING, TASK_EV_COMPLETE, TASK_COMPLETED, true, "the way back is closed"},
};
const int TASK_FSM_ROWS = (int)(sizeof TASK_FSM / sizeof TASK_FSM[0]);

static const char *const STATES[TASK_STATE_COUNT] = {
    "new",          "preparing",    "loading",  "indexing", "catching-up",
    "streaming",    "cutting-over", "cut-over", "loaded",   "reversing",
    "rolling-back", "rolled-back",  "completed"};
static const char *const EVENTS[TASK_EVENT_COUNT] = {
    "start",           "slot-ready", "loaded",   "indexed", "caught-up", "fell-behind", "cutover",
    "cutover-aborted", "opened",     "finished", "reverse", "forward",   "complete"};

const char *task_state_name(TaskState state)
{
    return STATES[state];
}

const char *task_event_name(TaskEvent event)
{
    return EVENTS[event];
}

bool task_state_parse(const char *name, TaskState *out_state)
{
    for (int i = 0; i < TASK_STATE_COUNT; i++) {
        if (strcmp(name, STATES[i]) == 0) {
            *out_state = (TaskState)i;
            return true;
        }
    }
    return false;
}

const TaskRow *task_fsm_next(TaskState from, TaskEvent event)
{
    for (int i = 0; i < TASK_FSM_ROWS; i++) {
        if (TASK_FSM[i].from == from && TASK_FSM[i].event == event)
            return &TASK_FSM[i];
    }
    return NULL;
}

void task_fsm_print_mermaid(Buf *out)
{
    buf_puts(out, "stateDiagram-v2\n    [*] --> new\n");
    for (int i = 0; i < TASK_FSM_ROWS; i++) {
        const TaskRow *row = &TASK_FSM[i];
        buf_printf(out, "    %s --> %s: %s\n", STATES[row->from], STATES[row->to],
                   EVENTS[row->event]);
    }
    buf_puts(out, "    cut-over --> [*]\n    loaded --> [*]\n    completed --> [*]\n");
}

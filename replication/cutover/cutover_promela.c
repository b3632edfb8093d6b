/*
 * cutover_promela - the table as a part of a model for spin (tests/model): so that what is searched
 * for mistakes is what the program walks, and not a second copy of it.
 */
#include <string.h>

#include "cutover/cutover_fsm.h"

static bool first_with_action(int row)
{
    for (int i = 0; i < row; i++) {
        if (CUTOVER_FSM[i].action_name != NULL &&
            strcmp(CUTOVER_FSM[i].action_name, CUTOVER_FSM[row].action_name) == 0)
            return false;
    }
    return true;
}

static void print_names(Buf *out)
{
    for (int s = 0; s < CUT_STATE_COUNT; s++)
        buf_printf(out, "#define S_%s %d\n", cutover_fsm_state_name((CutoverState)s), s);
    for (int e = 0; e < CUT_EV_COUNT; e++)
        buf_printf(out, "#define E_%s %d\n", cutover_fsm_event_name((CutoverFsmEvent)e), e);
    buf_puts(out, "#define A_none 255\n");
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        if (CUTOVER_FSM[i].action_name != NULL && first_with_action(i))
            buf_printf(out, "#define A_%s %d\n", CUTOVER_FSM[i].action_name, i);
    }
    buf_puts(out, "#define FSM_TERMINAL(st) (0");
    for (int s = 0; s < CUT_STATE_COUNT; s++) {
        if (cutover_fsm_terminal((CutoverState)s))
            buf_printf(out, " || (st) == S_%s", cutover_fsm_state_name((CutoverState)s));
    }
    buf_puts(out, ")\n");
}

/* The first row that matches counts: the guards of those before it do not hold. */
static void print_row(int n, Buf *out)
{
    const CutoverRow *row = &CUTOVER_FSM[n];
    buf_printf(out, "    :: st == S_%s && ev == E_%s", cutover_fsm_state_name(row->from),
               cutover_fsm_event_name(row->event));
    for (int i = 0; i < n; i++) {
        const CutoverRow *before = &CUTOVER_FSM[i];
        if (before->from == row->from && before->event == row->event && before->guard_name != NULL)
            buf_printf(out, " && !(G_%s)", before->guard_name);
    }
    if (row->guard_name != NULL)
        buf_printf(out, " && (G_%s)", row->guard_name);
    buf_printf(out, " -> st = S_%s; act = A_%s\n", cutover_fsm_state_name(row->to),
               row->action_name != NULL ? row->action_name : "none");
}

void cutover_fsm_print_promela(Buf *out)
{
    buf_puts(out, "/* made by `bascule inspect fsm cutover --format promela` */\n");
    print_names(out);
    buf_puts(out, "inline fsm_next(st, ev, act)\n{\n    d_step {\n    if\n");
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++)
        print_row(i, out);
    buf_puts(out, "    :: else -> assert(false) /* no row for this event */\n    fi\n    }\n}\n"
                  "inline fsm_act(act, ev)\n{\n    if\n");
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const char *name = CUTOVER_FSM[i].action_name;
        if (name != NULL && first_with_action(i))
            buf_printf(out, "    :: act == A_%s -> do_%s(ev)\n", name, name);
    }
    /* a state that is entered without work ends the walk */
    buf_puts(out, "    :: act == A_none -> ev = E_failed\n    fi\n}\n");
}

/*
 * The table of the cutover is well-formed: nothing unreachable, nothing without a way out, no two
 * rows for one case, and a way back from every state before the point of no return.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cutover/internal.h"

static void every_state_is_reachable(void **state)
{
    (void)state;
    bool seen[CUT_STATE_COUNT] = {[CUT_STREAMING] = true};
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
            const CutoverRow *row = &CUTOVER_FSM[i];
            if (seen[row->from] && !seen[row->to])
                more = seen[row->to] = true;
        }
    }
    for (int s = 0; s < CUT_STATE_COUNT; s++) {
        if (!seen[s])
            fail_msg("%s is not reachable", cutover_fsm_state_name((CutoverState)s));
    }
}

static bool has_row(CutoverState from, CutoverFsmEvent event, CutoverState to)
{
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        if (row->from == from && row->event == event && row->to == to)
            return true;
    }
    return false;
}

static void every_state_has_a_way_out(void **state)
{
    (void)state;
    for (int s = 0; s < CUT_STATE_COUNT; s++) {
        int out = 0, bad = 0;
        for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
            const CutoverRow *row = &CUTOVER_FSM[i];
            if ((int)row->from != s)
                continue;
            out++;
            bad += row->event == CUT_EV_FAILED || row->event == CUT_EV_UNKNOWN;
        }
        if (s == CUT_STREAMING)
            assert_int_equal(out, 1);
        else if (cutover_fsm_terminal((CutoverState)s))
            assert_int_equal(out, 0);
        else
            assert_true(out > bad && bad > 0);
    }
}

/* Before the fence's COMMIT is known to have happened, failing gives everything back. */
static void before_the_commit_failing_gives_back(void **state)
{
    (void)state;
    for (int s = CUT_CHECKING; s <= CUT_ASKING; s++)
        assert_true(has_row((CutoverState)s, CUT_EV_FAILED, CUT_STREAMING));
    /* and after it nothing but a verdict does */
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        if (row->from == CUT_OPENING && row->to == CUT_STREAMING)
            assert_int_equal(row->event, CUT_EV_REVOKED);
    }
}

/* Only a committed fence leads to opening, only opening leads to open. */
static void there_is_one_way_to_open(void **state)
{
    (void)state;
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        if (row->to == CUT_OPENING)
            assert_true(row->event == CUT_EV_COMMITTED || row->event == CUT_EV_FENCED);
        if (row->to == CUT_OPEN)
            assert_int_equal(row->event, CUT_EV_OPENED);
    }
}

static void rows_are_not_ambiguous(void **state)
{
    (void)state;
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *a = &CUTOVER_FSM[i];
        assert_non_null(a->comment);
        assert_int_equal(a->action == NULL, a->action_name == NULL);
        assert_int_equal(a->guard == NULL, a->guard_name == NULL);
        for (int j = i + 1; j < CUTOVER_FSM_ROWS; j++) {
            const CutoverRow *b = &CUTOVER_FSM[j];
            if (a->from != b->from || a->event != b->event)
                continue;
            /* a guarded row may stand before the general one, nothing behind that */
            assert_ptr_not_equal(a->guard, b->guard);
            assert_non_null(a->guard);
        }
    }
}

static void every_work_has_an_answer(void **state)
{
    (void)state;
    /* States that work need an action on every row that leads into them. */
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        if (!cutover_fsm_terminal(row->to))
            assert_non_null(row->action);
    }
}

static void a_dry_run_never_arms(void **state)
{
    (void)state;
    CutoverSpec spec = {.dry_run = true};
    Cutover cut = {.spec = &spec};
    bool seen[CUT_STATE_COUNT] = {[CUT_STREAMING] = true};
    for (int round = 0; round < CUT_STATE_COUNT; round++) {
        for (int s = 0; s < CUT_STATE_COUNT; s++) {
            for (int e = 0; seen[s] && e < CUT_EV_COUNT; e++) {
                const CutoverRow *row = cutover_fsm_next(&cut, (CutoverState)s, (CutoverFsmEvent)e);
                if (row != NULL)
                    seen[row->to] = true;
            }
        }
    }
    assert_true(seen[CUT_PLANNED] && seen[CUT_CHECKING]);
    for (int s = CUT_ARMING; s <= CUT_OPENING; s++)
        assert_false(seen[s]);
}

static void it_prints(void **state)
{
    (void)state;
    CLEANUP_BUF Buf out = BUF_INIT;
    assert_true(cutover_fsm_print("mermaid", &out));
    assert_non_null(strstr(out.data, "stateDiagram-v2"));
    assert_non_null(strstr(out.data, "committing --> opening: committed"));
    assert_non_null(strstr(out.data, "checking --> planned: done [dry_run]"));
    buf_clear(&out);
    assert_true(cutover_fsm_print("markdown", &out));
    assert_non_null(strstr(out.data, "| proving | done |  | committing | commit | journal |"));
    assert_false(cutover_fsm_print("svg", &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reachable),
        cmocka_unit_test(every_state_has_a_way_out),
        cmocka_unit_test(before_the_commit_failing_gives_back),
        cmocka_unit_test(there_is_one_way_to_open),
        cmocka_unit_test(rows_are_not_ambiguous),
        cmocka_unit_test(every_work_has_an_answer),
        cmocka_unit_test(a_dry_run_never_arms),
        cmocka_unit_test(it_prints),
    };
    return cmocka_run_group_tests_name("cutover_fsm", tests, NULL, NULL);
}

/* The flows that the applier holds: whole transactions, and the parts of one. */
#include "apply/waiting.h"
#include "fixture.h"

static Flow *part(bool begins, bool ends, Lsn end_lsn, int changes)
{
    Flow *flow = make_flow(begins, ends, end_lsn - 10, ends ? end_lsn : 0);
    flow->bytes = 100;
    for (int i = 0; i < changes; i++)
        add_change(flow, CHANGE_MESSAGE, NULL, NULL, NULL);
    return flow;
}

static void whole_and_parts(void **state)
{
    (void)state;
    Waiting waiting = {.end_lsn = 50};
    waiting_add(&waiting, part(true, true, 100, 2), 7);
    assert_int_equal(waiting.whole, 1);
    assert_false(waiting.open);
    waiting_add(&waiting, part(true, false, 200, 3), 8);
    assert_true(waiting.open);
    assert_int_equal(waiting.whole, 1);
    assert_int_equal(waiting.whole_changes, 2);
    assert_int_equal(waiting.part_changes, 3);
    assert_int_equal(waiting.end_lsn, 100);
    waiting_add(&waiting, part(false, true, 200, 1), 9);
    assert_int_equal(waiting.whole, 3);
    assert_int_equal(waiting.transactions, 2);
    assert_int_equal(waiting.whole_changes, 6);
    assert_int_equal(waiting.part_changes, 0);
    assert_int_equal(waiting.whole_bytes, 300);
    assert_int_equal(waiting.end_lsn, 200);
    assert_int_equal(waiting.since_us, 7);
    /* every part knows the end now */
    assert_int_equal(waiting.flows[1]->end_lsn, 200);
    waiting_add(&waiting, part(true, false, 300, 1), 9);
    waiting_drop_whole(&waiting);
    assert_int_equal(waiting.count, 1);
    assert_int_equal(waiting.part_changes, 1);
    assert_int_equal(waiting.since_us, 0);
    assert_true(waiting.open);
    waiting_drop_parts(&waiting);
    assert_int_equal(waiting.count, 0);
    assert_true(waiting.open);
    waiting_drop_all(&waiting);
    assert_false(waiting.open);
    waiting_done(&waiting);
}

static void positions(void **state)
{
    (void)state;
    Waiting waiting = {.end_lsn = 50};
    waiting_move(&waiting, 60, 5);
    assert_int_equal(waiting.end_lsn, 60);
    assert_int_equal(waiting.since_us, 5);
    assert_int_equal(waiting.whole, 0);
    for (int i = 0; i < 200; i++)
        waiting_add(&waiting, part(true, true, (Lsn)(100 + i), 0), 6);
    assert_int_equal(waiting.transactions, 200);
    assert_int_equal(waiting.whole_changes, 0);
    waiting_done(&waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_parts),
        cmocka_unit_test(positions),
    };
    return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}

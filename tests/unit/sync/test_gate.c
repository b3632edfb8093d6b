/* test_gate - which flow is the first behind a gate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/internal.h"

#define GATE ((Lsn)1000)

static Flow part(bool begins, bool ends, Lsn commit_lsn, Lsn end_lsn)
{
    return (Flow){.kind = FLOW_PART,
                  .begins = begins,
                  .ends = ends,
                  .commit_lsn = commit_lsn,
                  .end_lsn = end_lsn};
}

static void test_transactions(void **state)
{
    (void)state;
    Flow before = part(true, true, 900, 950);
    Flow ends_at = part(true, true, 960, 1000);
    Flow at = part(true, true, 1000, 1040);
    Flow behind = part(true, false, 1200, LSN_UNKNOWN);
    assert_false(sync_gate_stops(&before, GATE));
    assert_false(sync_gate_stops(&ends_at, GATE)); /* its commit record is before the position */
    assert_true(sync_gate_stops(&at, GATE));
    assert_true(sync_gate_stops(&behind, GATE));
}

static void test_a_transaction_under_way_ends(void **state)
{
    (void)state;
    /* Its beginning was let through, so is the rest. */
    Flow middle = part(false, false, 1100, LSN_UNKNOWN);
    Flow last = part(false, true, 1100, 1200);
    assert_false(sync_gate_stops(&middle, GATE));
    assert_false(sync_gate_stops(&last, GATE));
}

static void test_positions(void **state)
{
    (void)state;
    Flow before = {.kind = FLOW_POSITION, .end_lsn = 999};
    Flow at = {.kind = FLOW_POSITION, .end_lsn = 1000};
    Flow lost = {.kind = FLOW_LOST};
    assert_false(sync_gate_stops(&before, GATE));
    assert_true(sync_gate_stops(&at, GATE));
    assert_false(sync_gate_stops(&lost, GATE));
}

static void test_no_gate(void **state)
{
    (void)state;
    Flow behind = part(true, true, 5000, 5100);
    assert_false(sync_gate_stops(&behind, LSN_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_a_transaction_under_way_ends),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_no_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

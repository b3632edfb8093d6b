/* Pending conflicts: found by key, kept or undone with the transaction, settled after their time. */
#include "apply/dual.h"
#include "fixture.h"

static Relations *rels;
static Relation *rel;
static Progress progress;
static Dual *dual;
static Arena *arena;

static int setup(void **state)
{
    (void)state;
    rels = make_relations();
    rel = make_relation(rels, "t", 3, 2);
    progress = (Progress){0};
    dual = dual_new("move", 3600000000LL, &progress);
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dual_free(dual);
    arena_free(rels->arena);
    arena_free(arena);
    return 0;
}

static DualPending pending(int64_t id)
{
    return (DualPending){.id = id, .held = true, .stops = true};
}

static void keys_are_told_apart(void **state)
{
    (void)state;
    DualPending one = pending(1), two = pending(2);
    dual_add(dual, rel, ROW(arena, "a", "bc", NULL), &one);
    assert_null(dual_find(dual, rel, ROW(arena, "ab", "c", NULL)));
    assert_null(dual_find(dual, rel, ROW(arena, "a", NULL, NULL)));
    assert_int_equal(dual_find(dual, rel, ROW(arena, "a", "bc", "x"))->id, 1);
    dual_add(dual, rel, ROW(arena, "a", "bc", NULL), &two); /* of several the newest */
    assert_int_equal(dual_find(dual, rel, ROW(arena, "a", "bc", NULL))->id, 2);
    assert_int_equal(dual_find(dual, rel, ROW(arena, "a", "bc", NULL))->older->id, 1);
    dual_take_back(dual, dual_find(dual, rel, ROW(arena, "a", "bc", NULL)));
    assert_int_equal(dual_find(dual, rel, ROW(arena, "a", "bc", NULL))->id, 1);
}

static void a_rollback_undoes(void **state)
{
    (void)state;
    DualPending one = pending(1), two = pending(2);
    dual_add(dual, rel, ROW(arena, "1", "1", NULL), &one);
    dual_counts(dual)->recorded = 1;
    dual_committed(dual);
    assert_int_equal(progress.conflicts_recorded, 1);
    dual_add(dual, rel, ROW(arena, "2", "2", NULL), &two);
    dual_take_back(dual, dual_find(dual, rel, ROW(arena, "1", "1", NULL)));
    dual_rolled_back(dual);
    assert_null(dual_find(dual, rel, ROW(arena, "2", "2", NULL)));
    assert_int_equal(dual_find(dual, rel, ROW(arena, "1", "1", NULL))->id, 1);
    dual_take_back(dual, dual_find(dual, rel, ROW(arena, "1", "1", NULL)));
    dual_committed(dual);
    assert_null(dual_find(dual, rel, ROW(arena, "1", "1", NULL)));
    assert_int_equal(progress.conflicts_recorded, 0);
    assert_int_equal(progress.conflicts_ahead, 1);
}

static bool touches(ChangeKind kind, Value *old_values, Value *new_values)
{
    Flow *flow = make_flow(true, true, 100, 110);
    add_change(flow, kind, rel, old_values, new_values);
    bool yes = dual_touches(dual, flow);
    flow_free(flow);
    return yes;
}

static void changes_of_pending_rows_are_seen(void **state)
{
    (void)state;
    DualPending one = pending(1);
    assert_false(touches(CHANGE_INSERT, NULL, ROW(arena, "1", "1", "x")));
    dual_add(dual, rel, ROW(arena, "1", "1", NULL), &one);
    assert_true(touches(CHANGE_INSERT, NULL, ROW(arena, "1", "1", "x")));
    assert_true(touches(CHANGE_UPDATE, ROW(arena, "2", "1", UNCHANGED), ROW(arena, "1", "1", "x")));
    assert_true(touches(CHANGE_UPDATE, ROW(arena, "1", "1", UNCHANGED), ROW(arena, "3", "1", "x")));
    assert_true(touches(CHANGE_DELETE, ROW(arena, "1", "1", UNCHANGED), NULL));
    assert_false(touches(CHANGE_DELETE, ROW(arena, "1", "2", UNCHANGED), NULL));
    assert_false(dual_touches(NULL, NULL));
}

static void settling_takes_its_time(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    DualPending one = pending(1);
    dual_add(dual, rel, ROW(arena, "1", "1", NULL), &one);
    dual_committed(dual);
    assert_false(dual_due(dual));
    assert_true(dual_go_on(dual, &err));
    dual_free(dual);
    dual = dual_new("move", 0, &progress);
    dual_add(dual, rel, ROW(arena, "1", "1", NULL), &one);
    assert_false(dual_due(dual));  /* nobody knows what the source has written */
    progress.source_end_lsn = 150; /* of a keepalive: that of a decoder that is behind */
    progress.ticked_lsn = 150;
    progress.ticked_us = 1; /* looked at before it was found */
    progress.applied_lsn = progress.received_lsn = progress.queued_lsn = 150;
    assert_false(dual_due(dual));
    progress.ticked_lsn = 200;
    progress.ticked_us = INT64_MAX;
    progress.applied_lsn = 100;
    progress.received_lsn = progress.queued_lsn = 200;
    assert_false(dual_due(dual));
    progress.applied_lsn = 200;
    assert_true(dual_due(dual));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rollback_undoes, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_of_pending_rows_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(settling_takes_its_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What two rows mean, for every pair of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cutover/internal.h"

static void expect(DecisionRows rows, CutoverDecision decision, int64_t epoch)
{
    int64_t got = -1;
    assert_int_equal(decision_of(&rows, &got), decision);
    assert_int_equal(got, epoch);
}

static void pairs(void **state)
{
    (void)state;
    expect((DecisionRows){0}, DECISION_NONE, 0);
    /* taken, never fenced */
    expect((DecisionRows){.newest_epoch = 3}, DECISION_NONE, 3);
    expect((DecisionRows){.newest_epoch = 3, .newest_verdict = "REVOKED"}, DECISION_NONE, 3);
    expect((DecisionRows){.fenced = true, .fence_epoch = 3, .newest_epoch = 3}, DECISION_FENCED, 3);
    /* the target lost its rows */
    expect((DecisionRows){.fenced = true, .fence_epoch = 3}, DECISION_FENCED, 3);
    /* an older epoch is fenced, a newer one was only taken */
    expect((DecisionRows){.fenced = true, .fence_epoch = 3, .newest_epoch = 4}, DECISION_FENCED, 3);
    expect((DecisionRows){.fenced = true,
                          .fence_epoch = 3,
                          .verdict = "REVOKED",
                          .newest_epoch = 3,
                          .newest_verdict = "REVOKED"},
           DECISION_REVOKED, 3);
    expect((DecisionRows){.fenced = true,
                          .fence_epoch = 3,
                          .verdict = "OPENED",
                          .newest_epoch = 3,
                          .newest_verdict = "OPENED"},
           DECISION_OPENED, 3);
    /* rolled back: the target has a fence of its own, what was opened once is history */
    expect((DecisionRows){.newest_epoch = 3, .newest_verdict = "OPENED", .target_fenced = true},
           DECISION_NONE, 3);
    /* and on the way there a second time */
    expect(
        (DecisionRows){.fenced = true, .fence_epoch = 5, .newest_epoch = 5, .target_fenced = true},
        DECISION_FENCED, 5);
    /* while a rollback is half done the target is still what was opened last */
    expect((DecisionRows){.fenced = true,
                          .fence_epoch = 3,
                          .verdict = "OPENED",
                          .newest_epoch = 3,
                          .newest_verdict = "OPENED",
                          .target_fenced = true},
           DECISION_OPENED, 3);
    /* the source was cleaned up after the opening */
    expect((DecisionRows){.newest_epoch = 3, .newest_verdict = "OPENED"}, DECISION_OPENED, 3);
}

static void a_side_that_does_not_answer(void **state)
{
    (void)state;
    CutoverDecision decision = DECISION_NONE;
    int64_t epoch = -1;
    Error err = ERROR_INIT;
    assert_true(cutover_read_decision(NULL, NULL, "t", &decision, &epoch, &err));
    assert_int_equal(decision, DECISION_UNKNOWN);
}

static void fence_scripts_quote(void **state)
{
    (void)state;
    CLEANUP_SQLTEXT SqlText out = SQLTEXT_INIT;
    Fence fence = {.schema = "a b", .name = "t\"x"};
    FenceSet set = {.count = 1, .all = &fence};
    fence_write_arm(&out, &set, "task", "host'; DROP TABLE x; --", "o'role");
    const char *text = sqltext_sql(&out).text;
    assert_non_null(
        strstr(text, "ON \"a b\".\"t\"\"x\" FOR EACH STATEMENT WHEN (SESSION_USER <> 'o''role' "
                     "OR "));
    assert_non_null(strstr(text, "'host''; DROP TABLE x; --'"));
    assert_non_null(strstr(text, "ALTER TABLE ONLY \"a b\".\"t\"\"x\" ENABLE ALWAYS TRIGGER"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(a_side_that_does_not_answer),
        cmocka_unit_test(fence_scripts_quote),
    };
    return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}

/* sequences_apart: which sequences never give the same number, and that the cutover leaves them so. */
#include "fake_pgconn.h"

#include "source/sequences.h"

static Sequence at(int64_t last_value, int64_t increment)
{
    return (Sequence){.last_value = last_value,
                      .increment = increment,
                      .min_value = increment > 0 ? 1 : INT64_MIN,
                      .max_value = increment > 0 ? INT64_MAX : -1};
}

static bool disjoint(Sequence a, Sequence b)
{
    bool one = sequences_disjoint(&a, &b);
    assert_int_equal(one, sequences_disjoint(&b, &a));
    return one;
}

static void steps_part_them(void **state)
{
    (void)state;
    assert_false(disjoint(at(1, 1), at(1, 1)));
    assert_false(disjoint(at(1, 1), at(1000000, 1)));
    assert_true(disjoint(at(1, 2), at(2, 2)));
    assert_false(disjoint(at(1, 2), at(3, 2)));
    assert_true(disjoint(at(1001, 2), at(8, 2)));
    assert_false(disjoint(at(1, 2), at(2, 3))); /* no common divisor */
    assert_true(disjoint(at(1, 4), at(2, 6)));  /* odd and even */
    assert_false(disjoint(at(1, 4), at(3, 6))); /* 9 is in both */
    assert_false(disjoint(at(1, 1), at(2, 2)));
    Sequence around = at(2, 2);
    around.cycle = true; /* it goes on at 1 */
    assert_false(disjoint(at(1, 2), around));
    assert_true(disjoint(at(INT64_MAX - 1, 2), at(1, 2)));
}

static void limits_part_them(void **state)
{
    (void)state;
    Sequence low = at(5, 1), high = at(1000, 1);
    low.max_value = 999;
    assert_true(disjoint(low, high));
    low.max_value = 1000;
    assert_false(disjoint(low, high));
    low.max_value = 999;
    high.cycle = true;
    assert_false(disjoint(low, high));
    high.min_value = 1000;
    assert_true(disjoint(low, high));
    assert_true(disjoint(at(5, 1), at(-1, -1)));
    Sequence down = at(900, -1);
    down.min_value = 1;
    down.max_value = 5000;
    assert_true(disjoint(down, at(901, 1)));
    assert_false(disjoint(down, at(900, 1)));
}

/* as source_sequences.sql, of the target; in another order, with one that nobody asks for */
static const char *DEFINITIONS[] = {
    "s",
    "own",
    "2",
    "1",
    "9223372036854775807",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "s",
    "far",
    "1",
    "1",
    "9223372036854775807",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "x",
    "same",
    "1",
    "1",
    "9223372036854775807",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "s",
    "end",
    "2",
    "1",
    "100",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "s",
    "same",
    "1",
    "1",
    "9223372036854775807",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
};
static const char *VALUES[] = {
    "0", "10", "6", "t", "1", "11", "40", "t", "2", "12", "100", "t", "3", "13", "3", "f",
};
static const char *RAISED[] = {
    "0", "1008", "6", "1", "1041", "40", "2", NULL, "100", "3", "1003", "3",
};

static Sequence source(const char *name, int64_t last_value, int64_t increment)
{
    Sequence seq = at(last_value, increment);
    seq.schema = seq.target_schema = "s";
    seq.name = seq.target_name = name;
    seq.is_called = true;
    seq.cache = 1;
    return seq;
}

static void the_cutover_leaves_them_apart(void **state)
{
    (void)state;
    static const FakeAnswer ANSWERS[] = {
        {"pg_sequence", 5, 11, DEFINITIONS, ERR_NONE, NULL, NULL},
        {"UNION ALL SELECT 3, tableoid, last_value, is_called FROM \"s\".\"same\"", 4, 4, VALUES,
         ERR_NONE, NULL, NULL},
        {"setval", 4, 3, RAISED, ERR_NONE, NULL, NULL},
    };
    Error err = ERROR_INIT;
    int raised = 0;
    /* odd here and even there; one that has no steps of its own; even there, but it has come to its end;
     * the same on both sides */
    Sequence all[] = {source("own", 7, 2), source("far", 41, 1), source("end", 1001, 2),
                      source("same", 3, 1)};
    Sequences s = {.count = 4, .all = all};
    FAKE_SCRIPT(ANSWERS);
    assert_true(sequences_raise(&fake_conns[0], &s, 500, true, &raised, &err));
    fake_all_used();
    assert_string_equal(fake_params[1], "{1008,541,-9223372036854775808,503}");
    assert_int_equal(raised, 3);
    assert_true(all[2].leave);
    assert_int_equal(all[2].set_to, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_part_them),
        cmocka_unit_test(limits_part_them),
        cmocka_unit_test(the_cutover_leaves_them_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

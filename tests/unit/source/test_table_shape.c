/* What two looks at a table's catalog rows mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/shape.h"

#define BEFORE "f1 10 a1 700 300 e1"

static void each_change_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(shape_compare(BEFORE, BEFORE), SHAPE_SAME);
    assert_int_equal(shape_compare(BEFORE, "f2 10 a2 701 300 e1"), SHAPE_OTHER);
    assert_int_equal(shape_compare(BEFORE, "f1 11 a2 701 300 e1"), SHAPE_REWRITTEN);
    assert_int_equal(shape_compare(BEFORE, "f1 11 a1 701 300 e1"), SHAPE_TOUCHED); /* TRUNCATE */
    assert_int_equal(shape_compare(BEFORE, "f1 10 a2 700 300 e1"), SHAPE_SAME);    /* STATISTICS */
    assert_int_equal(shape_compare(BEFORE, "f1 10 a1 700 301 e1"),
                     SHAPE_TOUCHED); /* schema renamed */
    assert_int_equal(shape_compare(BEFORE, "f1 10 a1 700 300 e2"), SHAPE_LABELS);
    assert_int_equal(shape_compare(BEFORE, "f1 11 a2 701 300 e2"), SHAPE_REWRITTEN);
}

static void a_name_meanwhile_is_told_from_an_owner(void **state)
{
    (void)state;
    assert_int_equal(shape_compare(BEFORE " n1 o1", BEFORE " n1 o1"), SHAPE_SAME);
    assert_int_equal(shape_compare(BEFORE " n1 o1", "f1 10 a1 701 300 e1 n2 o1"), SHAPE_RENAMED);
    assert_int_equal(shape_compare(BEFORE " n1 o1", "f1 10 a1 701 300 e1 n2 o2"), SHAPE_TOUCHED);
    assert_int_equal(shape_compare(BEFORE " n1 o1", "f2 10 a1 701 300 e1 n2 o1"), SHAPE_OTHER);
    /* kept by a version that did not look */
    assert_int_equal(shape_compare(BEFORE, BEFORE " n1 o1"), SHAPE_SAME);
}

static void unknown_is_no_change(void **state)
{
    (void)state;
    uint32_t row, space;
    assert_int_equal(shape_compare(NULL, BEFORE), SHAPE_SAME);
    assert_int_equal(shape_compare("", BEFORE), SHAPE_SAME);
    assert_false(shape_writers(NULL, &row, &space));
    assert_true(shape_writers(BEFORE, &row, &space));
    assert_int_equal(row, 700);
    assert_int_equal(space, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_told_apart),
        cmocka_unit_test(a_name_meanwhile_is_told_from_an_owner),
        cmocka_unit_test(unknown_is_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The digest of a multiset of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bascule/base/hash.h"

static void add_all(RowsHash *hash, const char *const *rows, int count)
{
    for (int i = 0; i < count; i++)
        rows_hash_add(hash, rows[i], strlen(rows[i]));
}

static void order_does_not_matter(void **state)
{
    (void)state;
    static const char *const FORWARD[] = {"a", "b", "", "a", "long row with more bytes"};
    static const char *const BACKWARD[] = {"long row with more bytes", "a", "", "b", "a"};
    RowsHash one = {0}, two = {0};
    char a[33], b[33];
    add_all(&one, FORWARD, 5);
    add_all(&two, BACKWARD, 5);
    assert_true(rows_hash_equal(&one, &two));
    assert_int_equal(one.rows, 5);
    assert_string_equal(rows_hash_text(&one, a), rows_hash_text(&two, b));
    assert_int_equal(strlen(a), 32);
}

static void multiplicity_matters(void **state)
{
    (void)state;
    static const char *const TWICE[] = {"a", "a"};
    static const char *const FOUR[] = {"a", "a", "b", "b"};
    RowsHash none = {0}, twice = {0}, other = {0}, four = {0};
    add_all(&twice, TWICE, 2);
    add_all(&other, (const char *const[]){"a", "b"}, 2);
    add_all(&four, FOUR, 4);
    /* xor would make these equal */
    assert_false(rows_hash_equal(&none, &twice));
    assert_false(rows_hash_equal(&twice, &other));
    assert_false(rows_hash_equal(&four, &twice));
    /* the same sum with another number of rows is not equal */
    RowsHash forged = twice;
    forged.rows++;
    assert_false(rows_hash_equal(&forged, &twice));
}

static void merge_is_the_sum(void **state)
{
    (void)state;
    RowsHash whole = {0}, left = {0}, right = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        rows_hash_add(&whole, &i, sizeof i);
        rows_hash_add(i % 3 ? &left : &right, &i, sizeof i);
    }
    rows_hash_merge(&left, &right);
    assert_true(rows_hash_equal(&whole, &left));
}

static void carries(void **state)
{
    (void)state;
    RowsHash a = {.lo = UINT64_MAX, .hi = 1, .rows = 1}, b = {.lo = 1, .hi = UINT64_MAX, .rows = 1};
    rows_hash_merge(&a, &b);
    assert_int_equal(a.lo, 0);
    assert_int_equal(a.hi, 1);
    assert_int_equal(a.rows, 2);
    RowsHash c = {.lo = 5, .hi = 2};
    char text[33];
    assert_string_equal(rows_hash_text(&c, text), "00000000000000020000000000000005");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(multiplicity_matters),
        cmocka_unit_test(merge_is_the_sum),
        cmocka_unit_test(carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

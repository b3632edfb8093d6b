/* test_keydiff - how two rows are judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verify/keydiff.h"

enum { INT4 = 23, TEXT = 25, FLOAT8 = 701, NUMERIC = 1700 };

static Column columns[] = {{.name = "id", .base_type_oid = INT4},
                           {.name = "name", .base_type_oid = TEXT},
                           {.name = "weight", .base_type_oid = FLOAT8},
                           {.name = "price", .base_type_oid = NUMERIC}};
static const Relation REL = {.column_count = 4, .columns = columns};

static KeyDiff judged(Arena *arena, const char **source, const char **target)
{
    KeyDiff diff = {.source = source, .target = target};
    keydiff_judge(&REL, &diff, arena);
    return diff;
}

static void test_rows(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    const char *row[] = {"1", "x", "0", "1.0"};
    const char *same[] = {"1", "x", "0", "1.0"};
    const char *null[] = {"1", NULL, "0", "1.0"};
    const char *empty[] = {"1", "", "0", "1.0"};
    const char *word[] = {"1", "NULL", "0", "1.0"};
    assert_int_equal(judged(arena, row, same).kind, KEYDIFF_EQUAL);
    assert_int_equal(judged(arena, NULL, NULL).kind, KEYDIFF_EQUAL);
    assert_int_equal(judged(arena, row, NULL).kind, KEYDIFF_MISSING);
    assert_int_equal(judged(arena, NULL, row).kind, KEYDIFF_EXTRA);
    assert_int_equal(judged(arena, null, null).kind, KEYDIFF_EQUAL);
    KeyDiff diff = judged(arena, null, empty);
    assert_int_equal(diff.kind, KEYDIFF_DIFFERENT);
    assert_int_equal(diff.column_count, 1);
    assert_int_equal(diff.columns[0], 1);
    assert_int_equal(judged(arena, null, word).kind, KEYDIFF_DIFFERENT);
    arena_free(arena);
}

static void test_representation(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    const char *row[] = {"1", "x", "0", "1.0"};
    const char *minus[] = {"1", "x", "-0", "1.00"};
    const char *other[] = {"1", "X", "-0", "1.00"};
    KeyDiff diff = judged(arena, row, minus);
    assert_int_equal(diff.kind, KEYDIFF_REPRESENTATION);
    assert_int_equal(diff.column_count, 2);
    assert_int_equal(judged(arena, row, other).kind, KEYDIFF_DIFFERENT);
    arena_free(arena);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(keydiff_same_number(FLOAT8, "0", "-0"));
    assert_true(keydiff_same_number(NUMERIC, "-1.50", "-1.5"));
    assert_true(keydiff_same_number(NUMERIC, "0.000", "0"));
    assert_true(keydiff_same_number(NUMERIC, "100", "100.0"));
    assert_false(keydiff_same_number(NUMERIC, "100", "1"));
    assert_false(keydiff_same_number(NUMERIC, "10", "100"));
    assert_false(keydiff_same_number(NUMERIC, "1.5", "-1.5"));
    assert_false(keydiff_same_number(FLOAT8, "1e+20", "1e+2"));
    assert_false(keydiff_same_number(FLOAT8, "NaN", "0"));
    assert_false(keydiff_same_number(FLOAT8, "Infinity", "-Infinity"));
    assert_false(keydiff_same_number(TEXT, "0", "-0"));
    assert_false(keydiff_same_number(INT4, "0", "00"));
}

/* Neither keys nor values: logs, status and refusals are read by more people than the data. */
static void test_described_without_values(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    char text[160];
    int key[] = {0, 1};
    Relation rel = REL;
    rel.key = key;
    rel.key_count = 2;
    const char *row[] = {"4711", "secret", "0", "1"}, *other[] = {"4711", "secret", "5", "2"};
    KeyDiff diff = judged(arena, row, other);
    diff.key = row;
    keydiff_describe(&rel, &diff, text, sizeof text);
    assert_string_equal(text,
                        "different: id=*** (4 bytes), name=*** (6 bytes) in column weight, price");
    diff = judged(arena, NULL, other);
    diff.key = row;
    keydiff_describe(&rel, &diff, text, sizeof text);
    assert_string_equal(text, "extra: id=*** (4 bytes), name=*** (6 bytes)");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_representation),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_described_without_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

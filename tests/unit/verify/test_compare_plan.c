/* Units cover every block once, whatever the sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "verify/arrays.h"
#include "verify/compare_internal.h"

#define TABLES 5

static Relation relation[TABLES];
static Relation *relation_list[TABLES] = {&relation[0], &relation[1], &relation[2], &relation[3],
                                          &relation[4]};
static Relations rels = {.count = TABLES, .all = relation_list};

static void plan(Compare *compare, int jobs, const int64_t *blocks, const int64_t *bytes)
{
    *compare = (Compare){.spec = {.rels = &rels, .jobs = jobs}};
    compare->how = calloc(TABLES, sizeof *compare->how);
    compare->parts[SIDE_SOURCE] = calloc(TABLES, sizeof(ComparePart));
    for (int i = 0; i < TABLES; i++) {
        compare->parts[SIDE_SOURCE][i].heap_blocks = blocks[i];
        compare->parts[SIDE_SOURCE][i].bytes = bytes[i];
    }
    compare_plan_units(compare, SIDE_SOURCE);
}

static void unplan(Compare *compare)
{
    free(compare->how);
    free(compare->parts[SIDE_SOURCE]);
    free(compare->units[SIDE_SOURCE]);
}

static void check_cover(const Compare *compare, const int64_t *blocks)
{
    int64_t covered[TABLES] = {0};
    int units[TABLES] = {0}, open_ended[TABLES] = {0};
    for (int u = 0; u < compare->unit_count[SIDE_SOURCE]; u++) {
        const CompareUnit *unit = &compare->units[SIDE_SOURCE][u];
        int64_t end = unit->end_block < 0 ? blocks[unit->table] : unit->end_block;
        covered[unit->table] += end - unit->first_block;
        units[unit->table]++;
        open_ended[unit->table] += unit->end_block < 0;
        assert_true(end > unit->first_block || blocks[unit->table] == 0);
        if (u > 0)
            assert_true(unit->weight <= compare->units[SIDE_SOURCE][u - 1].weight);
    }
    for (int i = 0; i < TABLES; i++) {
        assert_int_equal(covered[i], blocks[i]);
        assert_int_equal(open_ended[i], 1);
        assert_int_equal(units[i], compare->parts[SIDE_SOURCE][i].units_left);
    }
}

static void small_tables_stay_whole(void **state)
{
    (void)state;
    const int64_t blocks[TABLES] = {0, 1, 10, 100, 500},
                  bytes[TABLES] = {0, 8192, 81920, 819200, 4096000};
    Compare compare;
    plan(&compare, 4, blocks, bytes);
    assert_int_equal(compare.unit_count[SIDE_SOURCE], TABLES);
    assert_false(compare.units[SIDE_SOURCE][0].ranged);
    check_cover(&compare, blocks);
    unplan(&compare);
}

static void a_big_table_is_cut(void **state)
{
    (void)state;
    const int64_t blocks[TABLES] = {100000, 1, 0, 3, 20000};
    const int64_t bytes[TABLES] = {819200000, 8192, 0, 900000000 /* toast */, 163840000};
    for (int jobs = 2; jobs <= 16; jobs *= 2) {
        Compare compare;
        plan(&compare, jobs, blocks, bytes);
        assert_true(compare.unit_count[SIDE_SOURCE] > TABLES);
        assert_true(compare.parts[SIDE_SOURCE][3].units_left <= 3);
        check_cover(&compare, blocks);
        unplan(&compare);
    }
}

static void binary_is_for_plain_types_only(void **state)
{
    (void)state;
    Column columns[2] = {{.type_oid = 23, .binary_safe = true},
                         {.type_oid = 25, .binary_safe = true}};
    Relation rel = {.columns = columns, .column_count = 2};
    Compare compare = {.binary_possible = true};
    assert_true(compare_plan_binary(&compare, &rel));
    compare.binary_possible = false; /* other major version */
    assert_false(compare_plan_binary(&compare, &rel));
    compare.binary_possible = true;
    columns[1].binary_safe = false; /* regclass */
    assert_false(compare_plan_binary(&compare, &rel));
    columns[1] =
        (Column){.type_oid = 16400, .binary_safe = true}; /* an enum's array holds its oid */
    assert_false(compare_plan_binary(&compare, &rel));
    rel.column_count = 0;
    assert_false(compare_plan_binary(&compare, &rel));
}

static void arrays_quote(void **state)
{
    (void)state;
    CLEANUP_BUF Buf out = BUF_INIT;
    arrays_begin(&out);
    assert_string_equal(arrays_end(&out), "{}");
    arrays_begin(&out);
    arrays_put_text(&out, "a,b");
    arrays_put_text(&out, "x\"y\\z");
    arrays_put_text(&out, "NULL");
    assert_string_equal(arrays_end(&out), "{\"a,b\",\"x\\\"y\\\\z\",\"NULL\"}");
    arrays_begin(&out);
    arrays_put_u32(&out, 1);
    arrays_put_u32(&out, 4294967295u);
    assert_string_equal(arrays_end(&out), "{1,4294967295}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_tables_stay_whole),
        cmocka_unit_test(a_big_table_is_cut),
        cmocka_unit_test(binary_is_for_plain_types_only),
        cmocka_unit_test(arrays_quote),
    };
    return cmocka_run_group_tests_name("compare_plan", tests, NULL, NULL);
}

/* subset: which rows of the source are among the target's, in memory and through the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "bascule/base/clock.h"
#include "verify/subset.h"

enum { SOURCE, TARGET };

static Error err;

/* Row `id` as it stands with `value`; its bucket goes by the id, as by a key. */
static SubsetRow row(uint32_t id, uint32_t value)
{
    uint32_t both[] = {id, value};
    XXH128_hash_t hash = XXH3_128bits(both, sizeof both);
    return (SubsetRow){.lo = hash.low64, .hi = hash.high64, .bucket = id % 16};
}

static void add(Subset *subset, int side, uint32_t first, uint32_t last, uint32_t value)
{
    for (uint32_t id = first; id <= last; id++) {
        SubsetRow r = row(id, value);
        assert_true(subset_add(subset, side, &r, 1, &err));
    }
}

static SubsetResult judge(Subset *subset, uint32_t *buckets)
{
    SubsetResult result;
    assert_true(subset_judge(subset, CLOCK_NEVER, buckets, &result, &err));
    assert_true(result.complete);
    subset_free(subset);
    return result;
}

static void nothing_is_a_part_of_everything(void **state)
{
    (void)state;
    SubsetResult r = judge(subset_new(NULL), NULL);
    assert_int_equal(r.lacking, 0);
    assert_int_equal(r.extra, 0);
    Subset *subset = subset_new("");
    add(subset, TARGET, 1, 5, 0);
    r = judge(subset, NULL);
    assert_int_equal(r.lacking, 0);
    assert_int_equal(r.extra, 5);
}

static void what_is_missing_or_different_is_lacking(void **state)
{
    (void)state;
    uint32_t buckets[16] = {0};
    Subset *subset = subset_new(NULL);
    add(subset, SOURCE, 1, 100, 0);
    add(subset, TARGET, 200, 260, 0);
    add(subset, TARGET, 18, 100, 0); /* 1 to 17 are not there, 17 with another value */
    add(subset, TARGET, 17, 17, 1);
    SubsetResult r = judge(subset, buckets);
    assert_int_equal(r.lacking, 17);
    assert_int_equal(r.extra, 62);
    assert_int_equal(buckets[0], 1);
    assert_int_equal(buckets[1], 2);
    assert_int_equal(buckets[15], 1);
}

static void copies_are_counted(void **state)
{
    (void)state;
    Subset *subset = subset_new(NULL);
    for (int i = 0; i < 3; i++)
        add(subset, SOURCE, 7, 7, 0);
    for (int i = 0; i < 2; i++)
        add(subset, TARGET, 7, 7, 0);
    SubsetResult r = judge(subset, NULL);
    assert_int_equal(r.lacking, 1);
    assert_int_equal(r.extra, 0);
}

/* So many rows that each part goes to the file several times. */
static void many_rows_go_through_the_file(void **state)
{
    (void)state;
    enum { N = 500000 };
    char directory[] = "/tmp/bsc-subset-XXXXXX";
    assert_non_null(mkdtemp(directory));
    Subset *subset = subset_new(directory);
    add(subset, SOURCE, 1, N, 0);
    add(subset, TARGET, 1, 1000, 0);
    add(subset, TARGET, 1002, N + 20000, 0);
    SubsetResult r = judge(subset, NULL);
    assert_int_equal(r.lacking, 1);
    assert_int_equal(r.extra, 20000);
    assert_int_equal(rmdir(directory), 0); /* nothing is left there */
}

static void what_cannot_be_kept_is_an_error(void **state)
{
    (void)state;
    Subset *subset = subset_new("/proc/no/such/place");
    bool ok = true;
    for (uint32_t id = 0; ok && id < 500000; id++) {
        SubsetRow r = row(id, 0);
        ok = subset_add(subset, SOURCE, &r, 1, &err);
    }
    assert_false(ok);
    assert_int_equal(err.cls, ERR_IO);
    subset_free(subset);
    err_clear(&err);
}

static void nothing_is_said_after_the_deadline(void **state)
{
    (void)state;
    SubsetResult result;
    Subset *subset = subset_new(NULL);
    add(subset, SOURCE, 1, 10, 0);
    assert_true(subset_judge(subset, clock_now_us() - 1, NULL, &result, &err));
    assert_false(result.complete);
    subset_free(subset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_a_part_of_everything),
        cmocka_unit_test(what_is_missing_or_different_is_lacking),
        cmocka_unit_test(copies_are_counted),
        cmocka_unit_test(many_rows_go_through_the_file),
        cmocka_unit_test(what_cannot_be_kept_is_an_error),
        cmocka_unit_test(nothing_is_said_after_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Arenas: alignment, growth, large blocks, reset, accounting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/arena.h"

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    char *last = NULL;
    for (size_t n = 0; n < 2000; n++) {
        char *p = arena_alloc(arena, n % 97 + 1);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, last);
        memset(p, (int)n, n % 97 + 1);
        last = p;
    }
    arena_free(arena);
}

static void contents_survive_growth(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    Arena *arena = arena_new(64);
    static char *strings[COUNT];
    for (int i = 0; i < COUNT; i++)
        strings[i] = arena_printf(arena, "string number %d", i);
    for (int i = 0; i < COUNT; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "string number %d", i);
        assert_string_equal(strings[i], expected);
    }
    arena_free(arena);
}

static void a_large_request_keeps_the_head(void **state)
{
    (void)state;
    Arena *arena = arena_new(4096);
    char *a = arena_bytes_alloc(arena, 10);
    char *big = arena_bytes_alloc(arena, 10 << 20);
    char *b = arena_bytes_alloc(arena, 10);
    memset(big, 'x', 10 << 20);
    memset(a, 'a', 10);
    memset(b, 'b', 10);
    assert_true(b > a && b - a < 4096); /* the same block */
    assert_true(arena_bytes(arena) > (10 << 20) && arena_bytes(arena) < (10 << 20) + 10000);
    arena_free(arena);
}

static void reset_keeps_one_block(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    size_t before;
    for (int i = 0; i < 1000; i++)
        memset(arena_alloc(arena, 1000), 1, 1000);
    before = arena_bytes(arena);
    arena_reset(arena);
    assert_true(arena_bytes(arena) < before);
    before = arena_bytes(arena);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++)
            memset(arena_alloc(arena, 1000), 1, 1000);
        arena_reset(arena);
    }
    assert_int_equal(arena_bytes(arena), before);
    arena_free(arena);
    arena_free(NULL);
}

static void copies(void **state)
{
    (void)state;
    Arena *arena = arena_new(1); /* far too small is fine */
    int64_t *numbers = arena_new_array(arena, int64_t, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    assert_null(arena_strdup(arena, NULL));
    assert_string_equal(arena_strdup(arena, ""), "");
    assert_memory_equal(arena_dup(arena, "a\0b", 3), "a\0b", 4);
    assert_string_equal(arena_dup(arena, NULL, 0), "");
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 5), "x-5");
    assert_non_null(arena_alloc(arena, 0));
    arena_free(arena);
}

static void zeroed_after_reset(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    memset(arena_alloc(arena, 2000), 0xff, 2000);
    arena_reset(arena);
    char *p = arena_zalloc(arena, 2000);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(p[i], 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(contents_survive_growth),
        cmocka_unit_test(a_large_request_keeps_the_head),
        cmocka_unit_test(reset_keeps_one_block),
        cmocka_unit_test(copies),
        cmocka_unit_test(zeroed_after_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tables, figures and wrapping on stdout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bascule/model/progress.h"
#include "cli/out.h"

static void test_table(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    CLEANUP_BUF Buf out = BUF_INIT;
    OutTable *table = out_table_new(arena, (const char *const[]){"name", ">rows", "note", NULL});
    out_table_row(table, (const char *const[]){"public.a", "1", ""});
    out_table_row(table, (const char *const[]){"caf\xc3\xa9.b", "1,234", "first\nsecond line"});
    out_table_row(table, (const char *const[]){"c", NULL, "x"});
    out_table_put(table, &out);
    assert_string_equal(buf_str(&out), "name         rows  note\n"
                                       "public.a        1\n"
                                       "caf\xc3\xa9.b      1,234  first\n"
                                       "                   second line\n"
                                       "c         unknown  x\n");
    arena_free(arena);
}

static void test_table_without_rows(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    CLEANUP_BUF Buf out = BUF_INIT;
    out_table_put(out_table_new(arena, (const char *const[]){"a", "b", NULL}), &out);
    assert_string_equal(buf_str(&out), "a  b\n");
    arena_free(arena);
}

static void test_figures(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    assert_string_equal(out_bytes(arena, 0), "0 B");
    assert_string_equal(out_bytes(arena, 1023), "1023 B");
    assert_string_equal(out_bytes(arena, 1024), "1.0 kB");
    assert_string_equal(out_bytes(arena, 1536), "1.5 kB");
    assert_string_equal(out_bytes(arena, (1 << 20) - 1), "1.0 MB");
    assert_string_equal(out_bytes(arena, 5LL << 40), "5.0 TB");
    assert_string_equal(out_bytes(arena, INT64_MAX), "8192.0 PB");
    assert_string_equal(out_bytes(arena, PROGRESS_UNKNOWN), "unknown");
    assert_string_equal(out_count(arena, 0), "0");
    assert_string_equal(out_count(arena, 999), "999");
    assert_string_equal(out_count(arena, 1000), "1,000");
    assert_string_equal(out_count(arena, 1234567), "1,234,567");
    assert_string_equal(out_count(arena, -123456), "-123,456");
    assert_string_equal(out_count(arena, PROGRESS_UNKNOWN), "unknown");
    assert_string_equal(out_duration(arena, PROGRESS_UNKNOWN), "unknown");
    assert_string_equal(out_duration(arena, 12000), "12 ms");
    arena_free(arena);
}

static void test_wrap(void **state)
{
    (void)state;
    CLEANUP_BUF Buf out = BUF_INIT;
    out_wrap(&out, "one two three four", 2, 10);
    assert_string_equal(buf_str(&out), "  one two\n  three\n  four\n");
    buf_clear(&out);
    out_wrap(&out, "a\nb c\n", 1, 10);
    assert_string_equal(buf_str(&out), " a\n b c\n");
    buf_clear(&out);
    out_wrap(&out, "a-word-longer-than-the-line x", 0, 8);
    assert_string_equal(buf_str(&out), "a-word-longer-than-the-line\nx\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_without_rows),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}

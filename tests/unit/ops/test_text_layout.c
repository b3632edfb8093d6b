#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bascule/model/progress.h"
#include "ops/text_layout.h"

static void expect_cell(const char *s, int width, bool right, const char *want)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    text_put_cell(&out, s, width, right);
    assert_string_equal(buf_str(&out), want);
}

static void cells(void **state)
{
    (void)state;
    expect_cell("abc", 5, false, "abc  ");
    expect_cell("abc", 5, true, "  abc");
    expect_cell("abcdef", 5, false, "abcd…");
    expect_cell("abcde", 5, false, "abcde");
    expect_cell("äöü€", 3, false, "äö…");
    expect_cell("äöü€", 6, true, "  äöü€");
    expect_cell("a\033[31mb\n", 10, false, "a?[31mb?  ");
    expect_cell("x\xc2\x9by", 4, false, "x?y ");
    expect_cell("caf\xe9", 5, false, "caf\xe9 ");
    expect_cell("", 3, false, "   ");
    expect_cell("abc", 1, false, "…");
    expect_cell("abc", 0, false, "");
}

static void expect_wrapped(const char *s, int at, int indent, int width, const char *want)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    text_put_wrapped(&out, s, at, indent, width);
    assert_string_equal(buf_str(&out), want);
}

static void wrapping(void **state)
{
    (void)state;
    expect_wrapped("one two three", 0, 2, 8, "one two\n  three\n");
    expect_wrapped("one  two", 5, 5, 80, "one two\n");
    expect_wrapped("abcdefghij", 0, 2, 6, "abcdef\n  ghij\n");
    expect_wrapped("a\nb c", 0, 1, 80, "a\n b c\n");
    expect_wrapped("", 3, 3, 10, "\n");
    expect_wrapped("é é é", 0, 0, 3, "é é\né\n");
    expect_wrapped("a\033b", 0, 0, 9, "a?b\n");
}

static void figures(void **state)
{
    char n[TEXT_NUMBER_SIZE];
    (void)state;
    assert_string_equal(text_count(0, n), "0");
    assert_string_equal(text_count(999, n), "999");
    assert_string_equal(text_count(1000, n), "1,000");
    assert_string_equal(text_count(-1234567, n), "-1,234,567");
    assert_string_equal(text_count(INT64_MAX, n), "9,223,372,036,854,775,807");
    assert_string_equal(text_count(PROGRESS_UNKNOWN, n), "unknown");
    assert_string_equal(text_bytes(0, n), "0 B");
    assert_string_equal(text_bytes(1023, n), "1023 B");
    assert_string_equal(text_bytes(1024, n), "1.0 kB");
    assert_string_equal(text_bytes(1536, n), "1.5 kB");
    assert_string_equal(text_bytes(1024 * 1024 - 1, n), "1.0 MB");
    assert_string_equal(text_bytes((int64_t)150 << 30, n), "150 GB");
    assert_string_equal(text_bytes(INT64_MAX, n), "8192 PB");
    assert_string_equal(text_bytes(PROGRESS_UNKNOWN, n), "unknown");
    assert_string_equal(text_duration(PROGRESS_UNKNOWN, n), "unknown");
    assert_string_equal(text_duration(12000, n), "12 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(wrapping),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests_name("text_layout", tests, NULL, NULL);
}

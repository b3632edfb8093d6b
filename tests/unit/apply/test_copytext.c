/* COPY data of rows. */
#include "apply/copytext.h"
#include "fixture.h"

static void text_rows(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Buf buf CLEANUP_BUF = BUF_INIT;
    assert_true(copytext_write_row(&buf, ROW(arena, "a", NULL, "", "\\N"), 4, false));
    assert_true(copytext_write_row(&buf, ROW(arena, "t\tn\nr\r", "\\.", "b\b", "ü"), 4, false));
    assert_true(copytext_write_row(&buf, ROW(arena, "x"), 0, false));
    assert_string_equal(buf_str(&buf), "a\t\\N\t\t\\\\N\n"
                                       "t\\tn\\nr\\r\t\\\\.\tb\b\tü\n"
                                       "\n");
    assert_false(copytext_write_row(&buf, ROW(arena, "a", UNCHANGED), 2, false));
    arena_free(arena);
}

static void binary_rows(void **state)
{
    (void)state;
    Value row[2] = {{.data = "\0\1", .len = 2, .kind = VALUE_BINARY}, {.kind = VALUE_NULL}};
    Value text[1] = {text_value("a")};
    Buf buf CLEANUP_BUF = BUF_INIT;
    assert_true(copytext_is_binary(row, 2));
    assert_false(copytext_is_binary(text, 1));
    assert_false(copytext_is_binary(row + 1, 1));
    assert_true(copytext_write_row(&buf, row, 2, true));
    assert_int_equal(buf.len, 12);
    assert_memory_equal(buf.data, "\0\2\0\0\0\2\0\1\377\377\377\377", 12);
    assert_false(copytext_write_row(&buf, text, 1, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_rows),
        cmocka_unit_test(binary_rows),
    };
    return cmocka_run_group_tests_name("copytext", tests, NULL, NULL);
}

/* What a message says of a statement, and what is no such message. */
#include "apply/ddl_notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool parse(const char *text, DdlNote *note)
{
    return ddl_note_parse(text, strlen(text), note);
}

static void test_a_note(void **state)
{
    (void)state;
    DdlNote note;
    assert_true(parse(
        "ddl\nALTER TABLE\ntable\n16400\n16400\npublic.\"a b\"\nALTER TABLE \"a b\"\n ADD x int",
        &note));
    assert_string_equal(note.tag, "ALTER TABLE");
    assert_string_equal(note.kind, "table");
    assert_int_equal(note.table_oid, 16400);
    assert_string_equal(note.name, "public.\"a b\"");
    assert_string_equal(note.statement, "ALTER TABLE \"a b\"\n ADD x int");
}

static void test_withheld_and_too_long(void **state)
{
    (void)state;
    DdlNote note;
    char text[8192];
    assert_true(parse("ddl\nT\nk\n0\n0\nn\n", &note));
    assert_string_equal(note.statement, "");
    strcpy(text, "ddl\nT\nk\n0\n0\nn\n");
    memset(text + strlen(text), 'x', 5000);
    text[strlen("ddl\nT\nk\n0\n0\nn\n") + 5000] = '\0';
    assert_true(parse(text, &note));
    assert_string_equal(note.statement, "");
    static const char ZERO[] = "ddl\nT\nk\n0\n0\nn\na\0b";
    assert_true(ddl_note_parse(ZERO, sizeof ZERO - 1, &note));
    assert_string_equal(note.statement, "");
}

static void test_anything_else(void **state)
{
    (void)state;
    static const char *const OTHERS[] = {
        "",
        "d",
        "ddl",
        "ddl\n",
        "task:1:0badcafe",
        "ddl\nT\nk\n1\n2\nname",
        "ddl\nT\nk\nx\n2\nname\n",
        "ddl\nT\nk\n-1\n2\nname\n",
        "ddl\nT\nk\n1 \n2\nname\n",
        "ddl\nT\nk\n\n2\nname\n",
        "ddl\nT\nk\n99999999999999999999\n2\nname\n",
        "ddl\n0123456789012345678901234567890123456789012345678901234567890123\nk\n1\n2\nname\n",
    };
    DdlNote note;
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        assert_false(parse(OTHERS[i], &note));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_note),
        cmocka_unit_test(test_withheld_and_too_long),
        cmocka_unit_test(test_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

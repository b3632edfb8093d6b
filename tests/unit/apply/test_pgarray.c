/* Array parameters: their bytes, and what is not of a form. */
#include "apply/pgarray.h"
#include "fixture.h"

static PgArray array;

static bool put(const char *text)
{
    Value value = text_value(text);
    return pgarray_put(&array, &value);
}

static const char *literal(const char *const *texts, int count, char delimiter)
{
    pgarray_begin(&array, PGARRAY_LITERAL, TEXT, delimiter);
    for (int i = 0; i < count; i++)
        assert_true(put(texts[i]));
    PgParam param = pgarray_end(&array);
    assert_false(param.binary);
    return param.data;
}
#define LITERAL(...)                                                                               \
    literal((const char *[]){__VA_ARGS__},                                                         \
            (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), ',')

static void literals(void **state)
{
    (void)state;
    assert_string_equal(literal(NULL, 0, ','), "{}");
    assert_string_equal(LITERAL("a"), "{\"a\"}");
    assert_string_equal(LITERAL("a", NULL, "NULL", ""), "{\"a\",NULL,\"NULL\",\"\"}");
    assert_string_equal(LITERAL("q\"uo\\te", "{x}", "a,b", " pad "),
                        "{\"q\\\"uo\\\\te\",\"{x}\",\"a,b\",\" pad \"}");
    assert_string_equal(LITERAL("tab\tnl\n"), "{\"tab\tnl\n\"}");
    assert_string_equal(literal((const char *[]){"(1,1),(0,0)", NULL}, 2, ';'),
                        "{\"(1,1),(0,0)\";NULL}");
}

/* The parameter of one array: header, then elements. */
static void assert_binary(PgParam param, uint32_t oid, bool has_null, int count, const char *bytes,
                          size_t len)
{
    const unsigned char *p = (const unsigned char *)param.data;
    assert_true(param.binary);
    assert_int_equal(param.len, 20 + (int)len);
    assert_memory_equal(p, "\0\0\0\1", 4);
    assert_int_equal(p[7], has_null);
    assert_int_equal((uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11],
                     oid);
    assert_int_equal(p[15], count);
    assert_memory_equal(p + 16, "\0\0\0\1", 4);
    assert_memory_equal(p + 20, bytes, len);
}
#define BYTES(literal) (literal), sizeof(literal) - 1

static void texts(void **state)
{
    (void)state;
    pgarray_begin(&array, PGARRAY_BYTES, TEXT, ',');
    assert_true(put("ab\"\\"));
    assert_true(put(NULL));
    assert_true(put(""));
    assert_binary(pgarray_end(&array), TEXT, true, 3,
                  BYTES("\0\0\0\4ab\"\\\377\377\377\377\0\0\0\0"));
    pgarray_begin(&array, PGARRAY_BYTES, TEXT, ',');
    PgParam empty = pgarray_end(&array);
    assert_int_equal(empty.len, 12);
    assert_memory_equal(empty.data, "\0\0\0\0\0\0\0\0\0\0\0\31", 12);
}

static void integers(void **state)
{
    (void)state;
    pgarray_begin(&array, PGARRAY_INT2, 21, ',');
    assert_true(put("-32768"));
    assert_true(put("32767"));
    assert_false(put("32768"));
    assert_false(put("-32769"));
    assert_binary(pgarray_end(&array), 21, false, 2, BYTES("\0\0\0\2\200\0\0\0\0\2\177\377"));
    pgarray_begin(&array, PGARRAY_INT4, INT4, ',');
    assert_true(put("-2147483648"));
    assert_false(put("2147483648"));
    assert_binary(pgarray_end(&array), INT4, false, 1, BYTES("\0\0\0\4\200\0\0\0"));
    pgarray_begin(&array, PGARRAY_OID, 26, ',');
    assert_true(put("4294967295"));
    assert_false(put("4294967296"));
    assert_false(put("-1"));
    assert_binary(pgarray_end(&array), 26, false, 1, BYTES("\0\0\0\4\377\377\377\377"));
    pgarray_begin(&array, PGARRAY_INT8, 20, ',');
    assert_true(put("9223372036854775807"));
    assert_true(put("-9223372036854775808"));
    assert_false(put("9223372036854775808"));
    assert_false(put("-9223372036854775809"));
    assert_binary(pgarray_end(&array), 20, false, 2,
                  BYTES("\0\0\0\10\177\377\377\377\377\377\377\377"
                        "\0\0\0\10\200\0\0\0\0\0\0\0"));
    const char *const WRONG[] = {
        "", "-", "+1", "1 ", " 1", "0x1", "1e3", "1.0", "99999999999999999999", "--1"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        pgarray_begin(&array, PGARRAY_INT8, 20, ',');
        assert_false(put(WRONG[i]));
    }
}

static void others(void **state)
{
    (void)state;
    pgarray_begin(&array, PGARRAY_BOOL, 16, ',');
    assert_true(put("t"));
    assert_true(put("false"));
    assert_false(put("yes"));
    assert_binary(pgarray_end(&array), 16, false, 2, BYTES("\0\0\0\1\1\0\0\0\1\0"));
    pgarray_begin(&array, PGARRAY_BYTEA, 17, ',');
    assert_true(put("\\x00fF"));
    assert_true(put("\\x"));
    assert_false(put("00ff"));
    assert_false(put("\\x0"));
    assert_false(put("\\x0g"));
    assert_binary(pgarray_end(&array), 17, false, 2, BYTES("\0\0\0\2\0\377\0\0\0\0"));
    pgarray_begin(&array, PGARRAY_JSONB, 3802, ',');
    assert_true(put("{}"));
    assert_binary(pgarray_end(&array), 3802, false, 1, BYTES("\0\0\0\3\1{}"));
    pgarray_begin(&array, PGARRAY_UUID, 2950, ',');
    assert_true(put("00112233-4455-6677-8899-aabbccddeeff"));
    assert_false(put("00112233-4455-6677-8899-aabbccddeef"));
    assert_false(put("00112233445566778899aabbccddeeff0000"));
    assert_false(put("00112233-4455-6677-8899-aabbccddeegg"));
    assert_binary(pgarray_end(&array), 2950, false, 1,
                  BYTES("\0\0\0\20\0\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"));
}

static void kinds(void **state)
{
    (void)state;
    Value binary = {.data = "\0x", .len = 2, .kind = VALUE_BINARY};
    Value unchanged = {.kind = VALUE_UNCHANGED};
    pgarray_begin(&array, PGARRAY_RECEIVE, 1700, ',');
    assert_true(pgarray_put(&array, &binary));
    assert_false(put("1"));
    assert_false(pgarray_put(&array, &unchanged));
    assert_binary(pgarray_end(&array), 1700, false, 1, BYTES("\0\0\0\2\0x"));
    for (int form = PGARRAY_LITERAL; form < PGARRAY_RECEIVE; form++) {
        pgarray_begin(&array, (PgArrayForm)form, TEXT, ',');
        assert_false(pgarray_put(&array, &binary));
        assert_false(pgarray_put(&array, &unchanged));
    }
    assert_int_equal(pgarray_form(1700), PGARRAY_LITERAL);
    assert_int_equal(pgarray_form(3802), PGARRAY_JSONB);
}

static int done(void **state)
{
    (void)state;
    pgarray_done(&array);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals), cmocka_unit_test(texts), cmocka_unit_test(integers),
        cmocka_unit_test(others),   cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests_name("pgarray", tests, NULL, done);
}

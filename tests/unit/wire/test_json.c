/* json: strings in place, numbers as text, everything bounded. Data lies at the end of a heap block
 * of its exact size, so that AddressSanitizer sees a byte read beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

static char *block;

static Json json_of(const char *text, size_t len)
{
    free(block);
    block = malloc(len > 0 ? len : 1);
    memcpy(block, text, len);
    return (Json){block, block, block + len};
}

static void check_string(const char *text, const char *expected, size_t expected_len)
{
    Json json = json_of(text, strlen(text));
    JsonText out;
    Error err = ERROR_INIT;
    assert_true(json_quoted(&json, &out, &err));
    assert_int_equal(out.len, expected_len);
    assert_memory_equal(out.data, expected, expected_len);
    assert_true(json.p == json.end);
    json = json_of(text, strlen(text));
    assert_true(json_skip(&json, &err)); /* skipping leaves it as it is */
    assert_true(json.p == json.end);
    assert_memory_equal(block, text, strlen(text));
}
#define CHECK_STRING(text, expected) check_string(text, expected, sizeof(expected) - 1)

static void strings_are_unescaped(void **state)
{
    (void)state;
    CHECK_STRING("\"\"", "");
    CHECK_STRING("\"a\"", "a");
    CHECK_STRING("  \"a\"", "a");
    CHECK_STRING("\"0123456789abcdef0123456789\"", "0123456789abcdef0123456789");
    CHECK_STRING("\"01234567\\n89abcdef\\\"0123456789\"", "01234567\n89abcdef\"0123456789");
    CHECK_STRING("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    CHECK_STRING("\"\\u0001\\u001f\\u007F\"", "\x01\x1f\x7f");
    CHECK_STRING("\"\\u00e9\\u20AC\\uFFFF\"", "\xc3\xa9\xe2\x82\xac\xef\xbf\xbf");
    CHECK_STRING("\"\\ud83d\\uDE00\\ud800\\udc00\\udbff\\udfff\"",
                 "\xf0\x9f\x98\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    CHECK_STRING("\"\xe9 raw\x7f\"", "\xe9 raw\x7f"); /* any encoding passes */
}

static void bad_strings_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "a",
        "\"",
        "\"abc",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u0000\"",
        "\"\\ud83d\"",
        "\"\\ud83dabcdef\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\"",
        "\"\\ud83d\\",
        "\"\\ud83d\\u12",
        "\"\\ud83d\\ue000\"",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Json json = json_of(BAD[i], strlen(BAD[i]));
        JsonText out;
        Error err = ERROR_INIT;
        assert_false(json_quoted(&json, &out, &err));
        assert_int_equal(err.cls, ERR_DECODE);
    }
}

static void scalars_keep_their_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        JsonKind kind;
    } GOOD[] = {
        {"null,", "", JSON_NULL},
        {"true,", "", JSON_TRUE},
        {"false,", "", JSON_FALSE},
        {"\"x\",", "x", JSON_STRING},
        {" 0,", "0", JSON_NUMBER},
        {"-0}", "-0", JSON_NUMBER},
        {"12345678901234567890123456789.000000000000000000001]",
         "12345678901234567890123456789.000000000000000000001", JSON_NUMBER},
        {"1e+300 ", "1e+300", JSON_NUMBER},
        {"5e-324,", "5e-324", JSON_NUMBER},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        Json json = json_of(GOOD[i].text, strlen(GOOD[i].text));
        JsonText out;
        JsonKind kind;
        Error err = ERROR_INIT;
        assert_true(json_scalar(&json, &kind, &out, &err));
        assert_int_equal(kind, GOOD[i].kind);
        assert_int_equal(out.len, strlen(GOOD[i].expected));
        assert_memory_equal(out.data, GOOD[i].expected, out.len);
        assert_true(json.p == json.end - 1);
    }
    static const char *const BAD[] = {"",     "nul", "nulL,", "tru", "fals", "-,",
                                      "NaN,", "x",   "12",    "{",   "["};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Json json = json_of(BAD[i], strlen(BAD[i]));
        JsonText out;
        JsonKind kind;
        Error err = ERROR_INIT;
        assert_false(json_scalar(&json, &kind, &out, &err));
    }
}

static void skip_finds_the_end(void **state)
{
    (void)state;
    static const char *const GOOD[] = {
        "{}",   "[]",        "[1,2 , {\"a\":[\"]\",\"\\\"}\"]}]",
        "null", "\"a\\\\\"", "{\"a\" : {\"b\":null}}",
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        size_t len = strlen(GOOD[i]);
        Json json = json_of(GOOD[i], len);
        Error err = ERROR_INIT;
        assert_true(json_skip(&json, &err));
        assert_true(json.p == json.end);
        assert_memory_equal(block, GOOD[i], len);
        for (size_t cut = 0; cut < len; cut++) {
            json = json_of(GOOD[i], cut);
            assert_false(json_skip(&json, &err));
        }
    }
    static const char *const BAD[] = {"", "]", "[}", "{\"a\":1]", "[nul]", "[\"a\\"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Json json = json_of(BAD[i], strlen(BAD[i]));
        Error err = ERROR_INIT;
        assert_false(json_skip(&json, &err));
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * (JSON_MAX_DEPTH + 1)];
    for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        Json json = json_of(text, 2 * (size_t)depth);
        Error err = ERROR_INIT;
        assert_int_equal(json_skip(&json, &err), depth == JSON_MAX_DEPTH);
    }
}

static void punctuation(void **state)
{
    (void)state;
    Json json = json_of(" \n\t\r: ,  ", 9);
    Error err = ERROR_INIT;
    assert_false(json_accept(&json, ','));
    assert_true(json_expect(&json, ':', &err));
    assert_false(json_end(&json, &err));
    assert_string_equal(err.message, "message is damaged at byte 6 of 9: expected the end");
    assert_true(json_accept(&json, ','));
    assert_true(json_end(&json, &err));
    assert_false(json_expect(&json, '}', &err));
    assert_string_equal(err.message, "message is damaged at byte 9 of 9: expected '}'");
}

static int cleanup(void **state)
{
    (void)state;
    free(block);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_unescaped),   cmocka_unit_test(bad_strings_are_refused),
        cmocka_unit_test(scalars_keep_their_text), cmocka_unit_test(skip_finds_the_end),
        cmocka_unit_test(depth_is_bounded),        cmocka_unit_test(punctuation),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, cleanup);
}

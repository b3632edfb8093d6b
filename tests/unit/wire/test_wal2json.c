/* wal2json: messages in any shape that the format allows, and each way in which one can be wrong.
 * What real messages mean is held by stream/test_same_changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

static Relations *rels;
static Decoder *decoder;
static Arena *arena;
static char *block;

static int setup(void **state)
{
    (void)state;
    rels = fixture_relations();
    decoder = wal2json_new(rels);
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    decoder->free(decoder);
    arena_free(arena);
    fixture_free(rels);
    free(block);
    block = NULL;
    return 0;
}

static bool decode_bytes(const char *text, size_t len, Decoded *out, Error *err)
{
    free(block);
    block = malloc(len > 0 ? len : 1);
    memcpy(block, text, len);
    *err = ERROR_INIT;
    return decoder->decode(decoder, block, len, arena, out, err);
}

/* The decoded message as text, or the error's class and message. */
static const char *decode(const char *text)
{
    static char out[4096];
    Decoded decoded;
    Error err;
    if (!decode_bytes(text, strlen(text), &decoded, &err)) {
        snprintf(out, sizeof out, "%s: %s", err_slug(err.cls), err.message);
        return out;
    }
    if (decoded.kind == DECODED_NOTHING)
        return "nothing";
    if (decoded.kind == DECODED_BEGIN || decoded.kind == DECODED_COMMIT) {
        snprintf(out, sizeof out, "%s %u " LSN_FMT " " LSN_FMT " %lld",
                 decoded.kind == DECODED_BEGIN ? "begin" : "commit", decoded.xid,
                 LSN_ARGS(decoded.commit_lsn), LSN_ARGS(decoded.end_lsn),
                 (long long)decoded.commit_time_us);
        return out;
    }
    CLEANUP_BUF Buf buf = BUF_INIT;
    if (decoded.kind == DECODED_MESSAGE)
        buf_puts(&buf, "outside ");
    fixture_put_change(&buf, decoded.change);
    snprintf(out, sizeof out, "%.*s", (int)buf.len - 1, buf_str(&buf));
    return out;
}

#define ROW(action, table, rest)                                                                   \
    "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"" table "\"" rest "}"
#define TWO(a, b, c)                                                                               \
    "[{\"name\":\"a\",\"value\":" a "},{\"name\":\"b\",\"value\":" b                               \
    "},{\"name\":\"c\",\"value\":" c "}]"

static void boundaries(void **state)
{
    (void)state;
    assert_string_equal(decode("{\"action\":\"B\",\"xid\":7,\"timestamp\":\"1970-01-01 "
                               "00:00:01+00\",\"lsn\":\"A/B\",\"nextlsn\":\"A/C\"}"),
                        "begin 7 A/B A/C 1000000");
    assert_string_equal(
        decode("{\"nextlsn\":\"0/2\",\"origin\":5,\"lsn\":\"0/1\",\"action\":\"C\"}"),
        "commit 0 0/1 0/2 0");
    assert_string_equal(decode(" { \"action\" : \"B\" , \"timestamp\":\"noon\", \"xid\":4294967295,"
                               "\"lsn\":\"ffffffff/ffffffff\", \"nextlsn\":\"0/1\" } "),
                        "begin 4294967295 FFFFFFFF/FFFFFFFF 0/1 0");
    static const char *const BAD[] = {"",
                                      "1",
                                      "/1",
                                      "1/",
                                      "1/1/",
                                      "1/g",
                                      "123456789/1",
                                      "1/123456789",
                                      "0/1x",
                                      "0/1\\n",
                                      "00000000000000000000000000"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"action\":\"B\",\"lsn\":\"0/1\",\"nextlsn\":\"%s\"}",
                 BAD[i]);
        assert_string_equal(decode(text),
                            "decode: wal2json: message with action 'B' has no lsn and "
                            "nextlsn: the option include-lsn is missing");
    }
    assert_non_null(strstr(decode("{\"action\":\"C\"}"), "include-lsn"));
    assert_non_null(strstr(decode("{\"action\":\"B\",\"xid\":4294967296}"), "a transaction id"));
    assert_non_null(
        strstr(decode("{\"action\":\"B\",\"xid\":99999999999999999999}"), "transaction"));
    assert_non_null(strstr(decode("{\"action\":\"B\",\"xid\":-1}"), "a transaction id"));
    assert_non_null(strstr(decode("{\"action\":\"B\",\"xid\":\"1\"}"), "a transaction id"));
}

static void keys_in_any_order_and_unknown_ones(void **state)
{
    (void)state;
    static const char EXPECTED[] = "UPDATE public.two OLD a='1' b='x' c=- NEW a='1' b='y' c='3'";
    static const char *const SAME[] = {
        ROW("U", "two",
            ",\"columns\":" TWO("1", "\"y\"", "3") ",\"identity\":[{\"name\":\"a\",\"value\":1},"
                                                   "{\"name\":\"b\",\"value\":\"x\"}]"),
        "{\"identity\":[{\"name\":\"a\",\"value\":1},{\"value\":\"\\u0078\",\"name\":\"b\"}],"
        "\"columns\":" TWO("1", "\"y\"",
                           "3") ",\"table\":\"two\",\"schema\":\"public\",\"action\":\"U\"}",
        "{\"columns\":" TWO(
            "1", "\"y\"",
            "3") ",\"schema\":\"public\",\"new\":{\"a\":[1,\"}\"]},"
                 "\"table\":\"two\",\"pk\":[{\"name\":\"a\"}],\"action\":\"U\",\"identity\":"
                 "[{\"name\":\"b\",\"value\":\"x\"},{\"name\":\"a\",\"value\":1}]}",
        ROW("U", "two",
            ",\"columns\" : [ {\"name\":\"c\",\"type\":\"int\",\"value\":3} , "
            "{\"name\":\"b\",\"value\":\"y\",\"type\":\"text\",\"optional\":true},"
            " {\"value\":1,\"type\":\"x\",\"name\":\"\\u0061\"}]"
            ",\"identity\":[{\"name\":\"a\",\"value\":1 },{\"name\":\"b\",\"value\":\"x\"}]"),
    };
    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++)
        assert_string_equal(decode(SAME[i]), EXPECTED);
}

/* The text that a column is expected to begin with is escaped as the server does it. */
static void odd_column_names(void **state)
{
    (void)state;
    Relation *two = fixture_find(rels, "two");
    two->columns[0].name = "\b\f\n\r\t\"\\/\x01\x1f\x7f";
    assert_string_equal(
        decode(ROW("I", "two",
                   ",\"columns\":[{\"name\":\"\\b\\f\\n\\r\\t\\\"\\\\/\\u0001\\u001f\x7f\","
                   "\"value\":1},{\"name\":\"b\",\"value\":2},{\"name\":\"c\",\"value\":3}]")),
        "INSERT public.two NEW \b\f\n\r\t\"\\/\x01\x1f\x7f='1' b='2' c='3'");
}

static void bytea_gets_its_prefix_once(void **state)
{
    (void)state;
    rels->all[0]->column_count = 5; /* id, a, b, c bytea, d domain */
    static const char ROW_HEAD[] = "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"plain\","
                                   "\"columns\":[{\"name\":\"id\",\"value\":1},{\"name\":\"a\","
                                   "\"value\":\"00\"},{\"name\":\"b\",\"value\":null},";
    static const char *const GOOD[][2] = {
        {"{\"name\":\"c\",\"value\":\"00ff\"},{\"name\":\"d\",\"value\":\"\\\\x00ff\"}]}",
         "c='\\x00ff' d='\\x00ff'"},
        {"{\"name\":\"c\",\"value\":\"\"},{\"name\":\"d\",\"value\":\"\\\\x\"}]}",
         "c='\\x' d='\\x'"},
        {"{\"name\":\"c\",\"value\":null},{\"name\":\"d\",\"value\":null}]}", "c=null d=null"},
        {"{\"value\":\"ab\",\"name\":\"c\"},{\"value\":\"\\\\xab\",\"name\":\"d\"}]}",
         "c='\\xab' d='\\xab'"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        char text[600], expected[200];
        snprintf(text, sizeof text, "%s%s", ROW_HEAD, GOOD[i][0]);
        snprintf(expected, sizeof expected, "INSERT public.plain NEW id='1' a='00' b=null %s",
                 GOOD[i][1]);
        assert_string_equal(decode(text), expected);
    }
}

static void tables_that_are_not_ours_are_nothing(void **state)
{
    (void)state;
    assert_string_equal(decode(ROW("I", "elsewhere", ",\"columns\":[]")), "nothing");
    assert_string_equal(decode(ROW("T", "elsewhere", "")), "nothing");
    assert_string_equal(decode("{\"action\":\"T\",\"schema\":\"Public\",\"table\":\"two\"}"),
                        "nothing");
    assert_string_equal(decode(ROW("T", "two", "")), "TRUNCATE public.two");
    assert_string_equal(decode(ROW("T", "tw", "")), "nothing");
    assert_string_equal(decode(ROW("T", "two2", "")), "nothing");
    assert_string_equal(decode(ROW("T", "", "")), "nothing");
    char text[2000] = "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"";
    memset(text + strlen(text), 'x', 1500);
    strcat(text, "\"}");
    assert_string_equal(decode(text), "nothing");
}

static void changes_before_the_copy_are_nothing(void **state)
{
    (void)state;
    fixture_find(rels, "two")->start_lsn = 0x20;
    static const char BEGIN[] = "{\"action\":\"B\",\"lsn\":\"0/%s\",\"nextlsn\":\"0/99\"}";
    char text[200];
    snprintf(text, sizeof text, BEGIN, "1F");
    decode(text);
    /* not even its shape matters then */
    assert_string_equal(decode(ROW("I", "two", ",\"columns\":[{\"name\":\"old\",\"value\":1}]")),
                        "nothing");
    snprintf(text, sizeof text, BEGIN, "20");
    decode(text);
    assert_string_equal(decode(ROW("T", "two", "")), "TRUNCATE public.two");
    decoder->reset(decoder);
    assert_string_equal(decode(ROW("T", "two", "")), "nothing");
}

static void shapes_that_do_not_fit(void **state)
{
    (void)state;
    assert_string_equal(decode(ROW("I", "two", ",\"columns\":[{\"name\":\"d\",\"value\":1}]")),
                        "schema-changed: wal2json: table 'public.two' has a column 'd' that it did "
                        "not have");
    assert_string_equal(decode(ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1}]")),
                        "schema-changed: wal2json: an inserted row of table 'public.two' lacks "
                        "column 'b'");
    assert_string_equal(
        decode(ROW("U", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1}],\"identity\":[]")),
        "schema-changed: wal2json: the old key of table 'public.two' lacks column 'a'");
    assert_string_equal(
        decode(ROW("U", "two",
                   ",\"columns\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\",\"value\":\"x\"}],"
                   "\"identity\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\",\"value\":\"x\"}]")),
        "schema-changed: wal2json: an updated row of table 'public.two' lacks column 'c'");
    assert_string_equal(decode(ROW("D", "full_", ",\"identity\":[{\"name\":\"id\",\"value\":1}]")),
                        "schema-changed: wal2json: the old row (replica identity full) of table "
                        "'public.full_' lacks column 'a'");
    assert_string_equal(
        decode(ROW("D", "zero", ",\"identity\":[]")),
        "schema-changed: wal2json: a change of table 'public.zero' came with a replica "
        "identity that the table did not have");
    assert_string_equal(decode(ROW("I", "two", "")),
                        "decode: wal2json: message with action 'I' has no columns");
    assert_string_equal(decode(ROW("U", "two", ",\"columns\":" TWO("1", "\"\"", "2"))),
                        "decode: wal2json: message with action 'U' has no identity");
    assert_string_equal(decode(ROW("D", "two", "")),
                        "decode: wal2json: message with action 'D' has no identity");
}

static void an_identity_that_became_wider_still_serves(void **state)
{
    (void)state;
    assert_string_equal(decode(ROW("D", "two", ",\"identity\":" TWO("1", "\"x\"", "9"))),
                        "DELETE public.two OLD a='1' b='x' c=-");
}

static void a_lost_nan_is_not_taken_for_null(void **state)
{
    (void)state;
    Relation *two = fixture_find(rels, "two");
    two->columns[2].type_oid = 1700;
    two->columns[2].not_null = true;
    assert_string_equal(decode(ROW("I", "two", ",\"columns\":" TWO("1", "\"\"", "null"))),
                        "unsupported: wal2json: null came for the NOT NULL column 'c' of table "
                        "'public.two'");
    assert_string_equal(decode(ROW("I", "two", ",\"columns\":" TWO("1", "\"\"", "1.50"))),
                        "INSERT public.two NEW a='1' b='' c='1.50'");
}

static void logical_messages(void **state)
{
    (void)state;
    assert_string_equal(
        decode("{\"action\":\"M\",\"transactional\":true,\"prefix\":\"p\",\"content\":"
               "\"c\\td\"}"),
        "MESSAGE p 'c<09>d'");
    assert_string_equal(
        decode("{\"action\":\"M\",\"xid\":null,\"timestamp\":null,\"transactional\":"
               "false,\"prefix\":\"\",\"content\":\"\"}"),
        "outside MESSAGE  ''");
    assert_non_null(strstr(decode("{\"action\":\"M\",\"transactional\":true}"), "no prefix"));
    assert_non_null(strstr(decode("{\"action\":\"M\",\"transactional\":1}"), "true or false"));
    assert_non_null(strstr(decode("{\"action\":\"M\",\"prefix\":1}"), "a string"));
}

static void damaged_messages(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"action\":\"X\"}",
        "{\"action\":\"\"}",
        "{\"action\":\"IU\"}",
        "{\"action\":\"B\",\"action\":\"B\"}",
        "{\"action\":I}",
        "{\"action\" \"I\"}",
        "{\"action\":\"I\"} x",
        "{\"action\":\"I\",}",
        "{\"action\":\"I\"",
        "{\"action\":\"I\"}",
        "{\"action\":\"I\",\"schema\":\"public\"}",
        "{\"action\":\"I\",\"schema\":\"public\",\"schema\":\"public\"}",
        "{\"action\":\"I\",\"schema\":null,\"table\":\"two\",\"columns\":[]}",
        ROW("I", "two", ",\"columns\":[],\"columns\":[]"),
        ROW("I", "two", ",\"columns\":[{}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\"}]"),
        ROW("I", "two", ",\"columns\":[{\"value\":1}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":[]}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":{}}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":1,\"value\":1}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1},{\"name\":\"a\",\"value\":1}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1}"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1,\"x\"}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1 1}]"),
        ROW("I", "two", ",\"columns\":[{\"name\":\"a\",\"value\":1,\"x\":}]"),
        ROW("I", "two", ",\"columns\":{\"name\":\"a\",\"value\":1}"),
        "{\"columns\":[{\"name\":\"a\"}],\"columns\":[],\"action\":\"I\"}",
        "{\"columns\":[,\"action\":\"I\"}",
        "{\"columns\":[{\"name\":\"a\"}],\"action\":\"I\",\"schema\":\"public\",\"table\":\"two\"}",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (strncmp(decode(BAD[i]), "decode: wal2json: ", 18) != 0) {
            print_message("%s -> %s\n", BAD[i], decode(BAD[i]));
            fail();
        }
}

static void every_prefix_of_a_real_message_is_an_error(void **state)
{
    (void)state;
    Captured *captured = fixture_captured("wal2json");
    int tried = 0;
    for (int i = 0; i < captured->count; i++) {
        const char *data = captured->all[i].data;
        size_t len = captured->all[i].len;
        Decoded decoded;
        Error err;
        bool fine = decode_bytes(data, len, &decoded, &err);
        assert_true(fine);
        if (decoded.kind == DECODED_NOTHING)
            continue; /* the rest of a foreign row is not read */
        for (size_t cut = 0; cut < len; cut += cut < 600 ? 1 : 97) {
            assert_false(decode_bytes(data, cut, &decoded, &err));
            assert_int_equal(err.cls, ERR_DECODE);
            tried++;
        }
        arena_reset(arena);
    }
    assert_true(tried > 10000);
    fixture_captured_free(captured);
}

static void only_rows_and_messages_are_kept(void **state)
{
    (void)state;
    static const char *const NOT_KEPT[] = {"{\"action\":\"B\"", "{\"action\":\"C\","};
    static const char *const KEPT[] = {"{\"action\":\"I\"",   "{\"action\":\"M\"", "{", "",
                                       "{ \"action\":\"B\"}", "{\"action\":\""};
    for (size_t i = 0; i < sizeof NOT_KEPT / sizeof NOT_KEPT[0]; i++)
        assert_false(decoder->keeps(NOT_KEPT[i], strlen(NOT_KEPT[i])));
    for (size_t i = 0; i < sizeof KEPT / sizeof KEPT[0]; i++)
        assert_true(decoder->keeps(KEPT[i], strlen(KEPT[i])));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(boundaries),
        TEST(keys_in_any_order_and_unknown_ones),
        TEST(odd_column_names),
        TEST(bytea_gets_its_prefix_once),
        TEST(tables_that_are_not_ours_are_nothing),
        TEST(changes_before_the_copy_are_nothing),
        TEST(shapes_that_do_not_fit),
        TEST(an_identity_that_became_wider_still_serves),
        TEST(a_lost_nan_is_not_taken_for_null),
        TEST(logical_messages),
        TEST(damaged_messages),
        TEST(every_prefix_of_a_real_message_is_an_error),
        TEST(only_rows_and_messages_are_kept),
    };
    return cmocka_run_group_tests_name("wal2json", tests, NULL, NULL);
}

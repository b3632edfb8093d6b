/* pgoutput: built messages for what a server seldom or never sends. What real messages mean is held
 * by stream/test_same_changes. */
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
static Buf message;

static int setup(void **state)
{
    (void)state;
    rels = fixture_relations();
    decoder = pgoutput_new(rels);
    arena = arena_new(0);
    message = BUF_INIT;
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
    buf_done(&message);
    return 0;
}

static bool decode_bytes(const char *data, size_t len, Decoded *out, Error *err)
{
    free(block);
    block = malloc(len > 0 ? len : 1);
    memcpy(block, data, len);
    *err = ERROR_INIT;
    return decoder->decode(decoder, block, len, arena, out, err);
}

static const char *decode(void)
{
    static char out[4096];
    Decoded decoded;
    Error err;
    CLEANUP_BUF Buf buf = BUF_INIT;
    if (!decode_bytes(message.data, message.len, &decoded, &err)) {
        snprintf(out, sizeof out, "%s: %s", err_slug(err.cls), err.message);
        return out;
    }
    switch (decoded.kind) {
    case DECODED_NOTHING:
        return "nothing";
    case DECODED_BEGIN:
        return "begin";
    case DECODED_COMMIT:
        return "commit";
    case DECODED_MESSAGE:
        buf_puts(&buf, "outside ");
        break;
    default:
        break;
    }
    fixture_put_change(&buf, decoded.change);
    snprintf(out, sizeof out, "%.*s", (int)buf.len - 1, buf_str(&buf));
    return out;
}

static void put_text(const char *text)
{
    buf_put(&message, text, strlen(text) + 1);
}

typedef struct Sent {
    const char *name;
    int flags;
} Sent;

/* R */
static const char *relation(uint32_t oid, const char *name, char identity, const Sent *columns)
{
    int count = 0;
    while (columns[count].name != NULL)
        count++;
    buf_clear(&message);
    buf_putc(&message, 'R');
    buf_put_u32(&message, oid);
    put_text("public");
    put_text(name);
    buf_putc(&message, identity);
    buf_put_u16(&message, (uint16_t)count);
    for (int i = 0; i < count; i++) {
        buf_putc(&message, (char)columns[i].flags);
        put_text(columns[i].name);
        buf_put_u32(&message, 25);
        buf_put_u32(&message, UINT32_MAX);
    }
    return decode();
}
#define COLUMNS(...) ((const Sent[]){__VA_ARGS__, {NULL, 0}})

/* I, U, D: "N123" is the new tuple 1, 2, 3; '-' null, '*' unchanged. "K1-- N123" has two. */
static const char *row(char action, uint32_t oid, const char *tuples)
{
    buf_clear(&message);
    buf_putc(&message, action);
    buf_put_u32(&message, oid);
    for (const char *p = tuples; *p != '\0'; p++) {
        if (*p == ' ')
            continue;
        if (*p == 'N' || *p == 'K' || *p == 'O') {
            buf_putc(&message, *p);
            buf_put_u16(&message, (uint16_t)strcspn(p + 1, " "));
        } else if (*p == '-' || *p == '*') {
            buf_putc(&message, *p == '-' ? 'n' : 'u');
        } else {
            buf_putc(&message, 't');
            buf_put_u32(&message, 1);
            buf_putc(&message, *p);
        }
    }
    return decode();
}

static uint32_t oid_of(const char *name)
{
    return fixture_find(rels, name)->oid;
}

static uint32_t send_two(void)
{
    uint32_t oid = oid_of("two");
    assert_string_equal(relation(oid, "two", 'd', COLUMNS({"a", 1}, {"b", 1}, {"c", 0})),
                        "nothing");
    return oid;
}

static void rows_by_the_last_description(void **state)
{
    (void)state;
    uint32_t oid = send_two();
    assert_string_equal(row('I', oid, "N123"), "INSERT public.two NEW a='1' b='2' c='3'");
    assert_string_equal(row('U', oid, "N12-"), "UPDATE public.two NEW a='1' b='2' c=null");
    assert_string_equal(row('U', oid, "K02- N123"),
                        "UPDATE public.two OLD a='0' b='2' c=- NEW a='1' b='2' c='3'");
    assert_string_equal(row('U', oid, "K12- N*23"), "UPDATE public.two NEW a='1' b='2' c='3'");
    assert_string_equal(row('U', oid, "O129 N123"), "UPDATE public.two NEW a='1' b='2' c='3'");
    assert_string_equal(row('D', oid, "K12-"), "DELETE public.two OLD a='1' b='2' c=-");
    assert_string_equal(row('D', oid, "O129"), "DELETE public.two OLD a='1' b='2' c=-");
    /* another order of columns, as after ADD and DROP COLUMN elsewhere */
    assert_string_equal(relation(oid, "two", 'd', COLUMNS({"c", 0}, {"b", 1}, {"a", 1})),
                        "nothing");
    assert_string_equal(row('I', oid, "N123"), "INSERT public.two NEW a='3' b='2' c='1'");
    assert_string_equal(row('D', oid, "K-21"), "DELETE public.two OLD a='1' b='2' c=-");
}

static void generated_columns_are_skipped(void **state)
{
    (void)state;
    uint32_t oid = oid_of("fullpk");
    relation(oid, "fullpk", 'f', COLUMNS({"gen", 1}, {"id", 1}, {"a", 1}));
    assert_string_equal(row('I', oid, "N912"), "INSERT public.fullpk NEW id='1' a='2'");
    assert_string_equal(row('U', oid, "O912 N*1*"),
                        "UPDATE public.fullpk OLD id='1' a='2' NEW id='1' a=-");
}

static void descriptions_that_do_not_fit(void **state)
{
    (void)state;
    uint32_t oid = oid_of("two");
    relation(oid, "two", 'd', COLUMNS({"a", 1}, {"b", 1}));
    assert_string_equal(row('I', oid, "N12"),
                        "schema-changed: pgoutput: the stream has column 'c' of "
                        "table 'public.two' no more");
    relation(oid, "two", 'd', COLUMNS({"a", 1}, {"b", 1}, {"c", 0}, {"d", 0}));
    assert_string_equal(row('I', oid, "N1234"),
                        "schema-changed: pgoutput: table 'public.two' has a "
                        "column 'd' that it did not have");
    relation(oid, "two", 'd', COLUMNS({"a", 1}, {"b", 1}, {"c", 0}, {"a", 0}));
    assert_string_equal(row('I', oid, "N1234"),
                        "schema-changed: pgoutput: the stream has column 'a' of "
                        "table 'public.two' twice");
    relation(oid, "two_new", 'd', COLUMNS({"a", 1}, {"b", 1}, {"c", 0}));
    assert_string_equal(
        row('I', oid, "N123"),
        "schema-changed: pgoutput: table 'public.two' was renamed to 'public.two_new'");
    relation(4, "two", 'd', COLUMNS({"a", 1}, {"b", 1}, {"c", 0}));
    assert_string_equal(row('I', 4, "N123"),
                        "schema-changed: pgoutput: table 'public.two' was replaced "
                        "by another of that name");
    /* changes from before the table's copy may have any shape */
    fixture_find(rels, "two")->start_lsn = 1;
    assert_string_equal(row('I', 4, "N123"), "nothing");
}

static void an_identity_without_our_key_is_refused(void **state)
{
    (void)state;
    uint32_t oid = oid_of("two");
    relation(oid, "two", 'i', COLUMNS({"a", 1}, {"b", 0}, {"c", 1}));
    assert_string_equal(row('I', oid, "N123"), "INSERT public.two NEW a='1' b='2' c='3'");
    static const char EXPECTED[] =
        "schema-changed: pgoutput: the replica identity of table 'public.two' "
        "no longer holds the key that bascule knows";
    assert_string_equal(row('U', oid, "N123"), EXPECTED);
    assert_string_equal(row('D', oid, "K1-3"), EXPECTED);
    oid = send_two();
    assert_string_equal(
        row('D', oid, "K1--"),
        "schema-changed: pgoutput: the old key of table 'public.two' lacks column 'b'");
    oid = oid_of("full_");
    relation(oid, "full_", 'd', COLUMNS({"id", 1}, {"a", 1}, {"b", 1}, {"big", 1}));
    assert_string_equal(row('U', oid, "N1234"), "schema-changed: pgoutput: an updated row of table "
                                                "'public.full_' came without its old row");
    assert_string_equal(row('D', oid, "O12*4"),
                        "schema-changed: pgoutput: the old row (replica identity "
                        "full) of table 'public.full_' lacks column 'b'");
}

static void unchanged_values_where_none_can_be(void **state)
{
    (void)state;
    uint32_t oid = send_two();
    assert_string_equal(
        row('I', oid, "N12*"),
        "schema-changed: pgoutput: an inserted row of table 'public.two' lacks column 'c'");
    assert_string_equal(
        row('U', oid, "N12*"),
        "schema-changed: pgoutput: an updated row of table 'public.two' lacks column 'c'");
    assert_string_equal(
        row('U', oid, "N1*3"),
        "schema-changed: pgoutput: an updated row of table 'public.two' lacks column 'b'");
}

static void put_truncate(int flags, uint32_t count, const uint32_t *oids, int sent)
{
    buf_clear(&message);
    buf_putc(&message, 'T');
    buf_put_u32(&message, count);
    buf_putc(&message, (char)flags);
    for (int i = 0; i < sent; i++)
        buf_put_u32(&message, oids[i]);
}

static void truncates(void **state)
{
    (void)state;
    uint32_t oids[] = {oid_of("chi"), 4, oid_of("two"), oid_of("chi")};
    Decoded decoded;
    Error err;
    send_two();
    relation(oid_of("chi"), "chi", 'd', COLUMNS({"id", 1}, {"pid", 0}));
    relation(4, "root", 'd', COLUMNS({"id", 1}));
    put_truncate(3, 4, oids, 4);
    assert_string_equal(decode(), "TRUNCATE public.two public.chi");
    assert_true(decode_bytes(message.data, message.len, &decoded, &err));
    assert_true(decoded.change->truncate_cascade && decoded.change->truncate_restart);
    put_truncate(0, 1, oids + 1, 1);
    assert_string_equal(decode(), "nothing");
    put_truncate(0, 2, oids, 1);
    assert_string_equal(decode(),
                        "decode: pgoutput: message 'T' of 10 bytes is cut or damaged at byte 6");
    put_truncate(0, 1, oids, 2);
    assert_string_equal(decode(),
                        "decode: pgoutput: message 'T' of 14 bytes is cut or damaged at byte 10");
    put_truncate(0, UINT32_MAX, oids, 2);
    assert_non_null(strstr(decode(), "damaged"));
    oids[0] = 99;
    put_truncate(0, 1, oids, 1);
    assert_string_equal(decode(),
                        "decode: pgoutput: a change of relation 99 came before its description");
}

static void damaged_messages(void **state)
{
    (void)state;
    uint32_t oid = send_two();
    assert_string_equal(row('I', 99, "N1"),
                        "decode: pgoutput: a change of relation 99 came before its description");
    static const struct {
        char action;
        const char *tuples;
    } BAD[] = {{'I', ""},         {'I', "K123"}, {'I', "N12"},       {'I', "N1234"},
               {'U', "K12-"},     {'U', "K12"},  {'U', "K12- K12-"}, {'U', "N123 N123"},
               {'D', "N123"},     {'D', ""},     {'D', "K12- N123"}, {'U', ""},
               {'I', "N123 N123"}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_non_null(strstr(row(BAD[i].action, oid, BAD[i].tuples), "cut or damaged"));
    row('I', oid, "N123");
    message.data[message.len - 6] = 'b'; /* a binary value: not asked for */
    assert_non_null(strstr(decode(), "cut or damaged"));
    buf_clear(&message);
    assert_string_equal(decode(),
                        "decode: pgoutput: message '?' of 0 bytes is cut or damaged at byte 0");
    buf_putc(&message, 'S');
    assert_string_equal(decode(), "decode: pgoutput: unknown message 0x53");
    /* what follows a description that was cut still has the old one */
    buf_clear(&message);
    buf_putc(&message, 'R');
    buf_put_u32(&message, oid);
    assert_non_null(strstr(decode(), "cut or damaged"));
    assert_string_equal(row('I', oid, "N123"), "INSERT public.two NEW a='1' b='2' c='3'");
    decoder->reset(decoder);
    assert_non_null(strstr(row('I', oid, "N123"), "before its description"));
}

static void every_prefix_of_a_real_message_is_an_error(void **state)
{
    (void)state;
    Captured *captured = fixture_captured("pgoutput");
    int tried = 0;
    for (int i = 0; i < captured->count; i++) {
        const char *data = captured->all[i].data;
        size_t len = captured->all[i].len;
        Decoded decoded;
        Error err;
        for (size_t cut = 0; cut < len; cut += cut < 600 ? 1 : 97) {
            if (cut > 0 && (data[0] == 'Y' || data[0] == 'O'))
                continue;
            bool foreign = decode_bytes(data, cut, &decoded, &err);
            /* a row of a table that is not ours is not read beyond its OID */
            assert_true(!foreign || (decoded.kind == DECODED_NOTHING && cut >= 5));
            assert_true(foreign || err.cls == ERR_DECODE);
            tried++;
        }
        char *longer = calloc(1, len + 1); /* nor may anything follow */
        memcpy(longer, data, len);
        bool foreign = decode_bytes(longer, len + 1, &decoded, &err);
        assert_true(!foreign || decoded.kind == DECODED_NOTHING);
        free(longer);
        assert_true(decode_bytes(data, len, &decoded, &err));
        arena_reset(arena);
    }
    assert_true(tried > 10000);
    fixture_captured_free(captured);
}

static void only_rows_and_messages_are_kept(void **state)
{
    (void)state;
    for (const char *p = "BCRYO"; *p != '\0'; p++)
        assert_false(decoder->keeps(p, 1));
    for (const char *p = "IUDTM"; *p != '\0'; p++)
        assert_true(decoder->keeps(p, 1));
    assert_false(decoder->keeps("", 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_by_the_last_description),
        TEST(generated_columns_are_skipped),
        TEST(descriptions_that_do_not_fit),
        TEST(an_identity_without_our_key_is_refused),
        TEST(unchanged_values_where_none_can_be),
        TEST(truncates),
        TEST(damaged_messages),
        TEST(every_prefix_of_a_real_message_is_an_error),
        TEST(only_rows_and_messages_are_kept),
    };
    return cmocka_run_group_tests_name("pgoutput", tests, NULL, NULL);
}

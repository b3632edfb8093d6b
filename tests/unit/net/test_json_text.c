#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bascule/model/progress.h"
#include "net/json_text.h"

static void expect(json_t *take, const char *want)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    json_text_dump(take, JSON_TEXT_FLAGS | JSON_ENCODE_ANY, &out);
    json_decref(take);
    assert_string_equal(buf_str(&out), want);
}

static void strings(void **state)
{
    (void)state;
    expect(json_text(NULL), "null");
    expect(json_text(""), "\"\"");
    expect(json_text("a\"\n\x01"), "\"a\\\"\\n\\u0001\"");
    expect(json_text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
           "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    /* LATIN1, overlong, surrogate, beyond U+10FFFF, cut at the end */
    expect(json_text("caf\xe9!"), "\"caf?!\"");
    expect(json_text("\xc0\xaf"), "\"??\"");
    expect(json_text("\xe0\x80\xaf"), "\"???\"");
    expect(json_text("\xed\xa0\x80"), "\"???\"");
    expect(json_text("\xf4\x90\x80\x80"), "\"????\"");
    expect(json_text("\xf0\x80\x80\x80"), "\"????\"");
    expect(json_text("\xf5x"), "\"?x\"");
    expect(json_text("\xff\xe2\x82"), "\"???\"");
    expect(json_text("\xff\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
           "\"?\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void figures(void **state)
{
    (void)state;
    expect(json_text_number(PROGRESS_UNKNOWN), "null");
    expect(json_text_number(0), "0");
    expect(json_text_ms(1234), "1.234");
    expect(json_text_ms(300), "0.3");
    expect(json_text_ms(PROGRESS_UNKNOWN), "null");
    expect(json_text_seconds(400000), "0.4");
    expect(json_text_seconds(PROGRESS_UNKNOWN), "null");
    expect(json_text_lsn(0), "null");
    expect(json_text_lsn(0x1016B3748), "\"1/16B3748\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}

/* Growable bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/buf.h"

static void empty(void **state)
{
    (void)state;
    Buf buf CLEANUP_BUF = BUF_INIT;
    assert_string_equal(buf_str(&buf), "");
    buf_clear(&buf);
    buf_put(&buf, NULL, 0);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf_str(&buf), "");
    char *taken = buf_take(&buf);
    assert_string_equal(taken, "");
    free(taken);
    taken = buf_take(&buf); /* now without memory */
    assert_string_equal(taken, "");
    free(taken);
}

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    Buf buf CLEANUP_BUF = BUF_INIT;
    for (int i = 0; i < 10000; i++) {
        buf_putc(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.data[buf.len], 0);
        assert_true(buf.len <= buf.cap);
    }
    assert_int_equal(buf.len, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    buf_clear(&buf);
    assert_string_equal(buf_str(&buf), "");
    buf_puts(&buf, "again");
    assert_string_equal(buf_str(&buf), "again");
}

static void formats(void **state)
{
    (void)state;
    Buf buf CLEANUP_BUF = BUF_INIT;
    char text[1000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    buf_printf(&buf, "%d %s", 7, "x");
    assert_string_equal(buf_str(&buf), "7 x");
    buf_printf(&buf, "%s", text);
    assert_int_equal(buf.len, 3 + 999);
    /* lengths around the border of the room that is there */
    for (size_t n = 0; n < 200; n++) {
        buf_clear(&buf);
        buf_printf(&buf, "%.*s|", (int)n, text);
        assert_int_equal(buf.len, n + 1);
        assert_int_equal(buf.data[n], '|');
    }
}

static void network_order(void **state)
{
    (void)state;
    Buf buf CLEANUP_BUF = BUF_INIT;
    buf_put_u16(&buf, 0x0102);
    buf_put_u32(&buf, 0x03040506);
    buf_put_u64(&buf, UINT64_C(0xF708090A0B0C0D0E));
    assert_int_equal(buf.len, 14);
    assert_memory_equal(buf.data, "\x01\x02\x03\x04\x05\x06\xF7\x08\x09\x0A\x0B\x0C\x0D\x0E", 14);
}

static void reserve_at_the_border(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        Buf buf = BUF_INIT;
        buf_reserve(&buf, n);
        assert_true(buf.cap >= n);
        memset(buf.data, 'z', n);
        buf.len = n;
        buf_putc(&buf, '!');
        assert_int_equal(buf.data[n], '!');
        buf_done(&buf);
        assert_null(buf.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(formats),
        cmocka_unit_test(network_order),
        cmocka_unit_test(reserve_at_the_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

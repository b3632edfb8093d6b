/* frames: layouts, strict lengths, and what a status message says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "wire/bytes.h"
#include "wire/frames.h"

static char *data_message(char *buf, const char *payload, size_t len)
{
    buf[0] = 'w';
    bytes_put_u64(buf + 1, 0x100000002ULL);
    bytes_put_u64(buf + 9, 0x100000003ULL);
    bytes_put_u64(buf + 17, 1000000);
    memcpy(buf + 25, payload, len);
    return buf;
}

static void data_is_read(void **state)
{
    (void)state;
    char buf[64];
    Frame frame;
    Error err = ERROR_INIT;
    assert_true(frame_read(data_message(buf, "abc", 3), 28, &frame, &err));
    assert_int_equal(frame.kind, FRAME_DATA);
    assert_true(frame.data_start == 0x100000002ULL && frame.wal_end == 0x100000003ULL);
    assert_true(frame.sent_us == clock_from_pg_us(1000000));
    assert_int_equal(frame.payload_len, 3);
    assert_memory_equal(frame.payload, "abc", 3);
    assert_true(frame_read(buf, 25, &frame, &err));
    assert_int_equal(frame.payload_len, 0);
}

static void keepalive_is_read(void **state)
{
    (void)state;
    char buf[18] = {'k'};
    Frame frame;
    Error err = ERROR_INIT;
    bytes_put_u64(buf + 1, 77);
    bytes_put_u64(buf + 9, 1000000);
    for (int reply = 0; reply < 2; reply++) {
        buf[17] = (char)reply;
        assert_true(frame_read(buf, sizeof buf, &frame, &err));
        assert_int_equal(frame.kind, FRAME_KEEPALIVE);
        assert_true(frame.wal_end == 77);
        assert_int_equal(frame.reply_requested, reply);
    }
}

static void wrong_lengths_and_kinds_are_refused(void **state)
{
    (void)state;
    char buf[64] = {0};
    Frame frame;
    for (size_t len = 0; len < 25; len++) {
        Error err = ERROR_INIT;
        buf[0] = 'w';
        assert_false(frame_read(buf, len, &frame, &err));
        assert_int_equal(err.cls, ERR_PROTOCOL);
    }
    for (size_t len = 1; len < 40; len++) {
        Error err = ERROR_INIT;
        buf[0] = 'k';
        assert_int_equal(frame_read(buf, len, &frame, &err), len == 18);
    }
    for (int kind = 0; kind < 256; kind++) {
        Error err = ERROR_INIT;
        buf[0] = (char)kind;
        assert_int_equal(frame_read(buf, 18, &frame, &err), kind == 'k');
        assert_int_equal(frame_read(buf, 30, &frame, &err), kind == 'w');
    }
}

static void status_has_the_servers_layout(void **state)
{
    (void)state;
    char out[FRAME_STATUS_BYTES];
    frame_write_status(0xA00000001ULL, 0x900000002ULL, clock_from_pg_us(42), true, out);
    assert_int_equal(out[0], 'r');
    assert_true(bytes_u64(out + 1) == 0xA00000001ULL);
    assert_true(bytes_u64(out + 9) == 0x900000002ULL);
    assert_true(bytes_u64(out + 17) == 0x900000002ULL);
    assert_true(bytes_u64(out + 25) == 42);
    assert_int_equal(out[33], 1);
    frame_write_status(1, 1, 0, false, out);
    assert_int_equal(out[33], 0);
    assert_memory_equal(out + 1, "\0\0\0\0\0\0\0\1", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_read),
        cmocka_unit_test(keepalive_is_read),
        cmocka_unit_test(wrong_lengths_and_kinds_are_refused),
        cmocka_unit_test(status_has_the_servers_layout),
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}

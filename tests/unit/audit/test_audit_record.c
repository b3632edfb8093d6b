/* audit_record: what is written is read again, and no byte of it changes unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "audit/audit_record.h"
#include "bascule/base/clock.h"

static void make(AuditHead *head, Buf *out)
{
    AuditProcess process = {.task = "clinic",
                            .host = "h",
                            .command = "bascule run --note=\xff\n\x1b[1m",
                            .file = "/w/audit.log",
                            .roles = {"mover", NULL}};
    AuditNote note = {.action = "run",
                      .event = "end",
                      .has_exit = true,
                      .exit_code = 3,
                      .source_lsn = 0x1000000ab,
                      .detail = "na\xc3\xafve"};
    audit_record_make(&process, &note, 1790000000123456, head, out);
}

static void test_chain(void **state)
{
    CLEANUP_BUF Buf first = BUF_INIT;
    CLEANUP_BUF Buf second = BUF_INIT;
    AuditHead head = {.log = "00112233aabbccdd", .hash = AUDIT_NO_HASH, .copied = {4, 5}}, read;
    json_t *record = NULL;
    (void)state;
    make(&head, &first);
    assert_int_equal(head.seq, 1);
    assert_true(audit_record_head(first.data, first.len, &read));
    assert_memory_equal(&read, &head, sizeof head);
    make(&head, &second);
    assert_null(audit_record_check(second.data, second.len, &record));
    assert_string_equal(json_string_value(json_object_get(record, "prev")), read.hash);
    assert_string_equal(json_string_value(json_object_get(record, "command")),
                        "bascule run --note=?  [1m");
    assert_string_equal(json_string_value(json_object_get(record, "at")),
                        "2026-09-21T14:13:20.123456Z");
    json_decref(record);
}

static void test_every_bit(void **state)
{
    CLEANUP_BUF Buf line = BUF_INIT;
    AuditHead head = {.log = "00112233aabbccdd", .hash = AUDIT_NO_HASH};
    (void)state;
    make(&head, &line);
    for (size_t i = 0; i < line.len * 8; i++) {
        json_t *record = NULL;
        line.data[i / 8] = (char)(line.data[i / 8] ^ (1 << i % 8));
        assert_non_null(audit_record_check(line.data, line.len, &record));
        json_decref(record);
        line.data[i / 8] = (char)(line.data[i / 8] ^ (1 << i % 8));
    }
}

static void test_long_texts(void **state)
{
    CLEANUP_BUF Buf line = BUF_INIT;
    char text[9000];
    json_t *record = NULL;
    AuditHead head = {.log = "00112233aabbccdd", .hash = AUDIT_NO_HASH};
    AuditProcess process = {.task = "t", .host = "h", .command = "c", .file = "f"};
    (void)state;
    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    audit_record_make(&process, &(AuditNote){.action = "a", .event = "b", .detail = text}, 1, &head,
                      &line);
    assert_true(line.len < 4000);
    assert_null(audit_record_check(line.data, line.len, &record));
    json_decref(record);
}

static void test_times(void **state)
{
    char text[32];
    (void)state;
    assert_int_equal(audit_record_parse_time(audit_record_time(1790000000000007, text)),
                     1790000000000007);
    assert_int_equal(audit_record_parse_time("yesterday"), 0);
    assert_int_equal(audit_record_parse_time("2026-01-01T00:00:00.1Z"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

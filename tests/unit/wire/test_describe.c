/* Both plugins' messages as JSON, without knowing the tables; and that no message makes it read too far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixture.h"
#include "wire/describe.h"

typedef struct Seen {
    int inserts, updates, deletes, truncates;
    uint32_t last_xid;
} Seen;

static void assert_row(const char *text)
{
    json_error_t why;
    if (text == NULL)
        return;
    json_t *row = json_loads(text, 0, &why);
    assert_true(json_is_array(row));
    for (size_t i = 0; i < json_array_size(row); i++) {
        assert_true(json_is_string(json_object_get(json_array_get(row, i), "name")));
        assert_non_null(json_object_get(json_array_get(row, i), "value"));
    }
    json_decref(row);
}

static bool on_change(void *arg, const Described *change, Error *err)
{
    Seen *seen = arg;
    (void)err;
    assert_true(change->schema[0] != '\0' && change->table[0] != '\0');
    assert_row(change->columns);
    assert_row(change->identity);
    assert_true(change->xid != 0 && change->commit_time_us != 0);
    seen->inserts += strcmp(change->operation, "insert") == 0;
    seen->updates += strcmp(change->operation, "update") == 0;
    seen->deletes += strcmp(change->operation, "delete") == 0;
    seen->truncates += strcmp(change->operation, "truncate") == 0;
    return true;
}

static Seen read_all(const char *plugin)
{
    Seen seen = {0};
    Error err = ERROR_INIT;
    Describer *describer = describer_new(plugin);
    Captured *captured = fixture_captured(plugin);
    for (int i = 0; i < captured->count; i++) {
        bool ok = describer_read(describer, captured->all[i].data, captured->all[i].len, on_change,
                                 &seen, &err);
        assert_string_equal(err.message, "");
        assert_true(ok);
    }
    fixture_captured_free(captured);
    describer_free(describer);
    return seen;
}

/* The same WAL, read by both. */
static void both_say_the_same(void **state)
{
    (void)state;
    Seen binary = read_all("pgoutput"), text = read_all("wal2json");
    assert_true(binary.inserts > 10 && binary.updates > 5 && binary.deletes > 2);
    assert_int_equal(binary.updates, text.updates);
    assert_int_equal(binary.deletes, text.deletes);
    assert_int_equal(binary.inserts, text.inserts);
    /* wal2json also shows a table that is not published */
    assert_int_equal(binary.truncates + 1, text.truncates);
}

static bool anything(void *arg, const Described *change, Error *err)
{
    (void)arg;
    (void)change;
    (void)err;
    return true;
}

/* Cut anywhere: an error or less, never a byte beyond (run under a sanitizer). */
static void cut_messages(void **state)
{
    static const char *const PLUGINS[] = {"pgoutput", "wal2json"};
    (void)state;
    for (int p = 0; p < 2; p++) {
        Describer *describer = describer_new(PLUGINS[p]);
        Captured *captured = fixture_captured(PLUGINS[p]);
        for (int i = 0; i < captured->count; i++) {
            size_t len = captured->all[i].len, step = len > 2000 ? len / 50 : 1;
            for (size_t n = 0; n < len; n += step) {
                Error err = ERROR_INIT;
                char *part = malloc(n + 1);
                memcpy(part, captured->all[i].data, n);
                (void)!describer_read(describer, part, n, anything, NULL, &err);
                free(part);
            }
            Error err = ERROR_INIT;
            assert_true(
                describer_read(describer, captured->all[i].data, len, anything, NULL, &err));
        }
        fixture_captured_free(captured);
        describer_free(describer);
    }
}

static void strings_are_json(void **state)
{
    (void)state;
    CLEANUP_BUF Buf out = BUF_INIT;
    describe_put_string(&out, "a\"b\\c\n\x01\xc3\xbc", 9);
    assert_string_equal(buf_str(&out), "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xbc\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_say_the_same),
        cmocka_unit_test(cut_messages),
        cmocka_unit_test(strings_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

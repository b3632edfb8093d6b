#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ops/json_get.h"
#include "ops/tables_request.h"

static void goes_there_and_back(void **state)
{
    (void)state;
    const char *const patterns[] = {"public.a", "billing.%"};
    Arena *arena = arena_new(0);
    for (int action = 0; action < TABLES_ACTION_COUNT; action++) {
        Error err = ERROR_INIT;
        TablesAsk ask;
        json_t *body = tables_request_json((TablesAction)action, patterns, 2);
        assert_true(tables_request_read(body, arena, &ask, &err));
        assert_int_equal(ask.action, action);
        assert_int_equal(ask.count, 2);
        assert_string_equal(ask.patterns[1], "billing.%");
        json_decref(body);
    }
    arena_free(arena);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const char *const BODIES[] = {
        "{}",
        "{\"action\":\"pause\"}",
        "{\"action\":\"pause\",\"tables\":[]}",
        "{\"action\":\"pause\",\"tables\":[1]}",
        "{\"action\":\"drop\",\"tables\":[\"a.b\"]}",
        "{\"action\":7,\"tables\":[\"a.b\"]}",
        "{\"tables\":[\"a.b\"]}",
        "{\"action\":\"pause\",\"tables\":[\"a.b\"],\"more\":true}",
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++) {
        Error err = ERROR_INIT;
        TablesAsk ask;
        json_t *body = json_loads(BODIES[i], 0, NULL);
        assert_non_null(body);
        assert_false(tables_request_read(body, arena, &ask, &err));
        assert_int_equal(err.cls, ERR_USAGE);
        json_decref(body);
    }
    arena_free(arena);
}

static void tells_what_became_of_each(void **state)
{
    (void)state;
    TablesDone done[] = {{"public.a", "paused", "a note"}, {"public.b", "unchanged", ""}};
    TablesAsk ask = {.action = TABLES_PAUSE, .tables = done, .table_count = 2};
    CLEANUP_BUF Buf text = BUF_INIT;
    json_t *line = tables_final_json(&ask, NULL);
    assert_int_equal(json_get_number(line, "exit"), 0);
    assert_true(json_is_null(json_get(line, "error")));
    tables_report_text(json_get(line, "report"), &text);
    assert_string_equal(buf_str(&text), "public.a: paused (a note)\npublic.b: unchanged\n");
    json_decref(line);
    Error err = ERROR_INIT;
    assert_false(ERR(&err, ERR_WRONG_STATE, "not now"));
    ask.table_count = 0;
    line = tables_final_json(&ask, &err);
    assert_int_equal(json_get_number(line, "exit"), 3);
    assert_string_equal(json_get_text(line, "error.code", ""), "wrong-state");
    json_decref(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_there_and_back),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(tells_what_became_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

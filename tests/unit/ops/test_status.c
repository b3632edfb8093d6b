/* From figures to StatusReport, to JSON, to the screen: what is not known is never a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/status_json.h"
#include "ops/status_live.h"
#include "ops/status_text.h"
#include "ops/text_layout.h"

#define MB ((int64_t)1024 * 1024)

static void assert_has(Buf *text, const char *want)
{
    if (strstr(buf_str(text), want) == NULL)
        fail_msg("'%s' is not in:\n%s", want, buf_str(text));
}

static void assert_lacks(Buf *text, const char *what)
{
    if (strstr(buf_str(text), what) != NULL)
        fail_msg("'%s' is in:\n%s", what, buf_str(text));
}

static void assert_narrow(Buf *text, int width)
{
    char *copy = strdup(buf_str(text)), *rest = copy, *one;
    while ((one = strsep(&rest, "\n")) != NULL)
        if (text_width(one) > width)
            fail_msg("%d columns: '%s'", text_width(one), one);
    free(copy);
}

static void expect_json(const StatusReport *report, const char *path, const char *want)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    json_t *json = status_json(report);
    assert_non_null(json);
    const json_t *value = json_get(json, path);
    if (value == NULL)
        fail_msg("no key '%s'", path);
    json_text_dump(value, JSON_TEXT_FLAGS | JSON_ENCODE_ANY, &out);
    assert_string_equal(buf_str(&out), want);
    json_decref(json);
}

static void unknown_is_null_and_never_a_number(void **state)
{
    StatusReport report = status_unknown("clinic");
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    json_t *json = status_json(&report);
    json_text_dump(json, JSON_TEXT_FLAGS, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"task\":\"clinic\",\"engine\":\"stopped\",\"phase\":null,\"mode\":null,\"plugin\":null,"
        "\"slot\":null,\"ready_for_cutover\":false,\"not_ready_because\":null,"
        "\"lag\":{\"bytes\":null,\"capture_bytes\":null,\"apply_bytes\":null,\"seconds\":null},"
        "\"lsn\":{\"source_end\":null,\"received\":null,\"applied\":null,\"durable\":null,"
        "\"confirmed\":null},"
        "\"wal\":{\"retained_bytes\":null,\"left_bytes\":null,\"status\":null},"
        "\"load\":{\"tables_total\":null,\"tables_done\":null,\"rows\":null,\"rows_estimated\":"
        "null,"
        "\"bytes\":null,\"bytes_total\":null,\"bytes_per_second\":null,\"eta_seconds\":null},"
        "\"stream\":{\"transactions\":null,\"changes\":null,\"fallback_batches\":null,"
        "\"queued_bytes\":null,\"spilled_bytes\":null},"
        "\"cutover\":{\"decision\":\"unknown\",\"epoch\":null},\"trouble\":\"\",\"tables\":[],"
        "\"conflicts\":{\"already_there\":null,\"ahead\":null,\"recorded\":null,"
        "\"already_gone\":null,\"waiting\":null},"
        "\"proof\":null,"
        "\"source_ddl\":null,\"schema\":null,\"direction\":null,\"rollback\":{\"decision\":"
        "\"unknown\",\"epoch\":"
        "null,\"ready\":false,"
        "\"not_ready_because\":null,\"open_seconds\":null,\"fences\":null,\"fences_armed\":null}}");
    buf_clear(&out);
    status_text(json, &(StatusTextStyle){.width = 80}, &out);
    assert_narrow(&out, 80);
    assert_has(&out, "unknown");
    for (char digit = '0'; digit <= '9'; digit++)
        assert_null(strchr(buf_str(&out), digit));
    json_decref(json);
}

static void progress_before_the_first_look(void **state)
{
    Progress progress = {0};
    StatusReport report = status_unknown("t");
    (void)state;
    status_fill_progress(&report, &progress);
    assert_true(report.lag_bytes == PROGRESS_UNKNOWN);
    assert_true(report.lag_us == PROGRESS_UNKNOWN);
    assert_true(report.wal_left_bytes == PROGRESS_UNKNOWN);
    assert_int_equal(report.changes, 0);
    expect_json(&report, "lsn.applied", "null");

    progress.measured_at_us = 1;
    progress.lag_bytes = 123;
    progress.capture_lag_bytes = 1;
    progress.apply_lag_us = 400000;
    progress.wal_retained_bytes = 5;
    progress.wal_left_bytes = PROGRESS_UNKNOWN;
    progress.applied_lsn = 0x16B3748;
    status_fill_progress(&report, &progress);
    expect_json(&report, "lag",
                "{\"bytes\":123,\"capture_bytes\":1,\"apply_bytes\":122,\"seconds\":0.4}");
    expect_json(&report, "lsn.applied", "\"0/16B3748\"");
    expect_json(&report, "wal.left_bytes", "null");

    /* The two are measured one after the other: their difference may be negative for a moment. */
    progress.capture_lag_bytes = 200;
    status_fill_progress(&report, &progress);
    expect_json(&report, "lag.apply_bytes", "0");
    progress.capture_lag_bytes = PROGRESS_UNKNOWN;
    report = status_unknown("t");
    status_fill_progress(&report, &progress);
    expect_json(&report, "lag.apply_bytes", "null");
}

static Relations *three_tables(Arena *arena)
{
    static const char *const NAMES[] = {"public.users", "public.licenses", "public.activities"};
    Relations *rels = arena_new_object(arena, Relations);
    rels->count = 3;
    rels->all = arena_new_array(arena, Relation *, 3);
    for (int i = 0; i < 3; i++) {
        rels->all[i] = arena_new_object(arena, Relation);
        rels->all[i]->display = NAMES[i];
        rels->all[i]->bytes = 10 * MB;
        rels->all[i]->estimated_rows = 1000;
    }
    rels->all[0]->load_state = TABLE_COMPLETED;
    rels->all[0]->loaded_rows = 93;
    rels->all[0]->start_lsn = 0x10;
    rels->all[1]->load_state = TABLE_FULL_LOAD;
    rels->all[1]->loaded_rows = 500;
    return rels;
}

static void load_figures(void **state)
{
    Arena *arena = arena_new(0);
    Relations *rels = three_tables(arena);
    StatusReport report = status_unknown("t");
    (void)state;
    status_fill_tables(&report, arena, rels);
    expect_json(&report, "load",
                "{\"tables_total\":3,\"tables_done\":1,\"rows\":593,\"rows_estimated\":2093,"
                "\"bytes\":15728640,\"bytes_total\":31457280,\"bytes_per_second\":null,"
                "\"eta_seconds\":null}");
    /* A table that was never analysed: the rows of all are not known, its bytes count as copied. */
    rels->all[1]->estimated_rows = -1;
    rels->all[1]->loaded_bytes = 11 * MB;
    report = status_unknown("t");
    status_fill_tables(&report, arena, rels);
    expect_json(&report, "load.rows_estimated", "null");
    expect_json(&report, "load.bytes", "20971520");

    json_t *json = status_json(&report);
    CLEANUP_BUF Buf out = BUF_INIT;
    status_text(json, &(StatusTextStyle){.width = 100}, &out);
    assert_has(&out, "1/3 tables, 593 of about unknown rows, 20.0 MB of 30.0 MB (66 %)");
    assert_has(&out, "Table completed: 1, Full load: 1, Before load: 1");
    json_decref(json);
    arena_free(arena);
}

static void rate_and_time_left(void **state)
{
    StatusRate rate = STATUS_RATE_INIT;
    StatusReport report = status_unknown("t");
    (void)state;
    status_fill_rate(&report, &rate, 0); /* nothing known, nothing noted */
    assert_int_equal(rate.count, 0);
    report.load_bytes_total = 1000 * MB;
    report.load_tables_total = 2;
    report.load_tables_done = 0;
    for (int s = 0; s <= 60; s++) {
        /* fast at first, then 1 MB/s: only the last half minute counts */
        report.load_bytes = s < 20 ? s * 10 * MB : (200 + (s - 20)) * MB;
        report.load_bytes_per_second = report.load_eta_us = PROGRESS_UNKNOWN;
        status_fill_rate(&report, &rate, (int64_t)s * 1000000);
        if (s < 2)
            assert_true(report.load_bytes_per_second == PROGRESS_UNKNOWN);
        if (s == 10)
            assert_int_equal(report.load_bytes_per_second, 10 * MB);
    }
    assert_int_equal(report.load_bytes_per_second, MB);
    assert_int_equal(report.load_eta_us, (int64_t)760 * 1000000);
    /* A table is emptied and copied again. */
    report.load_bytes = 100 * MB;
    report.load_bytes_per_second = report.load_eta_us = PROGRESS_UNKNOWN;
    status_fill_rate(&report, &rate, (int64_t)61 * 1000000);
    assert_true(report.load_bytes_per_second == PROGRESS_UNKNOWN);
    /* Standing still is a rate of 0, and the end is not known. */
    status_fill_rate(&report, &rate, (int64_t)65 * 1000000);
    assert_int_equal(report.load_bytes_per_second, 0);
    assert_true(report.load_eta_us == PROGRESS_UNKNOWN);
    report.load_tables_done = 2;
    report.load_bytes_per_second = PROGRESS_UNKNOWN;
    status_fill_rate(&report, &rate, (int64_t)66 * 1000000);
    assert_int_equal(report.load_eta_us, 0);
    assert_true(report.load_bytes_per_second == PROGRESS_UNKNOWN);
}

static StatusReport busy_report(Arena *arena, int tables)
{
    StatusReport report = status_unknown("clinic");
    report.engine_running = true;
    report.phase = "streaming";
    report.mode = "full-load-and-cdc";
    report.plugin = "wal2json";
    report.slot = "bascule_clinic";
    report.not_ready_because = "lag 3.2 s is above 1 s";
    report.decision = DECISION_NONE;
    report.epoch = 0;
    report.wal_status = "reserved";
    report.tables = arena_new_array(arena, StatusTable, tables);
    report.table_count = tables;
    for (int i = 0; i < tables; i++)
        report.tables[i] = (StatusTable){.table = arena_printf(arena, "public.t%02d", i),
                                         .state = "Table completed",
                                         .inserts = i,
                                         .message = ""};
    return report;
}

static void screen_for_people(void **state)
{
    Arena *arena = arena_new(0);
    StatusReport report = busy_report(arena, 30);
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    report.tables[3].message = "suspended: the target lacks the column \"x\"";
    report.tables[4].state = "Table error";
    report.tables[5].table = "public.\033[2Jevil";
    report.tables[5].inserts = 1000000;
    report.trouble = "connection to the target lost, retrying in 4 s";
    json_t *json = status_json(&report);
    status_text(json, &(StatusTextStyle){.width = 80, .max_tables = 5}, &out);
    assert_narrow(&out, 80);
    assert_has(&out, "not ready, because lag 3.2 s is above 1 s");
    assert_has(&out, "streaming (engine running)");
    assert_has(&out, "connection to the target lost");
    assert_has(&out, "none, source open, target not open (epoch 0)");
    assert_has(&out, "public.t03");
    assert_has(&out, "suspended: the target lacks");
    assert_has(&out, "public.t04");
    assert_has(&out, "1,000,000");
    assert_has(&out, "public.t29");
    assert_has(&out, "public.t28");
    assert_lacks(&out, "public.t27");
    assert_lacks(&out, "public.t10");
    assert_has(&out, "... and 25 more");
    assert_lacks(&out, "\033");
    for (int width = 1; width <= 200; width++) {
        buf_clear(&out);
        status_text(json, &(StatusTextStyle){.width = width, .max_tables = -1}, &out);
        assert_narrow(&out, width < 20 ? 20 : width);
        buf_clear(&out);
        status_text_short(json, &(StatusTextStyle){.width = width}, &out);
        assert_narrow(&out, width < 20 ? 20 : width);
    }
    buf_clear(&out);
    status_text(json, &(StatusTextStyle){.color = true}, &out);
    assert_has(&out, "\033[33mnot ready");
    json_decref(json);

    report.ready_for_cutover = true;
    json = status_json(&report);
    buf_clear(&out);
    status_text(json, &(StatusTextStyle){0}, &out);
    assert_has(&out, "Cutover    ready\n");
    json_decref(json);
    arena_free(arena);
}

static void decisions(void **state)
{
    StatusReport report = status_unknown("t");
    static const CutoverDecision ALL[] = {DECISION_FENCED, DECISION_OPENED, DECISION_REVOKED};
    static const char *const TEXT[] = {"fenced, source fenced, target not open: run",
                                       "opened, source fenced, target open", "revoked, taken back"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLEANUP_BUF Buf out = BUF_INIT;
        report.decision = ALL[i];
        json_t *json = status_json(&report);
        status_text(json, &(StatusTextStyle){.width = 150}, &out);
        assert_has(&out, TEXT[i]);
        json_decref(json);
    }
}

static void any_json_renders(void **state)
{
    static const char *const BAD[] = {
        "{}", "{\"lag\":3,\"tables\":{},\"load\":[]}",
        "{\"tables\":[1,null,{\"state\":\"odd\",\"inserts\":\"x\"}],\"task\":5,\"cutover\":null}"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLEANUP_BUF Buf out = BUF_INIT;
        json_t *json = json_loads(BAD[i], 0, NULL);
        status_text(json, &(StatusTextStyle){0}, &out);
        status_text_short(json, &(StatusTextStyle){0}, &out);
        assert_has(&out, "unknown");
        json_decref(json);
    }
}

static void width_of_no_terminal(void **state)
{
    (void)state;
    unsetenv("COLUMNS");
    assert_int_equal(status_live_width(-1), 80);
    setenv("COLUMNS", "123", 1);
    assert_int_equal(status_live_width(-1), 123);
    setenv("COLUMNS", "0", 1);
    assert_int_equal(status_live_width(-1), 80);
    setenv("COLUMNS", "12x", 1);
    assert_int_equal(status_live_width(-1), 80);
    assert_null(status_live_new(-1));
    status_live_draw(NULL, "x\n");
    status_live_free(NULL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_is_null_and_never_a_number),
        cmocka_unit_test(progress_before_the_first_look),
        cmocka_unit_test(load_figures),
        cmocka_unit_test(rate_and_time_left),
        cmocka_unit_test(screen_for_people),
        cmocka_unit_test(decisions),
        cmocka_unit_test(any_json_renders),
        cmocka_unit_test(width_of_no_terminal),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}

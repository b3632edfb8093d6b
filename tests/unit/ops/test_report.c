#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/report.h"

static Relation users = {.display = "public.users"};
static Relation logs = {.display = "public.logs"};

static CutoverReport a_report(CompareTable tables[2])
{
    CutoverReport r = {
        .outcome = "cut-over",
        .epoch = 3,
        .lag_bytes_before = 4096,
        .lag_us_before = 400000,
        .barrier_lsn = 0x16B3748,
        .downtime_us = 439000,
        .paused_us = 500000,
        .drained_bytes = 2048,
        .phase_count = 2,
        .phases = {{"freeze", 2000}, {"drain", 402000}},
        .table_count = 2,
        .tables = tables,
        .rows_compared = 93,
        .bytes_compared = 2048,
        .sequences_raised = 6,
        .sequences_total = 7,
        .started_wall_us = 1767323045678000,
        .frozen_wall_us = 1767323046000000,
        .opened_wall_us = 1767323046439000,
    };
    tables[0] = (CompareTable){.rel = &users,
                               .verdict = COMPARE_EQUAL,
                               .source = {.lo = 5, .hi = 1, .rows = 93},
                               .target = {.lo = 5, .hi = 1, .rows = 93},
                               .bytes = 2048,
                               .elapsed_us = 1500,
                               .read = true};
    tables[1] = (CompareTable){.rel = &logs, .verdict = COMPARE_NOT_DONE};
    snprintf(tables[1].why, sizeof tables[1].why, "the budget ran out");
    return r;
}

static void assert_has(Buf *text, const char *want)
{
    if (strstr(buf_str(text), want) == NULL)
        fail_msg("'%s' is not in:\n%s", want, buf_str(text));
}

static void json_of_a_cutover(void **state)
{
    CompareTable tables[2];
    CutoverReport r = a_report(tables);
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    View views[] = {{.display = "s.a", .refreshed = true, .elapsed_us = 2000, .why = ""},
                    {.display = "s.b", .why = "the time was over before"}};
    r.views = (Views){.count = 2, .all = views};
    CutoverHookRun runs[] = {{"after-open", "/bin/dns", "", 3000},
                             {"end", "https://x/...", "HTTP status 500", 1000}};
    CutoverSession left[] = {{7, "app", "nightly", "10.0.0.8", "idle", PROGRESS_UNKNOWN}};
    r.hooks = runs;
    r.hook_count = 2;
    r.left = left;
    r.left_count = 1;
    r.left_known = true;
    json_t *final = report_final_json(&r, NULL);
    json_text_dump(final, JSON_TEXT_FLAGS, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"event\":\"report\",\"exit\":0,\"error\":null,\"report\":{\"outcome\":\"cut-over\","
        "\"epoch\":3,"
        "\"started_at\":\"2026-01-02T03:04:05.678Z\",\"frozen_at\":\"2026-01-02T03:04:06.000Z\","
        "\"opened_at\":\"2026-01-02T03:04:06.439Z\",\"downtime_ms\":439.0,\"paused_ms\":500.0,"
        "\"lag_before\":{\"bytes\":4096,\"seconds\":0.4},\"barrier_lsn\":\"0/16B3748\","
        "\"drained_bytes\":2048,\"phases\":[{\"name\":\"freeze\",\"elapsed_ms\":2.0},{\"name\":"
        "\"drain\",\"elapsed_ms\":"
        "402.0}],"
        "\"rows_compared\":93,\"keys_compared\":0,\"bytes_compared\":2048,\"sequences\":{\"total\":"
        "7,\"raised\":6},"
        "\"views\":[{\"view\":\"s.a\",\"refreshed\":true,\"elapsed_ms\":2.0,\"why\":\"\"},"
        "{\"view\":\"s.b\",\"refreshed\":false,\"elapsed_ms\":0.0,"
        "\"why\":\"the time was over before\"}],"
        "\"hooks\":[{\"point\":\"after-open\",\"name\":\"/bin/dns\",\"done\":true,"
        "\"elapsed_ms\":3.0,\"why\":\"\"},"
        "{\"point\":\"end\",\"name\":\"https://x/...\",\"done\":false,\"elapsed_ms\":1.0,"
        "\"why\":\"HTTP status 500\"}],"
        "\"left_behind\":[{\"pid\":7,\"user\":\"app\",\"application\":\"nightly\","
        "\"address\":\"10.0.0.8\",\"state\":\"idle\",\"since_ms\":null}],"
        "\"tables\":[{\"table\":\"public.users\",\"verdict\":\"equal\","
        "\"source\":{\"rows\":93,\"hash\":\"00000000000000010000000000000005\"},"
        "\"target\":{\"rows\":93,\"hash\":\"00000000000000010000000000000005\"},"
        "\"bytes\":2048,\"elapsed_ms\":1.5,\"why\":\"\",\"method\":\"full-hash\",\"kept\":0,"
        "\"keys\":null,\"base_lsn\":null,\"proof\":\"full hash at 0/16B3748\"},"
        "{\"table\":\"public.logs\",\"verdict\":\"not-done\",\"source\":null,\"target\":null,"
        "\"bytes\":0,\"elapsed_ms\":0.0,\"why\":\"the budget ran "
        "out\",\"method\":\"none\",\"kept\":0,"
        "\"keys\":null,\"base_lsn\":null,\"proof\":\"not proved\"}],"
        "\"given_up\":null,"
        "\"direction\":\"forward\",\"way_back\":{\"armed\":false,\"why_not\":null}}}");
    buf_clear(&out);
    report_text(json_get(final, "report"), 80, &out);
    assert_has(&out, "Outcome        cut-over: the target is open, the source refuses writes");
    assert_has(&out, "Downtime       439 ms");
    assert_has(&out, "freeze 2 ms, drain 402 ms");
    assert_has(&out, "6 raised of 7");
    assert_has(&out, "Drained        2.0 kB of WAL, up to 0/16B3748");
    assert_has(&out, "Pooler paused  500 ms");
    assert_has(&out, "2 run, 4 ms together, 1 failed; HTTP status 500");
    assert_has(&out, "1 sessions on the source, their writes are refused: pid 7,");
    assert_has(&out, "nightly, from 10.0.0.8");
    assert_has(&out, "1 tables equal, 0 different, 1 not compared; 93 rows, 2.0 kB");
    assert_has(&out, "the budget ran out");
    json_decref(final);
}

static void a_table_says_how_it_is_proved(void **state)
{
    (void)state;
    CompareTable tables[2];
    CutoverReport r = a_report(tables);
    CLEANUP_BUF Buf text = BUF_INIT;
    CompareTable *t = &tables[0];
    t->by_keys = true;
    t->how = COMPARE_NOT;
    t->read = false;
    t->keys = 12;
    t->base_lsn = 0x16B0000;
    cutover_proof_text(&r, t, &text);
    assert_string_equal(buf_str(&text), "verified at 0/16B0000 + 12 keys to 0/16B3748");
    json_t *json = report_json(&r);
    buf_clear(&text);
    report_text(json, 80, &text);
    assert_has(&text, "verified at 0/16B0000 + 12 keys to 0/16B3748");
    assert_has(&text, "unknown"); /* its rows were not counted: that is not 0 */
    json_decref(json);
    t->how = COMPARE_BY_COUNT;
    t->read = true;
    buf_clear(&text);
    cutover_proof_text(&r, t, &text);
    assert_has(&text, "+ 12 keys to 0/16B3748, and as many rows");
    t->by_keys = false;
    buf_clear(&text);
    cutover_proof_text(&r, t, &text);
    assert_string_equal(buf_str(&text), "as many rows at 0/16B3748, contents not compared");
    t->verdict = COMPARE_CONTAINED;
    t->how = COMPARE_BY_HASH;
    t->kept = 7;
    json = report_json(&r);
    buf_clear(&text);
    report_text(json, 80, &text);
    assert_has(&text, "0 tables equal, 1 contained, 0 different, 1 not compared");
    assert_has(&text, "the same at 0/16B3748; 7 rows more, which a rule keeps");
    json_decref(json);
    t->verdict = COMPARE_NOT_DONE;
    assert_string_equal(cutover_proof_method(t), "none");
}

static void json_of_a_failure(void **state)
{
    Error err = ERROR_INIT;
    CutoverReport r = {.outcome = "refused",
                       .downtime_us = -1,
                       .lag_bytes_before = PROGRESS_UNKNOWN,
                       .lag_us_before = PROGRESS_UNKNOWN};
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    (void)ERR(&err, ERR_LAG, "lag 3 s is above 1 s");
    json_t *final = report_final_json(&r, &err);
    assert_int_equal(json_get_number(final, "exit"), 3);
    assert_string_equal(json_get_text(final, "error.code", ""), "lag");
    assert_true(json_get_text(final, "error.hint", "")[0] != '\0');
    assert_true(json_is_null(json_get(final, "report.downtime_ms")));
    assert_true(json_is_null(json_get(final, "report.lag_before.bytes")));
    assert_true(json_is_null(json_get(final, "report.barrier_lsn")));
    report_text(json_get(final, "report"), 0, &out);
    assert_has(&out, "refused: nothing was changed");
    assert_has(&out, "Frozen         never");
    assert_has(&out, "none (never frozen)");
    assert_has(&out, "Lag before     unknown, unknown");
    json_decref(final);

    final = report_final_json(NULL, &err);
    assert_true(json_is_null(json_get(final, "report")));
    buf_clear(&out);
    report_text(json_get(final, "report"), 80, &out); /* whatever comes is rendered */
    assert_has(&out, "Outcome        unknown");
    json_decref(final);
}

static void events(void **state)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    int n = 0;
    (void)state;
    CutoverEvent event = {
        .step = "freeze", .text = "7 tables locked", .elapsed_us = 1200, .frozen_us = 300};
    json_t *json = report_event_json(&event);
    json_text_dump(json, JSON_TEXT_FLAGS, &out);
    assert_string_equal(buf_str(&out),
                        "{\"event\":\"step\",\"step\":\"freeze\",\"text\":\"7 tables locked\","
                        "\"elapsed_ms\":1.2,\"frozen_ms\":0.3,\"failed\":false}");
    buf_clear(&out);
    report_event_text(json, &n, &out);
    json_decref(json);
    event = (CutoverEvent){
        .step = "drain", .text = "late", .elapsed_us = 10000000, .frozen_us = -1, .failed = true};
    json = report_event_json(&event);
    assert_true(json_is_null(json_get(json, "frozen_ms")));
    report_event_text(json, &n, &out);
    json_decref(json);
    assert_has(&out, " 1. ");
    assert_has(&out, "freeze     7 tables locked (frozen for ");
    assert_has(&out, " 2. ");
    assert_has(&out, "drain      FAILED  late\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_of_a_cutover),
        cmocka_unit_test(json_of_a_failure),
        cmocka_unit_test(a_table_says_how_it_is_proved),
        cmocka_unit_test(events),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}

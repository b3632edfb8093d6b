/* The option table holds together; values are read as operators write them. */
#include "config_fixture.h"

static void test_names_are_unique_in_every_form(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < OPTION_COUNT; i++) {
        assert_int_equal(option_find(OPTIONS[i].name), i);
        assert_int_equal(option_find_flag(option_flag(arena, (OptionId)i)), i);
        assert_int_equal(option_find_env(option_env(arena, (OptionId)i)), i);
        if (OPTIONS[i].alias[0] != '\0')
            assert_int_equal(option_find_flag(OPTIONS[i].alias), i);
        for (int f = 0; f < FLAG_COUNT; f++) {
            if ((OPTIONS[i].traits & OPTION_NO_FLAG) == 0)
                assert_string_not_equal(FLAGS[f].name, option_flag(arena, (OptionId)i));
            assert_string_not_equal(FLAGS[f].name, OPTIONS[i].alias);
        }
    }
    arena_free(arena);
}

static void test_every_row_is_complete(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &OPTIONS[i];
        assert_int_equal(option->uses == 0, (option->traits & OPTION_NO_FLAG) != 0);
        assert_true(strlen(option->help) > 8 && strlen(option->help) < 100);
        assert_int_not_equal(option->help[strlen(option->help) - 1], '.');
        assert_int_equal(option->type == OPTION_CHOICE, option->allowed[0] != '\0');
        bool found = false;
        for (int s = 0; s < OPTION_SECTION_COUNT; s++)
            found =
                found || strcmp(option_section(arena, (OptionId)i), OPTION_SECTIONS[s].name) == 0;
        assert_true(found);
    }
    arena_free(arena);
}

/* Defaults pass their own checks, bounds are in order, and a bound itself is allowed. */
static void test_defaults_and_bounds(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &OPTIONS[i];
        OptionValue value;
        Error err = ERROR_INIT;
        assert_true(option->min <= option->max);
        if (option->def[0] == '\0' || strpbrk(option->def, "<$") != NULL)
            continue;
        if (!option_parse(arena, (OptionId)i, option->def, &value, &err))
            fail_msg("%s", err.message);
    }
    arena_free(arena);
}

typedef struct Case {
    OptionId id;
    const char *text;
    int64_t number; /* -1 refused */
} Case;

static void test_values(void **state)
{
    (void)state;
    static const Case CASES[] = {
        {OPT_LOAD_JOBS, "1", 1},
        {OPT_LOAD_JOBS, "64", 64},
        {OPT_LOAD_JOBS, "65", -1},
        {OPT_LOAD_JOBS, "0", -1},
        {OPT_LOAD_JOBS, "2x", -1},
        {OPT_LOAD_JOBS, " 2", -1},
        {OPT_LOAD_JOBS, "0x2", -1},
        {OPT_LOAD_JOBS, "99999999999999999999", -1},
        {OPT_LOAD_JOBS, "", -1},
        {OPT_STREAM_MEMORY, "64MB", 64 << 20},
        {OPT_STREAM_MEMORY, "64 MB", 64 << 20},
        {OPT_STREAM_MEMORY, "65536kB", 64 << 20},
        {OPT_STREAM_MEMORY, "65536KiB", 64 << 20},
        {OPT_STREAM_MEMORY, "1.5GB", 3LL << 29},
        {OPT_STREAM_MEMORY, "67108864B", 64 << 20},
        {OPT_STREAM_MEMORY, "67108864", -1},
        {OPT_STREAM_MEMORY, "64mb", -1},
        {OPT_STREAM_MEMORY, "64M", -1},
        {OPT_STREAM_MEMORY, "-64MB", -1},
        {OPT_STREAM_MEMORY, "1.2.3GB", -1},
        {OPT_STREAM_MEMORY, "MB", -1},
        {OPT_STREAM_MEMORY, "1B", -1},
        {OPT_STREAM_SPILL_LIMIT, "0", 0},
        {OPT_STREAM_SPILL_LIMIT, "99999999999TB", -1},
        {OPT_CUTOVER_MAX_DOWNTIME, "10s", 10000000},
        {OPT_CUTOVER_MAX_DOWNTIME, "1500ms", 1500000},
        {OPT_CUTOVER_MAX_DOWNTIME, "1.5s", 1500000},
        {OPT_CUTOVER_MAX_DOWNTIME, "2min", 120000000},
        {OPT_CUTOVER_MAX_DOWNTIME, "1h", 3600000000LL},
        {OPT_CUTOVER_MAX_DOWNTIME, "10", -1},
        {OPT_CUTOVER_MAX_DOWNTIME, "10 parsecs", -1},
        {OPT_CUTOVER_MAX_DOWNTIME, "2h", -1},
        {OPT_CUTOVER_MAX_DOWNTIME, "inf", -1},
        {OPT_CUTOVER_MAX_DOWNTIME, "nan", -1},
        {OPT_CUTOVER_MAX_LAG, "0", 0},
        {OPT_LOAD_BINARY, "true", 1},
        {OPT_LOAD_BINARY, "Yes", 1},
        {OPT_LOAD_BINARY, "off", 0},
        {OPT_LOAD_BINARY, "1", -1},
        {OPT_MODE, "full-load", 0},
        {OPT_MODE, "cdc", 1},
        {OPT_MODE, "full-load-and-cdc", 2},
        {OPT_MODE, "full", -1},
        {OPT_MODE, "full-load|cdc", -1},
        {OPT_CDC_START_LSN, "0/16B3748", 0x16B3748},
        {OPT_CDC_START_LSN, "1/0", 0x100000000LL},
        {OPT_CDC_START_LSN, "0/0", -1},
        {OPT_CDC_START_LSN, "16B3748", -1},
        {OPT_TASK, "a_1", 0},
        {OPT_TASK, "No", -1},
        {OPT_TASK, "a-b", -1},
        {OPT_TASK, "0123456789012345678901234567890123456789", 0},
        {OPT_TASK, "01234567890123456789012345678901234567890", -1},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        OptionValue value = {0};
        Error err = ERROR_INIT;
        bool good = option_parse(arena, CASES[i].id, CASES[i].text, &value, &err);
        if (good != (CASES[i].number >= 0) || (good && value.number != CASES[i].number))
            fail_msg("%s '%s': %s, %lld", OPTIONS[CASES[i].id].name, CASES[i].text,
                     good ? "taken" : err.message, (long long)value.number);
    }
    arena_free(arena);
}

static void test_messages_say_what_is_allowed(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    OptionValue value;
    Error err = ERROR_INIT;
    assert_false(option_parse(arena, OPT_LOAD_JOBS, "many", &value, &err));
    assert_string_equal(err.message, "'load.jobs' is 'many', expected a whole number from 1 to 64");
    assert_false(option_parse(arena, OPT_STREAM_MEMORY, "5", &value, &err));
    assert_string_equal(
        err.message,
        "'stream.memory' is '5', expected a size with a unit (kB, MB, GB, TB) from 4MB "
        "to 1TB");
    assert_false(option_parse(arena, OPT_CUTOVER_MAX_DOWNTIME, "5", &value, &err));
    assert_string_equal(
        err.message,
        "'cutover.max_downtime' is '5', expected a duration with a unit (ms, s, min, h) "
        "from 100ms to 1h");
    assert_false(option_parse(arena, OPT_PLUGIN, "test_decoding", &value, &err));
    assert_string_equal(err.message,
                        "'plugin' is 'test_decoding', expected one of auto, wal2json, pgoutput");
    arena_free(arena);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"tables", "target", "task", "source", "stream", "slot"};
    assert_string_equal(option_nearest("tabels", WORDS, 6), "tables");
    assert_string_equal(option_nearest("soruce", WORDS, 6), "source");
    assert_string_equal(option_nearest("tsk", WORDS, 6), "task");
    assert_string_equal(option_nearest("slt", WORDS, 6), "slot");
    assert_null(option_nearest("completely_else", WORDS, 6));
    assert_null(option_nearest("xy", WORDS, 6));
    assert_null(option_nearest("", WORDS, 6));
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(option_nearest(longest, WORDS, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique_in_every_form),
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_defaults_and_bounds),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_messages_say_what_is_allowed),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

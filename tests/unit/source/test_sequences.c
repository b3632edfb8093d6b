/* sequences: how far each is moved on, never past what is left of it; scope; a missing one is told. */
#include "fake_pgconn.h"

#include "source/sequences.h"

static const char *DEFINITIONS[] = {
    /* as source_sequences.sql */
    "s",
    "up",
    "1",
    "1",
    "9223372036854775807",
    "1",
    "1",
    "f",
    "10",
    NULL,
    "id",
    "s",
    "small",
    "1",
    "1",
    "100",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "s",
    "down",
    "-5",
    "-9223372036854775808",
    "-1",
    "1",
    "-1",
    "f",
    "11",
    NULL,
    "id",
    "s",
    "cache",
    "1",
    "1",
    "9223372036854775807",
    "5000",
    "1",
    "f",
    "0",
    NULL,
    NULL,
    "s",
    "end",
    "1",
    "1",
    "10",
    "1",
    "1",
    "t",
    "12",
    "10 21 2",
    "id",
    "s",
    "fresh",
    "1",
    "1",
    "3",
    "1",
    "1",
    "f",
    "0",
    NULL,
    NULL,
};
static const char *VALUES[] = {
    /* index, oid, last value, called; not in order */
    "5", "105", "3",  "f", "0", "100", "500", "t", "1", "101", "90", "t",
    "2", "102", "-7", "t", "3", "103", "1",   "t", "4", "104", "10", "t",
};

static Sequences read_all(Arena *arena)
{
    static const FakeAnswer ANSWERS[] = {
        {"pg_sequence", 6, 11, DEFINITIONS, ERR_NONE, NULL, NULL},
        {"UNION ALL SELECT 5, tableoid, last_value, is_called FROM \"s\".\"fresh\"", 6, 4, VALUES,
         ERR_NONE, NULL, NULL},
    };
    Error err = ERROR_INIT;
    Sequences sequences;
    FAKE_SCRIPT(ANSWERS);
    assert_true(sequences_read(&fake_conns[0], arena, &sequences, &err));
    fake_all_used();
    return sequences;
}

static void values_are_read_by_index(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Sequences s = read_all(arena);
    assert_int_equal(s.count, 6);
    assert_string_equal(s.all[2].name, "down");
    assert_int_equal(s.all[2].last_value, -7);
    assert_int_equal(s.all[2].increment, -5);
    assert_true(s.all[0].is_called);
    assert_false(s.all[5].is_called);
    assert_true(s.all[4].cycle);
    assert_int_equal(s.all[2].owner_oid, 11);
    arena_free(arena);
}

static void moved_on_but_not_to_the_end(void **state)
{
    (void)state;
    static const char *RAISED[] = {
        "0", "1500", "1", "1", "95", "1", "2", "-5007", "-1",
        "3", "5001", "1", "4", NULL, "9", "5", "3",     "1",
    };
    static const FakeAnswer ANSWERS[] = {{"setval", 6, 3, RAISED, ERR_NONE, NULL, NULL}};
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Sequences s = read_all(arena);
    int raised = 0;
    FAKE_SCRIPT(ANSWERS);
    assert_true(sequences_raise(&fake_conns[0], &s, 1000, false, &raised, &err));
    fake_all_used();
    assert_string_equal(fake_params[0], "{0,1,2,3,4,5}");
    /* margin 1000; half of the 10 left; downwards in its own steps; cache 5000; nothing left; not moved */
    assert_string_equal(fake_params[1], "{1500,95,-5007,5001,10,3}");
    assert_string_equal(fake_params[2], "{t,t,t,t,t,f}");
    assert_string_equal(fake_params[3], "{t,t,f,t,t,t}");
    assert_int_equal(raised, 5);
    assert_false(s.all[4].raised);
    assert_int_equal(s.all[4].set_to, 9); /* what the target has already */
    assert_int_equal(s.all[0].set_to, 1500);
    arena_free(arena);
}

static void a_missing_one_is_a_difference(void **state)
{
    (void)state;
    static const FakeAnswer ANSWERS[] = {
        {"setval", 0, 0, NULL, ERR_SQL, "42P01", "relation \"s.up\" does not exist"}};
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Sequences s = read_all(arena);
    int raised = 0;
    FAKE_SCRIPT(ANSWERS);
    assert_false(sequences_raise(&fake_conns[0], &s, 0, false, &raised, &err));
    assert_int_equal(err.cls, ERR_SCHEMA_DIFFERS);
    assert_non_null(strstr(err.message, "s.up"));
    fake_all_used();
    arena_free(arena);
}

static void scope_keeps_owned_and_standalone(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Sequences s = read_all(arena);
    Relation plain = {.oid = 10}, leaf = {.oid = 20, .is_partition = true, .parent_oid = 12};
    Relation *all[] = {&plain, &leaf};
    Relations rels = {.count = 2, .all = all};
    map_put(&rels.by_oid, &plain.oid, sizeof plain.oid, &plain);
    map_put(&rels.by_oid, &leaf.oid, sizeof leaf.oid, &leaf);
    sequences_keep_scope(&s, &rels);
    assert_int_equal(s.count, 5); /* without 'down', whose table 11 is out of scope */
    assert_string_equal(s.all[2].name, "cache");
    assert_string_equal(s.all[3].name, "end"); /* owned by the root of a leaf in scope */
    assert_string_equal(s.all[4].name, "fresh");
    /* Its owner is out of scope, but the default of a table in scope draws from it. */
    s = read_all(arena);
    leaf.parent_oid = 13;
    sequences_keep_scope(&s, &rels);
    assert_int_equal(s.count, 5);
    assert_string_equal(s.all[3].name, "end");
    plain.oid = 100;
    leaf.oid = 200;
    map_clear(&rels.by_oid);
    s = read_all(arena);
    sequences_keep_scope(&s, &rels);
    assert_int_equal(s.count, 3); /* the standalone ones */
    map_done(&rels.by_oid);
    arena_free(arena);
}

/* 250 sequences are three statements. */
static void many_in_batches(void **state)
{
    (void)state;
    enum { N = 250 };
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    const char **definitions = arena_new_array(arena, const char *, N * 11);
    const char **values = arena_new_array(arena, const char *, N * 4);
    for (int i = 0; i < N; i++) {
        const char *row[] = {
            "s", arena_printf(arena, "q%d", i), "1", "1", "1000000", "1", "1", "f", "0", NULL,
            NULL};
        const char *value[] = {arena_printf(arena, "%d", i), "1", "7", "t"};
        memcpy(&definitions[i * 11], row, sizeof row);
        memcpy(&values[i * 4], value, sizeof value);
    }
    const FakeAnswer answers[] = {
        {"pg_sequence", N, 11, definitions, ERR_NONE, NULL, NULL},
        {"SELECT 99,", 100, 4, values, ERR_NONE, NULL, NULL},
        {"SELECT 199,", 100, 4, values + 400, ERR_NONE, NULL, NULL},
        {"SELECT 249,", 50, 4, values + 800, ERR_NONE, NULL, NULL},
    };
    Sequences s;
    FAKE_SCRIPT(answers);
    assert_true(sequences_read(&fake_conns[0], arena, &s, &err));
    fake_all_used();
    assert_int_equal(s.count, N);
    assert_int_equal(s.all[N - 1].last_value, 7);
    arena_free(arena);
}

static void fewer_answers_than_asked_is_an_error(void **state)
{
    (void)state;
    static const FakeAnswer ANSWERS[] = {
        {"pg_sequence", 6, 11, DEFINITIONS, ERR_NONE, NULL, NULL},
        {"UNION ALL", 5, 4, VALUES, ERR_NONE, NULL, NULL},
    };
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    Sequences s;
    FAKE_SCRIPT(ANSWERS);
    assert_false(sequences_read(&fake_conns[0], arena, &s, &err));
    assert_int_equal(err.cls, ERR_PROTOCOL);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_by_index),
        cmocka_unit_test(moved_on_but_not_to_the_end),
        cmocka_unit_test(a_missing_one_is_a_difference),
        cmocka_unit_test(scope_keeps_owned_and_standalone),
        cmocka_unit_test(many_in_batches),
        cmocka_unit_test(fewer_answers_than_asked_is_an_error),
    };
    return cmocka_run_group_tests_name("sequences", tests, NULL, NULL);
}

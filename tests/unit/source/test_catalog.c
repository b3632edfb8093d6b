/* catalog: which tables are in scope, partitions by their root too; keys and foreign keys by index. */
#include "fake_pgconn.h"

#include "source/catalog.h"

#define TABLE(oid, schema, name, identity)                                                         \
    oid, schema, name, "p", identity, "f", "0", NULL, NULL, "f", "f", "100", "8192", "1", NULL,    \
        NULL, NULL, NULL
#define LEAF(oid, schema, name)                                                                    \
    oid, schema, name, "p", "d", "t", "50", "app", "events", "f", "f", "-1", "0", "0", NULL, NULL, \
        NULL, NULL

static const char *TABLES[] = {
    TABLE("11", "app", "users", "d"), TABLE("12", "app", "orders", "f"),
    LEAF("21", "app", "events_2024"), LEAF("22", "app", "events_2025"),
    TABLE("13", "log", "noise", "n"),
};
enum { TABLE_COUNT = 5, TABLE_COLUMNS = 18 };

#define COLUMN(oid, num, name, generated)                                                          \
    oid, num, name, "23", "23", "-1", "pg_catalog", "int4", "integer", "t", "f", generated, "t",   \
        NULL, NULL

static const char *COLUMNS[] = {
    COLUMN("11", "1", "id", "f"), COLUMN("11", "3", "twice", "t"), COLUMN("11", "4", "name", "f"),
    COLUMN("12", "1", "id", "f"), COLUMN("12", "2", "user", "f"),  COLUMN("21", "1", "id", "f"),
    COLUMN("21", "2", "g", "t"),
};
static const char *KEYS[] = {"11", "4 1", "t", "pg_catalog\next",       "12", "1", "t", "",
                             "21", "1 2", "t", "pg_catalog\npg_catalog"};
static const char *FOREIGN_KEYS[] = {
    "901", "orders_user",  "12", "11", "t", "f", "c",
    "902", "orders_other", "12", "99", "f", "t", "a",
};

static const char *SHAPES[] = {"11",  "app", "users", "abc1", "77", "def2",
                               "700", "300", "0",     "a1",   "b2"};

static bool read_catalog(Rules *rules, Relations **out_rels, Error *err)
{
    static const FakeAnswer SCRIPT[] = {
        {"BEGIN ISOLATION LEVEL REPEATABLE READ", 0, 0, NULL, ERR_NONE, NULL, NULL},
        {"relreplident", TABLE_COUNT, TABLE_COLUMNS, TABLES, ERR_NONE, NULL, NULL},
        {"binary_safe", 7, 15, COLUMNS, ERR_NONE, NULL, NULL},
        {"indisreplident", 3, 4, KEYS, ERR_NONE, NULL, NULL},
        {"conname", 2, 7, FOREIGN_KEYS, ERR_NONE, NULL, NULL},
        {"relfilenode", 1, 11, SHAPES, ERR_NONE, NULL, NULL},
        {"COMMIT", 0, 0, NULL, ERR_NONE, NULL, NULL},
    };
    FAKE_SCRIPT(SCRIPT);
    return catalog_read(&fake_conns[0], NULL, "t", rules, out_rels, err);
}

static void everything(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Rules rules = {0};
    Relations *rels;
    assert_true(read_catalog(&rules, &rels, &err));
    fake_all_used();
    assert_string_equal(fake_params[0], "{11,12,21,22,13}");
    assert_int_equal(rels->count, 5);
    const Relation *users = relations_by_oid(rels, 11);
    assert_ptr_equal(users, relations_by_name(rels, "app\0users", 9));
    assert_string_equal(users->display, "app.users");
    assert_int_equal(users->column_count, 2);
    assert_string_equal(users->columns[1].name, "name");
    assert_string_equal(users->shape, "abc1 77 def2 700 300 0 a1 b2");
    assert_int_equal(users->generated_count, 1);
    assert_string_equal(users->generated[0], "twice");
    /* the key's columns in the index's order, as places among those that travel */
    assert_int_equal(users->key_count, 2);
    assert_int_equal(users->key[0], 1);
    assert_int_equal(users->key[1], 0);
    assert_true(users->key_unique);
    assert_string_equal(users->columns[users->key[0]].equal_schema, "pg_catalog");
    assert_string_equal(users->columns[users->key[1]].equal_schema, "ext");
    assert_null(relations_by_oid(rels, 12)->columns[0].equal_schema); /* it has another name */
    /* a key over a generated column cannot be followed */
    assert_int_equal(relations_by_oid(rels, 21)->key_count, 0);
    assert_int_equal(relations_by_oid(rels, 22)->column_count, 0);
    assert_int_equal(relations_by_oid(rels, 22)->estimated_rows, -1);
    assert_true(relations_by_oid(rels, 22)->is_partition);
    assert_int_equal(relations_by_oid(rels, 22)->parent_oid, 50);
    assert_int_equal(rels->foreign_key_count, 2);
    assert_int_equal(rels->foreign_keys[0].from_id, 1);
    assert_int_equal(rels->foreign_keys[0].to_id, 0);
    assert_true(rels->foreign_keys[0].deferrable);
    assert_false(rels->foreign_keys[0].validated);
    assert_int_equal(rels->foreign_keys[0].on_delete, 'c');
    assert_int_equal(rels->foreign_keys[1].to_id, -1);
    relations_free(rels);
}

/* Only the tables are read: enough to see who is in scope. */
static int count_selected(const char *const *patterns, int count, char *out_names, Rules *rules)
{
    static const FakeAnswer SCRIPT[] = {
        {"BEGIN", 0, 0, NULL, ERR_NONE, NULL, NULL},
        {"relreplident", TABLE_COUNT, TABLE_COLUMNS, TABLES, ERR_NONE, NULL, NULL},
        {"binary_safe", 0, 15, NULL, ERR_NONE, NULL, NULL},
        {"indisreplident", 0, 3, NULL, ERR_NONE, NULL, NULL},
        {"conname", 0, 7, NULL, ERR_NONE, NULL, NULL},
        {"relfilenode", 0, 9, NULL, ERR_NONE, NULL, NULL},
        {"COMMIT", 0, 0, NULL, ERR_NONE, NULL, NULL},
    };
    static RulePattern parsed[8];
    static Arena *arena;
    Error err = ERROR_INIT;
    Relations *rels;
    if (arena != NULL)
        arena_free(arena);
    arena = arena_new(0);
    for (int i = 0; i < count; i++) {
        bool exclude = patterns[i][0] == '-';
        assert_true(rules_parse_pattern(arena, patterns[i] + exclude, exclude, &parsed[i], &err));
    }
    *rules = (Rules){.patterns = parsed, .count = count};
    FAKE_SCRIPT(SCRIPT);
    out_names[0] = '\0';
    assert_true(catalog_read(&fake_conns[0], NULL, "t", rules, &rels, &err));
    for (int i = 0; i < rels->count; i++) {
        strcat(out_names, rels->all[i]->name);
        strcat(out_names, " ");
    }
    int selected = rels->count;
    relations_free(rels);
    return selected;
}

static void partitions_come_by_their_root(void **state)
{
    (void)state;
    char names[256];
    Rules rules;
    const char *root[] = {"app.events"};
    assert_int_equal(count_selected(root, 1, names, &rules), 2);
    assert_string_equal(names, "events_2024 events_2025 ");
    const char *but_one[] = {"app.events", "-app.events_2024"};
    assert_int_equal(count_selected(but_one, 2, names, &rules), 1);
    assert_string_equal(names, "events_2025 ");
    assert_int_equal(rules.patterns[1].matched, 1);
    const char *without[] = {"app.*", "-app.events"};
    count_selected(without, 2, names, &rules);
    assert_string_equal(names, "users orders ");
    assert_int_equal(rules.patterns[1].matched, 2);
    const char *leaf[] = {"app.events_2024"};
    count_selected(leaf, 1, names, &rules);
    assert_string_equal(names, "events_2024 ");
    const char *only_excludes[] = {"-log.*"};
    assert_int_equal(count_selected(only_excludes, 1, names, &rules), 4);
    const char *nothing[] = {"app.x%"};
    assert_int_equal(count_selected(nothing, 1, names, &rules), 0);
    assert_int_equal(rules.patterns[0].matched, 0);
}

static void a_name_that_is_not_there(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        {"BEGIN", 0, 0, NULL, ERR_NONE, NULL, NULL},
        {"relreplident", TABLE_COUNT, TABLE_COLUMNS, TABLES, ERR_NONE, NULL, NULL},
        {"ROLLBACK", 0, 0, NULL, ERR_NONE, NULL, NULL},
    };
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    RulePattern patterns[2];
    Relations *rels = NULL;
    assert_true(rules_parse_pattern(arena, "app.*", false, &patterns[0], &err));
    assert_true(rules_parse_pattern(arena, "app.Users", false, &patterns[1], &err));
    Rules rules = {.patterns = patterns, .count = 2};
    FAKE_SCRIPT(SCRIPT);
    assert_false(catalog_read(&fake_conns[0], NULL, "t", &rules, &rels, &err));
    assert_int_equal(err.cls, ERR_CONFIG);
    assert_non_null(strstr(err.message, "'app.Users'"));
    assert_null(rels);
    fake_all_used();
    arena_free(arena);
}

/* In LATIN1: the name is the database's bytes, what rules and people see is UTF-8. */
static void a_name_in_another_encoding(void **state)
{
    (void)state;
    static const char *TABLE_OF_LATIN1[] = {
        "11", "app", "caf\xe9", "p",    "d", "f",      "0",          NULL, NULL,
        "f",  "f",   "100",     "8192", "1", "617070", "636166c3a9", NULL, NULL,
    };
    static const FakeAnswer SCRIPT[] = {
        {"BEGIN ISOLATION LEVEL REPEATABLE READ", 0, 0, NULL, ERR_NONE, NULL, NULL},
        {"relreplident", 1, TABLE_COLUMNS, TABLE_OF_LATIN1, ERR_NONE, NULL, NULL},
        {"binary_safe", 1, 15, COLUMNS, ERR_NONE, NULL, NULL},
        {"indisreplident", 0, 3, KEYS, ERR_NONE, NULL, NULL},
        {"conname", 0, 7, FOREIGN_KEYS, ERR_NONE, NULL, NULL},
        {"relfilenode", 0, 9, NULL, ERR_NONE, NULL, NULL},
        {"COMMIT", 0, 0, NULL, ERR_NONE, NULL, NULL},
    };
    Error err = ERROR_INIT;
    Relations *rels;
    RulePattern pattern = {.text = "app.caf\xc3\xa9", .schema = "app", .table = "caf\xc3\xa9"};
    Rules rules = {.patterns = &pattern, .count = 1};
    FAKE_SCRIPT(SCRIPT);
    assert_true(catalog_read(&fake_conns[0], NULL, "t", &rules, &rels, &err));
    assert_int_equal(rels->count, 1);
    assert_string_equal(rels->all[0]->name, "caf\xe9");
    assert_string_equal(rels->all[0]->display, "app.caf\xc3\xa9");
    relations_free(rels);
}

static void an_error_ends_the_transaction(void **state)
{
    (void)state;
    static const FakeAnswer SCRIPT[] = {
        {"BEGIN", 0, 0, NULL, ERR_NONE, NULL, NULL},
        {"relreplident", 0, 0, NULL, ERR_LOCK_TIMEOUT, "55P03", "lock timeout"},
        {"ROLLBACK", 0, 0, NULL, ERR_NONE, NULL, NULL},
    };
    Error err = ERROR_INIT;
    Rules rules = {0};
    Relations *rels = NULL;
    FAKE_SCRIPT(SCRIPT);
    assert_false(catalog_read(&fake_conns[0], NULL, "t", &rules, &rels, &err));
    assert_int_equal(err.cls, ERR_LOCK_TIMEOUT);
    fake_all_used();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(partitions_come_by_their_root),
        cmocka_unit_test(a_name_that_is_not_there),
        cmocka_unit_test(a_name_in_another_encoding),
        cmocka_unit_test(an_error_ends_the_transaction),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}

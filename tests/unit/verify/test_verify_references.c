/* test_verify_references - foreign keys that no constraint names, as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bascule/base/error.h"
#include "verify/verify_references.h"

static Column child_columns[] = {{.name = "id"}, {.name = "a,b"}, {.name = "parent"}};
static Column parent_columns[] = {{.name = "id"}, {.name = "x"}};
static const char *generated[] = {"made"};
static Relation child_1 = {.schema = "app",
                           .name = "child_1",
                           .display = "app.child_1",
                           .column_count = 3,
                           .columns = child_columns,
                           .generated = generated,
                           .generated_count = 1};
static Relation child_2 = {.schema = "app",
                           .name = "child_2",
                           .display = "app.child_2",
                           .column_count = 3,
                           .columns = child_columns};
static Relation parent = {.schema = "app",
                          .name = "parent",
                          .display = "app.parent",
                          .column_count = 2,
                          .columns = parent_columns};
static Relation *all[] = {&child_1, &child_2, &parent};
static const Relations RELS = {.count = 3, .all = all};

static void read_them(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Error err = ERROR_INIT;
    VerifyReference *refs = NULL;
    int count = 0;
    const char *texts[] = {"app.child_1(parent)->app.parent(id)",
                           " app.child_% ( a\\,b , parent )  -> app.parent ( x ,id ) ",
                           "app.child_1 (made) -> app.other\\.one (n)"};
    assert_true(verify_references_read(texts, 3, &RELS, arena, &refs, &count, &err));
    assert_int_equal(count, 4);
    assert_ptr_equal(refs[0].child, &child_1);
    assert_ptr_equal(refs[0].parent, &parent);
    assert_string_equal(refs[0].from[0], "parent");
    assert_string_equal(refs[0].to[0], "id");
    assert_string_equal(refs[0].text, texts[0]);
    assert_ptr_equal(refs[2].child, &child_2);
    assert_int_equal(refs[2].columns, 2);
    assert_string_equal(refs[2].from[0], "a,b");
    assert_string_equal(refs[2].to[0], "x");
    assert_string_equal(refs[2].to[1], "id");
    /* a table that does not move by itself: the servers are asked */
    assert_null(refs[3].parent);
    assert_string_equal(refs[3].parent_name, "other.one");
    arena_free(arena);
}

static void refuse_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } WRONG[] = {
        {"", "parentheses"},
        {"app.child_1", "parentheses"},
        {"app.child_1 (parent", "closing"},
        {"app.child_1 () -> app.parent (id)", "name of a column"},
        {"app.child_1 (parent) app.parent (id)", "'->' is missing"},
        {"app.child_1 (parent) -> app.parent", "parentheses"},
        {"app.child_1 (parent) -> app.parent (id) x", "behind it"},
        {"app.child_1 (parent, id) -> app.parent (id)", "as many columns"},
        {"app.child_1 (parent) -> app.% (id)", "one table"},
        {"child_1 (parent) -> app.parent (id)", "not schema.table"},
        {"app.child_3 (parent) -> app.parent (id)", "'app.child_3' names no table"},
        {"app.child_1 (Parent) -> app.parent (id)", "table 'app.child_1' has no column 'Parent'"},
        {"app.child_1 (parent) -> app.parent (y)", "table 'app.parent' has no column 'y'"},
        {"app.child_% (made) -> app.parent (id)", "table 'app.child_2' has no column 'made'"},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        Arena *arena = arena_new(0);
        Error err = ERROR_INIT;
        VerifyReference *refs = NULL;
        int count = 0;
        assert_false(verify_references_read(&WRONG[i].text, 1, &RELS, arena, &refs, &count, &err));
        assert_int_equal(err.cls, ERR_CONFIG);
        assert_non_null(strstr(err.message, WRONG[i].what));
        assert_non_null(strstr(err.message, "verify.references"));
        assert_non_null(strstr(err.message, WRONG[i].text));
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_them),
        cmocka_unit_test(refuse_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

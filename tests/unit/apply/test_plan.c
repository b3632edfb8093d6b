/* Plans: what is folded, what keeps its place, what does not apply. */
#include "apply/plan.h"
#include "fixture.h"

typedef struct Fixture {
    Relations *rels;
    Relation *parent, *child, *keyless, *pair;
    Shapes *shapes;
    Plan *plan;
    Flow *flow;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    f->rels = make_relations();
    f->child = make_relation(f->rels, "child", 2, 1); /* before its parent, by id */
    f->parent = make_relation(f->rels, "parent", 2, 1);
    f->keyless = make_relation(f->rels, "keyless", 2, 0);
    f->pair = make_relation(f->rels, "pair", 3, 2);
    make_foreign_key(f->rels, f->child, f->parent, 'c');
    f->shapes = shapes_plain(f->rels);
    f->plan = plan_new(f->shapes, false);
    f->flow = make_flow(true, true, 100, 110);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    plan_free(f->plan);
    shapes_free(f->shapes);
    flow_free(f->flow);
    arena_free(f->rels->arena);
    free(f);
    return 0;
}

static Change *insert(Fixture *f, Relation *rel, const char *a, const char *b)
{
    return add_change(f->flow, CHANGE_INSERT, rel, NULL, ROW(f->flow->arena, a, b, "x"));
}

static Change *update(Fixture *f, Relation *rel, const char *old, const char *a, const char *b)
{
    return add_change(f->flow, CHANGE_UPDATE, rel,
                      old == NULL ? NULL : ROW(f->flow->arena, old, UNCHANGED, UNCHANGED),
                      ROW(f->flow->arena, a, b, "x"));
}

static Change *delete (Fixture *f, Relation *rel, const char *a)
{
    return add_change(f->flow, CHANGE_DELETE, rel, ROW(f->flow->arena, a, UNCHANGED, UNCHANGED),
                      NULL);
}

static void truncate_tables(Fixture *f, Relation *a, Relation *b)
{
    Change *change = add_change(f->flow, CHANGE_TRUNCATE, NULL, NULL, NULL);
    change->truncated = arena_new_array(f->flow->arena, Relation *, 2);
    change->truncated[change->truncated_count++] = a;
    if (b != NULL)
        change->truncated[change->truncated_count++] = b;
}

static const PlanStep *finish(Fixture *f)
{
    plan_add(f->plan, f->flow);
    return plan_finish(f->plan);
}

static void folds_into_one_step(void **state)
{
    Fixture *f = *state;
    insert(f, f->child, "1", "a");
    insert(f, f->parent, "1", "a");
    update(f, f->child, NULL, "1", "b");
    update(f, f->parent, NULL, "2", "b");
    insert(f, f->keyless, "1", "a");
    insert(f, f->keyless, "1", "a");
    const PlanStep *step = finish(f);
    assert_int_equal(step->kind, PLAN_SET);
    assert_null(step->next);
    assert_int_equal(step->set_count, 3);
    /* parents first */
    int parent = -1, child = -1;
    for (int i = 0; i < step->set_count; i++) {
        parent = step->sets[i]->rel == f->parent ? i : parent;
        child = step->sets[i]->rel == f->child ? i : child;
        if (step->sets[i]->rel == f->keyless)
            assert_int_equal(step->sets[i]->rows, 2);
    }
    assert_true(parent >= 0 && child > parent);
    assert_int_equal(step->sets[child]->rows, 1);
    assert_int_equal(plan_take_tallies(f->plan, true), 6);
    assert_int_equal(f->child->inserts, 1);
    assert_int_equal(f->child->updates, 1);
    assert_int_equal(f->keyless->inserts, 2);
    assert_int_equal(plan_take_tallies(f->plan, true), 0);
}

/* A change of the key keeps its place among those of its table only. */
static void key_change_closes_its_table(void **state)
{
    Fixture *f = *state;
    insert(f, f->parent, "1", "a");
    insert(f, f->child, "1", "a");
    Change *moved = update(f, f->parent, "1", "2", "a");
    insert(f, f->parent, "1", "b");
    const PlanStep *step = finish(f);
    assert_int_equal(step->kind, PLAN_SET);
    assert_int_equal(step->set_count, 1);
    assert_ptr_equal(step->sets[0]->rel, f->parent);
    step = step->next;
    assert_int_equal(step->kind, PLAN_ROW);
    assert_ptr_equal(step->change, moved);
    step = step->next;
    assert_int_equal(step->kind, PLAN_SET);
    assert_int_equal(step->set_count, 2);
    assert_null(step->next);
    assert_false(plan_odd(f->plan));
}

/* While foreign keys are live it closes everything. */
static void live_closes_all(void **state)
{
    Fixture *f = *state;
    plan_free(f->plan);
    f->plan = plan_new(f->shapes, true);
    insert(f, f->parent, "1", "a");
    insert(f, f->child, "1", "a");
    update(f, f->parent, "1", "2", "a");
    insert(f, f->child, "2", "b");
    const PlanStep *step = finish(f);
    assert_int_equal(step->set_count, 2);
    assert_int_equal(step->next->kind, PLAN_ROW);
    assert_int_equal(step->next->next->set_count, 1);
}

/* The old key may come although it did not change, and a TOASTed key only as the old one. */
static void keys(void **state)
{
    Fixture *f = *state;
    const Value *key;
    assert_int_equal(plan_key(update(f, f->parent, "1", "1", "a"), &key), PLAN_KEY_SAME);
    assert_int_equal(plan_key(update(f, f->parent, "1", UNCHANGED, "a"), &key), PLAN_KEY_SAME);
    assert_int_equal(key[0].kind, VALUE_TEXT);
    assert_int_equal(plan_key(update(f, f->parent, "1", "2", "a"), &key), PLAN_KEY_CHANGED);
    assert_memory_equal(key[0].data, "1", 1);
    assert_int_equal(plan_key(update(f, f->parent, NULL, UNCHANGED, "a"), &key), PLAN_KEY_UNKNOWN);
    assert_int_equal(plan_key(delete (f, f->parent, UNCHANGED), &key), PLAN_KEY_UNKNOWN);
    Change *pair = update(f, f->pair, NULL, "1", "2");
    pair->old_values = ROW(f->flow->arena, "1", "1", UNCHANGED);
    assert_int_equal(plan_key(pair, &key), PLAN_KEY_CHANGED);
}

static void odd_and_unknown(void **state)
{
    Fixture *f = *state;
    Change *nameless = update(f, f->parent, NULL, UNCHANGED, "a");
    insert(f, f->parent, NULL, "a");
    update(f, f->keyless, "1", "1", "a");
    const PlanStep *step = finish(f);
    assert_int_equal(step->kind, PLAN_ROW);
    assert_ptr_equal(step->change, nameless);
    assert_int_equal(step->next->kind, PLAN_ROW);
    assert_int_equal(step->next->next->kind, PLAN_ROW);
    assert_false(plan_odd(f->plan));
    plan_clear(f->plan);
    insert(f, f->parent, "1", "a");
    insert(f, f->parent, "1", "a");
    plan_add(f->plan, f->flow);
    assert_true(plan_odd(f->plan));
    plan_clear(f->plan);
    assert_false(plan_odd(f->plan));
}

static void truncates(void **state)
{
    Fixture *f = *state;
    insert(f, f->parent, "1", "a");
    insert(f, f->child, "1", "a");
    insert(f, f->keyless, "1", "a");
    truncate_tables(f, f->parent, f->child);
    insert(f, f->parent, "1", "b");
    f->child->start_lsn = 101; /* its copy is newer than this transaction */
    const PlanStep *step = finish(f);
    assert_ptr_equal(step->sets[0]->rel, f->parent);
    step = step->next;
    assert_int_equal(step->kind, PLAN_TRUNCATE);
    assert_int_equal(step->truncated_count, 1);
    assert_ptr_equal(step->truncated[0], f->parent);
    assert_int_equal(step->next->kind, PLAN_SET);
    plan_take_tallies(f->plan, true);
    assert_int_equal(f->child->inserts + f->child->truncates, 0);
    assert_int_equal(f->parent->truncates, 1);
}

static void what_applies(void **state)
{
    Fixture *f = *state;
    assert_true(plan_applies(f->parent, f->flow));
    f->parent->start_lsn = 100;
    assert_true(plan_applies(f->parent, f->flow));
    f->parent->start_lsn = 101;
    assert_false(plan_applies(f->parent, f->flow));
    f->child->suspended = true;
    assert_false(plan_applies(f->child, f->flow));
    insert(f, f->parent, "1", "a");
    insert(f, f->child, "1", "a");
    assert_null(finish(f));
    assert_int_equal(plan_take_tallies(f->plan, true), 0);
}

static void messages(void **state)
{
    Fixture *f = *state;
    Change *ours = add_change(f->flow, CHANGE_MESSAGE, NULL, NULL, NULL);
    Change *foreign = add_change(f->flow, CHANGE_MESSAGE, NULL, NULL, NULL);
    ours->prefix = "bascule";
    foreign->prefix = "bascule2";
    assert_null(finish(f));
    assert_ptr_equal(plan_messages(f->plan)->change, ours);
    assert_null(plan_messages(f->plan)->next);
    plan_clear(f->plan);
    assert_null(plan_messages(f->plan));
}

/* While others write, a row that came and went may be there: it is not folded to nothing. */
static void rows_that_come_and_go(void **state)
{
    Fixture *f = *state;
    insert(f, f->parent, "1", "1");
    delete (f, f->parent, "1");
    plan_add(f->plan, f->flow);
    assert_false(plan_odd(f->plan));
    plan_clear(f->plan);
    plan_expect_others(f->plan, true);
    plan_add(f->plan, f->flow);
    assert_true(plan_odd(f->plan));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(folds_into_one_step),   TEST(key_change_closes_its_table),
        TEST(live_closes_all),       TEST(keys),
        TEST(odd_and_unknown),       TEST(truncates),
        TEST(what_applies),          TEST(messages),
        TEST(rows_that_come_and_go),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}

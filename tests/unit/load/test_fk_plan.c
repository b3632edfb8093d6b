/* fk_plan: parents first, cycles found and named, self references told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "load/load.h"

typedef struct Edge {
    int from, to;
} Edge;

static Relations *make(Arena *arena, int tables, const Edge *edges, int edge_count)
{
    Relations *rels = arena_new_object(arena, Relations);
    rels->arena = arena;
    rels->count = tables;
    rels->all = arena_new_array(arena, Relation *, tables + 1);
    for (int i = 0; i < tables; i++) {
        rels->all[i] = arena_new_object(arena, Relation);
        rels->all[i]->id = (uint32_t)i;
        rels->all[i]->display =
            i < 26 ? arena_printf(arena, "%c", 'a' + i) : arena_printf(arena, "t%d", i);
    }
    rels->foreign_keys = arena_new_array(arena, ForeignKey, edge_count + 1);
    rels->foreign_key_count = edge_count;
    for (int i = 0; i < edge_count; i++)
        rels->foreign_keys[i] = (ForeignKey){.from_id = edges[i].from, .to_id = edges[i].to};
    return rels;
}

static int place_of(const FkPlan *plan, int count, int id)
{
    for (int i = 0; i < count; i++) {
        if (plan->order[i] == id)
            return i;
    }
    fail_msg("table %d is not in the order", id);
    return -1;
}

static void parents_before_children(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    const Edge edges[] = {{0, 3}, {0, 2}, {1, 0}, {2, 3}, {4, -1}, {1, 3}};
    Relations *rels = make(arena, 5, edges, 6);
    FkPlan *plan = fk_plan_new(arena, rels);
    for (int i = 0; i < 6; i++) {
        if (edges[i].to >= 0)
            assert_true(place_of(plan, 5, edges[i].to) < place_of(plan, 5, edges[i].from));
    }
    assert_int_equal(plan->level[3], 0);
    assert_int_equal(plan->level[2], 1);
    assert_int_equal(plan->level[0], 2);
    assert_int_equal(plan->level[1], 3);
    assert_int_equal(plan->level[4], 0);
    assert_int_equal(plan->cycle_count, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(plan->cycle_of[i], -1);
        assert_false(plan->self_reference[i]);
    }
    arena_free(arena);
}

static void cycles_are_adjacent_and_named(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    /* b -> c -> d -> b, c -> b; a references b, e is referenced by d; f and g each other */
    const Edge edges[] = {{1, 2}, {2, 3}, {3, 1}, {0, 1}, {3, 4}, {5, 6}, {6, 5}, {1, 1}};
    Relations *rels = make(arena, 7, edges, 8);
    FkPlan *plan = fk_plan_new(arena, rels);
    assert_int_equal(plan->cycle_count, 2);
    int bcd = plan->cycle_of[1];
    assert_int_equal(plan->cycle_of[2], bcd);
    assert_int_equal(plan->cycle_of[3], bcd);
    assert_int_equal(plan->cycle_of[0], -1);
    assert_string_equal(plan->cycles[bcd], "b -> c -> d -> b");
    assert_string_equal(plan->cycles[plan->cycle_of[5]], "f -> g -> f");
    int first = place_of(plan, 7, 1);
    assert_int_equal(plan->order[first + 1], 2);
    assert_int_equal(plan->order[first + 2], 3);
    assert_true(place_of(plan, 7, 4) < first);
    assert_true(place_of(plan, 7, 0) > first);
    assert_int_equal(plan->level[4], 0);
    assert_int_equal(plan->level[1], 1);
    assert_int_equal(plan->level[2], 1);
    assert_int_equal(plan->level[3], 1);
    assert_int_equal(plan->level[0], 2);
    assert_true(plan->self_reference[1]);
    assert_false(plan->self_reference[2]);
    arena_free(arena);
}

static void self_reference_is_no_cycle(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    const Edge edges[] = {{0, 0}};
    Relations *rels = make(arena, 1, edges, 1);
    FkPlan *plan = fk_plan_new(arena, rels);
    assert_int_equal(plan->cycle_count, 0);
    assert_int_equal(plan->cycle_of[0], -1);
    assert_int_equal(plan->level[0], 0);
    assert_true(plan->self_reference[0]);
    arena_free(arena);
}

static void nothing_in_scope(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    Relations *rels = make(arena, 0, NULL, 0);
    FkPlan *plan = fk_plan_new(arena, rels);
    assert_int_equal(plan->cycle_count, 0);
    arena_free(arena);
}

/* A chain that would overflow a recursive walk, and one huge cycle. */
static void deep_chain_and_long_cycle(void **state)
{
    (void)state;
    enum { N = 100000 };
    Arena *arena = arena_new(0);
    Edge *edges = arena_new_array(arena, Edge, N);
    for (int i = 0; i < N - 1; i++)
        edges[i] = (Edge){i, i + 1};
    Relations *rels = make(arena, N, edges, N - 1);
    FkPlan *plan = fk_plan_new(arena, rels);
    for (int i = 0; i < N; i++) {
        assert_int_equal(plan->order[i], N - 1 - i);
        assert_int_equal(plan->level[i], N - 1 - i);
    }
    edges[N - 1] = (Edge){N - 1, 0};
    /* A cycle is named in full: keep this one readable for the test's memory. */
    rels = make(arena, 1000, NULL, 0);
    rels->foreign_keys = arena_new_array(arena, ForeignKey, 1000);
    rels->foreign_key_count = 1000;
    for (int i = 0; i < 1000; i++)
        rels->foreign_keys[i] = (ForeignKey){.from_id = i, .to_id = (i + 1) % 1000};
    plan = fk_plan_new(arena, rels);
    assert_int_equal(plan->cycle_count, 1);
    assert_non_null(strstr(plan->cycles[0], "t999 -> a"));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_before_children),
        cmocka_unit_test(cycles_are_adjacent_and_named),
        cmocka_unit_test(self_reference_is_no_cycle),
        cmocka_unit_test(nothing_in_scope),
        cmocka_unit_test(deep_chain_and_long_cycle),
    };
    return cmocka_run_group_tests_name("fk_plan", tests, NULL, NULL);
}

/* What follows from columns, keys and foreign keys. */
#include "apply/shape.h"
#include "fixture.h"

static int rank(const Shapes *shapes, const Relation *rel)
{
    return shapes->all[rel->id].rank;
}

static void ranks(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Relation *line = make_relation(rels, "line", 2, 1), *order = make_relation(rels, "order", 2, 1);
    Relation *customer = make_relation(rels, "customer", 2, 1);
    Relation *tree = make_relation(rels, "tree", 2, 1), *a = make_relation(rels, "a", 2, 1);
    Relation *b = make_relation(rels, "b", 2, 1);
    make_foreign_key(rels, line, order, 'c');
    make_foreign_key(rels, order, customer, 'a');
    make_foreign_key(rels, tree, tree, 'n');
    make_foreign_key(rels, a, b, 'a'); /* a cycle */
    make_foreign_key(rels, b, a, 'a');
    rels->foreign_keys[rels->foreign_key_count++] =
        (ForeignKey){.from_id = (int)tree->id, .to_id = -1, .on_delete = 'a'};
    Shapes *shapes = shapes_plain(rels);
    assert_true(rank(shapes, customer) < rank(shapes, order));
    assert_true(rank(shapes, order) < rank(shapes, line));
    assert_true(rank(shapes, tree) < rank(shapes, a));
    bool seen[6] = {false};
    for (int i = 0; i < rels->count; i++) {
        assert_false(seen[shapes->by_rank[i]]);
        seen[shapes->by_rank[i]] = true;
        assert_int_equal(shapes->all[shapes->by_rank[i]].rank, i);
    }
    assert_true(shape_cascades(shapes, (int)line->id, (int)order->id));
    assert_false(shape_cascades(shapes, (int)order->id, (int)customer->id));
    assert_false(shape_cascades(shapes, (int)order->id, (int)line->id));
    assert_true(shapes->all[order->id].delete_spreads);
    assert_true(shapes->all[tree->id].delete_spreads);
    assert_false(shapes->all[customer->id].delete_spreads);
    assert_true(shapes->all[line->id].references);
    assert_false(shapes->all[customer->id].references);
    shapes_free(shapes);
    arena_free(rels->arena);
}

static void identities(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Relation *rel = make_relation(rels, "t", 3, 1), *keyless = make_relation(rels, "k", 1, 0);
    Relation *only = make_relation(rels, "o", 1, 1);
    rel->columns[0].target_identity_always = true;
    rel->columns[2].target_identity_always = true;
    only->columns[0].target_identity_always = true;
    rel->columns[1].type_oid = INT4;
    rel->columns[1].target_type_name = "int4";
    Shapes *shapes = shapes_plain(rels);
    const Shape *shape = &shapes->all[rel->id];
    assert_true(shape->keyed);
    assert_true(shape->can_update);
    assert_true(shape->key_in_set);
    assert_int_equal(shape->table.pinned_count, 1);
    assert_int_equal(shape->table.pinned[0], 2);
    assert_int_equal(shape->columns[1].form, PGARRAY_INT4);
    assert_int_equal(shape->columns[1].element_oid, INT4);
    assert_false(shapes->all[keyless->id].keyed);
    assert_int_equal(shapes->all[keyless->id].table.key_count, 0);
    assert_false(shapes->all[only->id].can_update);
    shapes_free(shapes);
    arena_free(rels->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks),
        cmocka_unit_test(identities),
    };
    return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}

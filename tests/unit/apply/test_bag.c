/* Bags: every sequence of up to five operations on few row images against the same done one by one. */
#include "apply/bag.h"
#include "fixture.h"

#define IMAGES  3
#define BEFORE  2 /* rows of each image that are there at first */
#define MAX_OPS 5

/* An operation: insert `to`, delete `from`, update `from` to `to`, or the second column of it only. */
typedef struct Op {
    int kind, from, to;
} Op;
enum { OP_INSERT, OP_DELETE, OP_UPDATE, OP_KINDS };

static const char *const TEXT_OF[IMAGES][2] = {{"a", "x"}, {"a", NULL}, {"a", ""}};

static Value *image(Arena *arena, int n)
{
    return ROW(arena, TEXT_OF[n][0], TEXT_OF[n][1]);
}

static bool do_one(int *table, Op op)
{
    if (op.kind != OP_INSERT && table[op.from]-- == 0)
        return false;
    if (op.kind != OP_DELETE)
        table[op.to]++;
    return true;
}

static void fold_one(FoldSet *set, Arena *arena, Op op)
{
    if (op.kind == OP_INSERT)
        bag_insert(set, image(arena, op.to));
    else if (op.kind == OP_DELETE)
        bag_delete(set, image(arena, op.from));
    else /* the first column is the same in all, as a TOASTed one that did not travel */
        bag_update(set, image(arena, op.from), ROW(arena, UNCHANGED, TEXT_OF[op.to][1]));
}

static int which(const Value *values)
{
    assert_int_equal(values[0].kind, VALUE_TEXT);
    for (int i = 0; i < IMAGES; i++)
        if (TEXT_OF[i][1] == NULL
                ? values[1].kind == VALUE_NULL
                : values[1].kind == VALUE_TEXT && values[1].len == strlen(TEXT_OF[i][1]))
            return i;
    fail();
    return -1;
}

/* Old images must have been there before; nothing may be asked for twice. */
static void apply(const FoldSet *set, int *table)
{
    int before[IMAGES];
    memcpy(before, table, sizeof before);
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (row->op == FOLD_UPDATE || row->op == FOLD_DELETE) {
            assert_true(before[which(row->key)]-- > 0);
            table[which(row->key)]--;
        }
        if (row->op == FOLD_UPDATE || row->op == FOLD_INSERT)
            table[which(row->values)]++;
    }
}

static long checked;

static void try_all(Relation *rel, Op *ops, int count)
{
    int plain[IMAGES], folded[IMAGES];
    for (int i = 0; i < IMAGES; i++)
        plain[i] = folded[i] = i == 0 ? BEFORE : i == 1 ? 1 : 0;
    for (int i = 0; i < count; i++)
        if (!do_one(plain, ops[i]))
            return;
    Arena *arena = arena_new(0);
    FoldSet set;
    fold_init(&set, rel, arena);
    for (int i = 0; i < count; i++)
        fold_one(&set, arena, ops[i]);
    apply(&set, folded);
    assert_memory_equal(plain, folded, sizeof plain);
    fold_done(&set);
    arena_free(arena);
    checked++;
    if (count == MAX_OPS)
        return;
    for (int kind = 0; kind < OP_KINDS; kind++) {
        for (int from = 0; from < (kind == OP_INSERT ? 1 : IMAGES); from++) {
            for (int to = 0; to < (kind == OP_DELETE ? 1 : IMAGES); to++) {
                ops[count] = (Op){kind, from, to};
                try_all(rel, ops, count + 1);
            }
        }
    }
}

static void every_sequence(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Op ops[MAX_OPS];
    try_all(make_relation(rels, "pile", 2, 0), ops, 0);
    assert_true(checked > 10000);
    arena_free(rels->arena);
}

static void takes_complete_images_only(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Arena *arena = rels->arena;
    Relation *rel = make_relation(rels, "pile", 2, 0), *bare = make_relation(rels, "bare", 0, 0);
    Change change = {.rel = rel, .kind = CHANGE_DELETE, .old_values = ROW(arena, "a", NULL)};
    assert_true(bag_takes(&change));
    change.old_values = ROW(arena, "a", UNCHANGED);
    assert_false(bag_takes(&change));
    change.old_values = NULL;
    assert_false(bag_takes(&change));
    change = (Change){.rel = rel, .kind = CHANGE_INSERT, .new_values = ROW(arena, "a", UNCHANGED)};
    assert_false(bag_takes(&change));
    /* Rows without columns: which of them goes is for a look-up to say. */
    change = (Change){.rel = bare, .kind = CHANGE_DELETE, .old_values = ROW(arena, "a")};
    assert_false(bag_takes(&change));
    arena_free(rels->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence),
        cmocka_unit_test(takes_complete_images_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Folding: every short sequence of operations on few keys against the same operations done one by
 * one. */
#include "apply/fold.h"
#include "fixture.h"

#define KEYS     2
#define COLUMNS  3 /* key, two others */
#define MAX_OPS  5
#define NO_VALUE (-1)

/* An operation: what, on which key, and for updates which columns are known. */
typedef struct Op {
    int kind; /* 0 insert, 1 update both, 2 update the first, 3 update the second, 4 delete */
    int key;
} Op;
#define OP_KINDS 5

/* A table: for each key whether there is a row, and its two values. */
typedef struct Table {
    bool present[KEYS];
    int values[KEYS][2];
} Table;

static const char *const KEY_TEXT[KEYS] = {"one", "two"};
static char value_text[64][8];

static const char *number(int n)
{
    snprintf(value_text[n], sizeof value_text[n], "v%d", n);
    return value_text[n];
}

/* False when a real source could not have done it. */
static bool do_one(Table *table, Op op, int n)
{
    if (op.kind == 0) {
        if (table->present[op.key])
            return false;
        table->present[op.key] = true;
        table->values[op.key][0] = table->values[op.key][1] = n;
        return true;
    }
    if (!table->present[op.key])
        return false;
    if (op.kind == 1 || op.kind == 2)
        table->values[op.key][0] = n;
    if (op.kind == 1 || op.kind == 3)
        table->values[op.key][1] = n;
    if (op.kind == 4)
        table->present[op.key] = false;
    return true;
}

static bool fold_one(FoldSet *set, Arena *arena, Op op, int n)
{
    const char *key = KEY_TEXT[op.key];
    Value *old = ROW(arena, key, UNCHANGED, UNCHANGED);
    switch (op.kind) {
    case 0:
        return fold_insert(set, ROW(arena, key, number(n), number(n)));
    case 1:
        return fold_update(set, old, ROW(arena, key, number(n), number(n)));
    case 2:
        return fold_update(set, old, ROW(arena, key, number(n), UNCHANGED));
    case 3:
        return fold_update(set, old, ROW(arena, key, UNCHANGED, number(n)));
    default:
        return fold_delete(set, old);
    }
}

static int parse(const Value *value)
{
    assert_int_equal(value->kind, VALUE_TEXT);
    for (int n = 0; n < 64; n++)
        if (value->len == strlen(number(n)) && memcmp(value->data, number(n), value->len) == 0)
            return n;
    fail_msg("unknown value");
    return NO_VALUE;
}

static int key_of(const FoldRow *row)
{
    for (int k = 0; k < KEYS; k++)
        if (row->key[0].len == strlen(KEY_TEXT[k]) &&
            memcmp(row->key[0].data, KEY_TEXT[k], row->key[0].len) == 0)
            return k;
    fail_msg("unknown key");
    return -1;
}

/* As setwise does: all deletes, then all updates, then all inserts; each must find what it needs.
 */
static void apply_net(Table *table, const FoldSet *set)
{
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (row->op != FOLD_DELETE && row->op != FOLD_REPLACE)
            continue;
        assert_true(table->present[key_of(row)]);
        table->present[key_of(row)] = false;
    }
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (row->op != FOLD_UPDATE)
            continue;
        assert_true(table->present[key_of(row)]);
        for (int i = 0; i < 2; i++)
            if (row->values[1 + i].kind != VALUE_UNCHANGED)
                table->values[key_of(row)][i] = parse(&row->values[1 + i]);
    }
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (row->op != FOLD_INSERT && row->op != FOLD_REPLACE)
            continue;
        assert_false(table->present[key_of(row)]);
        table->present[key_of(row)] = true;
        for (int i = 0; i < 2; i++)
            table->values[key_of(row)][i] = parse(&row->values[1 + i]);
    }
}

/* While foreign keys are live a replaced row is updated instead. */
static void apply_net_live(Table *table, const FoldSet *set)
{
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        int key = key_of(row);
        switch (row->op) {
        case FOLD_INSERT:
            assert_false(table->present[key]);
            table->present[key] = true;
            break;
        case FOLD_DELETE:
            assert_true(table->present[key]);
            table->present[key] = false;
            break;
        case FOLD_NOTHING:
            break;
        default:
            assert_true(table->present[key]);
        }
        for (int i = 0; i < 2 && row->op != FOLD_DELETE && row->op != FOLD_NOTHING; i++)
            if (row->values[1 + i].kind != VALUE_UNCHANGED)
                table->values[key][i] = parse(&row->values[1 + i]);
    }
}

static void assert_same(const Table *a, const Table *b)
{
    for (int k = 0; k < KEYS; k++) {
        assert_int_equal(a->present[k], b->present[k]);
        for (int i = 0; i < 2 && a->present[k]; i++)
            assert_int_equal(a->values[k][i], b->values[k][i]);
    }
}

static int legal, illegal;

static void check_sequence(const Relation *rel, Arena *arena, const Op *ops, int count,
                           const Table *start)
{
    Table one_by_one = *start, net = *start, net_live = *start;
    FoldSet set;
    bool possible = true, folded = true;
    arena_reset(arena);
    fold_init(&set, rel, arena);
    for (int i = 0; i < count; i++) {
        possible = possible && do_one(&one_by_one, ops[i], 10 + i);
        folded = folded && fold_one(&set, arena, ops[i], 10 + i);
    }
    if (possible) {
        legal++;
        assert_true(folded);
        apply_net(&net, &set);
        apply_net_live(&net_live, &set);
        assert_same(&one_by_one, &net);
        assert_same(&one_by_one, &net_live);
    } else {
        illegal++;
    }
    fold_done(&set);
}

static void all_sequences(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Relation *rel = make_relation(rels, "t", COLUMNS, 1);
    Arena *arena = arena_new(0);
    for (int count = 1; count <= MAX_OPS; count++) {
        long total = 1;
        for (int i = 0; i < count; i++)
            total *= OP_KINDS * KEYS;
        for (long n = 0; n < total; n++) {
            Op ops[MAX_OPS];
            long rest = n;
            for (int i = 0; i < count; i++, rest /= OP_KINDS * KEYS)
                ops[i] = (Op){.kind = (int)(rest % OP_KINDS), .key = (int)(rest / OP_KINDS % KEYS)};
            for (int present = 0; present < 1 << KEYS; present++) {
                Table start = {{present & 1, present >> 1 & 1}, {{1, 2}, {3, 4}}};
                check_sequence(rel, arena, ops, count, &start);
            }
        }
    }
    assert_true(legal > 1000 && illegal > 1000);
    arena_free(arena);
    arena_free(rels->arena);
}

/* What no source can produce is refused, whatever the table holds. */
static void odd_sequences(void **state)
{
    (void)state;
    static const struct {
        int kinds[3], count;
    } ODD[] = {
        {{0, 0}, 2},    {{1, 0}, 2},    {{4, 1}, 2},    {{4, 4}, 2},    {{4, 0, 0}, 3},
        {{0, 4, 1}, 3}, {{0, 4, 4}, 3}, {{1, 4, 1}, 3}, {{1, 4, 4}, 3},
    };
    Relations *rels = make_relations();
    Relation *rel = make_relation(rels, "t", COLUMNS, 1);
    for (size_t n = 0; n < sizeof ODD / sizeof *ODD; n++) {
        FoldSet set;
        bool folded = true;
        fold_init(&set, rel, rels->arena);
        for (int i = 0; i < ODD[n].count; i++) {
            assert_true(folded);
            folded = fold_one(&set, rels->arena, (Op){.kind = ODD[n].kinds[i]}, i);
        }
        assert_false(folded);
        fold_done(&set);
    }
    arena_free(rels->arena);
}

/* ("a","bc") is not ("ab","c"), and an empty text is a key as well. */
static void composite_keys(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Relation *rel = make_relation(rels, "t", 3, 2);
    FoldSet set;
    fold_init(&set, rel, rels->arena);
    assert_true(fold_insert(&set, ROW(rels->arena, "a", "bc", "1")));
    assert_true(fold_insert(&set, ROW(rels->arena, "ab", "c", "2")));
    assert_true(fold_insert(&set, ROW(rels->arena, "", "abc", "3")));
    assert_true(fold_insert(&set, ROW(rels->arena, "abc", "", "4")));
    assert_int_equal(set.rows, 4);
    assert_false(fold_insert(&set, ROW(rels->arena, "ab", "c", "5")));
    assert_true(fold_delete(&set, ROW(rels->arena, "ab", "c", UNCHANGED)));
    int nothing = 0;
    for (const FoldRow *row = set.first; row != NULL; row = row->next)
        nothing += row->op == FOLD_NOTHING;
    assert_int_equal(nothing, 1);
    fold_done(&set);
    arena_free(rels->arena);
}

/* The changes themselves stay as they came: the replay needs them. */
static void merging_copies(void **state)
{
    (void)state;
    Relations *rels = make_relations();
    Relation *rel = make_relation(rels, "t", 3, 1);
    Value *first = ROW(rels->arena, "k", "a", NULL);
    Value *second = ROW(rels->arena, "k", UNCHANGED, "b");
    FoldSet set;
    fold_init(&set, rel, rels->arena);
    assert_true(fold_insert(&set, first));
    assert_true(fold_update(&set, second, second));
    assert_int_equal(set.first->op, FOLD_INSERT);
    assert_memory_equal(set.first->values[1].data, "a", 1);
    assert_memory_equal(set.first->values[2].data, "b", 1);
    assert_int_equal(first[2].kind, VALUE_NULL);
    assert_int_equal(second[1].kind, VALUE_UNCHANGED);
    fold_done(&set);
    arena_free(rels->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sequences),
        cmocka_unit_test(odd_sequences),
        cmocka_unit_test(composite_keys),
        cmocka_unit_test(merging_copies),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}

/* bag - see the header. */
#include "apply/bag.h"

#include <string.h>

static bool complete(const Value *values, int count)
{
    for (int i = 0; i < count; i++)
        if (values[i].kind == VALUE_UNCHANGED)
            return false;
    return true;
}

bool bag_takes(const Change *change)
{
    int count = change->rel->column_count;
    if (change->kind == CHANGE_INSERT)
        return complete(change->new_values, count);
    return count > 0 && change->old_values != NULL && complete(change->old_values, count);
}

static uint64_t image_hash(const FoldSet *set, const Value *image)
{
    uint64_t hash = 0;
    for (int i = 0; i < set->rel->column_count; i++) {
        uint64_t one = image[i].kind >= VALUE_TEXT ? hash_bytes(image[i].data, image[i].len) : 1;
        hash = (hash ^ one) * UINT64_C(0x9e3779b97f4a7c15) + image[i].kind;
    }
    return hash;
}

static bool image_equal(const FoldSet *set, const Value *a, const Value *b)
{
    for (int i = 0; i < set->rel->column_count; i++)
        if (!value_equal(&a[i], &b[i]))
            return false;
    return true;
}

/* Puts the row where a later change finds it by the image that it has now. */
static void show(FoldSet *set, FoldRow *row)
{
    bool found;
    uint64_t *hash = arena_alloc(set->arena, sizeof *hash);
    *hash = image_hash(set, row->values);
    MapEntry *entry = map_slot(&set->by_key, hash, sizeof *hash, &found);
    row->below = found ? entry->value : NULL;
    entry->value = row;
}

/* Inserts are shown only when something asks for them: most batches only insert. */
static void show_all(FoldSet *set)
{
    if (set->indexed == set->rows)
        return;
    int64_t n = 0;
    for (FoldRow *row = set->first; row != NULL; row = row->next)
        if (n++ >= set->indexed && row->op == FOLD_INSERT)
            show(set, row);
    set->indexed = set->rows;
}

/* Takes a row that this batch gave the image out of the map, or NULL. */
static FoldRow *take(FoldSet *set, const Value *image)
{
    static FoldRow nobody; /* a place in the map may not become empty */
    show_all(set);
    uint64_t hash = image_hash(set, image);
    bool found;
    if (map_get(&set->by_key, &hash, sizeof hash) == NULL)
        return NULL;
    MapEntry *entry = map_slot(&set->by_key, &hash, sizeof hash, &found);
    FoldRow *above = NULL;
    for (FoldRow *row = entry->value; row != NULL; above = row, row = row->below) {
        if (row == &nobody || !image_equal(set, row->values, image))
            continue;
        if (above != NULL)
            above->below = row->below;
        else
            entry->value = row->below != NULL ? row->below : &nobody;
        return row;
    }
    return NULL;
}

/* The new image with what did not travel put in from the old one. */
static const Value *whole(const FoldSet *set, const Value *old_values, const Value *values)
{
    int count = set->rel->column_count;
    if (complete(values, count))
        return values;
    Value *image = arena_alloc(set->arena, sizeof *image * (size_t)count);
    for (int i = 0; i < count; i++)
        image[i] = values[i].kind == VALUE_UNCHANGED ? old_values[i] : values[i];
    return image;
}

void bag_insert(FoldSet *set, const Value *values)
{
    fold_append(set, FOLD_INSERT, values, values);
}

void bag_update(FoldSet *set, const Value *old_values, const Value *values)
{
    FoldRow *row = take(set, old_values);
    if (row == NULL) {
        row = fold_append(set, FOLD_UPDATE, old_values, values);
        set->indexed++; /* all before it are in, and it will be at once */
    }
    row->values = whole(set, old_values, values);
    show(set, row);
}

void bag_delete(FoldSet *set, const Value *old_values)
{
    FoldRow *row = take(set, old_values);
    if (row == NULL) {
        fold_append(set, FOLD_DELETE, old_values, NULL);
        set->indexed++;
        return;
    }
    row->op = row->op == FOLD_INSERT ? FOLD_NOTHING : FOLD_DELETE;
}

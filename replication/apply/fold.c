/* fold - see the header */
#include "apply/fold.h"

#include <string.h>

void fold_init(FoldSet *set, const Relation *rel, Arena *arena)
{
    set->rel = rel;
    set->arena = arena;
    set->by_key = MAP_INIT;
    set->first = NULL;
    set->tail = &set->first;
    set->rows = 0;
    set->indexed = 0;
    set->others = false;
}

void fold_done(FoldSet *set)
{
    map_done(&set->by_key);
    set->first = NULL;
    set->tail = &set->first;
    set->rows = 0;
    set->indexed = 0;
}

FoldRow *fold_append(FoldSet *set, FoldOp op, const Value *key, const Value *values)
{
    FoldRow *row = arena_alloc(set->arena, sizeof *row);
    *row = (FoldRow){.key = key, .values = values, .op = (uint8_t)op};
    *set->tail = row;
    set->tail = &row->next;
    set->rows++;
    return row;
}

/* One column: its bytes. Several: each with its length before it, so that ("a","bc") is not
 * ("ab","c"). */
const char *fold_key(const Relation *rel, const Value *key, Arena *arena, size_t *out_len)
{
    if (rel->key_count == 1) {
        *out_len = key[rel->key[0]].len;
        return key[rel->key[0]].data;
    }
    size_t len = 0;
    for (int k = 0; k < rel->key_count; k++)
        len += sizeof(uint32_t) + key[rel->key[k]].len;
    char *bytes = arena_bytes_alloc(arena, len), *out = bytes;
    for (int k = 0; k < rel->key_count; k++) {
        const Value *value = &key[rel->key[k]];
        memcpy(out, &value->len, sizeof value->len);
        if (value->len > 0)
            memcpy(out + sizeof value->len, value->data, value->len);
        out += sizeof value->len + value->len;
    }
    *out_len = len;
    return bytes;
}

static MapEntry *find(FoldSet *set, const Value *key, bool *out_found)
{
    size_t len;
    const char *bytes = fold_key(set->rel, key, set->arena, &len);
    return map_slot(&set->by_key, bytes, len, out_found);
}

/* What is known of a row, with the later values over the earlier ones. */
static void merge(FoldSet *set, FoldRow *row, const Value *later)
{
    int count = set->rel->column_count, unchanged = 0;
    for (int i = 0; i < count; i++)
        unchanged += later[i].kind == VALUE_UNCHANGED;
    if (unchanged == 0) {
        row->values = later;
        row->own = NULL;
        return;
    }
    if (row->own == NULL) {
        row->own = arena_alloc(set->arena, sizeof(Value) * (size_t)count);
        memcpy(row->own, row->values, sizeof(Value) * (size_t)count);
        row->values = row->own;
    }
    for (int i = 0; i < count; i++)
        if (later[i].kind != VALUE_UNCHANGED)
            row->own[i] = later[i];
}

bool fold_insert(FoldSet *set, const Value *values)
{
    bool found;
    MapEntry *entry = find(set, values, &found);
    if (!found) {
        entry->value = fold_append(set, FOLD_INSERT, values, values);
        return true;
    }
    FoldRow *row = entry->value;
    if (row->op != FOLD_DELETE && row->op != FOLD_NOTHING)
        return false;
    row->op = row->op == FOLD_DELETE ? FOLD_REPLACE : FOLD_INSERT;
    row->key = values;
    row->values = values;
    row->own = NULL;
    return true;
}

bool fold_update(FoldSet *set, const Value *key, const Value *values)
{
    bool found;
    MapEntry *entry = find(set, key, &found);
    if (!found) {
        entry->value = fold_append(set, FOLD_UPDATE, key, values);
        return true;
    }
    FoldRow *row = entry->value;
    if (row->op == FOLD_DELETE || row->op == FOLD_NOTHING)
        return false;
    merge(set, row, values);
    return true;
}

bool fold_delete(FoldSet *set, const Value *key)
{
    bool found;
    MapEntry *entry = find(set, key, &found);
    if (!found) {
        entry->value = fold_append(set, FOLD_DELETE, key, NULL);
        return true;
    }
    FoldRow *row = entry->value;
    if (row->op == FOLD_DELETE || row->op == FOLD_NOTHING ||
        (row->op == FOLD_INSERT && set->others))
        return false;
    row->op = row->op == FOLD_INSERT ? FOLD_NOTHING : FOLD_DELETE;
    return true;
}

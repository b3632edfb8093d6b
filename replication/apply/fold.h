/*
 * fold - the changes of one table within a batch, net: at most one per key.
 *
 *              then INSERT      then UPDATE          then DELETE
 * nothing yet  INSERT           UPDATE               DELETE
 * INSERT       (odd)            INSERT merged        NOTHING
 * UPDATE       (odd)            UPDATE merged        DELETE
 * DELETE       REPLACE          (odd)                (odd)
 * REPLACE      (odd)            REPLACE merged       DELETE
 * NOTHING      INSERT           (odd)                (odd)
 *
 * Odd      no source produces such a sequence; it is refused, and the caller works row by row,
 *          which names what is wrong.
 * Merging  never lets an UNCHANGED value override one that is known.
 * Keys     are compared by the text of their values: within one stream a row's key has one text.
 * Memory   rows and merged values are of the arena given; values themselves are borrowed from the
 *          changes, which must outlive the set.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/base/map.h"
#include "bascule/model/change.h"

typedef enum FoldOp {
    FOLD_NOTHING,
    FOLD_INSERT,
    FOLD_UPDATE,
    FOLD_DELETE,
    FOLD_REPLACE, /* delete, then insert */
} FoldOp;

typedef struct FoldRow {
    struct FoldRow *next;  /* in the order of first change */
    struct FoldRow *below; /* bag.h: another row with the same hash */
    const Value *key;      /* a row (by column) that holds the key's values */
    const Value *values;   /* by column: INSERT and REPLACE complete, UPDATE as far as known */
    Value *own;            /* values when they are the set's own copy, else NULL */
    uint8_t op;            /* FoldOp */
} FoldRow;

typedef struct FoldSet {
    const Relation *rel;
    Arena *arena;
    Map by_key;
    FoldRow *first, **tail;
    int64_t rows;
    int64_t indexed; /* bag.h: rows that are in by_key */
    bool others;     /* a row that came and went may be there all the same: odd */
} FoldSet;

/* What rows with the same key have in common: the row's own bytes or the arena's. */
const char *fold_key(const Relation *rel, const Value *key, Arena *arena, size_t *out_len);

void fold_init(FoldSet *set, const Relation *rel, Arena *arena);
/* Gives the map's memory back; the set may be initialised again. */
void fold_done(FoldSet *set);
/* A row of its own, not looked up by its key: for tables without one (bag.h). */
FoldRow *fold_append(FoldSet *set, FoldOp op, const Value *key, const Value *values);
/* `key` is a row in which the key columns are set. False: odd. */
MUST_CHECK bool fold_insert(FoldSet *set, const Value *values);
MUST_CHECK bool fold_update(FoldSet *set, const Value *key, const Value *values);
MUST_CHECK bool fold_delete(FoldSet *set, const Value *key);

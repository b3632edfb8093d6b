/*
 * row - what a row message means, whichever plugin brought it: the one place where the contract of
 * model/change.h is made true, so that both decoders deliver the same changes.
 *
 * Place    replication/wire; called by the decoders only.
 * Errors   SCHEMA_CHANGED when the message's columns do not fit the Relation.
 */
#pragma once

#include "bascule/model/change.h"

/* The values of one tuple by column index, with room for all columns; of those that the source sends
 * the ones that the message lacks are UNCHANGED. */
typedef struct RowTuple {
    Value *values;
    int missing; /* how many of them are UNCHANGED */
} RowTuple;

/* new_tuple: the arena's, kept in the change. identity: borrowed (copied when it is needed), or
 * NULL when the plugin said that the key did not change. */
MUST_CHECK bool row_insert(Relation *rel, const RowTuple *new_tuple, Change *change, Error *err);
MUST_CHECK bool row_update(Relation *rel, const RowTuple *new_tuple, const RowTuple *identity,
                           Arena *arena, Change *change, Error *err);
MUST_CHECK bool row_delete(Relation *rel, const RowTuple *identity, Arena *arena, Change *change,
                           Error *err);

/* Adds a relation to a TRUNCATE: ordered by id, each once. */
void row_truncate_add(Change *change, Relation *rel, Arena *arena);

/* Index of the column of that name, trying `hint` first; -1 none, ROW_SKIPPED one that does not travel:
 * generated, or left out by a rule. */
#define ROW_SKIPPED (-2)
int row_find_column(const Relation *rel, const char *name, size_t len, int hint);
bool row_unknown_column(const Relation *rel, const char *name, size_t len, Error *err);

/*
 * bag - the net changes of a table whose rows have no key: a multiset of row images.
 *
 * Rows with the same image cannot be told apart, so any of them may stand for the one that was
 * meant. A change whose old image is one that this batch made follows that row: insert then update
 * is an insert of the later image, insert then delete is nothing, update then update is one update
 * from the first old to the last new image. Every old image that is left was there before the batch.
 * Images are complete (no UNCHANGED) and compared by the bytes of their values: within one stream a
 * value has one text.
 * Rows     FoldRow: key is the old image, values the new one; op INSERT, UPDATE, DELETE, NOTHING.
 */
#pragma once

#include "apply/fold.h"

/* All of the old row is known, so that it may be folded. */
bool bag_takes(const Change *change);
void bag_insert(FoldSet *set, const Value *values);
/* values may hold UNCHANGED: the old image says what they are. */
void bag_update(FoldSet *set, const Value *old_values, const Value *values);
void bag_delete(FoldSet *set, const Value *old_values);

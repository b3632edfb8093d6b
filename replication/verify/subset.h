/*
 * subset - are all rows of the source among those of the target, whatever else the target has? For tables
 * whose rule keeps rows of the target's own (conflicts.rules: keep-extra): sums over all rows do not say.
 *
 * Method   a row is its 128-bit hash. Both sides' hashes are parted by their first bits; parts are sorted
 *          and walked side by side, with as many copies as each side has. The key is among what was
 *          hashed, so a row that differs is one that the target lacks and one that it has too many.
 * Memory   bounded (about 8 MB a table that is being read); what is more goes to a file without a name,
 *          24 bytes a row and side. It holds hashes, no values.
 * Threads  subset_add() may be called by many at once; the rest by one, when nobody adds.
 * Errors   IO, DISK_FULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bascule/base/error.h"

typedef struct Subset Subset;

typedef struct SubsetRow {
    uint64_t lo, hi; /* of the row's hash */
    uint32_t bucket; /* the caller's */
} SubsetRow;

typedef struct SubsetResult {
    bool complete;   /* false: the deadline came first, and nothing is known */
    int64_t lacking; /* rows of the source that the target has not, or not the same */
    int64_t extra;   /* rows of the target that the source has not, or not the same */
} SubsetResult;

/* `directory`: of the file, where one is needed; NULL or "": the system's. */
Subset *subset_new(const char *directory);
void subset_free(Subset *subset); /* NULL is fine */
/* side: 0 source, 1 target. */
MUST_CHECK bool subset_add(Subset *subset, int side, const SubsetRow *rows, size_t count,
                           Error *err);
/* out_buckets[bucket]: how many rows of the source in it are lacking; NULL: not asked. Once. */
MUST_CHECK bool subset_judge(Subset *subset, int64_t deadline_us, uint32_t *out_buckets,
                             SubsetResult *out_result, Error *err);

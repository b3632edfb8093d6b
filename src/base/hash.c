/* hash - see bascule/base/hash.h */
#include "bascule/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

static void add128(RowsHash *hash, uint64_t lo, uint64_t hi)
{
    hash->lo += lo;
    hash->hi += hi + (hash->lo < lo);
}

void rows_hash_add(RowsHash *hash, const void *row, size_t len)
{
    XXH128_hash_t one = XXH3_128bits(row, len);
    add128(hash, one.low64, one.high64);
    hash->rows++;
}

void rows_hash_merge(RowsHash *hash, const RowsHash *other)
{
    add128(hash, other->lo, other->hi);
    hash->rows += other->rows;
}

int rows_hash_equal(const RowsHash *a, const RowsHash *b)
{
    return a->lo == b->lo && a->hi == b->hi && a->rows == b->rows;
}

char *rows_hash_text(const RowsHash *hash, char out[33])
{
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, hash->hi, hash->lo);
    return out;
}

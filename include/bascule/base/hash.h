/*
 * hash - 128-bit digest of a multiset of rows: the sum of xxh3-128 of each row and their number,
 * so that the order in which rows arrive does not matter.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct RowsHash {
    uint64_t lo, hi; /* 128-bit sum, wrapping */
    uint64_t rows;
} RowsHash;

void rows_hash_add(RowsHash *hash, const void *row, size_t len);
void rows_hash_merge(RowsHash *hash, const RowsHash *other);
int rows_hash_equal(const RowsHash *a, const RowsHash *b);
char *rows_hash_text(const RowsHash *hash, char out[33]); /* 32 hex digits */

/*
 * keyset - which keys have been seen, by 128-bit hash, in bounded memory.
 *
 * Grows by doubling up to `max_bytes`. Beyond that it forgets: a key may then be called new
 * although it was seen, and is written down a second time. It never calls a new key seen.
 * Threads  none of its own: the owner's lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct KeyHash {
    uint64_t lo, hi;
} KeyHash;

typedef struct Keyset {
    KeyHash *slots;
    size_t capacity; /* power of two, or 0 */
    size_t max_capacity;
    bool forgets; /* something was overwritten since the last clear */
} Keyset;

void keyset_init(Keyset *set, size_t max_bytes);
void keyset_done(Keyset *set);
/* Gives large memory back. */
void keyset_clear(Keyset *set);
/* true: not seen since the last clear, as far as is remembered; it is now. */
bool keyset_add(Keyset *set, KeyHash hash);
size_t keyset_bytes(const Keyset *set);

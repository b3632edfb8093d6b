/*
 * keyset - open addressing; a hash lies within PROBES places of its home. When all of them are
 * taken the table doubles, and when it may not, one of them is overwritten.
 */
#include "verify/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

#define PROBES       32
#define FIRST_SLOTS  1024
#define KEPT_AT_MOST 65536 /* slots that a clear keeps */

void keyset_init(Keyset *set, size_t max_bytes)
{
    *set = (Keyset){.max_capacity = FIRST_SLOTS};
    while (set->max_capacity * 2 * sizeof(KeyHash) <= max_bytes)
        set->max_capacity *= 2;
}

void keyset_done(Keyset *set)
{
    free(set->slots);
    set->slots = NULL;
    set->capacity = 0;
}

void keyset_clear(Keyset *set)
{
    set->forgets = false;
    if (set->capacity > KEPT_AT_MOST)
        keyset_done(set);
    else if (set->slots != NULL)
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
}

size_t keyset_bytes(const Keyset *set)
{
    return set->capacity * sizeof *set->slots;
}

typedef enum Found { FOUND_SEEN, FOUND_ROOM, FOUND_FULL } Found;

static Found find(const Keyset *set, KeyHash hash, size_t *out_slot)
{
    size_t mask = set->capacity - 1;
    for (size_t i = 0; i < PROBES; i++) {
        size_t slot = (hash.lo + i) & mask;
        const KeyHash *at = &set->slots[slot];
        *out_slot = slot;
        if (at->lo == hash.lo && at->hi == hash.hi)
            return FOUND_SEEN;
        if ((at->lo | at->hi) == 0)
            return FOUND_ROOM;
    }
    return FOUND_FULL;
}

static void put(Keyset *set, KeyHash hash);

static void grow(Keyset *set)
{
    Keyset old = *set;
    set->capacity = old.capacity == 0 ? FIRST_SLOTS : old.capacity * 2;
    set->slots = mem_zalloc(set->capacity * sizeof *set->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if ((old.slots[i].lo | old.slots[i].hi) != 0)
            put(set, old.slots[i]);
    free(old.slots);
}

/* Not there yet. */
static void put(Keyset *set, KeyHash hash)
{
    size_t slot;
    while (set->capacity == 0 || find(set, hash, &slot) == FOUND_FULL) {
        if (set->capacity >= set->max_capacity) {
            slot = (hash.lo + hash.hi % PROBES) & (set->capacity - 1);
            set->forgets = true;
            break;
        }
        grow(set);
    }
    set->slots[slot] = hash;
}

bool keyset_add(Keyset *set, KeyHash hash)
{
    size_t slot;
    if ((hash.lo | hash.hi) == 0)
        hash.lo = 1;
    if (set->capacity > 0 && find(set, hash, &slot) == FOUND_SEEN)
        return false;
    put(set, hash);
    return true;
}

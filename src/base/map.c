/* map - see bascule/base/map.h. Linear probing; full to three quarters at most; what
 * is removed is filled by the entries behind it, so there are no tombstones. */
#include "bascule/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bascule/base/mem.h"

#define FIRST_CAPACITY ((size_t)16)

uint64_t hash_bytes(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void map_done(Map *map)
{
    free(map->entries);
    *map = MAP_INIT;
}

void map_clear(Map *map)
{
    if (map->count > 0)
        memset(map->entries, 0, map->capacity * sizeof *map->entries);
    map->count = 0;
}

/* The entry of the key, or the empty place where it belongs. capacity > 0. */
static MapEntry *find(const Map *map, const void *key, size_t key_len, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        MapEntry *entry = &map->entries[i];
        if (entry->value == NULL)
            return entry;
        if (entry->hash == hash && entry->key_len == key_len &&
            (key_len == 0 || memcmp(entry->key, key, key_len) == 0))
            return entry;
    }
}

static void grow(Map *map)
{
    Map bigger = {.capacity = map->capacity > 0 ? map->capacity * 2 : FIRST_CAPACITY,
                  .count = map->count};
    size_t mask = bigger.capacity - 1;

    bigger.entries = mem_zalloc(bigger.capacity * sizeof *bigger.entries);
    for (size_t i = 0; i < map->capacity; i++) {
        const MapEntry *entry = &map->entries[i];
        size_t at = (size_t)entry->hash & mask;
        if (entry->value == NULL)
            continue;
        while (bigger.entries[at].value != NULL)
            at = (at + 1) & mask;
        bigger.entries[at] = *entry;
    }
    free(map->entries);
    *map = bigger;
}

void *map_get(const Map *map, const void *key, size_t key_len)
{
    if (map->count == 0)
        return NULL;
    return find(map, key, key_len, hash_bytes(key, key_len))->value;
}

MapEntry *map_slot(Map *map, const void *key, size_t key_len, bool *out_found)
{
    MapEntry *entry;
    uint64_t hash = hash_bytes(key, key_len);

    if (map->capacity - map->capacity / 4 <= map->count)
        grow(map);
    entry = find(map, key, key_len, hash);
    *out_found = entry->value != NULL;
    if (!*out_found) {
        entry->key = key;
        entry->key_len = key_len;
        entry->hash = hash;
        map->count++;
    }
    return entry;
}

void *map_put(Map *map, const void *key, size_t key_len, void *value)
{
    bool found;
    MapEntry *entry;
    void *before;

    ASSERT(value != NULL);
    entry = map_slot(map, key, key_len, &found);
    before = entry->value;
    /* The new value may own the key's memory, and the old one may go away now. */
    entry->key = key;
    entry->value = value;
    return before;
}

void *map_remove(Map *map, const void *key, size_t key_len)
{
    if (map->count == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    MapEntry *entry = find(map, key, key_len, hash_bytes(key, key_len));
    void *before = entry->value;
    if (before == NULL)
        return NULL;
    size_t hole = (size_t)(entry - map->entries);
    for (size_t i = (hole + 1) & mask; map->entries[i].value != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)map->entries[i].hash & mask;
        /* It may move to the hole unless that lies before the place where a look-up begins. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        map->entries[hole] = map->entries[i];
        hole = i;
    }
    map->entries[hole] = (MapEntry){0};
    map->count--;
    return before;
}

MapEntry *map_next(const Map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        MapEntry *entry = &map->entries[(*cursor)++];
        if (entry->value != NULL)
            return entry;
    }
    return NULL;
}

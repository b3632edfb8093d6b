/*
 * map - bytes to pointer, open addressing, xxh3.
 *
 * Keys are borrowed: they must live as long as the entry (an arena, or the value itself).
 * Values may not be NULL. Not thread safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bascule/base/error.h"

typedef struct MapEntry {
    const void *key;
    size_t key_len;
    uint64_t hash;
    void *value; /* NULL: empty place */
} MapEntry;

typedef struct Map {
    MapEntry *entries;
    size_t capacity; /* power of two, or 0 */
    size_t count;
} Map;

#define MAP_INIT ((Map){0})

void map_done(Map *map);
void map_clear(Map *map);
void *map_get(const Map *map, const void *key, size_t key_len); /* NULL: not there */
/* Puts or replaces; returns the value that was there before, or NULL. */
void *map_put(Map *map, const void *key, size_t key_len, void *value);
/* Returns the value that was there, or NULL. The entries behind it may move. */
void *map_remove(Map *map, const void *key, size_t key_len);
/* One look-up for get-or-put: *out_found tells; the caller sets ->value when it was not found
 * before any other call on the map. */
MapEntry *map_slot(Map *map, const void *key, size_t key_len, bool *out_found);
/* for (size_t i = 0; (e = map_next(&map, &i)) != NULL;) in no particular order */
MapEntry *map_next(const Map *map, size_t *cursor);
uint64_t hash_bytes(const void *data, size_t len);

/*
 * arena - memory that dies together.
 *
 * Owns     chained blocks; arena_free gives all back at once. Nothing in it is freed singly and
 *          nothing with a destructor lives in it.
 * Threads  one owner at a time; a queue hands message and arena over together.
 * Errors   allocation failure aborts (row data is bounded by budgets, not by failing mallocs).
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "bascule/base/error.h"

typedef struct Arena Arena;

Arena *arena_new(size_t first_block_bytes); /* 0: default (4 kB) */
void arena_free(Arena *arena);              /* NULL is fine */
void arena_reset(Arena *arena);             /* keeps the largest block */
size_t arena_bytes(const Arena *arena);     /* taken from the system */

/* 16-byte aligned, not zeroed. */
void *arena_alloc(Arena *arena, size_t bytes);
void *arena_zalloc(Arena *arena, size_t bytes);
/* Unaligned bytes: for row data. */
char *arena_bytes_alloc(Arena *arena, size_t bytes);
char *arena_dup(Arena *arena, const void *data, size_t len); /* adds a NUL behind */
char *arena_strdup(Arena *arena, const char *s);             /* NULL stays NULL */
char *arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *arena, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

#define arena_new_array(arena, T, n) ((T *)arena_zalloc((arena), sizeof(T) * (size_t)(n)))
#define arena_new_object(arena, T)   ((T *)arena_zalloc((arena), sizeof(T)))

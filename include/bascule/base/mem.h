/*
 * mem - heap memory for bookkeeping: aborts when there is none, so that nobody has to ask.
 *
 * Row data does not come from here but from arenas and queues that are bounded by budgets.
 * Owns     the caller frees with free().
 */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t bytes); /* not zeroed; bytes 0 gives a pointer that may be freed */
void *mem_zalloc(size_t bytes);
void *mem_grow(void *old, size_t bytes); /* realloc */
char *mem_strdup(const char *s);         /* NULL stays NULL */

/* mem - see bascule/base/mem.h */
#include "bascule/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t bytes)
{
    if (memory == NULL) {
        fprintf(stderr, "bascule: out of memory (%zu bytes)\n", bytes);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes > 0 ? bytes : 1), bytes);
}

void *mem_zalloc(size_t bytes)
{
    return checked(calloc(1, bytes > 0 ? bytes : 1), bytes);
}

void *mem_grow(void *old, size_t bytes)
{
    return checked(realloc(old, bytes > 0 ? bytes : 1), bytes);
}

char *mem_strdup(const char *s)
{
    return s == NULL ? NULL : checked(strdup(s), strlen(s));
}

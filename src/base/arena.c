/*
 * arena - see bascule/base/arena.h.
 *
 * The newest block is at the head and is the one allocated from. A request that is large against
 * the block size gets a block of its own behind the head, so that the head's rest stays in use.
 * Under AddressSanitizer what has not been handed out is poisoned.
 */
#include "bascule/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define GAP            16 /* a hole behind each allocation: overruns are seen */
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP            0
#endif

#define ALIGNMENT           ((size_t)16)
#define DEFAULT_BLOCK_BYTES ((size_t)4096)
#define MAX_BLOCK_BYTES     ((size_t)1 << 20)

typedef struct Block {
    struct Block *next;
    size_t size; /* of the data behind the header */
    size_t used;
    size_t unused; /* keeps the header a multiple of ALIGNMENT */
} Block;

struct Arena {
    Block *head;
    size_t total_bytes;
    size_t next_bytes; /* data size of the next ordinary block */
};

static char *block_data(Block *block)
{
    return (char *)(block + 1);
}

static Block *block_new(Arena *arena, size_t size)
{
    Block *block = mem_alloc(sizeof *block + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    arena->total_bytes += sizeof *block + size;
    POISON(block_data(block), size);
    return block;
}

static void block_free(Arena *arena, Block *block)
{
    arena->total_bytes -= sizeof *block + block->size;
    UNPOISON(block_data(block), block->size);
    free(block);
}

Arena *arena_new(size_t first_block_bytes)
{
    Arena *arena = mem_zalloc(sizeof *arena);
    size_t bytes = first_block_bytes > 0 ? first_block_bytes : DEFAULT_BLOCK_BYTES;
    arena->total_bytes = sizeof *arena;
    arena->next_bytes = bytes > 2 * sizeof(Block) ? bytes - sizeof(Block) : sizeof(Block);
    arena->head = block_new(arena, arena->next_bytes);
    return arena;
}

void arena_free(Arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->head != NULL) {
        Block *next = arena->head->next;
        block_free(arena, arena->head);
        arena->head = next;
    }
    free(arena);
}

void arena_reset(Arena *arena)
{
    Block *largest = arena->head;
    for (Block *block = arena->head; block != NULL; block = block->next)
        if (block->size > largest->size)
            largest = block;
    for (Block *block = arena->head, *next; block != NULL; block = next) {
        next = block->next;
        if (block != largest)
            block_free(arena, block);
    }
    largest->next = NULL;
    largest->used = 0;
    POISON(block_data(largest), largest->size);
    arena->head = largest;
}

size_t arena_bytes(const Arena *arena)
{
    return arena->total_bytes;
}

/* The slow path: the head has no room. */
static Block *block_for(Arena *arena, size_t bytes)
{
    size_t grown = arena->next_bytes * 2;
    Block *block;

    if (bytes > grown / 4) {
        block = block_new(arena, bytes);
        block->next = arena->head->next;
        arena->head->next = block;
        return block;
    }
    arena->next_bytes = grown < MAX_BLOCK_BYTES ? grown : MAX_BLOCK_BYTES;
    block = block_new(arena, arena->next_bytes);
    block->next = arena->head;
    arena->head = block;
    return block;
}

static inline char *take(Arena *arena, size_t bytes, size_t alignment)
{
    Block *block = arena->head;
    size_t start = (block->used + alignment - 1) & ~(alignment - 1);

    ASSERT(bytes < SIZE_MAX / 4);
    if (start > block->size || block->size - start < bytes + GAP) {
        block = block_for(arena, bytes + ALIGNMENT + GAP);
        start = 0;
    }
    block->used = start + bytes + GAP;
    UNPOISON(block_data(block) + start, bytes);
    return block_data(block) + start;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    return take(arena, bytes, ALIGNMENT);
}

void *arena_zalloc(Arena *arena, size_t bytes)
{
    void *memory = take(arena, bytes, ALIGNMENT);
    memset(memory, 0, bytes);
    return memory;
}

char *arena_bytes_alloc(Arena *arena, size_t bytes)
{
    return take(arena, bytes, 1);
}

char *arena_dup(Arena *arena, const void *data, size_t len)
{
    char *copy = take(arena, len + 1, 1);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(Arena *arena, const char *s)
{
    return s == NULL ? NULL : arena_dup(arena, s, strlen(s));
}

char *arena_vprintf(Arena *arena, const char *fmt, va_list ap)
{
    va_list again;
    int len;
    char *out;

    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    ASSERT(len >= 0);
    out = take(arena, (size_t)len + 1, 1);
    vsnprintf(out, (size_t)len + 1, fmt, ap);
    return out;
}

char *arena_printf(Arena *arena, const char *fmt, ...)
{
    va_list ap;
    char *out;

    va_start(ap, fmt);
    out = arena_vprintf(arena, fmt, ap);
    va_end(ap);
    return out;
}

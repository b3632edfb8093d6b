/*
 * buf - growable bytes on the heap.
 *
 * Invariants  len <= cap; data[len] is NUL once anything was put; data may move on every put.
 * Owns        its memory: buf_done, or CLEANUP_BUF at the declaration.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bascule/base/error.h"

typedef struct Buf {
    char *data;
    size_t len;
    size_t cap;
} Buf;

#define BUF_INIT    ((Buf){0})
#define CLEANUP_BUF __attribute__((cleanup(buf_done)))

void buf_done(Buf *buf);
void buf_clear(Buf *buf);                /* len = 0, memory stays */
void buf_reserve(Buf *buf, size_t more); /* room for `more` bytes behind len */
void buf_put(Buf *buf, const void *data, size_t len);
void buf_puts(Buf *buf, const char *s);
void buf_putc(Buf *buf, char c);
void buf_printf(Buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_put_u16(Buf *buf, uint16_t v); /* network byte order, as all below */
void buf_put_u32(Buf *buf, uint32_t v);
void buf_put_u64(Buf *buf, uint64_t v);
const char *buf_str(Buf *buf); /* NUL-terminated, "" when empty */
char *buf_take(Buf *buf);      /* the caller frees; buf is empty afterwards */

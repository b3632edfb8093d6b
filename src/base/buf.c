/* buf - see bascule/base/buf.h. There is always one byte more than cap says, for the NUL. */
#include "bascule/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

#define SMALLEST_BYTES ((size_t)64)

void buf_done(Buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT;
}

void buf_clear(Buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

void buf_reserve(Buf *buf, size_t more)
{
    size_t need = buf->len + more;
    size_t cap = buf->cap > 0 ? buf->cap : SMALLEST_BYTES;

    ASSERT(more < SIZE_MAX / 4);
    if (buf->data != NULL && need <= buf->cap)
        return;
    while (cap < need)
        cap *= 2;
    buf->data = mem_grow(buf->data, cap + 1);
    buf->cap = cap;
    buf->data[buf->len] = '\0';
}

void buf_put(Buf *buf, const void *data, size_t len)
{
    buf_reserve(buf, len);
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_puts(Buf *buf, const char *s)
{
    buf_put(buf, s, strlen(s));
}

void buf_putc(Buf *buf, char c)
{
    buf_put(buf, &c, 1);
}

void buf_printf(Buf *buf, const char *fmt, ...)
{
    va_list ap;
    int len;

    buf_reserve(buf, SMALLEST_BYTES);
    va_start(ap, fmt);
    len = vsnprintf(buf->data + buf->len, buf->cap - buf->len + 1, fmt, ap);
    va_end(ap);
    ASSERT(len >= 0);
    if ((size_t)len > buf->cap - buf->len) {
        buf_reserve(buf, (size_t)len);
        va_start(ap, fmt);
        vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, ap);
        va_end(ap);
    }
    buf->len += (size_t)len;
}

static void put_big_endian(Buf *buf, uint64_t v, int bytes)
{
    char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (char)(v >> (8 * (bytes - 1 - i)));
    buf_put(buf, out, (size_t)bytes);
}

void buf_put_u16(Buf *buf, uint16_t v)
{
    put_big_endian(buf, v, 2);
}

void buf_put_u32(Buf *buf, uint32_t v)
{
    put_big_endian(buf, v, 4);
}

void buf_put_u64(Buf *buf, uint64_t v)
{
    put_big_endian(buf, v, 8);
}

const char *buf_str(Buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *buf_take(Buf *buf)
{
    char *data = buf->data != NULL ? buf->data : mem_strdup("");
    *buf = BUF_INIT;
    return data;
}

/*
 * reading - a message of the replication protocol, piece by piece; each length is checked against what
 * is left of it.
 */
#pragma once

#include "bascule/base/error.h"
#include "wire/bytes.h"

typedef struct Bytes {
    char *start, *p, *end;
} Bytes;

static inline bool damaged(const Bytes *b, Error *err)
{
    return ERR(err, ERR_DECODE, "message '%c' of %td bytes is cut or damaged at byte %td",
               b->start < b->end ? *b->start : '?', b->end - b->start, b->p - b->start);
}

static inline bool left(const Bytes *b, size_t n)
{
    return (size_t)(b->end - b->p) >= n;
}

static inline bool read_u8(Bytes *b, uint8_t *out)
{
    if (!left(b, 1))
        return false;
    *out = (uint8_t)*b->p++;
    return true;
}

static inline bool read_u16(Bytes *b, uint16_t *out)
{
    if (!left(b, 2))
        return false;
    *out = bytes_u16(b->p);
    b->p += 2;
    return true;
}

static inline bool read_u32(Bytes *b, uint32_t *out)
{
    if (!left(b, 4))
        return false;
    *out = bytes_u32(b->p);
    b->p += 4;
    return true;
}

static inline bool read_u64(Bytes *b, uint64_t *out)
{
    if (!left(b, 8))
        return false;
    *out = bytes_u64(b->p);
    b->p += 8;
    return true;
}

static inline bool read_time(Bytes *b, int64_t *out_wall_us)
{
    if (!left(b, 8))
        return false;
    *out_wall_us = bytes_wall_us(b->p);
    b->p += 8;
    return true;
}

static inline bool read_name(Bytes *b, const char **out)
{
    const char *nul = memchr(b->p, '\0', (size_t)(b->end - b->p));
    if (nul == NULL)
        return false;
    *out = b->p;
    b->p = (char *)nul + 1;
    return true;
}

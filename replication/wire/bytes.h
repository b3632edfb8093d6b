/*
 * bytes - integers in network byte order, at any address.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "bascule/base/clock.h"

static inline uint16_t bytes_u16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static inline uint32_t bytes_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline uint64_t bytes_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* A server's timestamp, since 1970; 0 (unknown) when it is none that a clock could show. */
static inline int64_t bytes_wall_us(const char *p)
{
    int64_t pg_us = (int64_t)bytes_u64(p);
    return pg_us > INT64_MAX / 2 ? 0 : clock_from_pg_us(pg_us);
}

static inline void bytes_put_u64(char *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

/*
 * lsn - a byte position in the WAL, printed X/X. 0 is "unknown" and is never confirmed or stored
 * as progress. Positions are named by what they mean: received_lsn, durable_lsn, applied_lsn,
 * confirmed_lsn; never just "lsn" where two could be meant.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t Lsn;

#define LSN_UNKNOWN  ((Lsn)0)
#define LSN_FMT      "%X/%X"
#define LSN_ARGS(lsn) (unsigned)((lsn) >> 32), (unsigned)(lsn)

/* Strict: both parts hexadecimal, 1 to 8 digits, nothing behind. */
static inline bool lsn_parse(const char *text, Lsn *out_lsn)
{
    unsigned hi = 0, lo = 0;
    int used = 0;
    if (text == NULL || sscanf(text, "%8X/%8X%n", &hi, &lo, &used) != 2 || text[used] != '\0')
        return false;
    *out_lsn = ((Lsn)hi << 32) | lo;
    return true;
}

typedef struct LsnText { char text[24]; } LsnText;
static inline LsnText lsn_text(Lsn lsn)
{
    LsnText out;
    snprintf(out.text, sizeof out.text, LSN_FMT, LSN_ARGS(lsn));
    return out;
}

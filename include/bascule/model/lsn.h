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

#define LSN_UNKNOWN   ((Lsn)0)
#define LSN_FMT       "%X/%X"
#define LSN_ARGS(lsn) (unsigned)((lsn) >> 32), (unsigned)(lsn)

static inline bool lsn_parse_half(const char **text, uint32_t *out_half)
{
    uint32_t half = 0;
    int digits = 0;
    for (;; digits++, (*text)++) {
        char c = **text;
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
            break;
        half = half << 4 | digit;
    }
    *out_half = half;
    return digits >= 1 && digits <= 8;
}

/* Strict: both parts hexadecimal, 1 to 8 digits, no blanks, nothing behind. */
static inline bool lsn_parse(const char *text, Lsn *out_lsn)
{
    uint32_t hi, lo;
    if (text == NULL || !lsn_parse_half(&text, &hi) || *text++ != '/' ||
        !lsn_parse_half(&text, &lo) || *text != '\0')
        return false;
    *out_lsn = ((Lsn)hi << 32) | lo;
    return true;
}

typedef struct LsnText {
    char text[24];
} LsnText;
static inline LsnText lsn_text(Lsn lsn)
{
    LsnText out;
    snprintf(out.text, sizeof out.text, LSN_FMT, LSN_ARGS(lsn));
    return out;
}

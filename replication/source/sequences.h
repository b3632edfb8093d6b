/*
 * sequences - every sequence of the source in scope (owned or not), and raising those of the target.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

typedef struct Sequence {
    const char *schema, *name;
    int64_t last_value;
    bool is_called;
    int64_t increment, min_value, max_value, cache, start;
    bool cycle;
    int64_t set_to;         /* what sequences_raise() set on the target */
    bool raised;
} Sequence;

typedef struct Sequences {
    int count;
    Sequence *all;
} Sequences;

MUST_CHECK bool sequences_read(PgConn *source, Arena *arena, Sequences *out_sequences, Error *err);
/* target := the later (in the direction of increment) of its own value and the source's moved on by
 * max(margin, cache, 32) increments; bounded by min/max, cycle respected; never moved back. A sequence that
 * the target lacks is SCHEMA_DIFFERS. One round trip for all. */
MUST_CHECK bool sequences_raise(PgConn *target, Sequences *sequences, int64_t margin, int *out_raised,
                                Error *err);

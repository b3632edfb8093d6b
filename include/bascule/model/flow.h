/*
 * flow - what travels from the stream's reader to the applier, in order.
 *
 * A source transaction is one or more consecutive PARTs (a small one is exactly one, with begins and
 * ends set); it is never interleaved with another; the last of several may hold no change. LOST ends whatever is open: the applier rolls
 * back what it has not committed, and the stream will come again from the resume position.
 * POSITION says: everything before end_lsn has been sent, nothing is open.
 * A Flow owns its arena and everything in it; flow_free() gives all back.
 */
#pragma once

#include "bascule/model/change.h"

typedef enum FlowKind { FLOW_PART, FLOW_POSITION, FLOW_LOST } FlowKind;

typedef struct Flow {
    FlowKind kind;
    Arena *arena;      /* the Flow itself lives in it */
    bool begins, ends; /* PART: first, last of its transaction */
    uint32_t xid;      /* 0 unknown */
    Lsn commit_lsn;    /* start of the commit record: known from the first part */
    Lsn end_lsn;       /* its end: what may be confirmed; known in the last part (and POSITION) */
    int64_t commit_time_us; /* wall clock of the source, since 1970; 0 unknown */
    Change *first, *last;
    int64_t change_count; /* in this part */
    size_t bytes;         /* memory it stands for */
} Flow;

static inline void flow_free(Flow *flow)
{
    if (flow != NULL)
        arena_free(flow->arena);
}

/*
 * waiting - the flows that the applier holds: whole transactions first, then the parts of one whose
 * end has not come.
 *
 * Owns     the flows, until waiting_drop_*.
 */
#pragma once

#include "bascule/model/flow.h"

typedef struct Waiting {
    Flow **flows;
    int64_t count, capacity;
    int64_t whole;        /* the first of them, of whole transactions */
    int64_t transactions; /* whole ones */
    int64_t whole_changes, part_changes;
    size_t whole_bytes, part_bytes;
    Lsn end_lsn;            /* of the last whole one; kept by the caller when there is none */
    int64_t commit_time_us; /* of the last whole one, 0 unknown */
    int64_t since_us;       /* when the first whole one came (monotonic) */
    bool open;              /* the last transaction has not ended */
} Waiting;

/* Takes a part of a transaction. */
void waiting_add(Waiting *waiting, Flow *flow, int64_t now_us);
/* A position without changes, behind all transactions. */
void waiting_move(Waiting *waiting, Lsn end_lsn, int64_t now_us);
void waiting_drop_whole(Waiting *waiting);
/* The parts of the open transaction, which goes on. */
void waiting_drop_parts(Waiting *waiting);
void waiting_drop_all(Waiting *waiting);
void waiting_done(Waiting *waiting);

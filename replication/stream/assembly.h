/*
 * assembly - decoded messages to flows: one source transaction is one part, or several when it is
 * large.
 *
 * Place    replication/stream; called by the reader only.
 * Cheap    a transaction without changes for us makes no flow.
 * Joins    consecutive TRUNCATEs of a transaction (wal2json sends one a table) into one change.
 * Roots    leaves in a TRUNCATE become their root, or a SUSPEND of it when others were not emptied.
 * Drops    transactions that lie before the start position, logical messages that are not ours.
 * Errors   PROTOCOL when messages come in an order that cannot be.
 */
#pragma once

#include "bascule/model/flow.h"
#include "wire/decoder.h"

#define ASSEMBLY_MESSAGE_PREFIX "bascule"

typedef struct Assembly {
    size_t part_bytes;
    Lsn start_lsn;    /* transactions with an older commit are on the target */
    bool may_suspend; /* else a partition emptied alone is an error */
    bool open;        /* between BEGIN and COMMIT */
    bool skip;        /* the open one lies before start_lsn */
    bool begun;       /* a part of the open one was given out */
    uint32_t xid;
    Lsn commit_lsn;
    int64_t commit_time_us;
    Flow *flow;   /* the part that grows; NULL until it has a change */
    Arena *spare; /* decoded into while there is no flow */
} Assembly;

void assembly_init(Assembly *assembly, size_t part_bytes, Lsn start_lsn);
void assembly_done(Assembly *assembly); /* frees what is unfinished; done may follow done */
/* Where the next message goes: copy it there, decode it with that arena, add the result. */
Arena *assembly_arena(Assembly *assembly);
/* *out_flow: a part that is complete, yours, or NULL. */
MUST_CHECK bool assembly_add(Assembly *assembly, const Decoded *decoded, Flow **out_flow,
                             Error *err);

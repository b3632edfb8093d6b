/* waiting - see the header */
#include "apply/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

static void started(Waiting *waiting, int64_t now_us)
{
    if (waiting->since_us == 0)
        waiting->since_us = now_us;
}

void waiting_add(Waiting *waiting, Flow *flow, int64_t now_us)
{
    if (waiting->count == waiting->capacity) {
        waiting->capacity = waiting->capacity > 0 ? waiting->capacity * 2 : 64;
        waiting->flows =
            mem_grow(waiting->flows, sizeof *waiting->flows * (size_t)waiting->capacity);
    }
    waiting->flows[waiting->count++] = flow;
    /* A message counts too, whoever counted the changes. */
    waiting->part_changes +=
        flow->change_count > 0 ? flow->change_count : (int64_t)(flow->first != NULL);
    waiting->part_bytes += flow->bytes;
    waiting->open = !flow->ends;
    if (!flow->ends)
        return;
    /* Its parts learn where it ended. */
    for (int64_t i = waiting->whole; i < waiting->count; i++)
        waiting->flows[i]->end_lsn = flow->end_lsn;
    waiting->whole = waiting->count;
    waiting->transactions++;
    waiting->whole_changes += waiting->part_changes;
    waiting->whole_bytes += waiting->part_bytes;
    waiting->part_changes = 0;
    waiting->part_bytes = 0;
    waiting->end_lsn = flow->end_lsn;
    if (flow->commit_time_us != 0)
        waiting->commit_time_us = flow->commit_time_us;
    started(waiting, now_us);
}

void waiting_move(Waiting *waiting, Lsn end_lsn, int64_t now_us)
{
    ASSERT(!waiting->open && end_lsn > waiting->end_lsn);
    waiting->end_lsn = end_lsn;
    started(waiting, now_us);
}

void waiting_drop_whole(Waiting *waiting)
{
    for (int64_t i = 0; i < waiting->whole; i++)
        flow_free(waiting->flows[i]);
    waiting->count -= waiting->whole;
    if (waiting->count > 0)
        memmove(waiting->flows, waiting->flows + waiting->whole,
                sizeof *waiting->flows * (size_t)waiting->count);
    waiting->whole = 0;
    waiting->transactions = 0;
    waiting->whole_changes = 0;
    waiting->whole_bytes = 0;
    waiting->commit_time_us = 0;
    waiting->since_us = 0;
}

void waiting_drop_parts(Waiting *waiting)
{
    for (int64_t i = waiting->whole; i < waiting->count; i++)
        flow_free(waiting->flows[i]);
    waiting->count = waiting->whole;
    waiting->part_changes = 0;
    waiting->part_bytes = 0;
}

void waiting_drop_all(Waiting *waiting)
{
    waiting_drop_parts(waiting);
    waiting_drop_whole(waiting);
    waiting->open = false;
}

void waiting_done(Waiting *waiting)
{
    waiting_drop_all(waiting);
    free(waiting->flows);
    *waiting = (Waiting){0};
}

/*
 * assembly - see assembly.h. The growing part owns the arena that its messages were decoded into.
 * Messages without meaning for us leave their bytes in it; they count, so memory stays bounded.
 */
#include "stream/assembly.h"

#include <string.h>

#include "wire/row.h"

void assembly_init(Assembly *assembly, size_t part_bytes, Lsn start_lsn)
{
    *assembly = (Assembly){.part_bytes = part_bytes, .start_lsn = start_lsn};
}

void assembly_done(Assembly *assembly)
{
    flow_free(assembly->flow);
    arena_free(assembly->spare);
    assembly->flow = NULL;
    assembly->spare = NULL;
    assembly->open = false;
}

Arena *assembly_arena(Assembly *assembly)
{
    if (assembly->flow != NULL)
        return assembly->flow->arena;
    if (assembly->spare == NULL)
        assembly->spare = arena_new(0);
    return assembly->spare;
}

static Flow *new_part(Assembly *assembly)
{
    Arena *arena = assembly_arena(assembly);
    Flow *flow = arena_new_object(arena, Flow);
    assembly->spare = NULL;
    flow->kind = FLOW_PART;
    flow->arena = arena;
    flow->begins = !assembly->begun;
    flow->xid = assembly->xid;
    flow->commit_lsn = assembly->commit_lsn;
    flow->commit_time_us = assembly->commit_time_us;
    assembly->begun = true;
    return flow;
}

static Flow *take_part(Assembly *assembly)
{
    Flow *flow = assembly->flow;
    assembly->flow = NULL;
    flow->bytes = arena_bytes(flow->arena);
    return flow;
}

static bool out_of_order(const char *what, Error *err)
{
    return ERR(err, ERR_PROTOCOL, "the stream brought %s", what);
}

static bool begin(Assembly *assembly, const Decoded *decoded, Error *err)
{
    if (assembly->open)
        return out_of_order("a begin inside a transaction", err);
    assembly->open = true;
    assembly->begun = false;
    assembly->skip = decoded->commit_lsn < assembly->start_lsn;
    assembly->xid = decoded->xid;
    assembly->commit_lsn = decoded->commit_lsn;
    assembly->commit_time_us = decoded->commit_time_us;
    return true;
}

static bool join_truncate(Flow *flow, const Change *change)
{
    Change *last = flow->last;
    if (change->kind != CHANGE_TRUNCATE || last->kind != CHANGE_TRUNCATE)
        return false;
    for (int i = 0; i < change->truncated_count; i++)
        row_truncate_add(last, change->truncated[i], flow->arena);
    last->truncate_cascade |= change->truncate_cascade;
    last->truncate_restart |= change->truncate_restart;
    return true;
}

static int leaves_of(const Change *change, const Relation *root)
{
    int count = 0;
    for (int i = 0; i < change->truncated_count; i++)
        count += change->truncated[i]->root == root;
    return count;
}

static Change *suspend_change(Arena *arena, Relation *rel, const char *why)
{
    Change *change = arena_new_object(arena, Change);
    *change = (Change){.kind = CHANGE_SUSPEND, .rel = rel};
    change->content = (Value){.kind = VALUE_TEXT, .data = why, .len = (uint32_t)strlen(why)};
    rel->unread = true;
    return change;
}

static void link_change(Flow *flow, Change *change)
{
    change->next = NULL;
    if (flow->last == NULL)
        flow->first = change;
    else
        flow->last->next = change;
    flow->last = change;
    flow->change_count++;
}

/* The TRUNCATE is complete: all leaves of a root are the root. The rows of some of them are not to be
 * told from the others on the target: there the table comes back by a copy. */
static bool settle_truncate(const Assembly *assembly, Error *err)
{
    static const char WHY[] = "one of its partitions was emptied, and the target does not have it";
    Flow *flow = assembly->flow;
    Change *change = flow->last;
    if (change == NULL || change->kind != CHANGE_TRUNCATE)
        return true;
    Relation **leaves = change->truncated;
    int count = change->truncated_count;
    const Change all = *change;
    change->truncated = NULL;
    change->truncated_count = 0;
    for (int i = 0; i < count; i++) {
        Relation *root = leaves[i]->root;
        if (root == NULL) {
            row_truncate_add(change, leaves[i], flow->arena);
        } else if (leaves_of(&all, root) == root->leaf_count) {
            row_truncate_add(change, root, flow->arena);
        } else if (!root->unread) {
            if (!assembly->may_suspend)
                return ERR(err, ERR_SCHEMA_CHANGED, "table '%s': %s", root->display, WHY);
            link_change(flow, suspend_change(flow->arena, root, WHY));
        }
    }
    return true;
}

static bool append(Assembly *assembly, Change *change, Error *err)
{
    Flow *flow = assembly->flow;
    if (flow == NULL)
        flow = assembly->flow = new_part(assembly);
    else if (join_truncate(flow, change))
        return true;
    if (!settle_truncate(assembly, err))
        return false;
    link_change(flow, change);
    return true;
}

static bool commit(Assembly *assembly, const Decoded *decoded, Flow **out_flow, Error *err)
{
    if (!assembly->open)
        return out_of_order("a commit without a transaction", err);
    if (decoded->commit_lsn != assembly->commit_lsn || decoded->end_lsn <= decoded->commit_lsn)
        return out_of_order("a commit whose position does not fit its begin", err);
    assembly->open = false;
    if (assembly->flow == NULL && !assembly->begun)
        return true; /* nothing for us */
    if (assembly->flow == NULL)
        assembly->flow = new_part(assembly);
    if (!settle_truncate(assembly, err))
        return false;
    assembly->flow->ends = true;
    assembly->flow->end_lsn = decoded->end_lsn;
    *out_flow = take_part(assembly);
    return true;
}

static bool is_ours(const Change *change)
{
    return change->kind != CHANGE_MESSAGE || strcmp(change->prefix, ASSEMBLY_MESSAGE_PREFIX) == 0;
}

/* A part is not cut behind a TRUNCATE: the next message may belong to it. Nor behind a SUSPEND, which
 * the reader adds in front of a message. */
static void cut_when_full(Assembly *assembly, Flow **out_flow)
{
    Flow *flow = assembly->flow;
    if (flow != NULL && arena_bytes(flow->arena) >= assembly->part_bytes &&
        flow->last->kind != CHANGE_TRUNCATE && flow->last->kind != CHANGE_SUSPEND)
        *out_flow = take_part(assembly);
}

bool assembly_add(Assembly *assembly, const Decoded *decoded, Flow **out_flow, Error *err)
{
    *out_flow = NULL;
    switch (decoded->kind) {
    case DECODED_BEGIN:
        return begin(assembly, decoded, err);
    case DECODED_COMMIT:
        return commit(assembly, decoded, out_flow, err);
    case DECODED_CHANGE:
        if (!assembly->open)
            return out_of_order("a change outside any transaction", err);
        if (!assembly->skip && is_ours(decoded->change) && !append(assembly, decoded->change, err))
            return false;
        break;
    case DECODED_NOTHING:
    case DECODED_MESSAGE:
        break;
    }
    if (assembly->flow == NULL && assembly->spare != NULL)
        arena_reset(assembly->spare);
    cut_when_full(assembly, out_flow);
    return true;
}

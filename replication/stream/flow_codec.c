/*
 * flow_codec - see flow_codec.h. A value is one byte of kind, and for data its length and bytes.
 */
#include "stream/flow_codec.h"

#include <string.h>

#define HAS_NEW 0x10
#define HAS_OLD 0x20
#define CASCADE 0x40
#define RESTART 0x80
#define KIND    0x0F

typedef struct FlowHead {
    uint64_t commit_lsn, end_lsn;
    int64_t commit_time_us, change_count;
    uint32_t xid;
    uint8_t kind, begins, ends, unused;
} FlowHead;

/* Writing ------------------------------------------------------------------------------------ */

static void put_u32(Buf *out, uint32_t v)
{
    buf_put(out, &v, sizeof v);
}

static void put_value(Buf *out, const Value *value)
{
    buf_reserve(out, 5 + (size_t)value->len);
    out->data[out->len++] = (char)value->kind;
    if (value->kind < VALUE_TEXT)
        return;
    memcpy(out->data + out->len, &value->len, 4);
    memcpy(out->data + out->len + 4, value->data, value->len);
    out->len += 4 + (size_t)value->len;
}

static void put_values(Buf *out, const Relation *rel, const Value *values)
{
    for (int i = 0; values != NULL && i < rel->column_count; i++)
        put_value(out, &values[i]);
}

static void put_change(Buf *out, const Change *change)
{
    uint8_t head = change->kind;
    head |= change->new_values != NULL ? HAS_NEW : 0;
    head |= change->old_values != NULL ? HAS_OLD : 0;
    head |= change->truncate_cascade ? CASCADE : 0;
    head |= change->truncate_restart ? RESTART : 0;
    buf_putc(out, (char)head);
    if (change->kind == CHANGE_TRUNCATE) {
        put_u32(out, (uint32_t)change->truncated_count);
        for (int i = 0; i < change->truncated_count; i++)
            put_u32(out, change->truncated[i]->id);
    } else if (change->kind == CHANGE_MESSAGE) {
        Value prefix = {
            .data = change->prefix, .len = (uint32_t)strlen(change->prefix), .kind = VALUE_TEXT};
        put_value(out, &prefix);
        put_value(out, &change->content);
    } else if (change->kind == CHANGE_SUSPEND) {
        put_u32(out, change->rel->id);
        put_value(out, &change->content);
    } else {
        put_u32(out, change->rel->id);
        put_values(out, change->rel, change->new_values);
        put_values(out, change->rel, change->old_values);
    }
}

void flow_codec_write(const Flow *flow, Buf *out)
{
    FlowHead head = {.commit_lsn = flow->commit_lsn,
                     .end_lsn = flow->end_lsn,
                     .commit_time_us = flow->commit_time_us,
                     .change_count = flow->change_count,
                     .xid = flow->xid,
                     .kind = (uint8_t)flow->kind,
                     .begins = flow->begins,
                     .ends = flow->ends};
    buf_reserve(out, flow->bytes);
    buf_put(out, &head, sizeof head);
    for (const Change *change = flow->first; change != NULL; change = change->next)
        put_change(out, change);
}

/* Reading ------------------------------------------------------------------------------------ */

typedef struct In {
    const char *p, *end;
    const Relations *rels;
    Arena *arena;
} In;

static bool get(In *in, void *out, size_t len)
{
    if ((size_t)(in->end - in->p) < len)
        return false;
    memcpy(out, in->p, len);
    in->p += len;
    return true;
}

static bool get_relation(In *in, Relation **out_rel)
{
    uint32_t id;
    if (!get(in, &id, sizeof id) || id >= (uint32_t)in->rels->count)
        return false;
    *out_rel = in->rels->all[id];
    return true;
}

static bool get_value(In *in, Value *out_value)
{
    uint8_t kind;
    *out_value = (Value){0};
    if (!get(in, &kind, 1) || kind > VALUE_BINARY)
        return false;
    out_value->kind = kind;
    if (kind < VALUE_TEXT)
        return true;
    if (!get(in, &out_value->len, 4) || (size_t)(in->end - in->p) < out_value->len)
        return false;
    out_value->data = in->p;
    in->p += out_value->len;
    return true;
}

static bool get_values(In *in, const Relation *rel, Value **out_values)
{
    size_t n = (size_t)rel->column_count;
    Value *values = arena_alloc(in->arena, sizeof(Value) * (n + 1));
    for (size_t i = 0; i < n; i++)
        if (!get_value(in, &values[i]))
            return false;
    *out_values = values;
    return true;
}

static bool get_truncate(In *in, Change *change)
{
    uint32_t count;
    if (!get(in, &count, sizeof count) || count > (size_t)(in->end - in->p) / 4)
        return false;
    change->truncated = arena_alloc(in->arena, sizeof(Relation *) * ((size_t)count + 1));
    change->truncated_count = (int)count;
    for (uint32_t i = 0; i < count; i++)
        if (!get_relation(in, &change->truncated[i]))
            return false;
    return true;
}

static bool get_change(In *in, Change *change)
{
    uint8_t head;
    if (!get(in, &head, 1) || (head & KIND) > CHANGE_SUSPEND)
        return false;
    change->kind = head & KIND;
    change->truncate_cascade = (head & CASCADE) != 0;
    change->truncate_restart = (head & RESTART) != 0;
    if (change->kind == CHANGE_TRUNCATE)
        return get_truncate(in, change);
    if (change->kind == CHANGE_MESSAGE) {
        Value prefix;
        if (!get_value(in, &prefix) || prefix.kind < VALUE_TEXT)
            return false;
        change->prefix = arena_dup(in->arena, prefix.data, prefix.len);
        return get_value(in, &change->content);
    }
    if (change->kind == CHANGE_SUSPEND)
        return get_relation(in, &change->rel) && get_value(in, &change->content);
    return get_relation(in, &change->rel) &&
           ((head & HAS_NEW) == 0 || get_values(in, change->rel, &change->new_values)) &&
           ((head & HAS_OLD) == 0 || get_values(in, change->rel, &change->old_values));
}

bool flow_codec_read(const Relations *rels, const char *bytes, size_t len, Arena *arena,
                     Flow **out_flow, Error *err)
{
    In in = {bytes, bytes + len, rels, arena};
    FlowHead head;
    if (!get(&in, &head, sizeof head))
        return ERR(err, ERR_IO, "a spilled flow of %zu bytes has no head", len);
    Flow *flow = arena_new_object(arena, Flow);
    *flow = (Flow){.kind = (FlowKind)head.kind,
                   .arena = arena,
                   .begins = head.begins,
                   .ends = head.ends,
                   .xid = head.xid,
                   .commit_lsn = head.commit_lsn,
                   .end_lsn = head.end_lsn,
                   .commit_time_us = head.commit_time_us,
                   .change_count = head.change_count};
    for (int64_t i = 0; i < head.change_count; i++) {
        Change *change = arena_new_object(arena, Change);
        if (!get_change(&in, change))
            return ERR(err, ERR_IO, "a spilled flow of %zu bytes is damaged", len);
        if (flow->last == NULL)
            flow->first = change;
        else
            flow->last->next = change;
        flow->last = change;
    }
    if (in.p != in.end)
        return ERR(err, ERR_IO, "a spilled flow of %zu bytes has %td too many", len, in.end - in.p);
    flow->bytes = arena_bytes(arena);
    *out_flow = flow;
    return true;
}

/*
 * fuzz - what the fuzz targets of the decoders share: one input is a stream of messages, each
 * behind two bytes of length. Whatever the bytes are, a decoder answers with a change or an error;
 * what it answers must hold together: values are slices of their message, and a flow survives the
 * spill format.
 */
#pragma once

#include "../unit/wire/fixture.h"

#include "stream/assembly.h"
#include "stream/flow_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check_flow(const Relations *rels, Flow *flow)
{
    CLEANUP_BUF Buf before = BUF_INIT, bytes = BUF_INIT, after = BUF_INIT;
    Arena *arena = arena_new(0);
    Flow *back = NULL;
    Error err = ERROR_INIT;
    flow_codec_write(flow, &bytes);
    char *copy = arena_dup(arena, bytes.data, bytes.len);
    ASSERT(flow_codec_read(rels, copy, bytes.len, arena, &back, &err));
    fixture_put_flow(&before, flow);
    fixture_put_flow(&after, back);
    ASSERT(strcmp(buf_str(&before), buf_str(&after)) == 0);
    flow_free(back);
    flow_free(flow);
}

static inline void fuzz_check_values(const Relation *rel, const Value *values, const char *data,
                                     size_t len)
{
    for (int i = 0; values != NULL && i < rel->column_count; i++) {
        const Value *v = &values[i];
        ASSERT(v->kind <= VALUE_TEXT);
        ASSERT(v->kind < VALUE_TEXT ||
               (v->data >= data && v->len <= len && v->data + v->len <= data + len));
    }
}

static inline void fuzz_check_change(const Change *change, const char *data, size_t len)
{
    if (change->kind > CHANGE_DELETE)
        return;
    const Relation *rel = change->rel;
    fuzz_check_values(rel, change->new_values, data, len);
    fuzz_check_values(rel, change->old_values, data, len);
    ASSERT((change->new_values != NULL) == (change->kind != CHANGE_DELETE));
    for (int k = 0; change->new_values != NULL && k < rel->key_count; k++)
        ASSERT(change->new_values[rel->key[k]].kind != VALUE_UNCHANGED);
    ASSERT(change->old_values == NULL || change->kind != CHANGE_INSERT);
}

/* One message; false: it was refused, the stream would end here. */
static inline bool fuzz_message(Decoder *decoder, Assembly *assembly, const Relations *rels,
                                const uint8_t *data, size_t len)
{
    Arena *arena = assembly_arena(assembly);
    Error err = ERROR_INIT;
    Decoded decoded;
    Flow *flow = NULL;
    char *copy = arena_bytes_alloc(arena, len);
    memcpy(copy, data, len);
    if (!decoder->decode(decoder, copy, len, arena, &decoded, &err)) {
        ASSERT(err.cls == ERR_DECODE || err.cls == ERR_SCHEMA_CHANGED ||
               err.cls == ERR_UNSUPPORTED);
        return false;
    }
    if (decoded.kind == DECODED_CHANGE)
        fuzz_check_change(decoded.change, copy, len);
    if (!assembly_add(assembly, &decoded, &flow, &err))
        return false;
    if (flow != NULL)
        fuzz_check_flow(rels, flow);
    return true;
}

static inline int fuzz_stream(Decoder *(*make)(const Relations *rels), const uint8_t *data,
                              size_t size)
{
    static Relations *rels;
    if (rels == NULL)
        rels = fixture_relations();
    Decoder *decoder = make(rels);
    Assembly assembly;
    assembly_init(&assembly, 2000, 1);
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        if (!fuzz_message(decoder, &assembly, rels, data, len)) {
            decoder->reset(decoder);
            assembly_done(&assembly);
            assembly_init(&assembly, 2000, 1);
        }
        data += len;
        size -= len;
    }
    assembly_done(&assembly);
    decoder->free(decoder);
    return 0;
}

/*
 * flow_codec - a Flow as bytes and back, for the spill file of the same process: relations are
 * written as their ids, integers as they lie in memory.
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/model/flow.h"

void flow_codec_write(const Flow *flow, Buf *out);
/* `bytes` lie in the arena; the flow's values are slices of them. */
MUST_CHECK bool flow_codec_read(const Relations *rels, const char *bytes, size_t len, Arena *arena,
                                Flow **out_flow, Error *err);

/*
 * flow_queue - the reader's flows to the applier, in order, bounded in memory, overflowing to disk.
 *
 * Memory   flows wait in memory up to `memory_bytes`; beyond that the put refuses and the reader
 * stops reading (back-pressure), while it keeps answering the server. A consumer that takes nothing
 * at all for FLOW_QUEUE_PATIENCE_US does not hold the source up: from then on flows go to spill
 *          files in `directory` (0600, unlinked at once so that a kill leaves nothing), up to
 *          `spill_limit_bytes`. POSITION and LOST are always taken.
 * Order    strictly first in, first out, whatever is on disk.
 * Frames   [length][xxh3-64][bytes]: a frame that does not fit its hash is an error, never data.
 * Threads  one producer, one consumer.
 * Errors   DISK_FULL, IO.
 */
#pragma once

#include "bascule/base/queue.h"
#include "bascule/model/flow.h"
#include "bascule/model/progress.h"

typedef struct FlowQueue FlowQueue;

MUST_CHECK FlowQueue *flow_queue_open(const Relations *rels, size_t memory_bytes,
                                      const char *directory, int64_t spill_limit_bytes,
                                      Progress *progress, Error *err);
#define FLOW_QUEUE_PATIENCE_US 1000000
/* Before the first put; 0: spill at once. */
void flow_queue_set_patience(FlowQueue *queue, int64_t patience_us);
void flow_queue_close(FlowQueue *queue); /* frees; NULL is fine */
/* QUEUE_OK: *flow is taken (NULL afterwards). QUEUE_FULL: try again when flow_queue_room_fd is
 * readable. QUEUE_CLOSED: *err is filled (disk). */
QueueResult flow_queue_try_put(FlowQueue *queue, Flow **flow, Error *err);
int flow_queue_room_fd(FlowQueue *queue);
/* QUEUE_OK, QUEUE_EMPTY (deadline), QUEUE_CLOSED with *err filled. */
QueueResult flow_queue_take(FlowQueue *queue, Flow **out_flow, int64_t deadline_us, Error *err);
/* Throws away everything inside (after the stream was lost); producer side. */
void flow_queue_discard(FlowQueue *queue);
/* Nothing is inside, and the consumer has come back for more since it took the last flow: whatever
 * was put before has had its effect. */
bool flow_queue_settled(FlowQueue *queue);
size_t flow_queue_bytes(FlowQueue *queue);
/* Wakes the consumer (it then sees QUEUE_EMPTY), from anywhere. */
void flow_queue_wake(FlowQueue *queue);

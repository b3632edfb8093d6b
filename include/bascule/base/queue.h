/*
 * queue - hands messages from one thread to another, bounded in items and bytes.
 *
 * Ownership  after a successful put the item belongs to the queue, after a take to the taker.
 * Full       queue_try_put refuses; queue_put waits. One item larger than the byte bound is
 *            accepted when the queue is empty, so that nothing can get stuck.
 * Threads    any number of producers and consumers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bascule/base/error.h"

typedef struct Queue Queue;

typedef enum QueueResult {
    QUEUE_OK,
    QUEUE_FULL,   /* try_put, or the put's deadline */
    QUEUE_EMPTY,  /* take's deadline */
    QUEUE_CLOSED, /* closed by queue_close; a take first drains what is inside */
} QueueResult;

Queue *queue_new(size_t max_items, size_t max_bytes);
/* `drop` is called for what is still inside; may be NULL */
void queue_free(Queue *queue, void (*drop)(void *item));
QueueResult queue_try_put(Queue *queue, void *item, size_t bytes);
QueueResult queue_put(Queue *queue, void *item, size_t bytes, int64_t deadline_us);
QueueResult queue_take(Queue *queue, void **out_item, int64_t deadline_us);
void queue_close(Queue *queue); /* wakes everybody */
size_t queue_items(Queue *queue);
size_t queue_bytes(Queue *queue);
/* Readable while there is room for a try_put (level-triggered): for a producer that polls. */
int queue_room_fd(Queue *queue);

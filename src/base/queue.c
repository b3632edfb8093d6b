/*
 * queue - see bascule/base/queue.h.
 *
 * A ring that grows up to the bound. Sleeping threads are counted, so that nobody is signalled for
 * nothing. The room eventfd exists once somebody asked for it and is written or read only when the
 * answer changes; it also counts the size of the item that was refused last, so that a producer
 * with a large item does not find "room" that is too small for it and spin.
 */
#include "bascule/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"

typedef struct Slot {
    void *item;
    size_t bytes;
} Slot;

struct Queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t items_came;
    pthread_cond_t room_came;
    Slot *ring;
    size_t capacity, first, count;
    size_t bytes;
    size_t max_items, max_bytes;
    size_t refused_bytes; /* largest item refused since the last accepted one */
    int waiting_takers, waiting_putters;
    int room_fd; /* -1 until asked for */
    bool room_shown;
    bool closed;
};

Queue *queue_new(size_t max_items, size_t max_bytes)
{
    Queue *queue = mem_zalloc(sizeof *queue);
    pthread_condattr_t attr;

    ASSERT(max_items > 0 && max_bytes > 0);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->items_came, &attr);
    pthread_cond_init(&queue->room_came, &attr);
    pthread_condattr_destroy(&attr);
    queue->max_items = max_items;
    queue->max_bytes = max_bytes;
    queue->room_fd = -1;
    return queue;
}

void queue_free(Queue *queue, void (*drop)(void *item))
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->count; i++)
        if (drop != NULL)
            drop(queue->ring[(queue->first + i) % queue->capacity].item);
    if (queue->room_fd >= 0)
        close(queue->room_fd);
    pthread_cond_destroy(&queue->items_came);
    pthread_cond_destroy(&queue->room_came);
    pthread_mutex_destroy(&queue->lock);
    free(queue->ring);
    free(queue);
}

static bool has_room(const Queue *queue, size_t bytes)
{
    if (queue->count == 0)
        return true;
    return queue->count < queue->max_items && queue->bytes < queue->max_bytes &&
           bytes <= queue->max_bytes - queue->bytes;
}

/* Brings the eventfd in line with the state. */
static void show_room(Queue *queue)
{
    uint64_t value = 1;
    ssize_t n;
    bool room;

    if (queue->room_fd < 0)
        return;
    room = queue->closed || has_room(queue, queue->refused_bytes);
    if (room == queue->room_shown)
        return;
    queue->room_shown = room;
    n = room ? write(queue->room_fd, &value, sizeof value)
             : read(queue->room_fd, &value, sizeof value);
    ASSERT(n == (ssize_t)sizeof value);
}

static void grow(Queue *queue)
{
    size_t capacity = queue->capacity > 0 ? queue->capacity * 2 : 16;
    Slot *ring = mem_alloc(capacity * sizeof *ring);

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) % queue->capacity];
    free(queue->ring);
    queue->ring = ring;
    queue->capacity = capacity;
    queue->first = 0;
}

static void insert(Queue *queue, void *item, size_t bytes)
{
    if (queue->count == queue->capacity)
        grow(queue);
    queue->ring[(queue->first + queue->count) % queue->capacity] = (Slot){item, bytes};
    queue->count++;
    queue->bytes += bytes;
    queue->refused_bytes = 0;
    if (queue->waiting_takers > 0)
        pthread_cond_signal(&queue->items_came);
    show_room(queue);
}

/* false when the deadline has passed. */
static bool wait_for(Queue *queue, pthread_cond_t *cond, int *waiting, int64_t deadline_us)
{
    int rc;

    if (deadline_us != CLOCK_NEVER && clock_now_us() >= deadline_us)
        return false;
    (*waiting)++;
    if (deadline_us == CLOCK_NEVER) {
        rc = pthread_cond_wait(cond, &queue->lock);
    } else {
        struct timespec until = {.tv_sec = deadline_us / 1000000,
                                 .tv_nsec = deadline_us % 1000000 * 1000};
        rc = pthread_cond_timedwait(cond, &queue->lock, &until);
    }
    (*waiting)--;
    ASSERT(rc == 0 || rc == ETIMEDOUT);
    return true; /* the caller looks at the state, then comes back here */
}

QueueResult queue_try_put(Queue *queue, void *item, size_t bytes)
{
    return queue_put(queue, item, bytes, 0);
}

QueueResult queue_put(Queue *queue, void *item, size_t bytes, int64_t deadline_us)
{
    QueueResult result = QUEUE_OK;

    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && !has_room(queue, bytes)) {
        if (!wait_for(queue, &queue->room_came, &queue->waiting_putters, deadline_us)) {
            if (bytes > queue->refused_bytes)
                queue->refused_bytes = bytes;
            result = QUEUE_FULL;
            break;
        }
    }
    if (queue->closed)
        result = QUEUE_CLOSED;
    if (result == QUEUE_OK)
        insert(queue, item, bytes);
    else
        show_room(queue);
    pthread_mutex_unlock(&queue->lock);
    return result;
}

QueueResult queue_take(Queue *queue, void **out_item, int64_t deadline_us)
{
    QueueResult result = QUEUE_OK;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed) {
        if (!wait_for(queue, &queue->items_came, &queue->waiting_takers, deadline_us)) {
            result = QUEUE_EMPTY;
            break;
        }
    }
    if (queue->count > 0) {
        Slot *slot = &queue->ring[queue->first];
        *out_item = slot->item;
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        queue->bytes -= slot->bytes;
        /* Who waits may need more room than this: all of them look. */
        if (queue->waiting_putters > 0)
            pthread_cond_broadcast(&queue->room_came);
        show_room(queue);
        result = QUEUE_OK;
    } else if (queue->closed) {
        result = QUEUE_CLOSED;
    }
    pthread_mutex_unlock(&queue->lock);
    return result;
}

void queue_close(Queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->items_came);
    pthread_cond_broadcast(&queue->room_came);
    show_room(queue);
    pthread_mutex_unlock(&queue->lock);
}

size_t queue_items(Queue *queue)
{
    size_t items;
    pthread_mutex_lock(&queue->lock);
    items = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return items;
}

size_t queue_bytes(Queue *queue)
{
    size_t bytes;
    pthread_mutex_lock(&queue->lock);
    bytes = queue->bytes;
    pthread_mutex_unlock(&queue->lock);
    return bytes;
}

int queue_room_fd(Queue *queue)
{
    int fd;
    pthread_mutex_lock(&queue->lock);
    if (queue->room_fd < 0) {
        queue->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ASSERT(queue->room_fd >= 0);
        queue->room_shown = false;
        show_room(queue);
    }
    fd = queue->room_fd;
    pthread_mutex_unlock(&queue->lock);
    return fd;
}

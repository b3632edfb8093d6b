/*
 * flow_queue - see flow_queue.h. A ring of entries, each a Flow in memory or a place in the spill
 * file; the order is the ring's, wherever the bytes are. Files are written and read outside the
 * lock.
 */
#include "stream/flow_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "stream/flow_codec.h"
#include "stream/spill.h"

#define SEGMENT_BYTES ((int64_t)64 << 20)
#define SAY_EVERY_US  60000000 /* of quiet, before the log is told again */
#define MAX_SEGMENTS  64       /* open files at most */

typedef struct Entry {
    Flow *flow; /* NULL: it lies at `place` */
    SpillPlace place;
    size_t bytes; /* what it counts in memory or on disk */
} Entry;

struct FlowQueue {
    const Relations *rels;
    Progress *progress; /* may be NULL */
    size_t memory_limit;
    int64_t spill_limit, patience_us;
    Spill *spill;    /* NULL: spill_limit 0 */
    Buf scratch;     /* the producer's */
    int64_t said_us; /* the producer's: when the log was told last */
    int room_fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* all below: lock */
    Entry *ring;
    size_t capacity, head, count;
    size_t memory_bytes;
    int64_t disk_bytes;
    int64_t stuck_since_us; /* the last take, or the first refusal since then */
    bool refused;           /* room_fd is not readable */
    bool waiting, woken;    /* the consumer waits; it was woken by flow_queue_wake */
    bool busy;              /* the consumer has something that it took */
    Error broken;           /* a spilled flow could not be read: there is no going on */
};

FlowQueue *flow_queue_open(const Relations *rels, size_t memory_bytes, const char *directory,
                           int64_t spill_limit_bytes, Progress *progress, Error *err)
{
    FlowQueue *queue = mem_zalloc(sizeof *queue);
    pthread_condattr_t attr;
    *queue = (FlowQueue){.rels = rels,
                         .progress = progress,
                         .memory_limit = memory_bytes,
                         .spill_limit = spill_limit_bytes,
                         .patience_us = FLOW_QUEUE_PATIENCE_US,
                         .room_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK),
                         .broken = ERROR_INIT};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (queue->room_fd < 0) {
        ERR_OS(err, ERR_IO, "cannot make an eventfd");
        flow_queue_close(queue);
        return NULL;
    }
    if (spill_limit_bytes > 0) {
        int64_t segment = spill_limit_bytes / MAX_SEGMENTS;
        queue->spill =
            spill_open(directory, segment > SEGMENT_BYTES ? segment : SEGMENT_BYTES, err);
        if (queue->spill == NULL) {
            flow_queue_close(queue);
            return NULL;
        }
    }
    return queue;
}

void flow_queue_set_patience(FlowQueue *queue, int64_t patience_us)
{
    queue->patience_us = patience_us;
}

void flow_queue_close(FlowQueue *queue)
{
    if (queue == NULL)
        return;
    flow_queue_discard(queue);
    spill_close(queue->spill);
    if (queue->room_fd >= 0)
        close(queue->room_fd);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    buf_done(&queue->scratch);
    free(queue->ring);
    free(queue);
}

/* Inside the lock ---------------------------------------------------------------------------- */

static void publish(FlowQueue *queue)
{
    if (queue->progress == NULL)
        return;
    atomic_store(&queue->progress->queued_bytes, (int64_t)queue->memory_bytes);
    atomic_store(&queue->progress->spilled_bytes, queue->disk_bytes);
}

static void push(FlowQueue *queue, Entry entry)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 64 : queue->capacity * 2;
        Entry *ring = mem_alloc(sizeof *ring * capacity);
        for (size_t i = 0; i < queue->count; i++)
            ring[i] = queue->ring[(queue->head + i) % queue->capacity];
        free(queue->ring);
        queue->ring = ring;
        queue->capacity = capacity;
        queue->head = 0;
    }
    queue->ring[(queue->head + queue->count++) % queue->capacity] = entry;
    if (entry.flow != NULL)
        queue->memory_bytes += entry.bytes;
    else
        queue->disk_bytes += (int64_t)entry.bytes;
    publish(queue);
    if (queue->waiting)
        pthread_cond_signal(&queue->changed);
}

/* The producer is told when a quarter is free, not for each flow that leaves. */
static void tell_room(FlowQueue *queue)
{
    if (!queue->refused || queue->memory_bytes > queue->memory_limit / 4 * 3)
        return;
    queue->refused = false;
    (void)!eventfd_write(queue->room_fd, 1);
}

static Entry pop(FlowQueue *queue)
{
    Entry entry = queue->ring[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    if (entry.flow != NULL)
        queue->memory_bytes -= entry.bytes;
    else
        queue->disk_bytes -= (int64_t)entry.bytes;
    publish(queue);
    tell_room(queue);
    return entry;
}

static bool fits_memory(const FlowQueue *queue, const Flow *flow)
{
    return flow->kind != FLOW_PART || queue->memory_bytes == 0 ||
           queue->memory_bytes + flow->bytes <= queue->memory_limit;
}

/* No room in memory: may this flow go to the disk now? */
static bool may_spill(FlowQueue *queue, const Flow *flow)
{
    int64_t now = clock_now_us();
    if (queue->stuck_since_us == 0)
        queue->stuck_since_us = now;
    return queue->spill != NULL && now - queue->stuck_since_us >= queue->patience_us &&
           queue->disk_bytes + (int64_t)flow->bytes <= queue->spill_limit;
}

static void refuse(FlowQueue *queue)
{
    eventfd_t value;
    if (queue->refused)
        return;
    queue->refused = true;
    (void)!eventfd_read(queue->room_fd, &value);
}

/* Producer ----------------------------------------------------------------------------------- */

static QueueResult put_on_disk(FlowQueue *queue, Flow **flow, Error *err)
{
    Entry entry = {0};
    buf_clear(&queue->scratch);
    flow_codec_write(*flow, &queue->scratch);
    if (!spill_write(queue->spill, queue->scratch.data, queue->scratch.len, &entry.place, err))
        return QUEUE_CLOSED;
    if (queue->said_us == 0 || clock_now_us() - queue->said_us > SAY_EVERY_US)
        log_info("the target takes nothing, the stream goes to disk");
    queue->said_us = clock_now_us();
    entry.bytes = queue->scratch.len;
    pthread_mutex_lock(&queue->lock);
    push(queue, entry);
    pthread_mutex_unlock(&queue->lock);
    flow_free(*flow);
    *flow = NULL;
    return QUEUE_OK;
}

QueueResult flow_queue_try_put(FlowQueue *queue, Flow **flow, Error *err)
{
    QueueResult result = QUEUE_OK;
    bool spill = false;
    pthread_mutex_lock(&queue->lock);
    if (fits_memory(queue, *flow)) {
        push(queue, (Entry){.flow = *flow, .bytes = (*flow)->bytes});
        *flow = NULL;
    } else {
        spill = may_spill(queue, *flow);
        if (!spill) {
            refuse(queue);
            result = QUEUE_FULL;
        }
    }
    pthread_mutex_unlock(&queue->lock);
    return spill ? put_on_disk(queue, flow, err) : result;
}

int flow_queue_room_fd(FlowQueue *queue)
{
    return queue->room_fd;
}

void flow_queue_discard(FlowQueue *queue)
{
    for (bool more = true; more;) {
        Entry entry = {0};
        pthread_mutex_lock(&queue->lock);
        more = queue->count > 0;
        if (more)
            entry = pop(queue);
        pthread_mutex_unlock(&queue->lock);
        if (more && entry.flow == NULL)
            spill_drop(queue->spill, &entry.place);
        flow_free(entry.flow);
    }
}

/* Consumer ----------------------------------------------------------------------------------- */

static void wait_for_change(FlowQueue *queue, int64_t deadline_us)
{
    struct timespec at = {.tv_sec = deadline_us / 1000000,
                          .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    queue->waiting = true;
    if (deadline_us == CLOCK_NEVER)
        pthread_cond_wait(&queue->changed, &queue->lock);
    else
        pthread_cond_timedwait(&queue->changed, &queue->lock, &at);
    queue->waiting = false;
}

static bool read_back(FlowQueue *queue, const Entry *entry, Flow **out_flow, Error *err)
{
    Arena *arena = arena_new(entry->place.len + entry->place.len / 2 + 1024);
    char *bytes = arena_bytes_alloc(arena, entry->place.len);
    bool fine = spill_read(queue->spill, &entry->place, bytes, err) &&
                flow_codec_read(queue->rels, bytes, entry->place.len, arena, out_flow, err);
    spill_drop(queue->spill, &entry->place);
    if (!fine)
        arena_free(arena);
    return fine;
}

static QueueResult give(FlowQueue *queue, const Entry *entry, Flow **out_flow, Error *err)
{
    if (entry->flow != NULL) {
        *out_flow = entry->flow;
        return QUEUE_OK;
    }
    if (read_back(queue, entry, out_flow, err))
        return QUEUE_OK;
    pthread_mutex_lock(&queue->lock);
    queue->broken = *err;
    pthread_mutex_unlock(&queue->lock);
    return QUEUE_CLOSED;
}

QueueResult flow_queue_take(FlowQueue *queue, Flow **out_flow, int64_t deadline_us, Error *err)
{
    Entry entry = {0};
    QueueResult result = QUEUE_EMPTY;
    pthread_mutex_lock(&queue->lock);
    queue->busy = false;
    if (queue->broken.cls != ERR_NONE) {
        *err = queue->broken;
        result = QUEUE_CLOSED;
    } else {
        while (queue->count == 0 && !queue->woken && clock_now_us() < deadline_us)
            wait_for_change(queue, deadline_us);
        if (queue->count > 0) {
            entry = pop(queue);
            queue->busy = true;
            queue->stuck_since_us = clock_now_us();
            result = QUEUE_OK;
        } else {
            queue->woken = false;
        }
    }
    pthread_mutex_unlock(&queue->lock);
    return result == QUEUE_OK ? give(queue, &entry, out_flow, err) : result;
}

void flow_queue_wake(FlowQueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->woken = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

/* Inspection --------------------------------------------------------------------------------- */

bool flow_queue_settled(FlowQueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool settled = queue->count == 0 && !queue->busy;
    pthread_mutex_unlock(&queue->lock);
    return settled;
}

size_t flow_queue_bytes(FlowQueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t bytes = queue->memory_bytes + (size_t)queue->disk_bytes;
    pthread_mutex_unlock(&queue->lock);
    return bytes;
}

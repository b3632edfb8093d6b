/*
 * spill - see spill.h. A segment counts its live frames; the writer counts a frame before it writes
 * it, so that the reader never closes a file that is being written.
 */
#include "stream/spill.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "bascule/base/directory.h"
#include "bascule/base/fault.h"
#include "bascule/base/mem.h"

struct SpillSegment {
    int fd;
    int64_t end;        /* the writer's: where the next frame goes */
    int live;           /* frames not dropped; lock */
    SpillSegment *next; /* lock */
};

typedef struct FrameHead {
    uint64_t len, hash;
} FrameHead;

struct Spill {
    char *directory;
    int64_t segment_bytes;
    pthread_mutex_t lock;
    SpillSegment *all;     /* lock */
    SpillSegment *current; /* lock; written to, NULL: the next write opens one */
};

static bool make_directories(const char *directory, Error *err)
{
    char *path = mem_strdup(directory);
    bool fine = true;
    for (char *p = path + 1; fine; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        fine = mkdir(path, 0700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES;
        *p = c;
        if (c == '\0')
            break;
    }
    free(path);
    return fine || ERR_OS(err, ERR_IO, "cannot make the spill directory '%s'", directory);
}

static bool disk_error(const Spill *spill, const char *what, Error *err)
{
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
        return ERR_OS(err, ERR_IO, "cannot %s a spill file in '%s'", what, spill->directory);
    ERR_OS(err, ERR_DISK_FULL, "no space for spilled transactions in '%s'", spill->directory);
    return err_hint(err,
                    "Free space there, set stream.spill_dir to a larger disk, or lower "
                    "stream.spill_limit so that the stream waits instead. Nothing is lost: the "
                    "source keeps the changes, run again.");
}

static SpillSegment *add_segment(Spill *spill, Error *err)
{
    int fd = directory_unnamed_file(spill->directory);
    if (fd < 0) {
        disk_error(spill, "create", err);
        return NULL;
    }
    SpillSegment *segment = mem_zalloc(sizeof *segment);
    segment->fd = fd;
    pthread_mutex_lock(&spill->lock);
    segment->next = spill->all;
    spill->all = segment;
    spill->current = segment;
    pthread_mutex_unlock(&spill->lock);
    return segment;
}

Spill *spill_open(const char *directory, int64_t segment_bytes, Error *err)
{
    Spill *spill = mem_zalloc(sizeof *spill);
    spill->directory = mem_strdup(directory);
    spill->segment_bytes = segment_bytes;
    pthread_mutex_init(&spill->lock, NULL);
    if (make_directories(directory, err) && add_segment(spill, err) != NULL)
        return spill;
    spill_close(spill);
    return NULL;
}

static void segment_free(SpillSegment *segment)
{
    close(segment->fd);
    free(segment);
}

void spill_close(Spill *spill)
{
    if (spill == NULL)
        return;
    for (SpillSegment *s = spill->all, *next; s != NULL; s = next) {
        next = s->next;
        segment_free(s);
    }
    pthread_mutex_destroy(&spill->lock);
    free(spill->directory);
    free(spill);
}

/* The segment to write to, one more frame counted in it. */
static SpillSegment *claim(Spill *spill, Error *err)
{
    pthread_mutex_lock(&spill->lock);
    SpillSegment *segment = spill->current;
    if (segment != NULL && segment->end < spill->segment_bytes)
        segment->live++;
    else
        segment = NULL;
    pthread_mutex_unlock(&spill->lock);
    if (segment != NULL)
        return segment;
    segment = add_segment(spill, err);
    if (segment == NULL)
        return NULL;
    pthread_mutex_lock(&spill->lock);
    segment->live++;
    pthread_mutex_unlock(&spill->lock);
    return segment;
}

/* One frame less; a segment without any is closed, also the one that is written to: the next write
 * opens a fresh file. */
static void release(Spill *spill, SpillSegment *segment)
{
    bool free_it = false;
    pthread_mutex_lock(&spill->lock);
    if (--segment->live == 0) {
        SpillSegment **link = &spill->all;
        while (*link != segment)
            link = &(*link)->next;
        *link = segment->next;
        if (spill->current == segment)
            spill->current = NULL;
        free_it = true;
    }
    pthread_mutex_unlock(&spill->lock);
    if (free_it)
        segment_free(segment);
}

static bool write_all(int fd, const void *data, size_t len, int64_t offset)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const char *)data + done, len - done, offset + (int64_t)done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}

bool spill_write(Spill *spill, const char *data, size_t len, SpillPlace *out_place, Error *err)
{
    if (FAULT_ERROR(STREAM_SPILL, err))
        return false;
    SpillSegment *segment = claim(spill, err);
    if (segment == NULL)
        return false;
    FrameHead head = {.len = len, .hash = XXH3_64bits(data, len)};
    int64_t offset = segment->end;
    if (!write_all(segment->fd, &head, sizeof head, offset) ||
        !write_all(segment->fd, data, len, offset + (int64_t)sizeof head)) {
        disk_error(spill, "write to", err);
        release(spill, segment);
        return false;
    }
    segment->end = offset + (int64_t)(sizeof head + len);
    *out_place = (SpillPlace){segment, offset, len};
    return true;
}

static bool read_all(int fd, char *out, size_t len, int64_t offset)
{
    while (len > 0) {
        ssize_t n = pread(fd, out, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENODATA : errno;
            return false;
        }
        out += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

bool spill_read(Spill *spill, const SpillPlace *place, char *out, Error *err)
{
    FrameHead head;
    if (!read_all(place->segment->fd, (char *)&head, sizeof head, place->offset) ||
        (head.len == place->len &&
         !read_all(place->segment->fd, out, place->len, place->offset + (int64_t)sizeof head)))
        return disk_error(spill, "read", err);
    if (head.len != place->len || head.hash != XXH3_64bits(out, place->len))
        return ERR(err, ERR_IO, "a spill file in '%s' does not hold what was written to it",
                   spill->directory);
    return true;
}

void spill_drop(Spill *spill, const SpillPlace *place)
{
    release(spill, place->segment);
}

int spill_segments(Spill *spill)
{
    int n = 0;
    pthread_mutex_lock(&spill->lock);
    for (SpillSegment *s = spill->all; s != NULL; s = s->next)
        n++;
    pthread_mutex_unlock(&spill->lock);
    return n;
}

int spill_place_fd(const SpillPlace *place)
{
    return place->segment->fd;
}

/*
 * keylog_load - opening what an earlier run left, beginning anew, and the files' coming and going.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "verify/keylog_internal.h"

#define MEMORY_BYTES  ((size_t)64 << 20)
#define DISK_BYTES    ((int64_t)2 << 30)
#define SEGMENT_BYTES ((int64_t)16 << 20)

static void id_to_text(Keylog *log)
{
    for (size_t i = 0; i < sizeof log->id.bytes; i++)
        snprintf(log->id_text + 2 * i, 3, "%02x", log->id.bytes[i]);
}

static KeySegment *new_segment(Keylog *log, int64_t number)
{
    log->segments =
        mem_grow(log->segments, sizeof *log->segments * (size_t)(log->segment_count + 1));
    KeySegment *segment = &log->segments[log->segment_count++];
    *segment = (KeySegment){.number = number};
    return segment;
}

static void forget_segments(Keylog *log)
{
    for (int i = 0; i < log->segment_count; i++)
        free(log->segments[i].counts);
    log->segment_count = 0;
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
    for (int i = 0; i < log->unsynced_count; i++)
        close(log->unsynced[i]);
    log->unsynced_count = 0;
}

static void forget_tables(Keylog *log)
{
    MapEntry *entry;
    for (size_t i = 0; (entry = map_next(&log->tables, &i)) != NULL;)
        free(entry->value);
    map_clear(&log->tables);
    log->last = NULL;
}

bool keylog_add_segment(Keylog *log, Error *err)
{
    const KeySegment *last = log->segment_count > 0 ? keylog_current(log) : NULL;
    int64_t number = last != NULL ? last->number + 1 : 1, bytes = 0;
    int fd = keylog_file_create(log->dir_fd, &log->id, number, last != NULL ? last->bytes : 0,
                                &bytes, err);
    if (fd < 0)
        return false;
    if (log->fd >= 0) {
        log->unsynced =
            mem_grow(log->unsynced, sizeof *log->unsynced * (size_t)(log->unsynced_count + 1));
        log->unsynced[log->unsynced_count++] = log->fd;
    }
    log->fd = fd;
    log->new_file = true;
    new_segment(log, number)->bytes = bytes;
    return true;
}

bool keylog_anew(Keylog *log, Lsn position, Error *err)
{
    int64_t *numbers = NULL;
    int count = 0;
    forget_segments(log);
    forget_tables(log);
    keyset_clear(&log->seen);
    buf_clear(&log->pending);
    if (!keylog_file_list(log->directory, &numbers, &count, err))
        return false;
    for (int i = 0; i < count; i++)
        keylog_file_remove(log->dir_fd, numbers[i]);
    free(numbers);
    if (getrandom(log->id.bytes, sizeof log->id.bytes, 0) != (ssize_t)sizeof log->id.bytes)
        return ERR_OS(err, ERR_IO, "getrandom");
    id_to_text(log);
    log->noted_lsn = log->durable_lsn = position;
    if (!keylog_add_segment(log, err) ||
        !keylog_file_append(log->fd, position, &log->pending, &keylog_current(log)->bytes, err))
        return false;
    return (fdatasync(log->fd) == 0 && fsync(log->dir_fd) == 0) ||
           ERR_OS(err, ERR_IO, "cannot flush the log of changed keys");
}

static bool load_record(void *arg, const KeyRecord *record, Error *err)
{
    Keylog *log = arg;
    KeySegment *segment = keylog_current(log);
    KeyTable *table = keylog_table_of(log, record->oid);
    (void)err;
    switch (record->kind) {
    case KEY_RECORD_TABLE:
        table->shape_size = (int)(record->len / sizeof(int16_t));
        if (table->shape_size <= KEYLOG_SHAPE_MOST && record->len > 0)
            memcpy(table->shape, record->data, (size_t)table->shape_size * sizeof(int16_t));
        break;
    case KEY_RECORD_KEY:
        keylog_count(log, segment, table, record->len);
        break;
    case KEY_RECORD_WHOLE:
        keylog_set_whole(table, record->segment, record->data, record->len);
        table->silent = true;
        break;
    case KEY_RECORD_NOTES:
        table->silent = false;
        break;
    case KEY_RECORD_FLOOR:
        if (record->segment > table->floor)
            table->floor = record->segment;
        break;
    default:
        break; /* of a later version; the frame's hash is right */
    }
    return true;
}

/* After a loss of power the end of a segment may be missing although a later one is there. */
static bool complete_before(const Keylog *log, const KeylogScan *scan)
{
    const KeySegment *before = &log->segments[log->segment_count - 2];
    return scan->before == 0 || before->empty || before->bytes == scan->before;
}

/* *out_head false: it was never flushed, nothing of it was taken. */
static bool load_segment(Keylog *log, int64_t number, bool first, bool last, bool *out_head,
                         bool *out_usable, Error *err)
{
    KeylogScan scan;
    KeySegment *segment = new_segment(log, number);
    if (!keylog_file_scan(log->dir_fd, number, -1, load_record, log, &scan, err))
        return false;
    segment = keylog_current(log);
    segment->bytes = scan.good_bytes;
    segment->empty = scan.emptied;
    *out_head = scan.head;
    *out_usable = scan.head && (scan.clean || last);
    if (first)
        log->id = scan.id;
    else if (memcmp(&log->id, &scan.id, sizeof scan.id) != 0 || !complete_before(log, &scan))
        *out_usable = false;
    if (scan.position != LSN_UNKNOWN)
        log->noted_lsn = log->durable_lsn = scan.position;
    return true;
}

bool keylog_load(Keylog *log, bool *out_usable, Error *err)
{
    int64_t *numbers = NULL;
    int count = 0;
    bool usable = true, ok = keylog_file_list(log->directory, &numbers, &count, err);
    /* A last segment whose head was never flushed holds nothing. */
    for (int i = 0; ok && usable && i < count; i++) {
        bool gap = i > 0 && numbers[i] != numbers[i - 1] + 1, head = false;
        ok = load_segment(log, numbers[i], i == 0, i == count - 1, &head, &usable, err);
        if (ok && !head && !gap && i == count - 1 && i > 0) {
            free(keylog_current(log)->counts);
            log->segment_count--;
            keylog_file_remove(log->dir_fd, numbers[i]);
            usable = true;
            break;
        }
        usable = usable && !gap;
    }
    free(numbers);
    *out_usable = ok && usable && log->segment_count > 0 && log->noted_lsn != LSN_UNKNOWN;
    if (!*out_usable)
        return ok;
    id_to_text(log);
    KeySegment *segment = keylog_current(log);
    log->fd = keylog_file_extend(log->dir_fd, segment->number, segment->bytes, err);
    /* A new segment: what is noted now was not seen together with what is there. */
    return log->fd >= 0 && keylog_add_segment(log, err);
}

static bool make_directory(Keylog *log, Error *err)
{
    if (mkdir(log->directory, 0700) != 0 && access(log->directory, F_OK) != 0)
        return ERR_OS(err, ERR_IO, "cannot make the directory '%s'", log->directory);
    log->dir_fd = open(log->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return log->dir_fd >= 0 ||
           ERR_OS(err, ERR_IO, "cannot open the directory '%s'", log->directory);
}

Keylog *keylog_open(const KeylogSpec *spec, Error *err)
{
    bool usable = false;
    Keylog *log = mem_zalloc(sizeof *log);
    log->spec = *spec;
    log->directory = mem_strdup(spec->directory);
    log->fd = log->dir_fd = -1;
    if (log->spec.memory_bytes == 0)
        log->spec.memory_bytes = MEMORY_BYTES;
    if (log->spec.disk_bytes == 0)
        log->spec.disk_bytes = DISK_BYTES;
    if (log->spec.segment_bytes == 0)
        log->spec.segment_bytes = SEGMENT_BYTES;
    keyset_init(&log->seen, log->spec.memory_bytes);
    pthread_mutex_init(&log->lock, NULL);
    if (make_directory(log, err) && keylog_load(log, &usable, err)) {
        if (usable)
            return log;
        if (keylog_anew(log, LSN_UNKNOWN, err))
            return log;
    }
    keylog_close(log);
    return NULL;
}

void keylog_close(Keylog *log)
{
    if (log == NULL)
        return;
    forget_segments(log);
    forget_tables(log);
    map_done(&log->tables);
    keyset_done(&log->seen);
    buf_done(&log->pending);
    if (log->dir_fd >= 0)
        close(log->dir_fd);
    pthread_mutex_destroy(&log->lock);
    free(log->segments);
    free(log->unsynced);
    free(log->directory);
    free(log);
}

/* What lies behind this position comes again, some of it perhaps for the first time (a table that was
 * copied again): not before it has come is it noted. */
static void turn_back(Keylog *log, Lsn lsn)
{
    Error err = ERROR_INIT;
    keylog_write_pending(log);
    log->noted_lsn = log->durable_lsn = lsn;
    if (log->broken)
        return;
    if (!keylog_file_append(log->fd, lsn, &log->pending, &keylog_current(log)->bytes, &err) ||
        (fdatasync(log->fd) != 0 && !ERR_OS(&err, ERR_IO, "cannot flush the log of changed keys")))
        keylog_break(log, &err);
}

Lsn keylog_begin(Keylog *log, Lsn start_lsn, Lsn confirmed_lsn)
{
    Error err = ERROR_INIT;
    Lsn begin = start_lsn;
    pthread_mutex_lock(&log->lock);
    if (log->broken) {
        pthread_mutex_unlock(&log->lock);
        return begin;
    }
    if (log->noted_lsn == LSN_UNKNOWN || log->noted_lsn < confirmed_lsn) {
        if (log->noted_lsn != LSN_UNKNOWN)
            log_warn("the log of changed keys ends at " LSN_FMT
                     ", the source sends nothing before " LSN_FMT
                     ": it begins anew, and earlier proofs no longer count",
                     LSN_ARGS(log->noted_lsn), LSN_ARGS(confirmed_lsn));
        if (!keylog_anew(log, start_lsn, &err))
            keylog_break(log, &err);
    } else if (log->noted_lsn < start_lsn) {
        begin = log->noted_lsn;
    } else if (log->noted_lsn > start_lsn) {
        turn_back(log, start_lsn);
    }
    pthread_mutex_unlock(&log->lock);
    return begin;
}

/*
 * keylog - noting, cutting, flushing; see the header.
 *
 * A segment is closed by a cut or when it is large. A table's floor is the number of the first
 * segment whose keys are open, so that proving a table is one record and not a search. A segment
 * goes when no key in it is open; floors and marks are written again before that.
 */
#include "verify/keylog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "verify/keylog_internal.h"

#define FRAME_BYTES ((size_t)256 << 10)
#define KEY_MOST    ((size_t)64 << 10) /* a longer key is as good as none */

/* Tables
 * ------------------------------------------------------------------------------------------- */

KeyTable *keylog_table_of(Keylog *log, uint32_t oid)
{
    bool found;
    if (log->last != NULL && log->last->oid == oid)
        return log->last;
    MapEntry *entry = map_slot(&log->tables, &oid, sizeof oid, &found);
    if (!found) {
        KeyTable *table = mem_zalloc(sizeof *table);
        table->oid = oid;
        table->shape_size = -1;
        entry->key = &table->oid; /* lives as long as the entry */
        entry->value = table;
    }
    return log->last = entry->value;
}

void keylog_set_whole(KeyTable *table, int64_t segment, const char *why, size_t len)
{
    table->whole_segment = segment;
    snprintf(table->why, sizeof table->why, "%.*s", (int)len, why);
}

void keylog_count(Keylog *log, KeySegment *segment, KeyTable *table, size_t bytes)
{
    (void)log;
    if (table->in_segment != segment->number) {
        segment->counts =
            mem_grow(segment->counts, sizeof *segment->counts * (size_t)(segment->count + 1));
        segment->counts[segment->count] = (KeyCount){.table = table};
        table->in_segment = segment->number;
        table->in_index = segment->count++;
    }
    segment->counts[table->in_index].keys++;
    segment->counts[table->in_index].bytes += (int64_t)bytes;
}

/* Writing
 * ------------------------------------------------------------------------------------------ */

void keylog_break(Keylog *log, const Error *why)
{
    if (log->broken)
        return;
    log->broken = true;
    snprintf(log->trouble, sizeof log->trouble, "%.200s", why->message);
    log_warn("changed keys are no longer noted, every table needs a whole proof: %s", why->message);
    buf_clear(&log->pending);
}

void keylog_write_pending(Keylog *log)
{
    Error err = ERROR_INIT;
    if (log->broken)
        return;
    if (FAULT_ERROR(KEYLOG_WRITE, &err) ||
        !keylog_file_append(log->fd, log->noted_lsn, &log->pending, &keylog_current(log)->bytes,
                            &err))
        keylog_break(log, &err);
    buf_clear(&log->pending);
}

static void next_segment(Keylog *log)
{
    Error err = ERROR_INIT;
    keylog_write_pending(log);
    if (!log->broken && !keylog_add_segment(log, &err))
        keylog_break(log, &err);
}

static void put_mark(Keylog *log, const KeyTable *table)
{
    KeyRecord record = {.kind = KEY_RECORD_WHOLE,
                        .oid = table->oid,
                        .segment = table->whole_segment,
                        .data = table->why,
                        .len = (uint32_t)strlen(table->why)};
    keylog_record_put(&log->pending, &record);
}

static void put_notes(Keylog *log, const KeyTable *table)
{
    KeyRecord record = {.kind = KEY_RECORD_NOTES, .oid = table->oid};
    keylog_record_put(&log->pending, &record);
}

static void put_floor(Keylog *log, const KeyTable *table)
{
    KeyRecord record = {.kind = KEY_RECORD_FLOOR, .oid = table->oid, .segment = table->floor};
    keylog_record_put(&log->pending, &record);
}

/* Its keys are of no use any more. */
static void mark_whole(Keylog *log, KeyTable *table, const char *why)
{
    keylog_set_whole(table, keylog_current(log)->number, why, strlen(why));
    table->silent = true;
    put_mark(log, table);
}

/* It was marked, and notes again from here on: what lies before stays unproved. */
static void end_silence(Keylog *log, KeyTable *table)
{
    table->whole_segment = keylog_current(log)->number;
    put_mark(log, table);
    table->silent = false;
    put_notes(log, table);
}

/* Noting
 * ------------------------------------------------------------------------------------------- */

/* The key columns are written once a segment; another shape than before cannot be put together with
 * what is there. */
static bool note_shape(Keylog *log, KeyTable *table, const Relation *rel)
{
    int16_t attnums[KEYLOG_SHAPE_MOST];
    int n = rel->key_count;
    if (n == 0 || n > KEYLOG_SHAPE_MOST) {
        mark_whole(log, table, "changed, and it has no key");
        return false;
    }
    for (int k = 0; k < n; k++)
        attnums[k] = rel->columns[rel->key[k]].attnum;
    bool same = table->shape_size == n && memcmp(table->shape, attnums, sizeof *attnums * n) == 0;
    if (!same && table->shape_size >= 0)
        mark_whole(log, table, "its key has other columns than before");
    memcpy(table->shape, attnums, sizeof *attnums * n);
    table->shape_size = n;
    table->shape_segment = keylog_current(log)->number;
    KeyRecord record = {.kind = KEY_RECORD_TABLE,
                        .oid = table->oid,
                        .data = (const char *)table->shape,
                        .len = (uint32_t)(sizeof *attnums * (size_t)n)};
    keylog_record_put(&log->pending, &record);
    return !table->silent;
}

static bool put_new_key(Keylog *log, KeyTable *table, const char *key, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(key, len, table->oid);
    if (!keyset_add(&log->seen, (KeyHash){hash.low64, hash.high64}))
        return false;
    KeyRecord record = {
        .kind = KEY_RECORD_KEY, .oid = table->oid, .data = key, .len = (uint32_t)len};
    keylog_record_put(&log->pending, &record);
    keylog_count(log, keylog_current(log), table, len);
    return true;
}

static void note_key(Keylog *log, KeyTable *table, const Relation *rel, const Value *values)
{
    char small[512] = "", *bytes = small;
    size_t len = 0;
    for (int k = 0; k < rel->key_count; k++) {
        const Value *value = &values[rel->key[k]];
        if (value->kind != VALUE_TEXT) {
            mark_whole(log, table, "a change came without its key");
            return;
        }
        len += sizeof value->len + value->len;
    }
    if (len > KEY_MOST) {
        mark_whole(log, table, "a key is too long to be noted");
        return;
    }
    if (len > sizeof small)
        bytes = mem_alloc(len);
    char *out = bytes;
    for (int k = 0; k < rel->key_count; k++) {
        const Value *value = &values[rel->key[k]];
        memcpy(out, &value->len, sizeof value->len);
        if (value->len > 0)
            memcpy(out + sizeof value->len, value->data, value->len);
        out += sizeof value->len + value->len;
    }
    put_new_key(log, table, bytes, len);
    if (bytes != small)
        free(bytes);
}

static KeyTable *ready_table(Keylog *log, const Relation *rel)
{
    KeyTable *table = keylog_table_of(log, rel->oid);
    if (table->silent || (table->muted && rel->key_count > 0))
        return NULL;
    if (table->shape_segment != keylog_current(log)->number && !note_shape(log, table, rel))
        return NULL;
    return table;
}

static void note_change(Keylog *log, const Flow *flow, const Change *change)
{
    for (int i = 0; change->kind == CHANGE_TRUNCATE && i < change->truncated_count; i++) {
        KeyTable *table = keylog_table_of(log, change->truncated[i]->oid);
        if (!table->silent)
            mark_whole(log, table, "truncated");
    }
    const Relation *rel = change->rel;
    if (rel == NULL || flow->commit_lsn < rel->start_lsn)
        return;
    KeyTable *table = ready_table(log, rel);
    if (table != NULL && change->old_values != NULL)
        note_key(log, table, rel, change->old_values);
    if (table != NULL && !table->silent && change->new_values != NULL)
        note_key(log, table, rel, change->new_values);
}

void keylog_note(Keylog *log, const Flow *flow)
{
    if (flow->kind == FLOW_LOST)
        return;
    pthread_mutex_lock(&log->lock);
    for (const Change *change = flow->first; change != NULL && !log->broken;
         change = change->next) {
        note_change(log, flow, change);
        if (log->pending.len < FRAME_BYTES)
            continue;
        keylog_write_pending(log);
        if (keylog_current(log)->bytes >= log->spec.segment_bytes)
            next_segment(log);
    }
    bool whole = flow->kind == FLOW_POSITION || flow->ends;
    if (whole && flow->end_lsn > log->noted_lsn)
        log->noted_lsn = flow->end_lsn;
    pthread_mutex_unlock(&log->lock);
}

void keylog_put_back(Keylog *log, const Relation *rel, const char *key, size_t len)
{
    pthread_mutex_lock(&log->lock);
    KeyTable *table = log->broken ? NULL : ready_table(log, rel);
    if (table != NULL)
        put_new_key(log, table, key, len);
    pthread_mutex_unlock(&log->lock);
}

void keylog_mark_whole(Keylog *log, uint32_t oid, const char *why)
{
    pthread_mutex_lock(&log->lock);
    if (!log->broken)
        mark_whole(log, keylog_table_of(log, oid), why);
    pthread_mutex_unlock(&log->lock);
}

void keylog_mute(Keylog *log, uint32_t oid)
{
    pthread_mutex_lock(&log->lock);
    if (!log->proving)
        keylog_table_of(log, oid)->muted = true;
    pthread_mutex_unlock(&log->lock);
}

static void unmute(Keylog *log)
{
    MapEntry *entry;
    for (size_t i = 0; (entry = map_next(&log->tables, &i)) != NULL;) {
        KeyTable *table = entry->value;
        if (table->muted && log->segment_count > 0)
            table->muted_to = keylog_current(log)->number;
        table->muted = false;
    }
}

void keylog_unmute(Keylog *log)
{
    pthread_mutex_lock(&log->lock);
    unmute(log);
    pthread_mutex_unlock(&log->lock);
}

void keylog_cut(Keylog *log, bool for_proof, int64_t *out_segment)
{
    MapEntry *entry;
    pthread_mutex_lock(&log->lock);
    if (for_proof) {
        log->proving = true;
        unmute(log);
    }
    for (size_t i = 0; for_proof && !log->broken && (entry = map_next(&log->tables, &i)) != NULL;)
        if (((KeyTable *)entry->value)->silent)
            end_silence(log, entry->value);
    if (!log->broken)
        next_segment(log);
    keyset_clear(&log->seen);
    *out_segment = log->segment_count > 0 ? keylog_current(log)->number : 0;
    pthread_mutex_unlock(&log->lock);
}

void keylog_floor(Keylog *log, uint32_t oid, int64_t segment)
{
    pthread_mutex_lock(&log->lock);
    KeyTable *table = keylog_table_of(log, oid);
    if (!log->broken && segment > table->floor) {
        table->floor = segment;
        put_floor(log, table);
        if (table->silent) { /* since its mark nothing was noted: not proved up to now */
            table->whole_segment = keylog_current(log)->number;
            put_mark(log, table);
        } else if (table->muted || segment <= table->muted_to) {
            mark_whole(log, table, "its keys were not noted while it was being verified");
        }
    }
    pthread_mutex_unlock(&log->lock);
}

/* Room
 * --------------------------------------------------------------------------------------------- */

/* What was noted behind a mark counts once the mark has been proved away. */
static bool open_in(const KeyCount *count, const KeySegment *segment)
{
    return segment->number >= count->table->floor && segment->number > count->table->whole_segment;
}

/* With what a record takes besides its key. */
static int64_t bytes_of(const KeyCount *count)
{
    return count->bytes + count->keys * KEY_RECORD_HEAD;
}

/* All that is open; *out_largest: the table with the most of it. */
static int64_t open_bytes(Keylog *log, KeyTable **out_largest)
{
    MapEntry *entry;
    int64_t total = 0, most = 0;
    for (size_t i = 0; (entry = map_next(&log->tables, &i)) != NULL;)
        ((KeyTable *)entry->value)->open_bytes = 0;
    for (int s = 0; s < log->segment_count; s++) {
        const KeySegment *segment = &log->segments[s];
        for (int c = 0; c < segment->count; c++) {
            const KeyCount *count = &segment->counts[c];
            if (!open_in(count, segment))
                continue;
            total += bytes_of(count);
            count->table->open_bytes += bytes_of(count);
            if (count->table->open_bytes > most) {
                most = count->table->open_bytes;
                *out_largest = count->table;
            }
        }
    }
    return total;
}

/* Floors and marks outlive the segments that they stand in. */
static void put_states(Keylog *log)
{
    MapEntry *entry;
    for (size_t i = 0; (entry = map_next(&log->tables, &i)) != NULL;) {
        const KeyTable *table = entry->value;
        if (table->floor > 0)
            put_floor(log, table);
        if (keylog_whole(table))
            put_mark(log, table);
        /* Also where the mark has been proved away: it may stand in a segment that stays. */
        if (table->whole_segment > 0 && !table->silent)
            put_notes(log, table);
    }
}

/* What may go, decided before the flush: whatever it stands on is flushed with it. */
static void plan_removal(Keylog *log)
{
    KeyTable *largest = NULL;
    bool dying = false;
    while (open_bytes(log, &largest) > log->spec.disk_bytes)
        mark_whole(log, largest, "more keys changed than keys.disk_limit holds");
    for (int s = 0; s < log->segment_count - 1; s++) {
        KeySegment *segment = &log->segments[s];
        bool open = segment->empty;
        for (int c = 0; c < segment->count && !open; c++)
            open = open_in(&segment->counts[c], segment);
        segment->dying = !open;
        dying = dying || !open;
    }
    if (dying)
        put_states(log);
}

/* The oldest go, one in the middle leaves its head: a number that is missing would be damage. */
static void remove_segments(Keylog *log)
{
    int gone = 0;
    if (log->readers > 0)
        return; /* somebody reads: next time */
    for (int s = 0; s < log->segment_count - 1; s++) {
        KeySegment *segment = &log->segments[s];
        if (!segment->dying && !segment->empty)
            continue; /* what is dying stays dead: floors and marks only ever rise */
        if (s == gone) {
            keylog_file_remove(log->dir_fd, segment->number);
            free(segment->counts);
            gone++;
        } else if (!segment->empty &&
                   keylog_file_empty(log->dir_fd, &log->id, segment->number, &segment->bytes)) {
            free(segment->counts);
            segment->counts = NULL;
            segment->count = 0;
            segment->empty = true;
        }
        segment->dying = false;
    }
    log->segment_count -= gone;
    memmove(log->segments, log->segments + gone,
            sizeof *log->segments * (size_t)log->segment_count);
}

/* Flushing
 * ----------------------------------------------------------------------------------------- */

typedef struct Flush {
    int *full; /* closed when flushed */
    int full_count;
    int fd; /* a duplicate */
    bool directory;
    Lsn position;
} Flush;

static bool begin_flush(Keylog *log, Flush *flush)
{
    pthread_mutex_lock(&log->lock);
    bool work = !log->broken && (log->pending.len > 0 || log->noted_lsn > log->durable_lsn ||
                                 log->unsynced_count > 0);
    if (work) {
        plan_removal(log);
        keylog_write_pending(log);
        if (!log->broken && keylog_current(log)->bytes >= log->spec.segment_bytes)
            next_segment(log);
    }
    work = work && !log->broken;
    if (work) {
        flush->full = log->unsynced;
        flush->full_count = log->unsynced_count;
        log->unsynced = NULL;
        log->unsynced_count = 0;
        flush->fd = dup(log->fd);
        flush->directory = log->new_file;
        log->new_file = false;
        flush->position = log->noted_lsn;
    }
    pthread_mutex_unlock(&log->lock);
    return work;
}

static bool flush_files(const Keylog *log, const Flush *flush)
{
    bool fine = flush->fd >= 0 && fdatasync(flush->fd) == 0;
    for (int i = 0; i < flush->full_count; i++)
        fine = fdatasync(flush->full[i]) == 0 && fine;
    return fine && (!flush->directory || fsync(log->dir_fd) == 0);
}

void keylog_sync(Keylog *log)
{
    Error err = ERROR_INIT;
    Flush flush = {.fd = -1};
    if (!begin_flush(log, &flush))
        return;
    bool fine =
        flush_files(log, &flush) || ERR_OS(&err, ERR_IO, "cannot flush the log of changed keys");
    fine = fine && !FAULT_ERROR(KEYLOG_FLUSHED, &err);
    for (int i = 0; i < flush.full_count; i++)
        close(flush.full[i]);
    free(flush.full);
    if (flush.fd >= 0)
        close(flush.fd);
    pthread_mutex_lock(&log->lock);
    if (fine) {
        log->durable_lsn = flush.position;
        remove_segments(log);
    } else {
        keylog_break(log, &err);
    }
    pthread_mutex_unlock(&log->lock);
}

Lsn keylog_durable_lsn(Keylog *log)
{
    pthread_mutex_lock(&log->lock);
    Lsn lsn = log->broken ? LSN_UNKNOWN : log->durable_lsn;
    pthread_mutex_unlock(&log->lock);
    return lsn;
}

Lsn keylog_noted_lsn(Keylog *log)
{
    pthread_mutex_lock(&log->lock);
    Lsn lsn = log->broken ? LSN_UNKNOWN : log->noted_lsn;
    pthread_mutex_unlock(&log->lock);
    return lsn;
}

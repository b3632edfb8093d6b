/*
 * keylog_read - what was noted: for those who prove it, and in figures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "verify/keylog_internal.h"

const char *keylog_id(Keylog *log)
{
    return log->id_text; /* changes only in keylog_begin, before anybody asks */
}

void keylog_trouble(Keylog *log, char *out, size_t size)
{
    pthread_mutex_lock(&log->lock);
    snprintf(out, size, "%s", log->broken ? log->trouble : "");
    pthread_mutex_unlock(&log->lock);
}

bool keylog_key_values(const Relation *rel, const char *key, size_t len, Value *out_values,
                       Error *err)
{
    const char *p = key, *end = key + len;
    for (int k = 0; k < rel->key_count; k++) {
        uint32_t n;
        if ((size_t)(end - p) < sizeof n)
            return ERR(err, ERR_BUG, "a noted key of '%s' is too short", rel->display);
        memcpy(&n, p, sizeof n);
        p += sizeof n;
        if ((size_t)(end - p) < n)
            return ERR(err, ERR_BUG, "a noted key of '%s' is too short", rel->display);
        out_values[k] = (Value){.data = p, .len = n, .kind = VALUE_TEXT};
        p += n;
    }
    return p == end || ERR(err, ERR_BUG, "a noted key of '%s' is too long", rel->display);
}

typedef struct Visit {
    Keylog *log;
    uint32_t oid; /* 0: all */
    bool all;     /* open or not */
    int64_t number;
    KeylogVisit fn;
    void *arg;
} Visit;

/* Files that are closed do not change; whether a key is open may, to the safe side only. */
static bool visit_record(void *arg, const KeyRecord *record, Error *err)
{
    Visit *visit = arg;
    if (record->kind != KEY_RECORD_KEY || (visit->oid != 0 && record->oid != visit->oid))
        return true;
    if (!visit->all) {
        pthread_mutex_lock(&visit->log->lock);
        const KeyTable *table = keylog_table_of(visit->log, record->oid);
        bool open = visit->number >= table->floor && !keylog_whole(table);
        pthread_mutex_unlock(&visit->log->lock);
        if (!open)
            return true;
    }
    return visit->fn(visit->arg, record->oid, record->data, record->len, err);
}

typedef struct Piece {
    int64_t number, bytes;
} Piece;

/* The segments [from, before), which nobody removes until release(). */
static Piece *hold(Keylog *log, int64_t from, int64_t before, int *out_count)
{
    pthread_mutex_lock(&log->lock);
    Piece *pieces = mem_alloc(sizeof *pieces * (size_t)(log->segment_count + 1));
    int count = 0;
    for (int i = 0; i < log->segment_count; i++) {
        const KeySegment *segment = &log->segments[i];
        if (segment->number >= from && segment->number < before)
            pieces[count++] = (Piece){segment->number, segment->bytes};
    }
    log->readers++;
    pthread_mutex_unlock(&log->lock);
    *out_count = count;
    return pieces;
}

static void release(Keylog *log)
{
    pthread_mutex_lock(&log->lock);
    log->readers--;
    pthread_mutex_unlock(&log->lock);
}

static bool read_pieces(Visit *visit, int64_t from, int64_t before, Error *err)
{
    int count = 0;
    bool ok = true;
    Piece *pieces = hold(visit->log, from, before, &count);
    for (int i = 0; ok && i < count; i++) {
        KeylogScan scan;
        visit->number = pieces[i].number;
        ok = keylog_file_scan(visit->log->dir_fd, pieces[i].number, pieces[i].bytes, visit_record,
                              visit, &scan, err);
        if (ok && scan.good_bytes != pieces[i].bytes)
            ok = ERR(err, ERR_IO, "the log of changed keys does not hold what was written to it");
    }
    release(visit->log);
    free(pieces);
    return ok;
}

bool keylog_read(Keylog *log, uint32_t oid, int64_t before, KeylogVisit visit, void *arg,
                 Error *err)
{
    Visit v = {.log = log, .oid = oid, .fn = visit, .arg = arg};
    return read_pieces(&v, 0, before, err);
}

bool keylog_read_since(Keylog *log, int64_t from, KeylogVisit visit, void *arg, Error *err)
{
    Visit v = {.log = log, .all = true, .fn = visit, .arg = arg};
    pthread_mutex_lock(&log->lock);
    keylog_write_pending(log);
    bool broken = log->broken;
    pthread_mutex_unlock(&log->lock);
    if (broken)
        return ERR(err, ERR_IO, "the log of changed keys is broken: %s", log->trouble);
    return read_pieces(&v, from, INT64_MAX, err);
}

/* Figures
 * ------------------------------------------------------------------------------------------ */

static int64_t open_keys(const Keylog *log, const KeyTable *table)
{
    int64_t keys = 0;
    for (int s = 0; s < log->segment_count; s++) {
        const KeySegment *segment = &log->segments[s];
        for (int c = 0; c < segment->count && segment->number >= table->floor; c++)
            if (segment->counts[c].table == table)
                keys += segment->counts[c].keys;
    }
    return keys;
}

/* No key at all is no other shape: it is said when something changes. */
static bool same_shape(const KeyTable *table, const Relation *rel)
{
    if (table->shape_size < 0)
        return true;
    if (table->shape_size != rel->key_count)
        return false;
    for (int k = 0; k < rel->key_count; k++)
        if (table->shape[k] != rel->columns[rel->key[k]].attnum)
            return false;
    return true;
}

void keylog_table(Keylog *log, const Relation *rel, KeylogTable *out)
{
    pthread_mutex_lock(&log->lock);
    KeyTable *table = keylog_table_of(log, rel->oid);
    *out = (KeylogTable){.floor = table->floor, .muted = table->muted};
    out->whole = log->broken || keylog_whole(table);
    if (log->broken)
        snprintf(out->why, sizeof out->why, "changed keys could not be noted");
    else if (out->whole)
        snprintf(out->why, sizeof out->why, "%s", table->why);
    else
        out->open_keys = open_keys(log, table);
    if (!out->whole && out->open_keys > 0 && !same_shape(table, rel)) {
        out->whole = true;
        snprintf(out->why, sizeof out->why, "its key has other columns than before");
    }
    pthread_mutex_unlock(&log->lock);
}

void keylog_figures(Keylog *log, int64_t *out_keys, int64_t *out_memory_bytes,
                    int64_t *out_disk_bytes)
{
    MapEntry *entry;
    *out_keys = *out_disk_bytes = 0;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; (entry = map_next(&log->tables, &i)) != NULL;) {
        const KeyTable *table = entry->value;
        if (!keylog_whole(table))
            *out_keys += open_keys(log, table);
    }
    for (int s = 0; s < log->segment_count; s++)
        *out_disk_bytes += log->segments[s].bytes;
    *out_memory_bytes = (int64_t)(keyset_bytes(&log->seen) + log->pending.cap);
    pthread_mutex_unlock(&log->lock);
}

/*
 * keylog_internal - what the files of the keylog share. Everything is guarded by `lock`, but for
 * what is set when it is opened.
 */
#pragma once

#include <pthread.h>

#include "bascule/base/map.h"
#include "verify/keylog.h"
#include "verify/keylog_file.h"
#include "verify/keyset.h"

#define KEYLOG_SHAPE_MOST 32 /* key columns of an index */

typedef struct KeyTable {
    uint32_t oid;
    int64_t floor;         /* keys of older segments are proved */
    int64_t whole_segment; /* marked there; 0 never. In force while >= floor */
    char why[96];
    bool silent;      /* notes nothing until the next cut for a proof */
    bool muted;       /* the same, while nobody has begun to prove it (keylog_mute) */
    int64_t muted_to; /* the last segment that lacks keys of it for that reason */
    int shape_size;   /* key columns as last noted; -1 unknown */
    int16_t shape[KEYLOG_SHAPE_MOST];
    int64_t shape_segment; /* where they were written last */
    int64_t in_segment;    /* the place of its count in the current segment */
    int in_index;
    int64_t open_bytes; /* scratch of whoever counts */
} KeyTable;

typedef struct KeyCount {
    KeyTable *table;
    int64_t keys, bytes;
} KeyCount;

typedef struct KeySegment {
    int64_t number, bytes;
    KeyCount *counts;
    int count;
    bool dying; /* nothing in it is open: it goes after the next flush */
    bool empty; /* only its head is left */
} KeySegment;

struct Keylog {
    KeylogSpec spec;
    char *directory;
    int dir_fd;
    KeylogId id;
    char id_text[KEYLOG_ID_SIZE];
    pthread_mutex_t lock;
    KeySegment *segments; /* the last is written to */
    int segment_count;
    int fd;        /* of the last */
    int *unsynced; /* files that are full and not flushed yet */
    int unsynced_count;
    bool new_file; /* the directory has to be flushed */
    Buf pending;   /* records not written yet */
    Lsn noted_lsn, durable_lsn;
    Keyset seen;  /* since the last cut */
    Map tables;   /* oid -> KeyTable */
    int readers;  /* files may not be removed */
    bool proving; /* a proof may stand on what is noted from its cut on: no mute any more */
    bool broken;
    char trouble[256];
    KeyTable *last; /* of the change before */
};

static inline KeySegment *keylog_current(Keylog *log)
{
    return &log->segments[log->segment_count - 1];
}
static inline bool keylog_whole(const KeyTable *table)
{
    return table->whole_segment > 0 && table->whole_segment >= table->floor;
}
KeyTable *keylog_table_of(Keylog *log, uint32_t oid);
void keylog_count(Keylog *log, KeySegment *segment, KeyTable *table, size_t bytes);
void keylog_set_whole(KeyTable *table, int64_t segment, const char *why, size_t len);
void keylog_write_pending(Keylog *log);
/* It notes nothing any more. */
void keylog_break(Keylog *log, const Error *why);
MUST_CHECK bool keylog_add_segment(Keylog *log, Error *err);
/* keylog_load.c: what the directory holds. *out_usable false: nothing, or damaged. */
MUST_CHECK bool keylog_load(Keylog *log, bool *out_usable, Error *err);
/* Everything away, a new id, one empty segment at this position. */
MUST_CHECK bool keylog_anew(Keylog *log, Lsn position, Error *err);

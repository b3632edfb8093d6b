/*
 * keylog_file - the segments of a keylog on disk: names, frames, records.
 *
 * A segment is keys-<number>.log: a head with the log's id and the size of the segment before, then
 * frames. Numbers in frames and records lie as in memory: a log is read by the machine that wrote it,
 * or begun anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bascule/base/buf.h"
#include "bascule/base/error.h"
#include "bascule/model/lsn.h"

typedef struct KeylogId {
    unsigned char bytes[16];
} KeylogId;

typedef enum KeyRecordKind {
    KEY_RECORD_TABLE = 'T', /* the key columns of a table, before its first key of a segment */
    KEY_RECORD_KEY = 'K',
    KEY_RECORD_WHOLE = 'W', /* segment: where it was marked first */
    KEY_RECORD_NOTES = 'N', /* a marked table notes keys again */
    KEY_RECORD_FLOOR = 'F', /* segment */
} KeyRecordKind;

#define KEY_RECORD_HEAD 9 /* bytes of a record beside the key */

typedef struct KeyRecord {
    char kind; /* KeyRecordKind */
    uint32_t oid;
    int64_t segment;
    const char *data; /* attnums (int16), key, reason */
    uint32_t len;
} KeyRecord;

void keylog_record_put(Buf *out, const KeyRecord *record);
/* false at the end; a record that does not fit is damage that the frame's hash did not show: BUG. */
bool keylog_record_next(const char **p, const char *end, KeyRecord *out_record);

/* A new file, open for writing, its head written. `before`: bytes of the segment before, which is
 * complete; 0: there is none. -1: *err. */
int keylog_file_create(int dir_fd, const KeylogId *id, int64_t number, int64_t before,
                       int64_t *out_bytes, Error *err);
/* Opens the last segment to go on writing behind its good frames. */
int keylog_file_extend(int dir_fd, int64_t number, int64_t bytes, Error *err);
MUST_CHECK bool keylog_file_append(int fd, Lsn position, const Buf *records, int64_t *in_out_bytes,
                                   Error *err);
void keylog_file_remove(int dir_fd, int64_t number);
/* Leaves only the head; false: it stays as it was. */
bool keylog_file_empty(int dir_fd, const KeylogId *id, int64_t number, int64_t *out_bytes);
/* Numbers of the segments that are there, ascending; free() them. */
MUST_CHECK bool keylog_file_list(const char *directory, int64_t **out_numbers, int *out_count,
                                 Error *err);

typedef struct KeylogScan {
    KeylogId id;
    int64_t before; /* bytes of the segment before, when this one was begun; 0 none, not known */
    bool emptied;
    int64_t good_bytes; /* up to the last frame that fits its hash */
    bool head;          /* false: no head of this number */
    bool clean;         /* nothing behind good_bytes */
    Lsn position;       /* of the last good frame; LSN_UNKNOWN: none */
} KeylogScan;
typedef bool (*KeylogVisitRecord)(void *arg, const KeyRecord *record, Error *err);
/* Reads frames up to `until` bytes of the file (-1: all). false: *err, of the file or the visit. */
MUST_CHECK bool keylog_file_scan(int dir_fd, int64_t number, int64_t until, KeylogVisitRecord visit,
                                 void *arg, KeylogScan *out_scan, Error *err);

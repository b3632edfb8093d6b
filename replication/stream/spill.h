/*
 * spill - frames of bytes in files that nobody else sees.
 *
 * Files    O_TMPFILE (or unlinked at once), 0600, in segments: a segment whose frames were all
 * dropped is closed, so space is given back while the queue goes on. Frames
 * [length][xxh3-64][bytes]; what does not fit its hash is an error, never data. Threads  one
 * writes, another reads and drops; their common state is behind the spill's own lock. Errors
 * DISK_FULL names the directory; IO.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/error.h"

typedef struct Spill Spill;
typedef struct SpillSegment SpillSegment;

typedef struct SpillPlace {
    SpillSegment *segment;
    int64_t offset; /* of the frame in its file */
    size_t len;     /* of the bytes */
} SpillPlace;

/* Makes the directory (0700) when it is missing, and a first file, so that a wrong directory shows
 * before the stream starts. segment_bytes: a segment is closed for writing beyond that. */
MUST_CHECK Spill *spill_open(const char *directory, int64_t segment_bytes, Error *err);
void spill_close(Spill *spill); /* NULL is fine */
MUST_CHECK bool spill_write(Spill *spill, const char *data, size_t len, SpillPlace *out_place,
                            Error *err);
/* Reads place->len bytes into out. */
MUST_CHECK bool spill_read(Spill *spill, const SpillPlace *place, char *out, Error *err);
void spill_drop(Spill *spill, const SpillPlace *place);
/* Files open now: for tests. */
int spill_segments(Spill *spill);
/* Test only: the file of a place. */
int spill_place_fd(const SpillPlace *place);

/*
 * keylog - the keys that the stream has changed, so that a proof of yesterday holds today.
 *
 * What      every change that goes to the applier leaves its key (the identity columns' text, old
 *           and new) in a log of segments on local disk, once between two cuts. What cannot be
 *           named by a key (no key, TRUNCATE, a key of another shape, no room) marks its table
 *           WHOLE: only reading all of it can prove it again. Nothing is ever forgotten silently.
 * Proof     keylog_cut() first, then a position X is read on the source, then both sides are found
 *           equal at X: keylog_floor(table, cut) closes what was noted before the cut. Every
 *           transaction noted before the cut had committed on the source before X was read, so the
 *           keys still open are a superset of what changed after X.
 * Durable   keylog_sync() flushes; keylog_durable_lsn() is the position up to which every change's
 *           key is on disk. The slot is confirmed no further, so after any crash the stream comes
 *           again from there: the applier skips what it has, this log does not.
 * Lost      a missing, damaged or older log gets a new id: proofs carry the id of the log that
 *           goes with them, and are void with any other.
 * Broken    a disk that refuses ends the log, not the stream: every table is WHOLE from then on.
 * Memory    the hashes of keys seen since the last cut, up to memory_bytes; beyond that a key may be
 *           written twice. Disk: disk_bytes; beyond that the table with the most is marked WHOLE.
 * Frames    [length][xxh3-64][position][records]; one that does not fit its hash ends the log there
 *           in its last segment and voids it in any other.
 * Threads   any; one lock inside, never held while data is flushed.
 */
#pragma once

#include "bascule/base/error.h"
#include "bascule/model/flow.h"

typedef struct Keylog Keylog;

#define KEYLOG_ID_SIZE 33 /* 32 hex digits */

typedef struct KeylogSpec {
    const char *directory; /* made (0700) when missing */
    size_t memory_bytes;   /* 0: 64 MB */
    int64_t disk_bytes;    /* 0: 2 GB */
    int64_t segment_bytes; /* 0: 16 MB */
} KeylogSpec;

/* Opens what is there, or begins anew. IO errors only: damage begins anew. */
MUST_CHECK Keylog *keylog_open(const KeylogSpec *spec, Error *err);
void keylog_close(Keylog *log); /* NULL is fine; flush with keylog_sync before */
/* Where the stream begins: it must not leave a gap behind the log. A log that does not reach
 * `confirmed_lsn` (what the source will not send again) is begun anew at start_lsn. Returns where
 * the stream has to begin, at or before start_lsn. */
Lsn keylog_begin(Keylog *log, Lsn start_lsn, Lsn confirmed_lsn);
const char *keylog_id(Keylog *log);

/* Before the applier gets it. */
void keylog_note(Keylog *log, const Flow *flow);
/* Writes and flushes what was noted; false never: see Broken. */
void keylog_sync(Keylog *log);
/* LSN_UNKNOWN: broken, the log holds nothing up. */
Lsn keylog_noted_lsn(Keylog *log);
Lsn keylog_durable_lsn(Keylog *log);
/* "" when it works. */
void keylog_trouble(Keylog *log, char *out, size_t size);

/* What is noted from now on lies in *out_segment or later. for_proof: tables marked WHOLE note keys
 * again, because somebody is about to read them in whole. */
void keylog_cut(Keylog *log, bool for_proof, int64_t *out_segment);
/* A table that nobody has proved notes no keys until keylog_unmute() or a cut for a proof: there is
 * nothing yet that they could keep true. What marks it WHOLE does so still. Before the first flow;
 * no effect once a cut for a proof was made. */
void keylog_mute(Keylog *log, uint32_t oid);
void keylog_unmute(Keylog *log); /* all tables */
/* Everything of this table before `segment` is proved. */
void keylog_floor(Keylog *log, uint32_t oid, int64_t segment);
void keylog_mark_whole(Keylog *log, uint32_t oid, const char *why);

typedef struct KeylogTable {
    int64_t open_keys; /* at most: a key changed before and after a cut counts twice */
    bool whole;
    char why[96]; /* when whole */
    bool muted;   /* keys are not noted: nothing is known of their number */
    int64_t floor;
} KeylogTable;
/* rel->key is compared with the columns that were noted. */
void keylog_table(Keylog *log, const Relation *rel, KeylogTable *out_table);

/* A key as it was noted: rel->key_count values of text. */
MUST_CHECK bool keylog_key_values(const Relation *rel, const char *key, size_t len,
                                  Value *out_values, Error *err);
typedef bool (*KeylogVisit)(void *arg, uint32_t oid, const char *key, size_t len, Error *err);
/* Every open key in segments before `before` (of a cut), of tables that are not WHOLE, in the order
 * noted, some twice. oid 0: of all tables. Bytes live until the visit returns. */
MUST_CHECK bool keylog_read(Keylog *log, uint32_t oid, int64_t before, KeylogVisit visit, void *arg,
                            Error *err);
/* The same for what was noted from segment `from` on, open or not, up to now. Of tables that are WHOLE by
 * now (keylog_table) keys may be missing. */
MUST_CHECK bool keylog_read_since(Keylog *log, int64_t from, KeylogVisit visit, void *arg,
                                  Error *err);
/* A key that was read and is not proved: noted again, so that the floor may pass it. */
void keylog_put_back(Keylog *log, const Relation *rel, const char *key, size_t len);
/* Sum of open keys; bytes of memory and disk. */
void keylog_figures(Keylog *log, int64_t *out_keys, int64_t *out_memory_bytes,
                    int64_t *out_disk_bytes);

/*
 * internal - the Sync itself, for the files of replication/sync only.
 *
 * Guard    `lock` guards message, message_lsn, failure, wal_status; everything else is written by
 * the conductor's thread before the workers start, or is atomic.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "apply/applier.h"
#include "bascule/base/worker.h"
#include "load/load.h"
#include "stream/flow_queue.h"
#include "stream/reader.h"
#include "sync/gate.h"
#include "sync/sync.h"
#include "verify/proof.h"
#include "wire/decoder.h"

/* Positions of the source's WAL end over time, for lag in seconds without trusting two clocks. */
typedef struct LagSample {
    int64_t at_us;
    Lsn end_lsn;
} LagSample;
#define LAG_SAMPLES 1024

/* What the last re-check of changed keys found in a table. */
typedef struct Recheck {
    int64_t differing;
    char first[160];
} Recheck;

/* What a load stands on: guard locks and a snapshot that any session can import. */
typedef struct LoadStart {
    Guard *guard;
    SlotSnapshot *slot; /* of a slot, or */
    PgConn *plain;      /* of a transaction of ours (mode full-load) */
    char snapshot_id[64];
    Lsn lsn; /* consistent point */
} LoadStart;

struct Sync {
    SyncSpec spec;
    LoadStart load_start;
    Arena *arena;
    PgConn *control; /* conductor's session on the target: holds the task's advisory lock */
    ControlTask row;
    bool row_found;
    bool may_undo; /* this run holds the task's lock and found nothing loaded */
    SourceIdentity source_identity;
    Rules reverse_rules; /* spec.reverse: the tables by name */
    char encoding[32];   /* the source database's: pinned on every session */
    Relations *_Atomic rels;
    Relations **retired; /* earlier readings of the catalog: status may still look at one */
    int retired_count;
    char shape[33]; /* fingerprint of what rels says */
    char plugin[16];
    _Atomic int state; /* TaskState */
    Progress progress;

    /* stream */
    StopToken *stream_stop;
    FlowQueue *queue;
    Decoder *decoder;
    Reader *reader;
    Applier *applier;
    Worker *reader_worker, *apply_worker, *ticker_worker;
    bool streaming;
    Keylog *_Atomic keylog; /* from the first stream on to the end; NULL: not kept */
    Worker *keys_worker;    /* flushes it */
    Proof *proofs;          /* lock: by relation id, of `proofs_of` */
    const Relations *proofs_of;
    Recheck *recheck; /* lock: by relation id, of `recheck_of`; NULL: no pass yet */
    const Relations *recheck_of;
    Worker *recheck_worker;
    PgConn *resume_conn; /* the reader's, for the resume row */
    PgConn *ticker_conn; /* the ticker's, on the source */
    char fingerprint[33];
    int64_t next_fingerprint_us;
    atomic_bool restart_reader; /* the applier lost its session: send again from the resume row */
    atomic_bool hold_apply, apply_held;
    /* gate.c: while hold_apply is set the applier may go on up to here; LSN_UNKNOWN: nowhere */
    _Atomic Lsn gate_lsn;
    Flow *kept;                     /* the applier's: taken from the queue, behind the gate */
    Gate *gate;                     /* lock: who holds the applier; NULL nobody */
    bool gates_shut;                /* lock: a cutover runs, it alone holds the applier */
    LagSample samples[LAG_SAMPLES]; /* the ticker's */
    int sample_next, sample_count;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    char message[256]; /* content of the last barrier message seen */
    Lsn message_lsn;
    Error failure; /* what ended a worker */
    bool failed;
    char wal_status[16];
    bool cutover_opened;
    bool cutover_over;
};

/* Moves the state machine; stores a durable state first. BUG when the table has no such row. */
MUST_CHECK bool sync_event(Sync *sync, TaskEvent event, Error *err);

/* The conductor's session on the target is alive and holds the task's lock, or it is opened again.
 */
MUST_CHECK bool sync_keep_control(Sync *sync, Error *err);

/* prepare.c: new -> loading (or catching-up for mode cdc) */
MUST_CHECK bool sync_prepare(Sync *sync, Error *err);
/* A preparation that failed leaves nothing behind; what a dead server keeps is dropped by the next
 * start. */
void sync_undo_prepare(Sync *sync);
/* Reads the catalog and everything that a restart needs: relations, their states, plugin. */
MUST_CHECK bool sync_recall(Sync *sync, Error *err);
/* load.c: what a load stands on */
MUST_CHECK bool load_start_guard(Sync *sync, LoadStart *start, Error *err);
MUST_CHECK bool load_start_slot(Sync *sync, LoadStart *start, bool temporary, Error *err);
MUST_CHECK bool load_start_plain(Sync *sync, LoadStart *start, Error *err);
void load_start_done(LoadStart *start);
/* load.c: loading -> indexing -> ready for the stream */
MUST_CHECK bool sync_load(Sync *sync, Error *err);
MUST_CHECK bool sync_index(Sync *sync, Error *err);
MUST_CHECK bool sync_finish_schema(Sync *sync, Error *err);
Lsn sync_newest_start(const Sync *sync);
/* reverse.c: the tables that the cutover recorded, by name */
MUST_CHECK bool sync_reverse_rules(Sync *sync, Rules *out_rules, Error *err);
/* triggers.c: no trigger of the target may fire for what we write */
MUST_CHECK bool sync_quiet_triggers(Sync *sync, Error *err);
/* stream.c: the workers */
MUST_CHECK bool sync_stream_start(Sync *sync, Error *err);
void sync_stream_stop(Sync *sync);
bool sync_stream_failed(Sync *sync, Error *out_err);
void sync_hold_apply(Sync *sync, bool hold);
/* gate.c: takes the applier back from whoever holds it; shut: nobody gets it until it is not. */
void sync_gate_revoke(Sync *sync, bool shut);
/* Would this flow be the first behind a gate at this position? */
bool sync_gate_stops(const Flow *flow, Lsn gate_lsn);
MUST_CHECK bool sync_hold_apply_wait(Sync *sync, Error *err);
/* keys.c: between the applier's start and the reader's, and after the applier's end */
MUST_CHECK bool sync_keys_begin(Sync *sync, Error *err);
void sync_keys_rest(Sync *sync);
/* recheck.c */
StepResult sync_recheck_step(void *self, Error *err);
/* proofs.c: what the target knows */
MUST_CHECK bool proofs_read(Sync *sync, Error *err);
StepResult sync_keys_step(void *self, Error *err);
/* Where a stream that begins at this resume position has to begin for the keys' sake. */
Lsn sync_keys_begin_lsn(const Sync *sync, Lsn resume_lsn);
/* ticker.c */
StepResult sync_ticker_step(void *self, Error *err);
void sync_ticker_reset(void *self);

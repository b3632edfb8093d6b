/*
 * internal - the Sync itself, for the files of replication/sync only.
 *
 * Guard    `lock` guards message, message_lsn, failure, wal_status; everything else is written by
 * the conductor's thread before the workers start, or is atomic.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "apply/applier.h"
#include "bascule/base/worker.h"
#include "load/load.h"
#include "stream/flow_queue.h"
#include "stream/reader.h"
#include "sync/gate.h"
#include "sync/heard.h"
#include "sync/names.h"
#include "sync/sync.h"
#include "verify/proof.h"
#include "wire/decoder.h"

/* Positions of the source's WAL end over time, for lag in seconds without trusting two clocks. */
typedef struct LagSample {
    int64_t at_us;
    Lsn end_lsn, reached_lsn;
    int64_t lag_us;
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

typedef struct Rejoin Rejoin;
typedef struct TablesRequest TablesRequest;

typedef struct SuspendRequest {
    struct SuspendRequest *next;
    Relation *rel;
    char why[SUSPEND_REASON_SIZE];
} SuspendRequest;

/* The conductor's looks at the source's catalog while the stream runs (watch.c). */
typedef struct Watch {
    int64_t next_look_us, next_judge_us, next_refresh_us;
    int64_t look_wait_us;
    int64_t judge_wait_us; /* grows while copying again fails */
    uint32_t newcomers;    /* hash of the tables seen that are not ours yet */
    bool heard;            /* read since the stream began */
    bool refresh; /* the catalog must be read again, with the stream stopped for a moment */
    Arena *arena; /* of what `status` shows */
} Watch;

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
    Names *names;        /* the reader's, with wal2json */

    /* tables whose shape changes */
    bool may_suspend;   /* one table can be left out: foreign keys are not checked while we apply */
    PgConn *watch_conn; /* the conductor's, on the source */
    Watch watch;
    Rejoin *rejoin; /* NULL: no table is being copied again */
    /* tables.c: the slot is told no further than the lower one of these */
    Lsn copy_pin_lsn, pause_pin_lsn;
    TablesRequest *tables_request;    /* lock: of whoever asks to the conductor */
    bool tables_open;                 /* lock: the conductor will answer */
    Rules *base_rules;                /* of the configuration; spec.rules has what was added, too */
    atomic_bool reshaping;            /* the stream stops for a moment: no cutover may begin */
    bool captures;                    /* the source tells of its DDL */
    atomic_bool ddl_noted;            /* it told of something: `heard` is to be read again */
    HeardList *heard;                 /* lock; NULL: not read. In heard_arena */
    Arena *heard_arena;               /* lock */
    SuspendRequest *suspend_requests; /* lock: of the conductor for the applier */
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
/* prepare.c: the event triggers of the source are as the task wants them */
MUST_CHECK bool sync_capture(Sync *sync, PgConn *source, Error *err);
/* Rows come under their table's name: one that had another for a while may have lost some to a table that
 * was called so, or got some of it. */
static inline bool sync_names_count(const Sync *sync)
{
    return strcmp(sync->plugin, "wal2json") == 0;
}
#define SYNC_RENAMED "it had another name meanwhile, under which rows may have come"
/* watch.c: the shapes of the tables while the stream runs. One step of the conductor. */
MUST_CHECK bool sync_watch(Sync *sync, Error *err);
void sync_watch_done(Sync *sync); /* ends a copy that runs */
/* ApplierSpec.changed; arg is the Sync. Any thread. */
bool sync_table_changed(void *arg, const Relation *rel, char *out_why, size_t size);
MUST_CHECK bool sync_watch_source(Sync *sync, Error *err); /* watch_conn is there */
/* sync.c: after a failure inside a transaction of the control session */
void sync_roll_back(Sync *sync);
/* tables.c: the slot is told no further while a table is copied; LSN_UNKNOWN: none is */
void sync_pin_copy(Sync *sync, Lsn lsn);
/* After the catalog was read, before a stream starts: the slot keeps what paused tables need, or has
 * forgotten it. */
MUST_CHECK bool tables_recalled(Sync *sync, Lsn confirmed_lsn, Error *err);
/* Lets go of what the source would have to keep too much for. */
MUST_CHECK bool tables_look(Sync *sync, Error *err);
/* Does what an operator asked. false: the stream does not go on. */
MUST_CHECK bool tables_answer(Sync *sync, Error *err);
void tables_refuse(Sync *sync); /* the conductor ends */
/* Reads what was added to the selection. */
MUST_CHECK bool sync_scope(Sync *sync, Error *err);
/* rejoin.c: stops the stream for a moment. *out_proceed false: a cutover has begun. */
MUST_CHECK bool reshape_begin(Sync *sync, bool *out_proceed, Error *err);
void reshape_end(Sync *sync);
/* Reads the catalog and the states of the tables again, while the stream is stopped. */
MUST_CHECK bool sync_refresh(Sync *sync, Error *err);
/* Begins to copy suspended tables again, given by their oids. */
MUST_CHECK bool rejoin_begin(Sync *sync, const uint32_t *oids, int count, Error *err);
/* *out_over: it is over, well or not; *out_back: tables that the stream follows again. */
MUST_CHECK bool rejoin_look(Sync *sync, bool *out_over, int *out_back, Error *err);
void rejoin_abandon(Sync *sync);
/* load.c: copies what is not completed, under this start */
MUST_CHECK bool load_copy_again(Sync *sync, const LoadStart *start, StopToken *stop, Error *err);
/* triggers.c: can the role switch triggers and foreign keys off? */
bool sync_may_silence(PgConn *target);
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
/* Before the state says so: from now on every table notes its keys. */
void sync_keys_caught_up(Sync *sync);
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

/*
 * sync - the conductor of one task: prepares, loads, joins the load to the stream by position, and
 * keeps the stream going.
 *
 * sync_run() goes through the states of sync/task_fsm.h in the thread that calls it, entering again
 * whatever a killed run left, until the stop token is set, the work is done, or an error needs a
 * person. Threads  sync_run's own; it starts the workers "reader", "apply", "ticker" and the
 * copiers of load. The inspection functions may be called from any thread while it runs. Holds the
 * slot is told only what the resume row on the target covers. Does not know options, files, HTTP or
 * processes; schema work and the target's fence come in as callbacks.
 */
#pragma once

#include "apply/control.h"
#include "bascule/base/stop.h"
#include "bascule/model/progress.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"
#include "bascule/port/schema.h"
#include "source/catalog.h"
#include "source/slot.h"
#include "sync/task_fsm.h"

typedef enum SyncMode { SYNC_FULL_LOAD, SYNC_CDC, SYNC_FULL_LOAD_AND_CDC } SyncMode;
typedef enum SyncPrepare {
    PREPARE_CREATE,
    PREPARE_TRUNCATE,
    PREPARE_NOTHING,
    PREPARE_MERGE
} SyncPrepare;

/* What happens when a table of the source changes its shape. */
typedef enum SyncDdl { DDL_REFUSE, DDL_APPLY } SyncDdl;
/* Does the source tell of its DDL by event triggers? AUTO: where the role may make them. */
typedef enum SyncCapture { CAPTURE_OFF, CAPTURE_AUTO, CAPTURE_ON } SyncCapture;

const char *sync_mode_name(SyncMode mode);
const char *sync_prepare_name(SyncPrepare prepare);

typedef struct SyncSpec {
    PgEndpoint source, target;
    const char *task;
    SyncMode mode;
    SyncPrepare prepare;
    SyncDdl ddl;
    SyncCapture capture;
    PluginChoice plugin;
    const char *slot_name;
    const char *publication;
    int64_t slot_wait_us;
    Lsn cdc_start_lsn; /* SYNC_CDC; LSN_UNKNOWN: from a new slot's consistent point */
    Rules *rules;
    int load_jobs;
    int64_t load_chunk_bytes;
    bool load_binary, load_analyze;
    size_t stream_memory_bytes;
    const char *spill_dir;
    int64_t spill_limit_bytes;
    size_t batch_bytes;
    int64_t batch_changes;
    int64_t status_interval_us;
    const char *keys_dir; /* log of changed keys; NULL: they are not kept */
    size_t keys_memory_bytes;
    int64_t keys_disk_bytes;
    int64_t recheck_interval_us; /* changed keys are read again that often; 0: never */
    int64_t recheck_rate;        /* keys a second */
    bool dual_write;             /* the application writes on both sides */
    int64_t settle_us;           /* and takes so long for the second of them at most */
    int64_t pause_limit_bytes;   /* WAL that the source may keep for a paused table */
    bool until_caught_up;        /* return (true) once caught up the first time */
    /* The stream goes back: source is the side that was opened, target the one that was left, in
     * fence. There is nothing to prepare or to load. */
    bool reverse;
    /* Of the other direction, on the target: dropped once this one streams, because it keeps WAL for
     * nobody. A cutover that was killed left it, or that direction has ended. NULL: left alone. */
    const char *stale_slot;
    const SchemaPort *schema; /* PREPARE_CREATE; else NULL */
    /* Keeps others from writing to the target until it opens. */
    bool (*close_target)(void *arg, PgConn *target, const Relations *rels, Error *err);
    void *close_arg;
    /* Between load and stream, once the source's schema is complete on the target; NULL: nothing. */
    bool (*after_load)(void *arg, Error *err);
    void *after_arg;
    StopToken *stop;
} SyncSpec;

typedef struct Sync Sync;

Sync *sync_new(const SyncSpec *spec);
void sync_free(Sync *sync);
/* true: stopped, caught up (until_caught_up), loaded (full-load), cut over or rolled back. */
MUST_CHECK bool sync_run(Sync *sync, Error *err);

/* Inspection --------------------------------------------------------------------------------- */
TaskState sync_state(const Sync *sync);
Progress *sync_progress(Sync *sync);
/* NULL until the catalog was read; then valid until sync_free. */
Relations *sync_relations(Sync *sync);
const char *sync_plugin(const Sync *sync); /* "" until chosen */
/* The source database's encoding, which every session is pinned to; NULL before it is known. */
const char *sync_encoding(const Sync *sync);
int64_t sync_epoch(const Sync *sync);
/* What is wrong right now (a worker that backs off), "" when nothing is. */
void sync_trouble(Sync *sync, char *out, size_t size);
/* The slot's wal_status as last seen, "" unknown. */
void sync_wal_status(Sync *sync, char *out, size_t size);

/* For the cutover (its CutoverSpec callbacks; `engine` is the Sync) ------------------------------
 */
MUST_CHECK bool sync_ready(void *engine, Error *err);
MUST_CHECK bool sync_wait_message(void *engine, const char *content, int64_t deadline_us,
                                  Error *err);
MUST_CHECK bool sync_stop_apply(void *engine, Error *err);
void sync_resume_apply(Sync *sync);
/* Shows cutting-over; sync_run keeps the stream going meanwhile. */
MUST_CHECK bool sync_cutover_begin(Sync *sync, Error *err);
/* opened: sync_run returns true; else the stream goes on. Waits, not for ever, until the task's state says
 * so: whoever is told of the end may ask for the next cutover at once. */
void sync_cutover_end(Sync *sync, bool opened);

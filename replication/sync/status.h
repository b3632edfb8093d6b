/*
 * status - one picture of a task for people and programs, from the running engine or, without one,
 * from the control tables and the slot. What is not known is PROGRESS_UNKNOWN or LSN_UNKNOWN, and
 * is printed "unknown".
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/progress.h"
#include "bascule/port/pgconn.h"
#include "sync/heard.h"
#include "sync/sync.h"

typedef struct SyncTableStatus {
    const char *table; /* schema.table */
    const char *state; /* AWS DMS word */
    Lsn start_lsn;
    int64_t rows, bytes;                     /* of the full load */
    int64_t rows_estimated, bytes_estimated; /* PROGRESS_UNKNOWN */
    int64_t inserts, updates, deletes,
        truncates; /* since this engine started; PROGRESS_UNKNOWN offline */
    const char *message;
    bool suspended;
    int paused;                   /* PauseState */
    Lsn suspended_lsn;            /* LSN_UNKNOWN: not suspended, or not known since when */
    const char *remedy;           /* the statement to run, "" none */
    const char *source_statement; /* what the source ran on it, when it tells; "" */
} SyncTableStatus;

typedef struct SyncStatus {
    const char *task, *phase, *mode, *plugin, *slot;
    bool engine_running;
    int64_t lag_bytes, capture_lag_bytes, apply_lag_bytes, lag_us;
    Lsn source_end_lsn, received_lsn, applied_lsn, durable_lsn, confirmed_lsn;
    int64_t wal_retained_bytes, wal_left_bytes;
    const char *wal_status;
    int64_t transactions, changes, fallback_batches, queued_bytes,
        spilled_bytes; /* PROGRESS_UNKNOWN offline */
    int64_t epoch;
    const char *trouble;
    int table_count;
    SyncTableStatus *tables;
    const HeardList *heard; /* DDL of the source that no copy covers; NULL not known */
} SyncStatus;

/* From a running engine; never fails. */
void sync_status(Sync *sync, Arena *arena, SyncStatus *out_status);
/* From the control tables on the target and, when it can be reached, the slot on the source.
 * *out_found false: the target knows no such task. */
MUST_CHECK bool sync_status_offline(const PgEndpoint *source, const PgEndpoint *target,
                                    const char *task, Arena *arena, SyncStatus *out_status,
                                    bool *out_found, Error *err);

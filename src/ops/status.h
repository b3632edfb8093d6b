/*
 * status - what `bascule status` knows of a task, as a plain struct.
 *
 * The engine fills it (or whoever reads the control tables when no engine runs), status_json makes
 * the JSON of it, and status_text the screen out of that JSON.
 * Unknown  numbers are PROGRESS_UNKNOWN, positions LSN_UNKNOWN, strings "" or NULL: printed null or
 *          "unknown", never 0.
 * Strings  are borrowed: arena or process lifetime.
 */
#pragma once

#include <pthread.h>

#include "bascule/base/arena.h"
#include "bascule/model/progress.h"
#include "bascule/model/relation.h"
#include "cutover/cutover.h"
#include "sync/heard.h"
#include "sync/proofs.h"
#include "task/steps.h"

typedef struct StatusTable {
    const char *table; /* schema.name */
    const char *state; /* DMS word: table_state_name() */
    Lsn start_lsn;
    int64_t full_load_rows, inserts, updates, deletes, truncates;
    const char *message;    /* why it is suspended or failed; "" */
    const char *rows_where; /* which rows move; NULL: all, or not known */
    bool proof_known;
    ProofState proof;
    int paused;                   /* PauseState */
    Lsn suspended_lsn;            /* since when its changes are left out; LSN_UNKNOWN */
    const char *remedy;           /* statement that would make the target fit; "" or NULL none */
    const char *source_statement; /* what the source ran on it, when it tells; "" or NULL none */
} StatusTable;

typedef struct StatusReport {
    const char *task;
    bool engine_running;
    const char *phase; /* task state: new, preparing, loading, ... */
    const char *mode, *plugin, *slot;
    bool ready_for_cutover;
    const char *not_ready_because; /* one sentence of the engine; NULL when ready */

    int64_t lag_bytes, capture_lag_bytes, apply_lag_bytes, lag_us;
    Lsn source_end_lsn, received_lsn, applied_lsn, durable_lsn, confirmed_lsn;
    int64_t wal_retained_bytes;
    int64_t wal_left_bytes; /* until the slot is lost; PROGRESS_UNKNOWN: no limit, or unknown */
    const char *wal_status; /* pg_replication_slots.wal_status, "" unknown */

    /* Load. Bytes are heap and toast of the source: those of finished tables, and of tables being
     * loaded the share of their rows that has arrived. */
    int64_t load_tables_total, load_tables_done;
    int64_t load_rows, load_rows_estimated;
    int64_t load_bytes, load_bytes_total, load_bytes_per_second;
    int64_t load_eta_us;

    int64_t transactions, changes, fallback_batches, queued_bytes, spilled_bytes;

    /* Rows that both sides wrote; PROGRESS_UNKNOWN: no dual writes, or unknown */
    int64_t conflicts_already, conflicts_ahead, conflicts_recorded, conflicts_gone;
    int64_t conflicts_waiting; /* for a person */

    CutoverDecision decision;
    int64_t epoch;
    /* Proof: what is known of the tables' equality. */
    bool proof_known; /* changed keys are kept */
    int64_t keys_memory_bytes, keys_disk_bytes;
    const char *keys_trouble; /* "" */

    /* After the opening: the stream back, and what a rollback would find. */
    const char *direction; /* "forward", "back"; "" unknown */
    CutoverDecision rollback;
    int64_t rollback_epoch;
    bool ready_for_rollback;
    const char *no_rollback_because; /* one sentence; NULL when ready */
    int64_t open_us;                 /* the target has been open for */
    int64_t fences, fences_armed;    /* on the side that was left */
    const char *trouble;             /* what a worker is waiting for after an error; "" */

    StepsStatus steps; /* schema scripts */

    StatusTable *tables;
    int table_count;
    const HeardList *heard; /* DDL of the source that no copy covers; NULL not known */
} StatusReport;

/* Everything unknown, strings "", decision unknown. */
StatusReport status_unknown(const char *task);
/* Positions, lag, WAL and stream counters. Figures that were never measured (0 where 0 can only
 * mean "not yet") stay unknown. */
void status_fill_progress(StatusReport *report, const Progress *progress);
/* Tables and the load's sums. */
void status_fill_tables(StatusReport *report, Arena *arena, const Relations *rels);

/* What is known of the equality of the tables that stand in the report, in the order of rels. */
void status_fill_proofs(StatusReport *report, Arena *arena, Sync *sync, const Relations *rels);

/* Bytes a second over the last half minute, and the time left; any thread. */
typedef struct StatusRate {
    pthread_mutex_t lock; /* guards what follows */
    struct {
        int64_t at_us, bytes;
    } samples[32];
    int count, next;
} StatusRate;
#define STATUS_RATE_INIT ((StatusRate){.lock = PTHREAD_MUTEX_INITIALIZER})
/* Notes load_bytes at now_us (monotonic) and fills load_bytes_per_second and load_eta_us. */
void status_fill_rate(StatusReport *report, StatusRate *rate, int64_t now_us);
const char *status_decision_name(CutoverDecision decision);

/* status - see the header. */
#include "ops/status.h"

#include <stddef.h>

#define RATE_WINDOW_US ((int64_t)30 * 1000 * 1000)
#define RATE_SAMPLE_US ((int64_t)1000 * 1000)
#define RATE_LEAST_US  ((int64_t)2 * 1000 * 1000) /* below that a rate is noise */

StatusReport status_unknown(const char *task)
{
    return (StatusReport){
        .task = task,
        .phase = "",
        .mode = "",
        .plugin = "",
        .slot = "",
        .lag_bytes = PROGRESS_UNKNOWN,
        .capture_lag_bytes = PROGRESS_UNKNOWN,
        .apply_lag_bytes = PROGRESS_UNKNOWN,
        .lag_us = PROGRESS_UNKNOWN,
        .wal_retained_bytes = PROGRESS_UNKNOWN,
        .wal_left_bytes = PROGRESS_UNKNOWN,
        .wal_status = "",
        .load_tables_total = PROGRESS_UNKNOWN,
        .load_tables_done = PROGRESS_UNKNOWN,
        .load_rows = PROGRESS_UNKNOWN,
        .load_rows_estimated = PROGRESS_UNKNOWN,
        .load_bytes = PROGRESS_UNKNOWN,
        .load_bytes_total = PROGRESS_UNKNOWN,
        .load_bytes_per_second = PROGRESS_UNKNOWN,
        .load_eta_us = PROGRESS_UNKNOWN,
        .transactions = PROGRESS_UNKNOWN,
        .changes = PROGRESS_UNKNOWN,
        .fallback_batches = PROGRESS_UNKNOWN,
        .queued_bytes = PROGRESS_UNKNOWN,
        .spilled_bytes = PROGRESS_UNKNOWN,
        .conflicts_already = PROGRESS_UNKNOWN,
        .conflicts_ahead = PROGRESS_UNKNOWN,
        .conflicts_recorded = PROGRESS_UNKNOWN,
        .conflicts_gone = PROGRESS_UNKNOWN,
        .conflicts_waiting = PROGRESS_UNKNOWN,
        .decision = DECISION_UNKNOWN,
        .epoch = PROGRESS_UNKNOWN,
        .direction = "",
        .rollback = DECISION_UNKNOWN,
        .rollback_epoch = PROGRESS_UNKNOWN,
        .open_us = PROGRESS_UNKNOWN,
        .fences = PROGRESS_UNKNOWN,
        .fences_armed = PROGRESS_UNKNOWN,
        .trouble = "",
    };
}

void status_fill_progress(StatusReport *report, const Progress *progress)
{
    report->source_end_lsn = atomic_load(&progress->source_end_lsn);
    report->received_lsn = atomic_load(&progress->received_lsn);
    report->applied_lsn = atomic_load(&progress->applied_lsn);
    report->durable_lsn = atomic_load(&progress->durable_lsn);
    report->confirmed_lsn = atomic_load(&progress->confirmed_lsn);
    report->transactions = atomic_load(&progress->applied_transactions);
    report->changes = atomic_load(&progress->applied_changes);
    report->fallback_batches = atomic_load(&progress->fallback_batches);
    report->queued_bytes = atomic_load(&progress->queued_bytes);
    report->spilled_bytes = atomic_load(&progress->spilled_bytes);
    /* The ticker has not looked yet: a zeroed field would read as "no lag". */
    if (atomic_load(&progress->measured_at_us) == 0)
        return;
    report->lag_bytes = atomic_load(&progress->lag_bytes);
    report->capture_lag_bytes = atomic_load(&progress->capture_lag_bytes);
    report->lag_us = atomic_load(&progress->apply_lag_us);
    report->wal_retained_bytes = atomic_load(&progress->wal_retained_bytes);
    report->wal_left_bytes = atomic_load(&progress->wal_left_bytes);
    if (report->lag_bytes != PROGRESS_UNKNOWN && report->capture_lag_bytes != PROGRESS_UNKNOWN) {
        int64_t apply = report->lag_bytes - report->capture_lag_bytes;
        report->apply_lag_bytes = apply > 0 ? apply : 0;
    }
}

/* Of the source's bytes of a table: what has arrived, by the share of its rows. */
static int64_t arrived_bytes(const Relation *rel, int state, int64_t rows, int64_t copied)
{
    if (state == TABLE_COMPLETED)
        return rel->bytes;
    int64_t part = copied;
    if (rel->estimated_rows > 0)
        part = (int64_t)((double)rel->bytes * ((double)rows / (double)rel->estimated_rows));
    return part < rel->bytes ? part : rel->bytes;
}

static void show_suspension(StatusTable *table, Arena *arena, const Relation *rel)
{
    const char *remedy = atomic_load(&rel->remedy);
    table->paused = atomic_load(&rel->paused);
    table->message = arena_printf(arena, "%s: %s", pause_word(table->paused), rel->suspend_reason);
    table->suspended_lsn = rel->suspended_lsn;
    table->remedy = remedy != NULL ? remedy : "";
}

void status_fill_tables(StatusReport *report, Arena *arena, const Relations *rels)
{
    bool estimates = true;
    report->table_count = rels->count;
    report->tables = arena_new_array(arena, StatusTable, rels->count > 0 ? rels->count : 1);
    report->load_tables_total = rels->count;
    report->load_tables_done = report->load_rows = report->load_rows_estimated = 0;
    report->load_bytes = report->load_bytes_total = 0;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        int state = atomic_load(&rel->load_state);
        int64_t rows = atomic_load(&rel->loaded_rows);
        report->tables[i] = (StatusTable){
            .table = rel->display,
            .state = relation_state_name(rel),
            .start_lsn = rel->start_lsn,
            .message = "",
            .rows_where = rel->filter != NULL ? rel->filter->text : NULL,
            .full_load_rows = rows,
            .inserts = atomic_load(&rel->inserts),
            .updates = atomic_load(&rel->updates),
            .deletes = atomic_load(&rel->deletes),
            .truncates = atomic_load(&rel->truncates),
        };
        if (atomic_load(&rel->suspended) != SUSPEND_NOT)
            show_suspension(&report->tables[i], arena, rel);
        report->load_tables_done += state == TABLE_COMPLETED;
        report->load_rows += rows;
        report->load_bytes_total += rel->bytes;
        report->load_bytes += arrived_bytes(rel, state, rows, atomic_load(&rel->loaded_bytes));
        if (state == TABLE_COMPLETED)
            report->load_rows_estimated += rows;
        else if (rel->estimated_rows < 0)
            estimates = false;
        else
            report->load_rows_estimated += rel->estimated_rows > rows ? rel->estimated_rows : rows;
    }
    if (!estimates)
        report->load_rows_estimated = PROGRESS_UNKNOWN;
}

#define RATE_SLOTS                                                                                 \
    ((int)(sizeof((StatusRate *)NULL)->samples / sizeof(*((StatusRate *)NULL)->samples)))

/* The oldest sample within the window; -1 when there is none. */
static int oldest_sample(const StatusRate *rate, int64_t now_us)
{
    for (int back = rate->count; back > 0; back--) {
        int i = (rate->next - back + RATE_SLOTS) % RATE_SLOTS;
        if (now_us - rate->samples[i].at_us <= RATE_WINDOW_US)
            return i;
    }
    return -1;
}

static void note_sample(StatusRate *rate, int64_t now_us, int64_t bytes)
{
    if (rate->count > 0) {
        int last = (rate->next - 1 + RATE_SLOTS) % RATE_SLOTS;
        if (bytes < rate->samples[last].bytes)
            rate->count = 0; /* a table was emptied to be copied again */
        else if (now_us - rate->samples[last].at_us < RATE_SAMPLE_US)
            return;
    }
    rate->samples[rate->next].at_us = now_us;
    rate->samples[rate->next].bytes = bytes;
    rate->next = (rate->next + 1) % RATE_SLOTS;
    if (rate->count < RATE_SLOTS)
        rate->count++;
}

void status_fill_rate(StatusReport *report, StatusRate *rate, int64_t now_us)
{
    if (report->load_bytes == PROGRESS_UNKNOWN)
        return;
    int64_t elapsed_us = 0, bytes = 0;
    pthread_mutex_lock(&rate->lock);
    note_sample(rate, now_us, report->load_bytes);
    int from = oldest_sample(rate, now_us);
    if (from >= 0) {
        elapsed_us = now_us - rate->samples[from].at_us;
        bytes = report->load_bytes - rate->samples[from].bytes;
    }
    pthread_mutex_unlock(&rate->lock);
    int64_t left = report->load_bytes_total - report->load_bytes;
    if (report->load_tables_done == report->load_tables_total) {
        report->load_eta_us = 0;
        return; /* the rate of something finished is not known any more */
    }
    if (elapsed_us < RATE_LEAST_US)
        return;
    report->load_bytes_per_second = (int64_t)((double)bytes * 1e6 / (double)elapsed_us);
    if (bytes > 0)
        report->load_eta_us = (int64_t)((double)left / (double)bytes * (double)elapsed_us);
}

const char *status_decision_name(CutoverDecision decision)
{
    switch (decision) {
    case DECISION_NONE:
        return "none";
    case DECISION_FENCED:
        return "fenced";
    case DECISION_OPENED:
        return "opened";
    case DECISION_REVOKED:
        return "revoked";
    case DECISION_UNKNOWN:
        break;
    }
    return "unknown";
}

/*
 * ticker - looks at the source every half second: how far its WAL is, what the slot holds back, how
 * long ago the source was where the target is now. Lag in seconds is measured against our own
 * clock: the ticker notes when it saw which WAL end, so two servers' clocks need not agree.
 *
 * Lag is commits that have not been applied. So it is measured against the flushed WAL (what an open
 * transaction wrote stays unflushed on a server with nothing else to do, for up to a quarter of a
 * minute, and is not sent before), and from the received position where nothing that was received is
 * still to be applied: the resume row follows an idle source in steps of a second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "sync/internal.h"

#define TICK_US     500000
#define MINUTE_US   60000000
#define MEASURED_US 10000000

static void note_sample(Sync *sync, Lsn end_lsn)
{
    sync->samples[sync->sample_next] =
        (LagSample){.at_us = clock_now_us(), .end_lsn = end_lsn, .lag_us = PROGRESS_UNKNOWN};
    sync->sample_next = (sync->sample_next + 1) % LAG_SAMPLES;
    if (sync->sample_count < LAG_SAMPLES)
        sync->sample_count++;
}

/* Age of the newest sample that the applied position has reached; unknown when it is older than all
 * samples. */
static int64_t lag_us(const Sync *sync, Lsn applied_lsn)
{
    for (int back = 1; back <= sync->sample_count; back++) {
        const LagSample *s = &sync->samples[(sync->sample_next - back + LAG_SAMPLES) % LAG_SAMPLES];
        if (s->end_lsn <= applied_lsn) {
            /* Everything up to the next newer sample may be missing since then. */
            if (back == 1)
                return 0;
            const LagSample *newer =
                &sync->samples[(sync->sample_next - back + 1 + LAG_SAMPLES) % LAG_SAMPLES];
            return clock_now_us() - newer->at_us;
        }
    }
    if (sync->sample_count == 0)
        return PROGRESS_UNKNOWN;
    if (sync->sample_count < LAG_SAMPLES) {
        /* Behind since before the first look: at least that long; the commit time says more when
         * known. */
        int64_t commit = atomic_load(&sync->progress.applied_commit_time_us);
        return commit > 0 ? clock_wall_us() - commit : PROGRESS_UNKNOWN;
    }
    return clock_now_us() - sync->samples[sync->sample_next].at_us;
}

static const LagSample *sample(const Sync *sync, int back)
{
    return &sync->samples[(sync->sample_next - back + LAG_SAMPLES) % LAG_SAMPLES];
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The last minute's lag and rates, with the newest sample complete. */
static void publish_minute(const Sync *sync, Progress *p)
{
    int64_t lags[2 * MINUTE_US / TICK_US];
    int count = 0, room = (int)(sizeof lags / sizeof *lags);
    const LagSample *newest = sample(sync, 1), *oldest = newest;
    for (int back = 1; back <= sync->sample_count && count < room; back++) {
        const LagSample *s = sample(sync, back);
        /* Behind a gap, or a stream that was turned back, nothing is measured in one piece. */
        if (newest->at_us - s->at_us > MINUTE_US || s->lag_us == PROGRESS_UNKNOWN ||
            s->reached_lsn > newest->reached_lsn)
            break;
        oldest = s;
        lags[count++] = s->lag_us;
    }
    int64_t span_us = newest->at_us - oldest->at_us;
    bool known = span_us >= MEASURED_US;
    qsort(lags, (size_t)count, sizeof *lags, by_size);
    atomic_store(&p->lag_p99_us, known ? lags[count * 99 / 100] : PROGRESS_UNKNOWN);
    atomic_store(&p->wal_rate, known ? (int64_t)((double)(newest->end_lsn - oldest->end_lsn) * 1e6 /
                                                 (double)span_us)
                                     : PROGRESS_UNKNOWN);
    atomic_store(&p->apply_rate,
                 known ? (int64_t)((double)(newest->reached_lsn - oldest->reached_lsn) * 1e6 /
                                   (double)span_us)
                       : PROGRESS_UNKNOWN);
}

static int64_t distance(Lsn from, Lsn to)
{
    if (from == LSN_UNKNOWN || to == LSN_UNKNOWN)
        return PROGRESS_UNKNOWN;
    return to > from ? (int64_t)(to - from) : 0;
}

static void publish(Sync *sync, const SlotState *slot, int64_t asked_us)
{
    Progress *p = &sync->progress;
    Lsn received, end = slot->wal_flushed_lsn;
    note_sample(sync, end);
    atomic_store(&p->source_end_lsn, end);
    atomic_store(&p->ticked_lsn, end);
    atomic_store(&p->ticked_us, asked_us);
    atomic_store(&p->wal_retained_bytes, slot->retained_bytes);
    atomic_store(&p->wal_left_bytes, slot->safe_wal_bytes);
    Lsn reached = progress_reached_lsn(p, &received);
    atomic_store(&p->lag_bytes, distance(reached, end));
    atomic_store(&p->capture_lag_bytes, distance(received, end));
    int64_t lag = lag_us(sync, reached);
    atomic_store(&p->apply_lag_us, lag);
    LagSample *newest = &sync->samples[(sync->sample_next - 1 + LAG_SAMPLES) % LAG_SAMPLES];
    newest->reached_lsn = reached;
    newest->lag_us = lag;
    publish_minute(sync, p);
    atomic_store(&p->measured_at_us, clock_now_us());
    pthread_mutex_lock(&sync->lock);
    snprintf(sync->wal_status, sizeof sync->wal_status, "%s", slot->wal_status);
    pthread_mutex_unlock(&sync->lock);
}

static bool check_slot(const Sync *sync, const SlotState *slot, Error *err)
{
    if (!slot->exists)
        return ERR(err, ERR_SLOT_LOST, "replication slot '%s' was dropped on the source",
                   sync->row.slot_name);
    if (strcmp(slot->wal_status, "lost") == 0)
        return ERR(err, ERR_SLOT_LOST,
                   "replication slot '%s' was invalidated by the source (wal_status lost)",
                   sync->row.slot_name);
    return true;
}

StepResult sync_ticker_step(void *self, Error *err)
{
    Sync *sync = self;
    SlotState slot;
    if (sync->ticker_conn == NULL) {
        PgEndpoint endpoint = sync->spec.source;
        endpoint.stop = sync->stream_stop;
        sync->ticker_conn = pgconn_open(&endpoint, PG_SESSION_SQL, "ticker", err);
        if (sync->ticker_conn == NULL)
            return STEP_FAILED;
    }
    int64_t asked_us = clock_now_us();
    if (!slot_state(sync->ticker_conn, sync->row.slot_name, &slot, err) ||
        !check_slot(sync, &slot, err))
        return STEP_FAILED;
    publish(sync, &slot, asked_us);
    stop_wait(sync->stream_stop, TICK_US);
    return STEP_AGAIN;
}

void sync_ticker_reset(void *self)
{
    Sync *sync = self;
    Progress *p = &sync->progress;
    pgconn_close(sync->ticker_conn);
    sync->ticker_conn = NULL;
    /* The source does not answer: nobody knows the lag now. */
    atomic_store(&p->lag_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->capture_lag_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->apply_lag_us, PROGRESS_UNKNOWN);
    atomic_store(&p->lag_p99_us, PROGRESS_UNKNOWN);
    atomic_store(&p->wal_retained_bytes, PROGRESS_UNKNOWN);
    atomic_store(&p->wal_left_bytes, PROGRESS_UNKNOWN);
}

/*
 * progress - the figures that status, logs and metrics show, written by the engine's threads and
 * read by anybody. Every field has one writer; a value that nobody has measured is PROGRESS_UNKNOWN
 * and is printed "unknown", never 0.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "bascule/model/lsn.h"

#define PROGRESS_UNKNOWN INT64_MIN

typedef struct Progress {
    /* reader */
    _Atomic Lsn received_lsn;   /* end of the last thing read from the socket */
    _Atomic Lsn source_end_lsn; /* the server's WAL end, from keepalives and the ticker */
    _Atomic Lsn queued_lsn;     /* end of the last transaction that held anything for the target:
                                   once that is applied, so is all that was received. Never lowered */
    _Atomic Lsn confirmed_lsn;  /* last told to the slot */
    _Atomic Lsn pin_lsn; /* told no further than this: the stream will be asked for again from
                                   here; LSN_UNKNOWN: no pin. The conductor's */
    _Atomic int64_t spilled_bytes;
    _Atomic int64_t queued_bytes;
    /* applier */
    _Atomic Lsn applied_lsn; /* committed on the target */
    _Atomic Lsn durable_lsn; /* committed and flushed on the target: may be confirmed */
    _Atomic Lsn keys_lsn;    /* every change before it has its key on disk: nothing beyond it may be
                                confirmed; LSN_UNKNOWN: keys are not kept */
    _Atomic int64_t applied_transactions, applied_changes;
    _Atomic int64_t
        applied_commit_time_us;       /* source's commit time of the last applied transaction */
    _Atomic int64_t fallback_batches; /* batches replayed row by row */
    /* target_writes: dual-write. Rows that the target had already, conflicts that were only motion:
     * since the start; conflicts and deletes of rows that were not there: of the task */
    _Atomic int64_t conflicts_already, conflicts_ahead, conflicts_recorded, conflicts_gone;
    /* ticker: what the source says of the slot */
    _Atomic int64_t wal_retained_bytes; /* PROGRESS_UNKNOWN until measured */
    _Atomic int64_t wal_left_bytes; /* safe_wal_size; PROGRESS_UNKNOWN when unlimited or unknown */
    _Atomic int64_t lag_bytes;      /* source's flushed WAL - applied; PROGRESS_UNKNOWN */
    _Atomic int64_t capture_lag_bytes; /* source's flushed WAL - received */
    _Atomic int64_t apply_lag_us; /* how long the oldest missing commit may be old; 0 caught up */
    /* over the last minute; PROGRESS_UNKNOWN before ten seconds of it were measured */
    _Atomic int64_t lag_p99_us;
    _Atomic int64_t wal_rate, apply_rate; /* bytes a second that the source flushed, and that of it
                                             reached the target */
    _Atomic int64_t measured_at_us;       /* monotonic time of the ticker's last look */
    /* What the source had flushed when the ticker last looked, and when that look began (monotonic; 0: never);
     * the position is set first. */
    _Atomic Lsn ticked_lsn;
    _Atomic int64_t ticked_us;
} Progress;

/* How far every commit is on the target. The reader sets queued_lsn before received_lsn, and a stream
 * that begins anew sets received_lsn back. */
static inline Lsn progress_reached_lsn(const Progress *p, Lsn *out_received)
{
    Lsn before, queued, applied;
    do {
        before = atomic_load(&p->received_lsn);
        queued = atomic_load(&p->queued_lsn);
        applied = atomic_load(&p->applied_lsn);
        *out_received = atomic_load(&p->received_lsn);
    } while (*out_received < before);
    return applied != LSN_UNKNOWN && applied >= queued && before > applied ? before : applied;
}

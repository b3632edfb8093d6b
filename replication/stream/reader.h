/*
 * reader - owns the walsender session: START_REPLICATION, receive, decode, assemble, feedback.
 *
 * One step receives what is there, up to some messages. It never blocks on a full queue: then it
 * stops reading, and keeps answering the server (status every `status_interval_us` and when asked).
 * Confirms  only progress->durable_lsn, which the applier sets after a flushed commit. Never a
 * keepalive position by itself: that goes through the queue as FLOW_POSITION and comes back
 * durable. Skips     transactions with end_lsn <= the position it was started from (the server may
 * resend). Lost      on any error it puts FLOW_LOST, closes its session and fails the step; the
 * worker's reset and next step start again from the target's resume row (`resume_lsn` callback),
 * once the consumer of the queue is through with everything that was put before
 * (flow_queue_settled). Silent    for twice the server's wal_sender_timeout although it was asked for
 * a sign: another session asks whether ours still holds the slot; if not, CONN_LOST. Refuses   to start when the slot is gone, invalidated, or confirmed beyond
 * the resume row (SLOT_LOST), and when the resume row lies beyond the source's WAL (TARGET_STATE).
 * Misfit    a relation whose rows cannot be read any more, and one of which wal2json says in a notice
 * that it left a change out ("no tuple identifier", "no old tuple data", ...), is suspended: a SUSPEND
 * stands in the flow where the change would have stood, and nothing of the relation follows. Where
 * that is not allowed the task stops. Threads   the reader's worker only.
 */
#pragma once

#include "bascule/base/worker.h"
#include "bascule/model/flow.h"
#include "bascule/model/progress.h"
#include "bascule/port/pgconn.h"
#include "stream/flow_queue.h"
#include "wire/decoder.h"

typedef struct ReaderSpec {
    PgEndpoint endpoint;
    const char *slot_name;
    const char *publication; /* pgoutput */
    Decoder *decoder;        /* borrowed */
    const Relations *rels;
    FlowQueue *queue;
    Progress *progress;
    StopToken *stop;
    size_t part_bytes;          /* a transaction is cut into parts of about this size (1 MB) */
    int64_t status_interval_us; /* 0: 5 s; the reader also confirms soon after durable_lsn moved */
    int64_t position_interval_us; /* how often an idle keepalive becomes a FLOW_POSITION; 0: 1 s */
    /* While it is known, somebody waits for the stream to come there: idle keepalives become
     * positions at once (reader_wake tells of a change). May be NULL. */
    const _Atomic Lsn *wanted_lsn;
    /* The durable resume position on the target, asked at every (re)start of the stream. */
    bool (*resume_lsn)(void *arg, Lsn *out_lsn, Error *err);
    void *resume_arg;
    bool may_suspend; /* else a misfit stops the task */
    /* A row of a table that is not among ours came in transaction xid, with wal2json: is it one of ours
     * under another name? *out_rel NULL: no. The callback may be NULL. */
    bool (*foreign_row)(void *arg, const Decoder *decoder, uint32_t xid, Relation **out_rel,
                        Error *err);
    void *foreign_arg;
} ReaderSpec;

typedef struct Reader Reader;

Reader *reader_new(const ReaderSpec *spec);
void reader_free(Reader *reader);
/* From any thread: progress->durable_lsn moved, tell the source now and not at the next look. */
void reader_wake(Reader *reader);
StepResult reader_step(void *reader, Error *err); /* WorkerSpec.step */
void reader_reset(void *reader);                  /* WorkerSpec.reset */

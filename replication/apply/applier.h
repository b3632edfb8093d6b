/*
 * applier - whole source transactions to the target, in commit order, set-wise, exactly once.
 *
 * Batch     whole transactions until applier_flush or the limits; a transaction that outgrows them
 *           before its end has come is applied part by part inside one open target transaction.
 * Resume    the first write of each target transaction is the resume row; it holds end_lsn of the
 *           last transaction in it. Nothing is ever confirmed that this row does not cover.
 * Fold      changes of one key within a batch become one net change; per table and batch one
 *           DELETE, one UPDATE per set of columns, one INSERT or COPY; the row count of each is
 *           checked. A batch that is refused or counts wrong is rolled back and replayed row by row
 *           in source order, which succeeds or names table and key (APPLY_MISSING_ROW,
 *           APPLY_CONFLICT).
 * Durable   commits are asynchronous. Every `durable_interval_us` the applier looks how far the
 *           server's own WAL writer has flushed them (flushed.h); with synchronous standbys, when
 *           that takes a second, and when no more changes come, a synchronous commit does it.
 *           progress->durable_lsn moves only then. A position found when connecting is made durable
 *           before it counts.
 * Filter    a change applies only if the transaction's commit_lsn >= rel->start_lsn.
 * Suspend   a relation that a SUSPEND names, that applier_suspend() was told of, or whose rows the
 *           target refuses because it has another shape there: bascule.table_state says so in the
 *           same transaction as the resume row, and its changes are left out. Not while foreign keys
 *           are live: then the others' rows would be refused, and the task stops.
 * Dual      target_writes: dual-write: rows that the application writes on both sides (dual.h, dualwise.h);
 *           CONFLICT once one of them waits for a person. The role must be able to switch triggers off.
 * Triggers  session_replication_role=replica where the role may; else ordinary triggers have been
 *           disabled by the caller and foreign keys are live.
 * Failure   what may be tried again (RETRY: cancelled, deadlock, no resources) keeps the batch, and
 *           the next call tries it. After every other failure, and after applier_reset(), the
 *           applier is deaf: what is in the queue would leave a gap, so every flow is dropped until
 *           FLOW_LOST has come. The caller therefore makes the reader begin again after each reset
 *           (discard the queue, put LOST, start).
 * Restart   the reader begins again at progress->durable_lsn: a later position that was read from
 *           the row may be lost in a crash of the target, and what lies between would be missing.
 *           Transactions that come again are skipped by the resume row.
 * Threads   the applier's worker only; progress may be read by anybody.
 */
#pragma once

#include "bascule/model/flow.h"
#include "bascule/model/progress.h"
#include "bascule/port/pgconn.h"

typedef struct ApplierSpec {
    PgEndpoint endpoint;
    const char *task;
    const Relations *rels;
    Progress *progress;
    size_t batch_bytes;          /* flush when a batch is larger (0: 16 MB) */
    int64_t batch_changes;       /* or has more changes (0: 100,000) */
    int64_t durable_interval_us; /* how often to look: 0 is 100 ms */
    /* A transactional logical message of prefix "bascule": told after the commit that covers it,
     * when that commit is durable. */
    void (*on_message)(void *arg, const char *content, size_t len, Lsn end_lsn);
    void *message_arg;
    /* The target refused a change of this table: has the source another table behind its name by now, or
     * one of another shape? Then it is left out instead, for the reason in out_why. NULL: never. */
    bool (*changed)(void *arg, const Relation *rel, char *out_why, size_t size);
    void *changed_arg;
    bool dual_write;   /* the application writes on both sides */
    int64_t settle_us; /* dual-write: how long it may take for the second of them */
} ApplierSpec;

typedef struct Applier Applier;

Applier *applier_new(const ApplierSpec *spec);
void applier_free(Applier *applier);
/* Connects when needed, reads the resume row; idempotent. */
MUST_CHECK bool applier_open(Applier *applier, Error *err);
/* Rolls back what is open and closes the session; the next call opens again. */
void applier_reset(Applier *applier);
/* Takes *flow (NULL afterwards, whatever happens). May apply at once, may wait for more. */
MUST_CHECK bool applier_put(Applier *applier, Flow **flow, Error *err);
/* Applies and commits what waits. idle: nothing more is in the queue, so make it durable when the
 * interval has passed. Cheap when there is nothing to do. */
MUST_CHECK bool applier_flush(Applier *applier, bool idle, Error *err);
/* Leaves the relation out from now on: durable with the next applier_flush(). */
void applier_suspend(Applier *applier, Relation *rel, const char *why);
/* Known once applier_open() worked. */
bool applier_may_suspend(const Applier *applier);
/* A transaction of the target is open: the parts of one too large for a batch have been executed, and
 * its locks are held until its last part has come. */
bool applier_in_transaction(const Applier *applier);
/* It ignores what it is given until the stream has begun again (FLOW_LOST). */
bool applier_deaf(const Applier *applier);
/* When the next applier_flush has something to make durable: a deadline, CLOCK_NEVER when not. */
int64_t applier_next_flush_us(const Applier *applier);

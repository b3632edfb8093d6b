/*
 * applier_internal - the Applier itself, for applier.c (its life, what comes in and when it is applied) and
 * applier_batch.c (how a batch or a part is executed, and what becomes of it).
 */
#pragma once

#include "apply/applier.h"
#include "apply/dual.h"
#include "apply/filtering.h"
#include "apply/flushed.h"
#include "apply/plan.h"
#include "apply/session.h"
#include "apply/waiting.h"

/* A message whose transaction is not durable yet. */
typedef struct Message {
    struct Message *next;
    Lsn end_lsn; /* LSN_UNKNOWN: of the transaction that is open */
    size_t len;
    char content[];
} Message;

struct Applier {
    ApplierSpec spec;
    Session session;
    Dual *dual;           /* NULL: nobody else writes to the target */
    Filtering *filtering; /* NULL: all rows move */
    bool opened;
    bool deaf; /* ignores flows until FLOW_LOST */
    bool due;  /* some relation is SUSPEND_DUE: the next transaction says so */
    Plan *plan;
    Waiting waiting;
    bool skipping;  /* the transaction whose parts come was applied before */
    bool part_open; /* the target's transaction holds parts of the open one */
    bool *deleted;  /* by relation id, for rowwise_replay */
    Lsn applied_lsn, durable_lsn;
    int64_t last_durable_us, last_look_us, last_commit_us; /* monotonic */
    Flushed flushed;
    Message *messages, **message_tail;
};

/* applier.c: everything that is not committed will come again. */
void applier_forget_uncommitted(Applier *applier);

/* applier_batch.c */
/* After a failure. What can be tried again with the same session and what waits stays; else everything
 * is dropped and only a stream that begins again is listened to. Returns false. */
bool applier_fail(Applier *applier, Error *err);
/* True when it was the resume row that stood elsewhere: *err then says so. */
bool applier_check_resume(const Applier *applier, Error *err);
/* The target's transaction up to end_lsn is committed. */
void applier_committed(Applier *applier, Lsn end_lsn, int64_t commit_time_us, int64_t transactions,
                       bool durable);
MUST_CHECK bool applier_write_suspensions(Applier *applier, Error *err);
void applier_drop_messages(Applier *applier);
/* Applies and commits the whole transactions that wait. */
MUST_CHECK bool applier_apply_whole(Applier *applier, bool durable, Error *err);
/* The open transaction has outgrown a batch: what has come of it is executed. */
MUST_CHECK bool applier_apply_parts(Applier *applier, Error *err);
/* Its last part has come: `last` is still among what waits. */
MUST_CHECK bool applier_finish_parts(Applier *applier, const Flow *last, Error *err);

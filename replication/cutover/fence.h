/*
 * fence - the statement triggers that refuse writes: on the source from the cutover on, on the
 * target until it opens. A trigger's existence and state are read from the catalog as of now, so an
 * old snapshot is refused like a new one; ENABLE ALWAYS reaches superusers and
 * session_replication_role=replica.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "sqltext/sqltext.h"

typedef struct Fence {
    uint32_t oid;
    const char *schema, *name, *owner;
    bool in_scope;        /* false: a root or parent above tables in scope */
    bool owned;           /* our role may alter it */
    const char *taken_by; /* task whose fence is in force there; filled by fence_read_others() */
    bool taken_opening;   /* until that task opens this side */
} Fence;

/* Every table in scope and everything above it, parents first: also the order of locking. */
typedef struct FenceSet {
    int count;
    Fence *all;
} FenceSet;

typedef enum FenceSide { FENCE_SOURCE, FENCE_TARGET } FenceSide;

/* SCHEMA_CHANGED when a table of rels is not there. */
MUST_CHECK bool fence_set_read(PgConn *conn, Arena *arena, const Relations *rels, FenceSide side,
                               FenceSet *out_set, Error *err);
/* A table has one fence: ours would take the place of the one that keeps another task true. */
MUST_CHECK bool fence_read_others(PgConn *conn, Arena *arena, const char *task, FenceSet *set,
                                  Error *err);
/* BLOCKED, naming the first one that is taken. */
MUST_CHECK bool fence_check_others(PgConn *conn, Arena *arena, const char *task, FenceSet *set,
                                   Error *err);
/* What to say of one that is taken. */
void fence_taken_text(const Fence *fence, char *out, size_t size);
/* Schema, function, table on the source; committed by themselves; idempotent. */
MUST_CHECK bool fence_objects_create(PgConn *source, Error *err);
/* One script that arms every table: create (or replace) and ENABLE ALWAYS. `role`: who streams back
 * through the fence, in sessions that say so; NULL: nobody. */
void fence_write_arm(SqlText *out, const FenceSet *set, const char *task, const char *new_primary,
                     const char *role);
/* Statements that disable the task's fence triggers on this side; *out_count may be 0. */
MUST_CHECK bool fence_write_disarm(PgConn *conn, const char *task, SqlText *out, int *out_count,
                                   Error *err);
/* Inside the transaction that opens a side: the fence that an earlier direction left there is over. */
MUST_CHECK bool fence_forget(PgConn *conn, const char *task, Error *err);
/* Disables a side's fence and marks its row, in one durable transaction; idempotent. Only the
 * fence of this epoch or an older one: WRONG_STATE, and nothing is changed, when a newer one is in
 * force (who revoked an epoch may have been stopped for so long that another cutover went by). */
MUST_CHECK bool fence_release(PgConn *source, const char *task, int64_t epoch, Error *err);

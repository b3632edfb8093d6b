/*
 * load - the full load: tables from source to target under one exported snapshot.
 *
 * Order    by the foreign-key graph (parents first; strictly where the target's constraints are live:
 *          a table starts only when all tables that it references are done), then the largest first.
 * Chunks   a big table is read in ranges of heap blocks, several at once.
 * Bytes    are piped from COPY OUT to COPY IN, binary where every column is binary_safe and server
 *          versions allow it, else text. Memory is constant.
 * Record   a table's (chunk's) progress row is written in the transaction that holds its rows.
 * Yield    a table that the guard gave up is stopped, emptied and reported in `redo`.
 */
#pragma once

#include "bascule/base/stop.h"
#include "bascule/model/progress.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "bascule/port/schema.h"
#include "source/guard.h"

/* The order of tables by foreign keys. */
typedef struct FkPlan {
    int *order;           /* relation ids, parents before children; members of a cycle adjacent */
    int *level;           /* by id: 0 for tables without parents in scope */
    int cycle_count;      /* cycles of two or more tables */
    const char **cycles;  /* each as "a -> b -> a" for people */
    int *cycle_of;        /* by id: index of its cycle or -1 */
    bool *self_reference; /* by id */
} FkPlan;
FkPlan *fk_plan_new(Arena *arena, const Relations *rels);

/* Rows are brought into tables that hold some: they come into a temporary table DML_STAGE of the
 * transaction, and from there by what the caller does about rows that both sides have. */
typedef struct LoadMerge {
    void *self;
    bool (*begin)(void *self, PgConn *target, const Relation *rel,
                  Error *err); /* makes DML_STAGE */
    bool (*end)(void *self, PgConn *target, Relation *rel, int64_t rows, Lsn start_lsn,
                Error *err); /* and drops it */
} LoadMerge;

typedef struct LoadSpec {
    PgEndpoint source, target;
    const char *task;
    Relations *rels;
    const FkPlan *plan;
    const char *snapshot_id;
    Lsn start_lsn; /* the snapshot's consistent point: written as start_lsn of each table */
    Guard *guard;
    const SchemaPort *schema; /* table_post_data runs as soon as a table is complete; NULL: none */
    StopToken *stop;
    int jobs;              /* copiers (and builders) at once */
    int64_t chunk_bytes;   /* tables above twice this are cut; 0: 256 MB; see
                              schedule_pieces */
    bool constraints_live; /* the target has foreign keys now: strict order */
    bool binary;           /* same-type binary COPY allowed where safe */
    const LoadMerge
        *merge;           /* NULL: into empty tables. Then nothing is cut, and nothing is emptied */
    bool tables_are_ours; /* created by us and empty: TRUNCATE + COPY FREEZE is allowed */
    Progress *progress;
    /* Records one table's state inside the open transaction of `target` that holds its rows. */
    bool (*record)(void *arg, PgConn *target, Relation *rel, LoadState state, Lsn start_lsn,
                   int64_t rows, int64_t bytes, const char *message, Error *err);
    void *record_arg;
    bool *redo; /* out, by relation id: given up, copy again under a newer snapshot */
} LoadSpec;

/* Copies every relation whose load_state is not TABLE_COMPLETED. true when each is completed or in redo.
 * The first failure stops the others and is returned (ERR_STOPPED when the stop token was set). */
MUST_CHECK bool load_run(const LoadSpec *spec, Error *err);
/* prepare: truncate. Empties every relation that is not TABLE_COMPLETED on the target, in one transaction (one
 * TRUNCATE of all, so that foreign keys among them do not matter; DELETE children first where the role may not
 * TRUNCATE). A table outside the scope that references one of them is TARGET_NOT_EMPTY, naming both. */
MUST_CHECK bool load_truncate(const LoadSpec *spec, PgConn *target, Error *err);
/* schema->table_post_data for every relation, `jobs` at once, the largest first; idempotent (after a kill). */
MUST_CHECK bool load_post_data(const LoadSpec *spec, Error *err);
/* ANALYZE of every relation on the target, `jobs` at once, and partition roots. */
MUST_CHECK bool load_analyze(const LoadSpec *spec, Error *err);

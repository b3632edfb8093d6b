/*
 * schedule - which piece of the load comes next.
 *
 * Unit     what is copied by itself: one table, or (strict order only) the tables of one cycle of
 * foreign keys together in one transaction. A big table is copied in pieces (ranges of heap
 * blocks). Jobs     BEGIN (of a cut table: empty it), COPY (a unit or a piece), FINISH (of a cut
 * table: record it), INDEX (post-data of a table). A unit is ready when, in strict order, all
 * tables it references are done. Of the ready jobs the one with the most work behind it goes first,
 * so that the longest chain (copy, then indexes) does not stand alone at the end. Does not talk to
 * servers; knows no threads: the caller holds its lock around every call.
 */
#pragma once

#include "load/load.h"

typedef enum JobKind { JOB_BEGIN, JOB_COPY, JOB_FINISH, JOB_INDEX } JobKind;

typedef enum UnitState {
    UNIT_WAITING, /* for tables that it references */
    UNIT_READY,   /* to be begun or copied */
    UNIT_COPYING, /* some pieces are handed out */
    UNIT_DONE,
    UNIT_GIVEN_UP, /* this round: the guard gave one of its tables up */
} UnitState;

typedef struct Unit {
    Relation **members;
    int member_count;
    UnitState state;
    bool deferred;        /* a cycle: SET CONSTRAINTS ALL DEFERRED */
    bool dirty;           /* may hold rows of an attempt before: empty it first */
    int64_t weight;       /* bytes to copy and to index */
    int pieces;           /* 1: whole */
    int64_t piece_blocks; /* heap blocks a piece */
    bool *piece_taken;    /* only of a cut table */
    int pieces_left;      /* not yet committed */
    int parents_left;     /* units that it waits for */
    int *children;        /* units that wait for it */
    int child_count;
    int running;         /* jobs handed out */
    int64_t rows, bytes; /* of committed pieces */
    int64_t begun_us;
} Unit;

typedef struct Job {
    JobKind kind;
    Unit *unit;
    Relation *rel; /* INDEX: its table; COPY of a piece, BEGIN, FINISH: the cut table */
    int piece;
    int64_t first_block; /* COPY of a piece */
    int64_t end_block;   /* -1: to the end of the table */
} Job;

typedef struct ScheduleSpec {
    Relations *rels;
    const FkPlan *plan;
    int64_t chunk_bytes; /* 0: 256 MB */
    int jobs;            /* copiers at once; 0 or 1: nothing is cut to keep them busy */
    bool strict;         /* foreign keys of the target are checked while rows come in */
    bool copy;           /* false: indexes only */
    bool whole;          /* nothing is cut */
    bool indexes;        /* each table's post-data follows its copy */
} ScheduleSpec;

/* Number of pieces that this table is copied in: about chunk_bytes each once it is twice that, and
 * smaller ones when the table alone is more than its copier's share of all bytes. */
int64_t schedule_pieces(const Relations *rels, const Relation *rel, int64_t chunk_bytes, int jobs);

typedef struct Schedule Schedule;

/* BLOCKED when strict order is asked for and a cycle of foreign keys cannot be deferred. */
MUST_CHECK Schedule *schedule_new(const ScheduleSpec *spec, Error *err);
void schedule_free(Schedule *schedule);

typedef enum ScheduleAnswer { SCHEDULE_JOB, SCHEDULE_LATER, SCHEDULE_FINISHED } ScheduleAnswer;
ScheduleAnswer schedule_take(Schedule *schedule, Job *out_job);
/* The job's work is committed. rows and bytes: of a COPY. */
void schedule_done(Schedule *schedule, const Job *job, int64_t rows, int64_t bytes);
/* The job failed and was rolled back; it will be handed out again. dirty: it may have been
 * committed. */
void schedule_put_back(Schedule *schedule, const Job *job, bool dirty);
/* The unit of this table is not to be copied in this round. false: it is done already, and well. */
bool schedule_give_up(Schedule *schedule, uint32_t rel_id);

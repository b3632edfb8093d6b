/*
 * verify_internal - what the files of a verification share.
 *
 * A group is what is decided at once: a table, a range of its key, or a part by hash; it is read in
 * units, each by one lane (a session with a thread) of one side. The coordinator plans groups,
 * accounts for them in the order of their table, and does everything that is rare by itself.
 * Guard    `lock` guards the lists of units, Group.units_left, buckets, kept rows, moved, bytes, and
 *          broken; everything else belongs to the coordinator.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bascule/base/worker.h"
#include "sqltext/sqltext.h"
#include "verify/subset.h"
#include "verify/throttle.h"
#include "verify/verify.h"

enum { SIDE_SOURCE, SIDE_TARGET, SIDE_COUNT };

typedef enum GroupCut { CUT_WHOLE, CUT_RANGE, CUT_PART } GroupCut;

/* A row that was kept in the second reading. */
typedef struct KeptRow {
    const char *data; /* the message, behind the number of fields in binary form */
    uint32_t len, key_len;
    uint64_t lo, hi; /* hash of the whole */
} KeptRow;

typedef struct KeptRows {
    KeptRow *rows;
    int64_t count, capacity;
    size_t bytes;
    bool full; /* some were left out */
} KeptRows;

typedef struct TablePlan TablePlan;

typedef struct Group {
    struct Group *next;
    TablePlan *table;
    GroupCut cut;
    const char **low, **high; /* RANGE: low < key <= high; NULL: open */
    int part;
    int64_t weight; /* bytes on the source's disk */
    int bucket_bits;
    int units_left;
    RowsHash *buckets[SIDE_COUNT];
    Subset *subset;  /* of a table whose target may have rows of its own; else NULL */
    int64_t lacking; /* then: rows of the source that the target has not, or not the same */
    bool detail;     /* it is in its second reading */
    uint8_t *wanted; /* detail: bucket by bucket */
    bool left_out;   /* detail: not all buckets that differ are wanted */
    KeptRows kept[SIDE_COUNT];
    Arena *kept_arena[SIDE_COUNT];
    bool moved; /* the table was rewritten behind the snapshot */
    char file[SIDE_COUNT][TWIN_FILE_SIZE];
    char refused[256]; /* a side could not read the table at all: why */
    int64_t bytes, begin_us;
    Arena *arena;
} Group;

typedef struct Unit {
    struct Unit *next;
    Group *group;
    bool ranged;
    int64_t first_block, end_block; /* end -1: to the end */
    int64_t weight;                 /* bytes on the source's disk that it stands for */
    int64_t disk_bytes;             /* that its side reads for it, however little it sends */
} Unit;

struct TablePlan {
    const Relation *rel;
    VerifyTable *out;
    bool keyed, binary;
    bool may_range, ordered; /* its rows lie in the key's order; it is read in ranges of the key */
    bool only[SIDE_COUNT];
    int64_t heap_blocks[SIDE_COUNT], block_bytes[SIDE_COUNT], bytes;
    const char *since_column;
    int parts;
    const char ***bounds; /* ordered: upper ends of the ranges not planned yet */
    int bound_count, next_bound;
    bool bounds_read, planned_all;
    int next_part;             /* to plan */
    int accounted_part;        /* parts decided */
    const char **accounted_to; /* key up to which it is decided; NULL: nothing */
    Group *first, *last;       /* planned and not accounted for */
    const char **planned_to;   /* key up to which it is planned; NULL: nothing */
    int named, moves;
    int64_t save_us; /* when its progress is saved next */
    bool stalled;    /* nothing more of it under these snapshots */
    bool renew;      /* it was copied again: what the engine knows of it is asked anew */
    char file[SIDE_COUNT][TWIN_FILE_SIZE]; /* of what is decided; "" nothing yet */
    int64_t weight;                        /* of what is decided */
};

typedef struct UnitList {
    Unit *first, *last;
    int count;
} UnitList;

typedef struct VerifyRun VerifyRun;
typedef struct Reference Reference; /* verify_orphans.c */

typedef struct VerifyLane {
    VerifyRun *run;
    int side;
    char name[32];
    PgConn *conn;
    Worker *worker;
    SqlText sql;
} VerifyLane;

struct VerifyRun {
    VerifySpec spec;
    VerifyReport *report;
    Arena *arena;
    Twin *twin;
    PgConn *state;             /* on the target, outside of all snapshots */
    PgConn *probe[SIDE_COUNT]; /* the coordinator's own */
    bool same_major;
    char since[40]; /* timestamp literal, UTC */
    TablePlan *plans;
    int plan_count;
    int next_plan; /* being planned */
    StopToken *halt;
    VerifyLane *lanes;
    int lane_count;
    pthread_mutex_t lock;
    UnitList units[SIDE_COUNT];
    bool closing;
    bool broken;
    Error failure;
    _Atomic int64_t done_bytes;
    Throttle throttle; /* of what is read on the source */
    int64_t bytes_total;
    int64_t begin_us, next_tell_us;
    int groups_open;
    Reference *references; /* of --orphans; NULL: not read yet */
    int reference_count;
};

/* verify_plan.c */
MUST_CHECK bool verify_plan_facts(VerifyRun *run, Error *err);
/* A table that was read as a whole is read again in ranges of its key; false when it may not be. */
bool verify_plan_in_ranges(VerifyRun *run, TablePlan *table);
/* Plans and queues the next group; *out_planned false: there is nothing more. */
MUST_CHECK bool verify_plan_next(VerifyRun *run, bool *out_planned, Error *err);
void verify_plan_queue(VerifyRun *run, Group *group);
/* What was planned under a snapshot that is gone is forgotten. */
void verify_plan_forget(VerifyRun *run);
/* Before a round: tables that were copied again, as they are now. */
MUST_CHECK bool verify_plan_renew(VerifyRun *run, Error *err);
void verify_group_free(Group *group);

/* verify_read.c */
MUST_CHECK bool verify_read_unit(VerifyLane *lane, const Unit *unit, Error *err);
/* FROM and WHERE of a unit (NULL: of a group alone). */
void verify_read_put_from(SqlText *st, const VerifyRun *run, const Group *group, const Unit *unit,
                          int side);

/* verify_lane.c */
MUST_CHECK bool verify_lanes_start(VerifyRun *run, Error *err);
void verify_lanes_stop(VerifyRun *run);

/* verify_drill.c: what differs in a group whose second reading is done. */
MUST_CHECK bool verify_drill(VerifyRun *run, Group *group, Error *err);
#define VERIFY_ASK_KEYS 500 /* at once */
/* verify_motion.c: leaves the keys of `keys` whose rows stand still and differ; of the others, those that became
 * equal and those of which nobody knows are counted in *table. */
MUST_CHECK bool verify_drop_moving(VerifyRun *run, VerifyTable *table, const char *const **keys,
                                   KeyDiffKind *kinds, int *count, Error *err);
/* Marks the buckets that differ. Where rows of the target's own are kept: those that lack rows. */
MUST_CHECK bool verify_drill_mark(Group *group, int64_t max_rows, int *out_differing, Error *err);

/* verify_name.c: differences as texts */
void verify_name_keyed(VerifyRun *run, const Relation *rel, const KeyDiff *diff,
                       VerifyFailure *out);
/* The same for a row of a spot check, equal or not: with all columns when values were asked for. */
void verify_name_spot(VerifyRun *run, const Relation *rel, const KeyDiff *diff, VerifyFailure *out);
/* copies: how many more of this very row one side has. values: one text a column of rel. */
void verify_name_keyless(VerifyRun *run, const Relation *rel, KeyDiffKind kind, const KeptRow *row,
                         const char **values, int64_t copies, VerifyFailure *out);
const char *verify_name_key(Arena *arena, const Relation *rel, const char *const *key);

/* verify_state.c */
MUST_CHECK bool verify_state_open(VerifyRun *run, Error *err);
/* *out_same: all that was read of it was of the copy that the target holds now. */
MUST_CHECK bool verify_state_same_copy(VerifyRun *run, const TablePlan *table, bool *out_same,
                                       Error *err);
/* Nothing of it is decided, and nothing that was found in it stands any more. */
MUST_CHECK bool verify_state_begin_anew(VerifyRun *run, TablePlan *table, Error *err);
/* The table as far as it is decided, and the failures from first_failure on. */
MUST_CHECK bool verify_state_save(VerifyRun *run, TablePlan *table, int first_failure, Error *err);
void verify_state_close(VerifyRun *run);
MUST_CHECK bool verify_state_finish(VerifyRun *run, Error *err);

/* verify_outside.c: counts the target's rows that are not the task's. */
void verify_outside(VerifyRun *run);

/* verify_spot.c */
MUST_CHECK bool verify_spot_check(VerifyRun *run, Error *err);

/* verify_orphans.c */
MUST_CHECK bool verify_orphans(VerifyRun *run, Error *err);

/* verify.c */
int64_t verify_differences(const VerifyTable *table);
/* Rows of the target's own are no differences in it. */
bool verify_keeps(const TablePlan *table);
/* How many there are of them (about as many, where rows were in motion); -1: it is not known. */
int64_t verify_count_kept(const VerifyTable *table);
void verify_not_verified(TablePlan *table, const char *fmt, ...) PRINTF_LIKE(2, 3);

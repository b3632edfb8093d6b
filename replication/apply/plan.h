/*
 * plan - what a batch of flows comes to: an ordered list of steps.
 *
 * SET       net changes of one or more tables (fold.h), executed set-wise.
 * ROW       one change that must keep its place: an update of the key, a change of a row without
 *           key of which only a part is known, a very large row, anything odd.
 * TRUNCATE  one statement.
 * Order     a ROW or TRUNCATE closes what is open of its tables. While foreign keys are live it
 *           closes everything, because then the order between tables matters as well.
 * Memory    the plan's; the flows must outlive it.
 */
#pragma once

#include "apply/fold.h"
#include "apply/shape.h"
#include "bascule/model/flow.h"

typedef enum PlanStepKind { PLAN_SET, PLAN_ROW, PLAN_TRUNCATE } PlanStepKind;

typedef struct PlanStep {
    struct PlanStep *next;
    PlanStepKind kind;
    FoldSet **sets; /* SET, by rank: parents first */
    int set_count;
    const Change *change; /* ROW */
    Relation **truncated; /* TRUNCATE: those that the change applies to */
    int truncated_count;
} PlanStep;

/* Source changes, for the counters. */
typedef struct PlanTally {
    int64_t inserts, updates, deletes, truncates;
} PlanTally;

/* A message for us (prefix "bascule", transactional). */
typedef struct PlanMessage {
    struct PlanMessage *next;
    const Change *change;
    const Flow *flow;
} PlanMessage;

typedef struct Plan Plan;

/* live: foreign keys are checked while we apply. `shapes` is borrowed. */
Plan *plan_new(const Shapes *shapes, bool live);
/* others: rows may be there that the plan never saw, so that an INSERT and a DELETE do not make nothing. */
void plan_expect_others(Plan *plan, bool others);
void plan_free(Plan *plan);
void plan_add(Plan *plan, const Flow *flow);
/* Closes what is open. NULL: nothing to do. */
const PlanStep *plan_finish(Plan *plan);
/* The batch came in an order that no source can have produced, or a row came and went while others write:
 * it must be applied row by row. */
bool plan_odd(const Plan *plan);
/* A SUSPEND was among the changes since this was last asked: its relation is SUSPEND_DUE. */
bool plan_take_suspends(Plan *plan);
const PlanMessage *plan_messages(const Plan *plan);
/* Forgets steps and messages; the tallies stay. */
void plan_clear(Plan *plan);
/* Adds the tallies to the relations' counters (or not) and forgets them; returns their sum. */
int64_t plan_take_tallies(Plan *plan, bool count);

/* Does a change of this flow apply to the relation? */
bool plan_applies(const Relation *rel, const Flow *flow);

typedef enum PlanKey { PLAN_KEY_SAME, PLAN_KEY_CHANGED, PLAN_KEY_UNKNOWN } PlanKey;
/* Of an UPDATE or DELETE of a keyed table: *out_key is the row that holds the old key. UNKNOWN: a
 * key column is missing or null. */
PlanKey plan_key(const Change *change, const Value **out_key);

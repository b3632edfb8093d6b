/*
 * guard - ACCESS SHARE locks that keep rewriting DDL away from tables between slot creation and copy
 * (traps.md, section 5: a rewritten table reads empty under the older snapshot).
 *
 * An application never waits for us long: guard_yield() sees who queues behind a guarded table and gives
 * just that table up (its copy must then be done again under a newer snapshot).
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct Guard Guard;

/* Locks every relation that is not completed, NOWAIT with retries up to wait_us; LOCK_TIMEOUT names table and holder. */
MUST_CHECK bool guard_take(const PgEndpoint *source, const Relations *rels, int64_t wait_us,
                           Guard **out_guard, Error *err);
/* Looks for waiters on the guarded tables and on sessions in `our_pids` (copiers) once; gives up the tables
 * concerned. given_up[rel->id] becomes true; *out_any says whether any was, now or since guard_take().
 * Call every ~200 ms; before the first call a thread of the guard looks by itself. */
MUST_CHECK bool guard_yield(Guard *guard, const uint32_t *our_pids, int npids, bool *given_up,
                            bool *out_any, Error *err);
/* How long an application may wait before guard_yield() lets it through; 0 at first. For a table that is
 * emptied again and again, which otherwise is never copied to its end. */
void guard_patience(Guard *guard, int64_t patience_us);
/* Asks the session that holds the locks whether it still lives. A copier that has its own lock on the
 * table and then gets true knows that the table was guarded all the time until then. */
bool guard_holds(Guard *guard);
/* A table's copy is done: it needs no guard any more (lazily released). */
void guard_done(Guard *guard, const Relation *rel);
void guard_free(Guard *guard); /* releases all; NULL is fine */

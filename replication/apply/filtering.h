/*
 * filtering - turns the changes of tables with a row filter into those of the rows that are the task's.
 *
 * The stream brings every change of such a table. Whether a row passes is asked of the target's server,
 * whose condition load and comparison use as well; a row that was the task's before is one that
 * the old row of the change says so of, or where that is not known (replica identity DEFAULT), one that
 * is there. An UPDATE that moves a row in becomes an INSERT, one that moves it out a DELETE; what was and
 * stays outside is dropped.
 * Whole    a row that moves in needs all its values. Large ones that did not change are only sent under
 *          REPLICA IDENTITY FULL: without them the table is suspended, to be copied again; where
 *          tables cannot be suspended: APPLY_CONFLICT.
 * When     inside the target's transaction, behind the resume row: nobody else writes what is asked for.
 * Memory   the flows made are valid until the next run; they borrow from those given.
 */
#pragma once

#include "apply/session.h"
#include "bascule/model/flow.h"

typedef struct Filtering Filtering;

/* NULL: no table has a filter. */
Filtering *filtering_new(const Relations *rels);
/* Once: the table whose rows the server could not tell apart, so that a run failed; else NULL. */
Relation *filtering_take_failed(Filtering *filtering); /* NULL is fine */
void filtering_free(Filtering *filtering);             /* NULL is fine */
/* Do these hold a change of a table with a filter? */
bool filtering_concerns(const Filtering *filtering, Flow *const *flows, int64_t count);
/* *out_suspended: a relation is SUSPEND_DUE. */
MUST_CHECK bool filtering_run(Filtering *filtering, Session *session, Flow *const *flows,
                              int64_t count, Flow *const **out_flows, bool *out_suspended,
                              Error *err);

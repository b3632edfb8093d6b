/*
 * rowwise - single changes, each in a statement of its own that must touch exactly one row.
 *
 * Used     for changes that must keep their place within a plan, and to replay a batch that was
 *          refused: in source order, until all has worked or the change that cannot be applied is
 *          known.
 * Keyless  tables are searched by all values of the old row, one row is changed; an index helps
 *          where one covers a column whose type has an ordinary =, else the table is read once a
 *          change.
 * Live     while foreign keys are live the target deletes by itself what the stream deletes next
 *          (ON DELETE CASCADE): a child's DELETE may then touch no row, but only when a parent's
 *          DELETE came before it in the same transaction.
 */
#pragma once

#include "apply/session.h"
#include "bascule/model/flow.h"

/* Queues one change (session->counted_rows: an INSERT passes over a row that a unique index refuses). may_be_gone: a DELETE that touches no row is fine. */
MUST_CHECK bool rowwise_change(Session *session, const Change *change, bool may_be_gone,
                               Error *err);
/* Replays the changes of `flows` that apply, and waits until all have worked; on failure *err is
 * what rowwise_explain() made of it. `deleted` (by relation id, may be NULL when not live) says
 * which tables lost rows in the open transaction so far; it is kept up to date. */
MUST_CHECK bool rowwise_replay(Session *session, Flow *const *flows, int64_t count, bool *deleted,
                               Error *err);
/* Puts table, operation, key columns and a hash of the key into the error of the statement that
 * failed. Never row data. Returns false. */
bool rowwise_explain(const Session *session, Error *err);

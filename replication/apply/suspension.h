/*
 * suspension - what bascule.table_state says of tables that are left out of the stream until they are
 * copied again.
 *
 * Holds    a suspension is written in the transaction that leaves out the table's first change, or
 *          before it: whoever reads the resume row afterwards sees it.
 * Memory   Relation.suspended follows: DUE before that transaction, SUSPENDED when it is committed.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

/* Inside the caller's transaction, or alone. remedy NULL: what was written before stays. */
MUST_CHECK bool suspension_write(PgConn *target, const char *task, const Relation *rel,
                                 const char *remedy, Error *err);
/* Every relation that is DUE. */
MUST_CHECK bool suspension_write_due(PgConn *target, const char *task, const Relations *rels,
                                     Error *err);
/* They are durable now. */
void suspension_committed(const Relations *rels);
/* Marks what the target says is suspended: the answer to a COMMIT may have been lost. */
MUST_CHECK bool suspension_read(PgConn *target, const char *task, const Relations *rels,
                                Error *err);
/* A refusal of the target that says: this table has not the shape of the source's. */
bool suspension_is_shape(const Error *err);

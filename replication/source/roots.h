/*
 * roots - partitioned tables that move as one, because the target does not have the same partitions.
 *
 * Each      partition is a relation of its own where the target has all of them: under the same names,
 *           with the same keys and bounds on the way up. Else the partitioned table is the relation,
 *           its partitions are its leaves, and rows go to the target's table of its name, whatever that is.
 * Stays     what was chosen when the load began is chosen again: the rows of bascule.table_state say it.
 * Identity  rows are found by a key of the whole table: the partitions' replica identities must be the
 *           same columns, by indexes of the root; or all of them FULL.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

/* rels holds tables without columns yet. Puts roots in the place of their partitions, and ids anew. */
MUST_CHECK bool roots_choose(PgConn *source, PgConn *target, const char *task, const Rules *rules,
                             Relations *rels, Error *err);
/* Behind the columns: key and replica identity of each root. */
MUST_CHECK bool roots_identify(PgConn *source, Relations *rels, Error *err);

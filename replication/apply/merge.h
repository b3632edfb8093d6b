/*
 * merge - the load of a table that holds rows on the target: rows that it lacks go in as a set, those that it
 * has equal are left alone, and each of the others is treated like an INSERT of the stream that meets a row
 * (dualwise.h): by the table's policy, with a record, as a conflict that may still turn out to be motion.
 *
 * Once     all of a table happens in the transaction that records it as loaded. An attempt whose COMMIT was
 *          not answered is waited for, and what it recorded must be read again: CONN_LOST.
 * Threads  merge_begin and merge_end may run in several, each with a session of its own.
 */
#pragma once

#include "bascule/model/progress.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct Merge Merge;

/* The relations must have been held against the target. */
MUST_CHECK bool merge_open(PgConn *target, const char *task, const Relations *rels,
                           Progress *progress, Merge **out_merge, Error *err);
void merge_close(Merge *merge); /* NULL is fine */

/* LoadMerge (load/load.h); self is the Merge. */
MUST_CHECK bool merge_begin(void *self, PgConn *target, const Relation *rel, Error *err);
MUST_CHECK bool merge_end(void *self, PgConn *target, Relation *rel, int64_t rows, Lsn start_lsn,
                          Error *err);

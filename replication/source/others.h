/*
 * others - tasks beside this one that move into the same target database, from whatever source: a table of the
 * target, and a partitioned table above it, belongs to one of them.
 *
 * Looked at before a task leaves a trace and again when its tables are written down: of two tasks that begin
 * at once at least one sees the other.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

/* BLOCKED: the place on the target of a table of ours that is `meant` (NULL: each) is another task's. */
MUST_CHECK bool others_check(PgConn *target, const char *task, const Relations *rels,
                             bool (*meant)(const Relation *rel), Error *err);

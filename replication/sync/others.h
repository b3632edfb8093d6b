/*
 * others - tasks beside this one, from the same source database into the same target database: a table belongs
 * to one of them.
 *
 * Looked at before a task leaves a trace and again when its tables are written down: of two tasks that begin
 * at once at least one sees the other.
 */
#pragma once

#include "bascule/model/rules.h"
#include "sync/sync.h"

/* BLOCKED: a table of ours that is `meant` (NULL: each) is moved by another task. */
MUST_CHECK bool others_check(Sync *sync, bool (*meant)(const Relation *rel), Error *err);
/* BLOCKED: the pattern names a table of another task. */
MUST_CHECK bool others_check_pattern(Sync *sync, const RulePattern *pattern, Error *err);

/*
 * compare_first - what a switch would read in whole in its freeze is compared right before it, as an
 * operator's verification would, while the engine streams on as always.
 */
#pragma once

#include "sync/sync.h"
#include "task/task.h"

/* A dry run tells which tables. Fills spec->compared_*; nothing depends on it: what could not be compared
 * is left to the freeze, or to the preflight that refuses it. false: DIFFERENT, LAG when the target does
 * not catch up again, ABORTED. */
MUST_CHECK bool compare_first(Task *task, Sync *sync, CutoverSpec *spec, Error *err);

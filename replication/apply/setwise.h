/*
 * setwise - executes a plan: each table's net changes in one statement a kind, for many rows at
 * once.
 *
 * Order    DELETEs children first, then UPDATEs and INSERTs parents first. While foreign keys are
 *          live: INSERTs and UPDATEs parents first, then DELETEs children first (a replaced row is
 *          updated), so that what is referenced is there before and goes after what references it.
 * Sizes    statements of about SETWISE_ROWS rows; runs of SETWISE_COPY_ROWS inserts go by COPY.
 * Errors   of any kind leave the transaction to the caller, who replays row by row.
 */
#pragma once

#include "apply/plan.h"
#include "apply/session.h"

#define SETWISE_ROWS      1000
#define SETWISE_BYTES     ((size_t)1 << 20)
#define SETWISE_COPY_ROWS 2000

/* Queues everything and waits until all of it has worked. */
MUST_CHECK bool setwise_run(Session *session, const PlanStep *steps, Error *err);

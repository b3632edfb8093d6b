/*
 * findings - what a preflight has to say, check by check.
 *
 * A check begins with finding_check(); what it finds is told at once and kept for the report; one
 * that finds nothing is kept as fine. All blockers together become the refusal.
 */
#pragma once

#include "bascule/base/buf.h"
#include "cutover/internal.h"

typedef struct Findings {
    Cutover *cut;
    ErrorClass cls; /* of the first blocker */
    Buf blockers;
    int warnings;
    const char *check; /* name of the check that is under way; NULL none */
    int check_findings;
} Findings;

/* Ends the check before and begins this one. NULL: only ends. */
void finding_check(Findings *f, const char *check);
/* Stands in the way. Text with the remedy behind the last colon. */
void finding_block(Findings *f, ErrorClass cls, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Worth knowing; does not stand in the way. */
void finding_warn(Findings *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What the check saw when it is fine: a figure for the report. */
void finding_fine(Findings *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* preflight.c: what stands against a rollback that brings nothing along. */
MUST_CHECK bool preflight_discard(Findings *f, Error *err);
/* preflight_sides.c: what has to be alike on both sides, and what does not travel. */
MUST_CHECK bool preflight_sides(Findings *f, Error *err);
/* way_back_look.c: what the stream in the other direction needs. */
MUST_CHECK bool preflight_way_back(Findings *f, Error *err);
/* row_filters.c: what does not move of tables that do. */
MUST_CHECK bool preflight_row_filters(Findings *f, Error *err);
/* preflight_rates.c */
void preflight_verified(Findings *f);
void preflight_rates(Findings *f);
MUST_CHECK bool preflight_room(Findings *f, Error *err);
/* predict.c */
MUST_CHECK bool preflight_prediction(Findings *f, Error *err);

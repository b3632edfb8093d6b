/*
 * schedule - a cutover that begins at a time of day, once nothing stands in its way.
 *
 * Waits for the time, then looks again and again (a dry run of the same cutover) until it would be
 * taken, or the window is over. Lives in the engine: it ends with it, and `abort` ends it.
 */
#pragma once

#include "cutover/cutover.h"

typedef struct Schedule {
    int64_t at_wall_us;  /* begins then */
    int64_t window_us;   /* and not later than this after it */
    int64_t interval_us; /* between two looks; 0: 5 s */
} Schedule;

/* true: go. false: ABORTED (abort, stop), or why nothing allowed it until the end of the window. */
MUST_CHECK bool schedule_wait(const Schedule *schedule, const CutoverSpec *spec, Error *err);
/* After what had to be done before it begins: DEADLINE when the window is over. */
MUST_CHECK bool schedule_may_begin(const Schedule *schedule, Error *err);

/*
 * traffic - what stands between the applications and the servers: poolers are paused before the
 * freeze, led to the other side once that is open, and resumed.
 *
 * Always resumed  at the end of every run, whatever became of it, unless nobody knows which side is open;
 * and by traffic_settle() for a run that was killed.
 * Threads  one run at a time; waiting_since from that run's thread.
 */
#pragma once

#include "config/config.h"
#include "cutover/cutover.h"
#include "task/pooler.h"

typedef struct Traffic {
    Pooler *all;
    int count;
    int64_t pause_timeout_us;
    PoolerPlace source, target; /* as the poolers reach them */
    /* of the run */
    bool back;
    int64_t max_downtime_us;
    StopToken *stop;
    int64_t paused_since_us; /* 0: nothing is paused */
    int64_t paused_us;       /* the last pause, when it is over; -1 none */
} Traffic;

typedef void (*TrafficTell)(void *arg, bool failed, const char *fmt, ...) PRINTF_LIKE(3, 4);

MUST_CHECK bool traffic_read(const Config *config, Arena *arena, const PgEndpoint *source,
                             const PgEndpoint *target, Traffic *out_traffic, Error *err);
/* Lines for the plan; "" without poolers. */
const char *traffic_plan(const Traffic *traffic, Arena *arena);
void traffic_check(const Traffic *traffic, const CutoverFindings *findings);
/* Within pause_timeout; when one cannot be paused, all are resumed. ABORTED, DEADLINE */
MUST_CHECK bool traffic_pause(Traffic *traffic, const CutoverMoment *moment, Error *err);
/* Leads the poolers with (or without) a file of their own to the side that opened, and resumes them. What
 * fails is told, tried again for a while, and stays paused. */
void traffic_open(Traffic *traffic, bool with_file, const CutoverMoment *moment);
/* The end of a run: what is paused and may go on where it was. */
void traffic_end(Traffic *traffic, const CutoverMoment *moment);
/* What a killed run left paused: led to the side that is open, and resumed. */
void traffic_settle(const Traffic *traffic, bool target_open);

/*
 * throttle - readers that together take no more than so many bytes a second.
 *
 * How      a reader says what it has read, and is told how long to wait before it reads on. All share
 *          one clock: what one has taken the others wait for. Time in which nobody read is lost, not
 *          saved up: nobody may read faster afterwards.
 * Bound    what is taken in t seconds is at most t times the rate and, for each reader, one take.
 * Threads  any number; no lock.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

typedef struct Throttle {
    int64_t rate_bytes; /* a second; 0: no limit */
    _Atomic int64_t free_us;
} Throttle;

/* Microseconds to wait; 0: go on. */
int64_t throttle_take(Throttle *throttle, int64_t bytes, int64_t now_us);

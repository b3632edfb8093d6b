/*
 * clock - durations and deadlines are int64_t microseconds of the monotonic clock; wall time is
 * microseconds since 1970-01-01 UTC and only for people and reports.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_now_us(void);  /* monotonic */
int64_t clock_wall_us(void); /* since 1970 UTC */
/* PostgreSQL timestamps count from 2000-01-01. */
int64_t clock_from_pg_us(int64_t pg_us);
int64_t clock_to_pg_us(int64_t wall_us);
/* "2026-01-02T03:04:05.678Z", out of at least 32 bytes; returns out. */
char *clock_format_wall(int64_t wall_us, char *out, size_t size);
/* "1 d 2 h", "3 min 5 s", "4.2 s", "12 ms": for people; returns out. */
char *clock_format_duration(int64_t us, char *out, size_t size);
/* milliseconds for poll(2) until a deadline: -1 never, 0 passed, rounded up */
int clock_poll_ms(int64_t deadline_us);

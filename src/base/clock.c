/* clock - see bascule/base/clock.h */
#include "bascule/base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

/* 2000-01-01 in seconds since 1970. */
#define PG_EPOCH_US (INT64_C(946684800) * 1000000)

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_from_pg_us(int64_t pg_us)
{
    return pg_us + PG_EPOCH_US;
}

int64_t clock_to_pg_us(int64_t wall_us)
{
    return wall_us - PG_EPOCH_US;
}

char *clock_format_wall(int64_t wall_us, char *out, size_t size)
{
    int64_t seconds = wall_us / 1000000;
    int64_t micros = wall_us % 1000000;
    struct tm tm;
    time_t t;

    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    t = (time_t)seconds;
    if (gmtime_r(&t, &tm) == NULL) {
        snprintf(out, size, "unknown");
        return out;
    }
    snprintf(out, size, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900LL, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(micros / 1000));
    return out;
}

char *clock_format_duration(int64_t us, char *out, size_t size)
{
    const char *sign = us < 0 ? "-" : "";
    uint64_t v = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t seconds = v / 1000000;

    if (seconds >= 86400)
        snprintf(out, size, "%s%" PRIu64 " d %" PRIu64 " h", sign, seconds / 86400,
                 seconds % 86400 / 3600);
    else if (seconds >= 3600)
        snprintf(out, size, "%s%" PRIu64 " h %" PRIu64 " min", sign, seconds / 3600,
                 seconds % 3600 / 60);
    else if (seconds >= 60)
        snprintf(out, size, "%s%" PRIu64 " min %" PRIu64 " s", sign, seconds / 60, seconds % 60);
    else if (seconds >= 1)
        snprintf(out, size, "%s%" PRIu64 ".%" PRIu64 " s", sign, seconds, v % 1000000 / 100000);
    else if (v >= 1000 || v == 0)
        snprintf(out, size, "%s%" PRIu64 " ms", sign, v / 1000);
    else
        snprintf(out, size, "%s%" PRIu64 " us", sign, v);
    return out;
}

int clock_poll_ms(int64_t deadline_us)
{
    int64_t left;

    if (deadline_us == CLOCK_NEVER)
        return -1;
    left = deadline_us - clock_now_us();
    if (left <= 0)
        return 0;
    left = (left - 1) / 1000 + 1;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* schedule - see the header. */
#include "task/schedule.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"

#define SLICE_US    1000000 /* the wall clock may be set meanwhile */
#define INTERVAL_US 5000000

typedef struct Wait {
    const Schedule *schedule;
    const CutoverSpec *spec;
    int64_t began_us;
} Wait;

static void tell(const Wait *wait, bool failed, const char *text)
{
    CutoverEvent event = {
        .step = "schedule",
        .text = text,
        .elapsed_us = clock_now_us() - wait->began_us,
        .frozen_us = -1,
        .failed = failed,
    };
    if (wait->spec->on_event != NULL)
        wait->spec->on_event(wait->spec->event_arg, &event);
}

static bool asked_to_end(const Wait *wait, Error *err)
{
    if (stop_requested(wait->spec->abort) || stop_requested(wait->spec->stop))
        return !ERR(err, ERR_ABORTED, "aborted while it waited for its time");
    return false;
}

/* At most `us`, less when it is to end. */
static bool pause_for(const Wait *wait, int64_t us, Error *err)
{
    stop_poll(wait->spec->stop, stop_fd(wait->spec->abort), POLLIN, clock_now_us() + us);
    return !asked_to_end(wait, err);
}

/* The dry run's own steps are not told. */
static bool look(const Wait *wait, Error *err)
{
    Arena *arena = arena_new(0);
    CutoverReport report;
    CutoverSpec spec = *wait->spec;
    spec.dry_run = true;
    spec.on_event = NULL;
    bool ok = cutover_run(&spec, arena, &report, err);
    arena_free(arena);
    return ok;
}

/* Whether waiting can mend it. */
static bool may_pass(const Error *err)
{
    switch (err->cls) {
    case ERR_LAG:
    case ERR_NOT_APPROVED:
    case ERR_BLOCKED:
    case ERR_LOCK_TIMEOUT:
    case ERR_WRONG_STATE:
    case ERR_CONN_LOST:
    case ERR_CONN_REFUSED:
    case ERR_SERIALIZATION:
    case ERR_RESOURCES:
        return true;
    default:
        return false;
    }
}

static bool wait_for_time(const Wait *wait, Error *err)
{
    char when[40], text[160];
    int64_t left_us = wait->schedule->at_wall_us - clock_wall_us();
    if (left_us > 0) {
        snprintf(text, sizeof text, "waiting until %s; 'bascule abort' ends it",
                 clock_format_wall(wait->schedule->at_wall_us, when, sizeof when));
        tell(wait, false, text);
    }
    while ((left_us = wait->schedule->at_wall_us - clock_wall_us()) > 0) {
        if (!pause_for(wait, left_us < SLICE_US ? left_us : SLICE_US, err))
            return false;
    }
    return true;
}

bool schedule_wait(const Schedule *schedule, const CutoverSpec *spec, Error *err)
{
    Wait wait = {.schedule = schedule, .spec = spec, .began_us = clock_now_us()};
    char last[sizeof err->message] = "", when[40];
    int64_t end_us = schedule->at_wall_us + schedule->window_us;
    if (!wait_for_time(&wait, err))
        return false;
    for (;;) {
        if (look(&wait, err))
            return true;
        if (asked_to_end(&wait, err))
            return false;
        if (!may_pass(err))
            return false;
        if (clock_wall_us() >= end_us)
            break;
        if (strcmp(last, err->message) != 0)
            tell(&wait, true, err->message);
        memcpy(last, err->message, sizeof last);
        if (!pause_for(&wait, schedule->interval_us > 0 ? schedule->interval_us : INTERVAL_US, err))
            return false;
    }
    return err_context(err, "not begun until %s, the end of its window",
                       clock_format_wall(end_us, when, sizeof when));
}

bool schedule_may_begin(const Schedule *schedule, Error *err)
{
    char when[40];
    int64_t end_us = schedule->at_wall_us + schedule->window_us;
    if (clock_wall_us() <= end_us)
        return true;
    ERR(err, ERR_DEADLINE,
        "not begun until %s, the end of its window: tables were compared until then",
        clock_format_wall(end_us, when, sizeof when));
    return err_hint(
        err, "Nothing was frozen. Run 'bascule verify' well before, or give a longer window.");
}

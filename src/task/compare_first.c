/* compare_first - see the header. */
#include "task/compare_first.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "bascule/base/clock.h"
#include "task/task_internal.h"
#include "task/task_verify.h"

#define TELL_US        ((int64_t)5000000)
#define CATCH_UP_US    ((int64_t)60000000)
#define LOOK_US        100000
#define VERIFY_ENDS_US ((int64_t)10000000)

typedef struct First {
    const CutoverSpec *spec;
    int64_t begin_us, next_tell_us;
} First;

static void tell(const First *first, bool failed, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void tell(const First *first, bool failed, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CutoverEvent event = {.step = "verify",
                          .text = text,
                          .elapsed_us = clock_now_us() - first->begin_us,
                          .frozen_us = -1,
                          .failed = failed};
    if (first->spec->on_event != NULL)
        first->spec->on_event(first->spec->event_arg, &event);
}

static void on_progress(void *arg, const VerifyProgress *p)
{
    First *first = arg;
    char left[32] = "an unknown time";
    /* The engine ends, and waits for the switch: the comparison listens to its abort only. */
    if (stop_requested(first->spec->stop))
        stop_request(first->spec->abort);
    if (clock_now_us() < first->next_tell_us)
        return;
    first->next_tell_us = clock_now_us() + TELL_US;
    if (p->left_us >= 0)
        clock_format_duration(p->left_us, left, sizeof left);
    tell(first, false, "%d of %d tables, %lld of %lld MB, %s left", p->tables_done, p->tables_total,
         (long long)(p->bytes_done >> 20), (long long)(p->bytes_total >> 20), left);
}

/* Whatever keeps the dry run from its end the real run meets as well, and says so. */
static const bool *choose(const CutoverSpec *spec, Arena *arena, int64_t *out_tables)
{
    Error ignored = ERROR_INIT;
    CutoverReport report;
    CutoverSpec dry = *spec;
    dry.dry_run = true;
    dry.on_event = NULL;
    bool ok = cutover_run(&dry, arena, &report, &ignored);
    *out_tables = report.prediction.first_tables;
    return ok ? report.prediction.first : NULL;
}

/* The operator's, which was told to end when the switch began. */
static void wait_for_verification(Task *task, const CutoverSpec *spec)
{
    int64_t deadline_us = clock_now_us() + VERIFY_ENDS_US;
    bool running = true;
    while (running && clock_now_us() < deadline_us && !stop_requested(spec->abort)) {
        pthread_mutex_lock(&task->lock);
        running = task->verifying != NULL;
        pthread_mutex_unlock(&task->lock);
        if (running)
            stop_wait(spec->stop, LOOK_US);
    }
}

static bool asked_to_end(const CutoverSpec *spec, Error *err)
{
    if (stop_requested(spec->abort) || stop_requested(spec->stop))
        return !ERR(err, ERR_ABORTED, "aborted while tables were compared before the freeze");
    return false;
}

/* The comparison held the applier for a moment, and took of the servers' time. */
static bool catch_up(const CutoverSpec *spec, Error *err)
{
    int64_t deadline_us = clock_now_us() + CATCH_UP_US;
    for (;;) {
        int64_t us = atomic_load(&spec->progress->apply_lag_us);
        int64_t bytes = atomic_load(&spec->progress->lag_bytes);
        bool known = us != PROGRESS_UNKNOWN && bytes != PROGRESS_UNKNOWN;
        if (known && us <= spec->max_lag_us && bytes <= spec->max_lag_bytes)
            return true;
        if (asked_to_end(spec, err))
            return false;
        if (clock_now_us() > deadline_us)
            return true; /* the preflight says how far it is behind, and refuses */
        stop_poll(spec->stop, stop_fd(spec->abort), POLLIN, clock_now_us() + LOOK_US);
    }
}

bool compare_first(Task *task, Sync *sync, CutoverSpec *spec, Error *err)
{
    First first = {.spec = spec, .begin_us = clock_now_us()};
    int64_t tables = 0, since_us = clock_wall_us();
    char shown[32];
    first.next_tell_us = first.begin_us + TELL_US;
    if (!cutover_may_compare_first(spec))
        return true;
    wait_for_verification(task, spec);
    Arena *arena = arena_new(0);
    const bool *which = choose(spec, arena, &tables);
    bool ok = true;
    if (which != NULL) {
        tell(&first, false, "comparing %lld tables while writers go on", (long long)tables);
        ok = task_verify_first(task, spec->rels, which, spec->abort, on_progress, &first, err);
        if (ok)
            tell(&first, false, "equal, after %s",
                 clock_format_duration(clock_now_us() - first.begin_us, shown, sizeof shown));
        else if (!asked_to_end(spec, err) && err->cls != ERR_DIFFERENT) {
            tell(&first, true, "not all could be compared before the freeze: %s", err->message);
            err_clear(err);
            ok = true;
        }
        spec->compared_since_wall_us = since_us;
        spec->compared_us = clock_now_us() - first.begin_us;
        ok = ok && catch_up(spec, err);
        /* The catalog may have been read again meanwhile. */
        spec->rels = sync_relations(sync);
    }
    arena_free(arena);
    return ok;
}

/*
 * moment - lets the program take part in the walk: before an action, after one that went well, and at
 * the end. What it is asked while writes wait has until the watchdog fires.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cutover/internal.h"

/* Actions that are phases for people; the others are book-keeping. */
static const char *phase_of(const CutoverRow *row)
{
    static const struct {
        CutoverFsmEvent (*action)(Cutover *cut, Error *err);
        const char *phase;
    } PHASES[] = {
        {cutover_check, "preflight"},  {cutover_check_discard, "preflight"},
        {cutover_arm, "arm"},          {cutover_freeze, "freeze"},
        {cutover_export, "drain"},     {cutover_drain, "drain"},
        {cutover_raise, "sequences"},  {cutover_prove, "prove"},
        {cutover_commit, "commit"},    {cutover_open, "open"},
        {cutover_finish_open, "open"},
    };
    for (size_t i = 0; i < sizeof PHASES / sizeof *PHASES; i++)
        if (PHASES[i].action == row->action)
            return PHASES[i].phase;
    return NULL;
}

static void tell(void *arg, bool failed, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void tell(void *arg, bool failed, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cutover_tell(arg, "hook", failed, "%s", text);
}

static bool moment(Cutover *cut, const char *phase, bool before, bool may_abort,
                   const char *outcome, Error *err)
{
    const Freeze *freeze = &cut->freeze;
    bool frozen = freeze->begun_us != 0 && freeze->state != FREEZE_RELEASED &&
                  cut->report->opened_wall_us == 0;
    CutoverMoment at = {
        .before = before,
        .phase = phase,
        .epoch = cut->epoch,
        .frozen_us = frozen ? clock_now_us() - freeze->begun_us : -1,
        .deadline_us = frozen && may_abort ? freeze->watchdog_us : 0,
        .may_abort = may_abort,
        .plan_hash = cut->report->plan_hash,
        .outcome = outcome,
        .report = cut->report,
        .tell = tell,
        .tell_arg = cut,
    };
    return cut->spec->on_phase(cut->spec->phase_arg, &at, err);
}

static bool went_well(CutoverFsmEvent event)
{
    return event == CUT_EV_DONE || event == CUT_EV_COMMITTED || event == CUT_EV_OPENED;
}

CutoverFsmEvent moment_act(Cutover *cut, const CutoverRow *row, Error *err)
{
    const char *phase = phase_of(row);
    if (phase == NULL || cut->spec->on_phase == NULL || cut->spec->dry_run)
        return row->action(cut, err);
    bool opening = strcmp(phase, "open") == 0;
    if (!moment(cut, phase, true, !opening, "", err) && !opening)
        return cutover_fail(cut, err);
    CutoverFsmEvent event = row->action(cut, err);
    bool may_abort = event == CUT_EV_DONE;
    if (went_well(event) && !moment(cut, phase, false, may_abort, "", err) && may_abort)
        return cutover_fail(cut, err);
    return event;
}

void moment_end(Cutover *cut, const char *outcome)
{
    Error ignored = ERROR_INIT;
    if (cut->spec->on_phase != NULL && !cut->spec->dry_run &&
        !moment(cut, NULL, false, false, outcome, &ignored))
        cutover_tell(cut, "hook", true, "%s", ignored.message);
}

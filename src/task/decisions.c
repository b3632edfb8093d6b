/* decisions - see the header.
 *
 * While writes wait one record is flushed: that the fence is about to be committed. That it was, and
 * that the other side is open, is written before clients are let go, with their own times, and flushed
 * behind that: both stand durably in the rows that decide. */
#include "task/decisions.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"

void decisions_begin(Decisions *decisions, const char *confirmed_plan)
{
    decisions->fenced_us = 0;
    audit_note(&(AuditNote){.action = decisions->mode,
                            .event = "request",
                            .result = "taken",
                            .plan = confirmed_plan,
                            .peer = &decisions->peer});
}

static void decided(const Decisions *decisions, const CutoverMoment *moment, const char *what,
                    int64_t at_us, bool lazy)
{
    audit_note(&(AuditNote){.action = decisions->mode,
                            .event = "decision",
                            .result = what,
                            .plan = moment->plan_hash,
                            .epoch = moment->epoch,
                            .at_us = at_us,
                            .lazy = lazy,
                            .peer = &decisions->peer});
}

static bool is(const CutoverMoment *moment, bool before, const char *phase)
{
    return moment->phase != NULL && moment->before == before && strcmp(moment->phase, phase) == 0;
}

bool decisions_phase(void *arg, const CutoverMoment *moment, Error *err)
{
    Decisions *decisions = arg;
    if (is(moment, false, "arm"))
        decided(decisions, moment, "armed", 0, false);
    if (is(moment, false, "commit"))
        decisions->fenced_us = clock_wall_us();
    if (is(moment, false, "open")) {
        int64_t opened_us = clock_wall_us();
        if (decisions->fenced_us != 0)
            decided(decisions, moment, "fenced", decisions->fenced_us, true);
        decided(decisions, moment, "opened", opened_us, true);
    }
    bool ok = decisions->next == NULL || decisions->next(decisions->next_arg, moment, err);
    if (is(moment, false, "open"))
        audit_flush();
    if (!ok)
        return false;
    /* Behind the hooks, which may still give up. */
    if (is(moment, true, "commit"))
        decided(decisions, moment, "fencing", 0, false);
    return true;
}

static const char *result_of(const CutoverReport *report, const Error *err)
{
    return report->outcome[0] != '\0' ? report->outcome : err != NULL ? err_slug(err->cls) : "done";
}

void decisions_end(Decisions *decisions, const CutoverReport *report, const Error *err)
{
    char detail[sizeof err->message + 128];
    char took[32] = "";
    if (report->downtime_us >= 0)
        clock_format_duration(report->downtime_us, took, sizeof took);
    snprintf(detail, sizeof detail, "%s%s%s%s", took[0] != '\0' ? "writes waited " : "", took,
             err != NULL && took[0] != '\0' ? "; " : "", err != NULL ? err->message : "");
    AuditNote note = {.action = decisions->mode,
                      .event = "end",
                      .result = result_of(report, err),
                      .detail = detail[0] != '\0' ? detail : NULL,
                      .plan = report->plan_hash,
                      .epoch = report->epoch,
                      .has_exit = true,
                      .exit_code = err != NULL ? err_exit_code(err->cls) : 0,
                      .peer = &decisions->peer};
    if (report->back)
        note.target_lsn = report->barrier_lsn;
    else
        note.source_lsn = report->barrier_lsn;
    audit_note(&note);
}

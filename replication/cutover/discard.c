/*
 * discard - the parts of a rollback that brings nothing along: what the side that is left has and the
 * other has not is written to a file, in the freeze to its very end, and on disk before the fence is
 * committed. Until then a ROLLBACK gives the writes back, and nothing was discarded.
 */
#include <stdio.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "cutover/findings.h"

CutoverFsmEvent cutover_check_discard(Cutover *cut, Error *err)
{
    const CutoverDiscard *discard = cut->spec->discard;
    Findings f = {.cut = cut};
    cut->step_us = clock_now_us();
    snprintf(cut->report->plan_hash, sizeof cut->report->plan_hash, "%s", discard->plan_hash);
    cut->report->no_way_back = "the writes of the side that was left are discarded";
    export_set_stop(discard->export, cut->give_up);
    /* What comes until the freeze is read before it: little is left for the time in which writes
     * wait. */
    bool ok = preflight_discard(&f, err) && export_read(discard->export, err);
    if (ok && f.blockers.len > 0)
        ok = ERR(err, f.cls, "%s", buf_str(&f.blockers));
    buf_done(&f.blockers);
    if (!ok)
        return cutover_fail(cut, err);
    cutover_phase(cut, "preflight");
    if (cut->spec->dry_run)
        cut->report->given_up = export_totals(discard->export);
    const ExportTotals *totals = export_totals(discard->export);
    cutover_tell(cut, "preflight", false,
                 "the %s has everything up to " LSN_FMT " of the %s; %lld transactions (%lld "
                 "changes) since then would be discarded",
                 TO_SIDE(cut), LSN_ARGS(totals->from_lsn), FROM_SIDE(cut),
                 (long long)totals->transactions, (long long)totals->changes);
    return CUT_EV_DONE;
}

/* In the journal of the side that opens: a run that finishes after a crash reads it there. */
static bool note(Cutover *cut, const ExportTotals *totals, Error *err)
{
    char detail[1024];
    snprintf(detail, sizeof detail,
             "%lld transactions, %lld changes from " LSN_FMT " to " LSN_FMT ": %s sha256 %s",
             (long long)totals->transactions, (long long)totals->changes,
             LSN_ARGS(totals->from_lsn), LSN_ARGS(totals->up_to_lsn), totals->file, totals->sha256);
    return control_journal(cut->target, cut->spec->task, cut->epoch, "discarding", detail, err);
}

CutoverFsmEvent cutover_export(Cutover *cut, Error *err)
{
    const CutoverDiscard *discard = cut->spec->discard;
    const ExportTotals *totals = export_totals(discard->export);
    cut->step_us = clock_now_us();
    if (!cutover_write_barrier(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "barrier");
    if (!export_read(discard->export, err) || !export_finish(discard->export, err) ||
        FAULT_ERROR(DISCARD_EXPORTED, err) || !note(cut, totals, err) ||
        !discard->written(discard->written_arg, totals, cut->epoch, err))
        return cutover_fail(cut, err);
    cut->report->given_up = totals;
    cutover_phase(cut, "export");
    cutover_tell(cut, "export", false, "%lld transactions (%lld changes) are in %s",
                 (long long)totals->transactions, (long long)totals->changes, totals->file);
    return CUT_EV_DONE;
}

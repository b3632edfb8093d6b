/*
 * views - materialized views once the target is open.
 *
 * After the opening, not before: no view is worth downtime, and its rows were as old as its last
 * refresh on the source, too. A step of the task tells that it was done, so that a run that was
 * killed in between does it when it is asked again, and a later one does not.
 */
#include <stdio.h>

#include "cutover/internal.h"

/* A session of its own: what the opening's session waited for may have ended it. */
static bool refresh(Cutover *cut, PgConn *target, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    Views *views = &cut->report->views;
    bool done = false;
    char step[48]; /* each epoch's opening refreshes them once */
    snprintf(step, sizeof step, "refresh-views %lld", (long long)cut->epoch);
    if (!control_step_done(target, spec->task, step, &done, err) || done)
        return done;
    if (cut->source == NULL || !pgconn_usable(cut->source)) {
        pgconn_close(cut->source);
        cut->source = cutover_connect(&spec->source, spec->stop, "cutover-views", err);
    }
    if (cut->source == NULL || !views_read(cut->source, cut->arena, views, err))
        return false;
    if (views->count > 0)
        cutover_tell(cut, "views", false, "refreshing %d materialized views", views->count);
    return views_refresh(target, views, true, clock_now_us() + spec->refresh_us, cut->arena, err) &&
           control_mark_step(target, spec->task, step, err);
}

static void tell_each(Cutover *cut)
{
    char took[32];
    Views *views = &cut->report->views;
    for (int i = 0; i < views->count; i++) {
        const View *view = &views->all[i];
        if (view->refreshed)
            cutover_tell(cut, "views", false, "%s refreshed in %s", view->display,
                         clock_format_duration(view->elapsed_us, took, sizeof took));
        else
            cutover_tell(cut, "views", true, "%s is as old as the load (%s): %s", view->display,
                         view->why, view_statement(view, cut->arena));
    }
}

void cutover_refresh_views(Cutover *cut)
{
    Error err = ERROR_INIT;
    if (cut->spec->refresh_us == 0)
        return;
    cut->step_us = clock_now_us();
    CLEANUP_PGCONN PgConn *target =
        cutover_connect(&cut->spec->target, cut->spec->stop, "cutover-views", &err);
    bool fine = target != NULL && refresh(cut, target, &err);
    tell_each(cut);
    if (!fine)
        cutover_tell(cut, "views", true,
                     "the materialized views could not all be refreshed: %s; run 'bascule cutover' "
                     "again, or REFRESH MATERIALIZED VIEW",
                     err.message);
    if (cut->report->views.count > 0)
        cutover_phase(cut, "views");
}

/*
 * views - materialized views: which ones the source keeps filled, and filling them on the target.
 *
 * Their rows are not in the stream. They are filled once after the load, so that the target can be
 * tried, and again when the target opens, from the rows that the cutover has proven.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/port/pgconn.h"

typedef struct View {
    const char *schema, *name;
    const char *display; /* schema.name for people */
    bool refreshed;
    int64_t elapsed_us; /* of the refresh; 0: not tried */
    const char *why;    /* not refreshed: the reason; "" */
} View;

typedef struct Views {
    int count;
    View *all; /* those that others read come first */
} Views;

/* The populated ones of the source, but those of extensions. */
MUST_CHECK bool views_read(PgConn *source, Arena *arena, Views *out_views, Error *err);
/* Refreshes those that the target has, one after the other: CONCURRENTLY where readers may be there
 * (`open`) and the view allows it. What the target refuses, or what does not fit into the time, is
 * told in `why` and is no failure; false: the session broke or was stopped, the rest has its `why`.
 * The session's search_path and statement_timeout are changed. */
MUST_CHECK bool views_refresh(PgConn *target, Views *views, bool open, int64_t deadline_us,
                              Arena *arena, Error *err);
/* The statement to type, for a view that was not refreshed. */
const char *view_statement(const View *view, Arena *arena);

/*
 * added - what was added to a task's selection while it lived: patterns in bascule.added_tables, beside those
 * of the configuration.
 */
#pragma once

#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

/* *out is `base` where nothing was added (or everything is selected anyhow), else a copy in `arena` with the
 * added patterns behind its own. A side without schema bascule has none. */
MUST_CHECK bool added_read(PgConn *target, const char *task, Rules *base, Arena *arena, Rules **out,
                           Error *err);
/* Does the configuration name what moves? Else every table does. */
bool added_has_includes(const Rules *base);

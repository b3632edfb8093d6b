/*
 * rules_mark - with which rules about names a task began: a table that was copied under one name must
 * not be streamed to another.
 *
 * Kept as a step of the task on the side that is written to, so that every state that needs it finds it.
 */
#pragma once

#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

MUST_CHECK bool rules_mark_keep(PgConn *target, const char *task, const Rules *rules, Error *err);
/* CONFIG when the task began with others. */
MUST_CHECK bool rules_mark_check(PgConn *target, const char *task, const Rules *rules, Error *err);

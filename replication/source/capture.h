/*
 * capture - DDL of the source told by the source itself: two event triggers of the task, which write a
 * transactional logical message for each table, type, index or sequence that a statement changed. So it
 * stands in the stream where it happened, with its own text.
 *
 * Needs      CREATE on the database, and a role that may create event triggers (a superuser; on managed
 *            services the role that stands for one).
 * Never      fails or delays the application's statement; takes no lock on any table.
 * Removed    by cleanup and complete. Function and schema go with their last user.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/port/pgconn.h"

/* Idempotent. PRIVILEGE when the role may not. */
MUST_CHECK bool capture_install(PgConn *source, const char *task, Error *err);
/* The statements that remove it, NULL: nothing is there. */
MUST_CHECK bool capture_removal(PgConn *source, const char *task, Arena *arena,
                                const char **out_statements, Error *err);
MUST_CHECK bool capture_remove(PgConn *source, const char *task, Error *err);
/* Both triggers are there and enabled. */
MUST_CHECK bool capture_works(PgConn *source, const char *task, bool *out_works, Error *err);

/*
 * dual_children - does a row of the target, which would give way, have rows that point to it? bascule's writes
 * check no foreign keys there, so that these would point nowhere.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/value.h"
#include "bascule/port/pgconn.h"
#include "sqltext/dml.h"

/* The row with this key (among its columns' values). It is locked, so that the application makes none meanwhile. A table that may not
 * be read counts as one with such rows. */
MUST_CHECK bool dual_has_children(PgConn *target, const DmlTable *table, const Value *key,
                                  Arena *arena, bool *out_has, Error *err);

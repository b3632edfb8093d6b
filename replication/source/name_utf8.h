/*
 * name_utf8 - a name out of the catalog as rules and messages have it.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/port/pgconn.h"

/* From hex digits of its UTF-8 bytes in column `hex` where the database has another encoding, in which
 * column `plain` is; NULL in `hex`: they are the same. The text lives in the arena or in the rows. */
const char *source_name_utf8(Arena *arena, const PgRows *rows, int row, int plain, int hex);

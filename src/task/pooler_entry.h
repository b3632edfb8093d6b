/*
 * pooler_entry - where an entry of a pooler's configuration file leads: one line of text in, one out.
 *
 * An entry is "name = key=value key='value' ..." in the section [databases], or in a file without
 * sections that is included there. Only host, port and dbname are changed; everything else of the
 * line, and every other line, stays as it is.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/base/buf.h"

typedef struct PoolerPlace {
    const char *host, *port, *database;
} PoolerPlace;

/* `text` with the entry of `name` leading to `place`. *out_found false: it has no such entry, and
 * nothing was written. */
void pooler_entry_move(const char *text, const char *name, const PoolerPlace *place, Buf *out,
                       bool *out_found);

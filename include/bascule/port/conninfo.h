/*
 * conninfo - libpq connection strings and URIs as parts, without connecting (src/pg/conninfo.c).
 *
 * Secrets  conninfo_is_secret() names the parts that may never be shown; messages never repeat
 *          what was parsed, because a wrongly quoted password can stand anywhere in it.
 */
#pragma once

#include "bascule/base/arena.h"

typedef struct ConninfoPart {
    const char *name, *value;
} ConninfoPart;

typedef struct Conninfo {
    ConninfoPart *parts;
    int count;
} Conninfo;

/* "host=... dbname=..." or "postgresql://...". CONFIG */
MUST_CHECK bool conninfo_parse(Arena *arena, const char *text, Conninfo *out_parts, Error *err);
const char *conninfo_get(const Conninfo *parts, const char *name); /* NULL: not there */
/* Replaces or adds. */
void conninfo_put(Arena *arena, Conninfo *parts, const char *name, const char *value);
/* key='value' ..., quoted, as libpq reads it. */
const char *conninfo_text(Arena *arena, const Conninfo *parts);
bool conninfo_is_secret(const char *name);
bool conninfo_has_secret(const Conninfo *parts);

/* What libpq would fill in for a part that is not there: the entry of the service file (named by
 * the part `service` or $PGSERVICE), else the PG* environment. Built-in defaults do not count.
 * NULL: nothing. A service that cannot be found fills in nothing; connecting will say so. */
const char *conninfo_inherited(Arena *arena, const Conninfo *parts, const char *name);
/* What libpq uses when nobody says anything (port, user, dbname); NULL: nothing. */
const char *conninfo_builtin(Arena *arena, const char *name);

/*
 * origin - who wrote rows of the target that differ: bascule, or somebody else.
 *
 * The resume row says in which transaction of the target bascule wrote rows last (copies are older than the
 * first of them). A row that is newer, both seen by one snapshot, was therefore written by somebody else;
 * so was one whose transaction had a replication origin, because bascule sets none. Of every other row it
 * is not known: somebody may have written it before that.
 * Times and replication origins are there only where the target keeps track_commit_timestamp.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct RowOrigin {
    bool known;                     /* there is such a row; else the rest says nothing */
    bool others;                    /* not bascule; false: unknown */
    int64_t written_us;             /* commit time on the target, since 1970; 0 unknown */
    const char *replication_origin; /* NULL: none, or unknown */
} RowOrigin;

/* In a transaction of twin_begin on the target; one a key, as keydiff_read takes them. */
MUST_CHECK bool origin_read(PgConn *target, const char *task, const Relation *rel,
                            const char *const *const *keys, int count, Arena *arena,
                            RowOrigin *out_origins, Error *err);

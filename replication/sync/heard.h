/*
 * heard - the statements that the source told of in the stream (source/capture.h), as far as no copy of
 * their table covers them: what `status` shows of them.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/lsn.h"
#include "bascule/port/pgconn.h"

typedef struct HeardStatement {
    Lsn lsn;
    const char *tag, *kind, *name;
    uint32_t table_oid;    /* on the source; 0 none */
    const char *statement; /* "" withheld */
} HeardStatement;

typedef struct HeardList {
    HeardStatement *all; /* the newest first */
    int count;
} HeardList;

/* *out_list NULL: the target keeps none (its control schema is older). */
MUST_CHECK bool heard_read(PgConn *target, const char *task, Arena *arena, HeardList **out_list,
                           Error *err);
/* Forgets the oldest of very many. */
MUST_CHECK bool heard_prune(PgConn *target, const char *task, Error *err);
HeardList *heard_copy(const HeardList *list, Arena *arena);
/* Those of one table in their order, as one text; "" none. list may be NULL. */
const char *heard_of_table(const HeardList *list, uint32_t table_oid, Arena *arena);

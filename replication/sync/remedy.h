/*
 * remedy - what has to be done on the target so that a table of the source fits there: the statements,
 * and in words what no statement on the target mends.
 *
 * The table is copied again afterwards, so a statement need not keep the rows that are there.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "sqltext/sqltext.h"

typedef struct Remedy {
    SqlText sql;    /* statements for the target, divided by "; " */
    bool creates;   /* the table is not there yet */
    bool whole;     /* and `sql` makes it with its indexes, keys and sequences */
    bool partition; /* and is a partition: what it has beside columns comes from its parent */
    bool drops_own; /* drops a column that the source is not known to have had */
    Buf by_hand;    /* in words; may hold a statement for the source */
} Remedy;
#define REMEDY_INIT ((Remedy){.sql = SQLTEXT_INIT, .by_hand = BUF_INIT})
void remedy_done(Remedy *remedy);
#define CLEANUP_REMEDY __attribute__((cleanup(remedy_done)))

/* now: as the source's catalog shows it. before: as it was when it was copied (names of columns that
 * were renamed); NULL: not known. Nothing in *out: it fits. */
MUST_CHECK bool remedy_find(PgConn *source, PgConn *target, const Relation *now,
                            const Relation *before, Remedy *out, Error *err);
/* The same for the labels of enums only. */
MUST_CHECK bool remedy_find_labels(PgConn *source, PgConn *target, const Relation *now, Remedy *out,
                                   Error *err);
bool remedy_fits(const Remedy *remedy);
/* "statements; words" for people. */
const char *remedy_text(Remedy *remedy, Arena *arena);

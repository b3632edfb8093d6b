/*
 * reverse - what is different when the stream goes back: which tables it may touch. Nothing is loaded;
 * the tables, the slot and the position were recorded by the cutover that armed the way back.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

typedef struct ReverseSpec {
    Arena *arena;
    PgConn *control; /* the side that was left: its control rows know the tables */
    PgConn *source;  /* the side that is open */
    const char *task;
    Rules *rules;       /* of the way forward */
    bool only_existing; /* tables that are not there any more are left out instead of refused */
} ReverseSpec;

/* Tables that were created since would come without the rows that they had: they are left out, and
 * the rollback refuses them by name. */
MUST_CHECK bool reverse_rules(const ReverseSpec *spec, Rules *out_rules, Error *err);
/* The tables themselves: relations_free(). */
MUST_CHECK bool reverse_relations(const ReverseSpec *spec, Relations **out_rels, Error *err);

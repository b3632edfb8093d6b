/*
 * target_catalog - holds the relations of the source against the target's tables before anything is
 * written: fills Column.target_type_*, target_identity_always, Relation.target_has_key.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef enum TargetMatch {
    MATCH_LOAD,   /* before the load: tables and columns; keys may come later */
    MATCH_STREAM, /* before the stream: every relation that can get updates needs its key's index */
} TargetMatch;

/* SCHEMA_DIFFERS names table and column: missing table, missing column, other type or typmod,
 * a NOT NULL column without default that the source lacks, a generated column on one side only. */
MUST_CHECK bool target_catalog_match(PgConn *target, Relations *rels, TargetMatch what, Error *err);
/* TARGET_NOT_EMPTY names the tables that hold rows. Tables already COMPLETED are passed over; `merge`: those
 * with a stated policy, too. */
MUST_CHECK bool target_catalog_check_empty(PgConn *target, const Relations *rels, bool merge,
                                           Error *err);
/* Asks `sql`, whose parameters are two arrays: the target's schema and table names of all
 * relations; in its rows `place` counts them from 1. */
MUST_CHECK bool target_catalog_query(PgConn *target, Sql sql, const Relations *rels,
                                     PgRows **out_rows, Error *err);

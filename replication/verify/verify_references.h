/*
 * verify_references - foreign keys that no constraint names, as the operator writes them:
 *     schema.table (columns) -> schema.table (columns)
 *
 * Names    as on the source and as in patterns of tables: case-sensitive, not quoted, a backslash
 *          before a character that means something. The left table may hold wildcards; the right one
 *          is one table.
 * Errors   CONFIG, with the line as written: no such form, a table that the task does not have, a
 *          column that a table does not have.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/relation.h"

#define REFERENCE_COLUMNS 32

typedef struct VerifyReference {
    const char *text; /* as written */
    const Relation *child;
    const Relation
        *parent; /* NULL: no table that moves has this name; it may be a partitioned one */
    const char *parent_schema, *parent_name;
    int columns;
    const char **from, **to;
} VerifyReference;

/* One a table that the left side names, so more than `count` are possible. */
MUST_CHECK bool verify_references_read(const char *const *texts, int count, const Relations *rels,
                                       Arena *arena, VerifyReference **out_references,
                                       int *out_count, Error *err);

/*
 * shape - what the applier knows of the target's tables: how each column's values are sent, by
 * which operator a key is looked up, and in which order foreign keys want tables to be written.
 *
 * Read once a session; the relations were held against the target by target_catalog_match() before.
 * Owns     an arena with everything in it: shapes_free().
 */
#pragma once

#include "apply/pgarray.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "sqltext/dml.h"

typedef struct ShapeColumn {
    PgArrayForm form;
    uint32_t element_oid;
    char delimiter;
} ShapeColumn;

typedef struct Shape {
    Relation *rel;
    DmlTable table;
    DmlColumn *dml_columns; /* table.columns */
    ShapeColumn *columns;
    bool keyed;          /* rows can be found by rel->key through a unique index */
    bool can_update;     /* some column may stand in SET */
    bool makes;          /* the target makes some columns itself, of others: no COPY */
    bool key_in_set;     /* rel->key holds a column that no UPDATE may change (identity always) */
    bool references;     /* has foreign keys to tables in scope */
    bool delete_spreads; /* deleting its rows changes rows of others (cascade, set null, set
                            default) */
    int rank;            /* parents have lower ranks than their children, cycles apart */
} Shape;

typedef struct Shapes {
    Arena *arena;
    const Relations *rels;
    Shape *all;   /* by relation id */
    int *by_rank; /* relation ids, parents first */
} Shapes;

MUST_CHECK bool shapes_read(PgConn *target, const Relations *rels, Shapes **out_shapes, Error *err);
/* Without a server, for tests: every column as target_type_* says, keys by pg_catalog's =. */
Shapes *shapes_plain(const Relations *rels);
void shapes_free(Shapes *shapes); /* NULL is fine */

/* A foreign key of `child` whose parent's deletion deletes the child's rows. */
bool shape_cascades(const Shapes *shapes, int child_id, int parent_id);

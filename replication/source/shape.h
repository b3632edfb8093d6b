/*
 * shape - what the source's catalog says of one table, as a line of text that can be kept and compared.
 *
 * Facts      columns, types with all that they are made of, replica identity, persistence.
 * Rewritten  an ALTER wrote the columns' rows and gave the table a new file: its values may be others
 *            though nothing else shows it (ALTER COLUMN ... TYPE ... USING). TRUNCATE, VACUUM FULL and
 *            CLUSTER give a new file only.
 * Labels     of an enum that its columns are made of.
 * Renamed    the row of the table's type was written, and not for another owner: the table had another name
 *            or schema meanwhile, if it has none now.
 * Touched    the table's own row or its schema's was written: it may have had another name meanwhile.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef enum ShapeChange {
    SHAPE_SAME,
    SHAPE_TOUCHED,
    SHAPE_RENAMED,
    SHAPE_LABELS,
    SHAPE_REWRITTEN,
    SHAPE_OTHER,
} ShapeChange;

typedef struct TableShape {
    uint32_t oid;
    const char *schema, *name;
    const char *text;
} TableShape;

typedef struct TableShapes {
    TableShape *all; /* in the arena given */
    int count;
} TableShapes;

/* A table that is not there any more has no line. */
MUST_CHECK bool shape_look(PgConn *source, const Relations *rels, Arena *arena,
                           TableShapes *out_shapes, Error *err);
/* Both as shape_look() gave them; unknown ("" or NULL) is the same as anything. */
ShapeChange shape_compare(const char *before, const char *now);
/* xmin of the table's row and of its schema's; false when the text is unknown. */
bool shape_writers(const char *text, uint32_t *out_class_xmin, uint32_t *out_space_xmin);

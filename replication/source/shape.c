/* shape - see the header */
#include "source/shape.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "source/catalog.h"
#include "sql_files.h"

typedef struct Parts {
    char facts[40], attributes[20], labels[20];
    char names[20], owners[20]; /* "" not known: kept by an older version */
    unsigned file, class_xmin, space_xmin;
} Parts;

static bool parse(const char *text, Parts *out)
{
    if (text == NULL)
        return false;
    out->names[0] = out->owners[0] = '\0';
    int count =
        sscanf(text, "%39s %u %19s %u %u %19s %19s %19s", out->facts, &out->file, out->attributes,
               &out->class_xmin, &out->space_xmin, out->labels, out->names, out->owners);
    return count == 6 || count == 8;
}

bool shape_look(PgConn *source, const Relations *rels, Arena *arena, TableShapes *out_shapes,
                Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    relations_oid_array(rels, &oids);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_SHAPES, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows, err))
        return err_context(err, "reading the shapes of the source's tables");
    out_shapes->count = pgrows_count(rows);
    out_shapes->all = arena_new_array(arena, TableShape, out_shapes->count + 1);
    for (int i = 0; i < out_shapes->count; i++)
        out_shapes->all[i] = (TableShape){
            .oid = pgrows_u32(rows, i, 0),
            .schema = arena_strdup(arena, pgrows_text(rows, i, 1)),
            .name = arena_strdup(arena, pgrows_text(rows, i, 2)),
            .text = arena_printf(
                arena, "%s %s %s %s %s %s %s %s", pgrows_text(rows, i, 3), pgrows_text(rows, i, 4),
                pgrows_text(rows, i, 5), pgrows_text(rows, i, 6), pgrows_text(rows, i, 7),
                pgrows_text(rows, i, 8), pgrows_text(rows, i, 9), pgrows_text(rows, i, 10)),
        };
    return true;
}

ShapeChange shape_compare(const char *before, const char *now)
{
    Parts a, b;
    if (!parse(before, &a) || !parse(now, &b))
        return SHAPE_SAME;
    if (strcmp(a.facts, b.facts) != 0)
        return SHAPE_OTHER;
    if (a.file != b.file && strcmp(a.attributes, b.attributes) != 0)
        return SHAPE_REWRITTEN;
    if (strcmp(a.labels, b.labels) != 0)
        return SHAPE_LABELS;
    if (a.names[0] != '\0' && b.names[0] != '\0' && strcmp(a.names, b.names) != 0 &&
        strcmp(a.owners, b.owners) == 0)
        return SHAPE_RENAMED;
    return a.class_xmin == b.class_xmin && a.space_xmin == b.space_xmin ? SHAPE_SAME
                                                                        : SHAPE_TOUCHED;
}

bool shape_writers(const char *text, uint32_t *out_class_xmin, uint32_t *out_space_xmin)
{
    Parts parts;
    if (!parse(text, &parts))
        return false;
    *out_class_xmin = parts.class_xmin;
    *out_space_xmin = parts.space_xmin;
    return true;
}

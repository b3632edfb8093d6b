/* shape - see the header */
#include "apply/shape.h"

#include <string.h>

#include "apply/target_catalog.h"
#include "sql_files.h"

#define TEXT_OID 25

/* Types whose = is only true for values with the same output text. */
static bool equal_is_exact(uint32_t type_oid)
{
    switch (type_oid) {
    case 16:   /* bool */
    case 17:   /* bytea */
    case 20:   /* int8 */
    case 21:   /* int2 */
    case 23:   /* int4 */
    case 26:   /* oid */
    case 1082: /* date */
    case 1083: /* time */
    case 1114: /* timestamp */
    case 1184: /* timestamptz */
    case 2950: /* uuid */
        return true;
    default:
        return false;
    }
}

/* Types whose = an ordinary index serves; it is true for equal texts, and for some others too. */
static bool equal_is_wider(uint32_t type_oid)
{
    switch (type_oid) {
    case 19:   /* name */
    case 25:   /* text */
    case 700:  /* float4 */
    case 701:  /* float8 */
    case 1042: /* bpchar */
    case 1043: /* varchar */
    case 1700: /* numeric */
        return true;
    default:
        return false;
    }
}

static void describe_column(const Column *source, DmlColumn *col, ShapeColumn *shape,
                            uint32_t type_oid, bool as_array, char delimiter)
{
    bool builtin = strcmp(source->target_type_schema, "pg_catalog") == 0;
    col->name = source->target_name;
    col->type_schema = source->target_type_schema;
    col->type_name = source->target_type_name;
    col->base_schema = source->target_base_schema;
    col->base_name = source->target_base_name;
    col->made = source->value != NULL ? source : NULL;
    col->as_text = !as_array;
    col->identity_always = source->target_identity_always;
    col->equal_is_exact = builtin && equal_is_exact(type_oid);
    col->equal_schema =
        builtin && (col->equal_is_exact || equal_is_wider(type_oid)) ? "pg_catalog" : NULL;
    shape->form = !as_array ? PGARRAY_BYTES : builtin ? pgarray_form(type_oid) : PGARRAY_LITERAL;
    shape->element_oid = as_array ? type_oid : TEXT_OID;
    shape->delimiter = delimiter;
}

static Shapes *shapes_new(const Relations *rels)
{
    Arena *arena = arena_new(0);
    Shapes *shapes = arena_new_object(arena, Shapes);
    shapes->arena = arena;
    shapes->rels = rels;
    shapes->all = arena_new_array(arena, Shape, rels->count + 1);
    shapes->by_rank = arena_new_array(arena, int, rels->count + 1);
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        Shape *shape = &shapes->all[i];
        shape->rel = rel;
        shape->table.schema = rel->target_schema;
        shape->table.name = rel->target_name;
        shape->table.is_root = rel->target_is_root;
        shape->table.column_count = rel->column_count;
        shape->dml_columns = arena_new_array(arena, DmlColumn, rel->column_count + 1);
        shape->table.columns = shape->dml_columns;
        shape->columns = arena_new_array(arena, ShapeColumn, rel->column_count + 1);
    }
    return shapes;
}

void shapes_free(Shapes *shapes)
{
    if (shapes != NULL)
        arena_free(shapes->arena);
}

static int find_column(const Relation *rel, const char *target_name)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].target_name, target_name) == 0)
            return i;
    return -1;
}

static bool in_key(const Relation *rel, int column)
{
    for (int k = 0; k < rel->key_count; k++)
        if (rel->key[k] == column)
            return true;
    return false;
}

/* What follows from columns and key. */
static void finish_shape(Shapes *shapes, Shape *shape)
{
    const Relation *rel = shape->rel;
    int *pinned = arena_new_array(shapes->arena, int, rel->column_count + 1);
    shape->table.key = rel->key;
    shape->table.key_count = shape->keyed ? rel->key_count : 0;
    shape->table.pinned = pinned;
    for (int i = 0; i < rel->column_count; i++) {
        bool always = shape->table.columns[i].identity_always;
        shape->makes = shape->makes || shape->table.columns[i].made != NULL;
        shape->can_update |= !always;
        if (!always)
            continue;
        if (in_key(rel, i))
            shape->key_in_set = true;
        else if (shape->keyed)
            pinned[shape->table.pinned_count++] = i;
    }
}

/* Kahn's order; what is left in cycles goes to the end in the order of ids. */
static void rank_relations(Shapes *shapes)
{
    const Relations *rels = shapes->rels;
    bool *done = arena_new_array(shapes->arena, bool, rels->count + 1);
    int ranked = 0;
    for (bool progress = true; progress;) {
        progress = false;
        bool *blocked = arena_new_array(shapes->arena, bool, rels->count + 1);
        for (int f = 0; f < rels->foreign_key_count; f++) {
            const ForeignKey *fk = &rels->foreign_keys[f];
            if (fk->to_id >= 0 && fk->to_id != fk->from_id && !done[fk->to_id])
                blocked[fk->from_id] = true;
        }
        for (int i = 0; i < rels->count; i++) {
            if (done[i] || blocked[i])
                continue;
            shapes->by_rank[ranked++] = i;
            progress = true;
        }
        for (int r = 0; r < ranked; r++)
            done[shapes->by_rank[r]] = true;
    }
    for (int i = 0; i < rels->count; i++)
        if (!done[i])
            shapes->by_rank[ranked++] = i;
    for (int r = 0; r < rels->count; r++)
        shapes->all[shapes->by_rank[r]].rank = r;
    for (int f = 0; f < rels->foreign_key_count; f++) {
        const ForeignKey *fk = &rels->foreign_keys[f];
        shapes->all[fk->from_id].references = true;
        if (fk->to_id >= 0 && strchr("cnd", fk->on_delete) != NULL)
            shapes->all[fk->to_id].delete_spreads = true;
    }
}

bool shape_cascades(const Shapes *shapes, int child_id, int parent_id)
{
    for (int f = 0; f < shapes->rels->foreign_key_count; f++) {
        const ForeignKey *fk = &shapes->rels->foreign_keys[f];
        if (fk->from_id == child_id && fk->to_id == parent_id && fk->on_delete == 'c')
            return true;
    }
    return false;
}

/* Nothing of a suspended table is applied: its shape is never asked for. */
static bool is_left_out(const Relation *rel)
{
    return atomic_load(&rel->suspended) != SUSPEND_NOT;
}

/* Few tables have one, and few of such columns. */
static void keep_column(Arena *arena, Shape *shape, const char *name)
{
    const char **kept = arena_new_array(arena, const char *, shape->table.kept_count + 1);
    for (int i = 0; i < shape->table.kept_count; i++)
        kept[i] = shape->table.kept[i];
    kept[shape->table.kept_count++] = arena_strdup(arena, name);
    shape->table.kept = kept;
}

static bool read_columns(PgConn *target, Shapes *shapes, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!target_catalog_query(target, SQL_APPLY_COLUMNS, shapes->rels, &rows, err))
        return false;
    for (int row = 0; row < pgrows_count(rows); row++) {
        Shape *shape = &shapes->all[pgrows_i64(rows, row, 0) - 1];
        int i = find_column(shape->rel, pgrows_text(rows, row, 1));
        if (i < 0 && pgrows_bool(rows, row, 5))
            keep_column(shapes->arena, shape, pgrows_text(rows, row, 1));
        if (i < 0 || is_left_out(shape->rel))
            continue;
        if (shape->rel->columns[i].target_type_name == NULL)
            return ERR(err, ERR_BUG, "table '%s' was not held against the target",
                       shape->rel->display);
        describe_column(&shape->rel->columns[i], &shape->dml_columns[i], &shape->columns[i],
                        pgrows_u32(rows, row, 2), pgrows_bool(rows, row, 3),
                        *pgrows_text(rows, row, 4));
    }
    for (int r = 0; r < shapes->rels->count; r++)
        for (int i = 0; !is_left_out(shapes->all[r].rel) && i < shapes->all[r].rel->column_count;
             i++)
            if (shapes->all[r].table.columns[i].name == NULL)
                return ERR(err, ERR_SCHEMA_DIFFERS,
                           "column '%s' of table '%s' is missing on the target",
                           shapes->all[r].rel->columns[i].target_name, shapes->all[r].rel->display);
    return true;
}

/* The rows [first, end) are one unique index of the target: when it is the key, its operators are
 * taken. */
static void take_index(Shape *shape, const PgRows *rows, int first, int end)
{
    const Relation *rel = shape->rel;
    if (shape->keyed || !rel->key_unique || rel->key_count == 0 || end - first != rel->key_count)
        return;
    for (int row = first; row < end; row++) {
        int i = find_column(rel, pgrows_text(rows, row, 2));
        if (i < 0 || !in_key(rel, i) || pgrows_null(rows, row, 3))
            return;
    }
    shape->keyed = true;
}

static bool read_keys(PgConn *target, Shapes *shapes, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!target_catalog_query(target, SQL_TARGET_KEYS, shapes->rels, &rows, err))
        return false;
    for (int first = 0, count = pgrows_count(rows); first < count;) {
        int end = first + 1;
        while (end < count && pgrows_i64(rows, end, 1) == pgrows_i64(rows, first, 1))
            end++;
        Shape *shape = &shapes->all[pgrows_i64(rows, first, 0) - 1];
        if (is_left_out(shape->rel)) {
            first = end;
            continue;
        }
        bool before = shape->keyed;
        take_index(shape, rows, first, end);
        for (int row = first; !before && shape->keyed && row < end; row++) {
            int i = find_column(shape->rel, pgrows_text(rows, row, 2));
            shape->dml_columns[i].equal_schema =
                arena_strdup(shapes->arena, pgrows_text(rows, row, 3));
        }
        first = end;
    }
    return true;
}

bool shapes_read(PgConn *target, const Relations *rels, Shapes **out_shapes, Error *err)
{
    Shapes *shapes = shapes_new(rels);
    if (!read_columns(target, shapes, err) || !read_keys(target, shapes, err)) {
        shapes_free(shapes);
        return false;
    }
    for (int i = 0; i < rels->count; i++)
        finish_shape(shapes, &shapes->all[i]);
    rank_relations(shapes);
    *out_shapes = shapes;
    return true;
}

Shapes *shapes_plain(const Relations *rels)
{
    Shapes *shapes = shapes_new(rels);
    for (int r = 0; r < rels->count; r++) {
        Shape *shape = &shapes->all[r];
        for (int i = 0; i < shape->rel->column_count; i++) {
            const Column *col = &shape->rel->columns[i];
            describe_column(col, &shape->dml_columns[i], &shape->columns[i], col->type_oid,
                            col->target_type_name[0] != '_', ',');
        }
        shape->keyed = shape->rel->key_unique && shape->rel->key_count > 0;
        finish_shape(shapes, shape);
    }
    rank_relations(shapes);
    return shapes;
}

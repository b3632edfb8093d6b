/* emptying - see the header */
#include "apply/emptying.h"

#include "apply/target_catalog.h"
#include "sql_files.h"
#include "sqltext/reading.h"

static bool among(Relation *const *rels, int count, int id)
{
    for (int i = 0; i < count; i++)
        if ((int)rels[i]->id == id)
            return true;
    return false;
}

/* The source truncated a referencing table too, but that one was copied later and holds newer rows. */
static bool child_is_newer(const Relations *all, Relation *const *rels, int count)
{
    for (int k = 0; k < all->foreign_key_count; k++) {
        const ForeignKey *fk = &all->foreign_keys[k];
        if (fk->from_id >= 0 && among(rels, count, fk->to_id) && !among(rels, count, fk->from_id))
            return true;
    }
    return false;
}

static bool delete_rows_of(Session *session, const Relation *rel, Error *err)
{
    LaneExpect expect = {.what = "emptying", .rel = rel, .max_rows = -1};
    sqltext_clear(&session->text);
    sqltext_put(&session->text, "DELETE FROM ");
    if (!rel->target_is_root)
        sqltext_put(&session->text, "ONLY ");
    sqltext_qualified(&session->text, rel->target_schema, rel->target_name);
    reading_where(&session->text, rel, false, NULL);
    return lane_send(session->lane, sqltext_sql(&session->text), PG_NO_PARAMS, &expect, err);
}

/* TRUNCATE refuses a referenced table whatever its children hold, and takes others' rows, too. Children
 * first: foreign keys may be live. */
static bool delete_all(Session *session, Relation *const *rels, int count, Error *err)
{
    const Shapes *shapes = session->shapes;
    for (int r = shapes->rels->count - 1; r >= 0; r--)
        if (among(rels, count, shapes->by_rank[r]) &&
            !delete_rows_of(session, shapes->rels->all[shapes->by_rank[r]], err))
            return false;
    return true;
}

static bool any_filter(Relation *const *rels, int count)
{
    for (int i = 0; i < count; i++)
        if (relation_filtered(rels[i]))
            return true;
    return false;
}

/* A foreign key from or to a partitioned table forbids the TRUNCATE of its leaves unless it is named
 * itself; the source's message names what holds rows. */
static bool put_truncate(Session *session, Relation *const *rels, int count, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const Relations given = {.all = (Relation **)rels, .count = count};
    if (!lane_drain(session->lane, err) ||
        !target_catalog_query(session->conn, SQL_TARGET_TRUNCATE_SET, &given, &rows, err))
        return false;
    SqlText *st = &session->text;
    sqltext_clear(st);
    sqltext_put(st, "TRUNCATE TABLE ");
    for (int i = 0; i < pgrows_count(rows); i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        if (pgrows_bool(rows, i, 2))
            sqltext_put(st, "ONLY ");
        sqltext_qualified(st, pgrows_text(rows, i, 0), pgrows_text(rows, i, 1));
    }
    return true;
}

static bool any_partition(Relation *const *rels, int count)
{
    for (int i = 0; i < count; i++)
        if (rels[i]->is_partition || rels[i]->target_is_root)
            return true;
    return false;
}

bool emptying_truncate(Session *session, Relation *const *rels, int count, Error *err)
{
    LaneExpect expect = {.what = "TRUNCATE", .rel = rels[0], .max_rows = -1};
    if (any_filter(rels, count) || child_is_newer(session->shapes->rels, rels, count))
        return delete_all(session, rels, count, err);
    if (any_partition(rels, count)) {
        if (!put_truncate(session, rels, count, err))
            return false;
    } else {
        sqltext_clear(&session->text);
        dml_truncate(&session->text, rels, count);
    }
    /* A deferred check that still waits would refuse it. */
    return lane_send(session->lane, SQL("SET CONSTRAINTS ALL IMMEDIATE"), PG_NO_PARAMS, &expect,
                     err) &&
           lane_send(session->lane, sqltext_sql(&session->text), PG_NO_PARAMS, &expect, err) &&
           lane_send(session->lane, SQL("SET CONSTRAINTS ALL DEFERRED"), PG_NO_PARAMS, &expect,
                     err);
}

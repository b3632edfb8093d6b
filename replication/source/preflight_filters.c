/* preflight_filters - rules about rows: that the server understands them, that they match something, that
 * foreign keys hold without the rows that stay behind, and what an UPDATE may not bring along. */
#include <string.h>

#include "source/catalog.h"
#include "source/mapped.h"
#include "source/preflight_internal.h"
#include "sql_files.h"
#include "sqltext/reading.h"

/* Looking for one row may read the whole table; without an answer nothing is said. */
static bool any_row(Preflight *p, const Relation *rel, bool *out_any)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    Error err = ERROR_INIT;
    PgConn *conn = p->source.conn;
    mapped_put_any_row(&st, rel);
    bool ok =
        pgconn_script(conn, SQL("BEGIN READ ONLY; SET LOCAL statement_timeout = '2s'"), &err) &&
        pgconn_query(conn, sqltext_sql(&st), PG_NO_PARAMS, &rows, &err);
    if (ok)
        *out_any = pgrows_bool(rows, 0, 0);
    Error ignored = ERROR_INIT;
    return pgconn_usable(conn) &&
           pgconn_exec(conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored) && ok;
}

static void conditions(Preflight *p)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_WARNING, "row-filter", "no row of the table would move");
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        Error err = ERROR_INIT;
        bool any = true;
        if (rel->filter == NULL)
            continue;
        if (!mapped_try_filter(p->source.conn, rel, &err))
            PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "row-filter", .subject = rel->display,
                          .what = preflight_text(p, "%s", err.message),
                          .why = "the server cannot evaluate the condition",
                          .remedy = "Correct the rule; texts are read by the type of the column.");
        else if (any_row(p, rel, &any) && !any)
            preflight_group_add(
                &group, rel->display,
                preflight_text(p, "the source has no row where %s", rel->filter->text),
                preflight_text(p, "See %s.", rel->filter_rule));
    }
    preflight_group_end(&group);
}

static bool only_key(const Relation *rel)
{
    for (int i = 0; i < rel->filter->count; i++) {
        bool found = rel->filter_operands[i] < 0;
        for (int k = 0; k < rel->key_count && !found; k++)
            found = rel->key[k] == rel->filter_operands[i];
        if (!found)
            return false;
    }
    return true;
}

/* Which of the tables have values that may be kept out of line. */
static bool *large_values(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT;
    bool *large = arena_new_array(p->arena, bool, p->rels->count + 1);
    relations_oid_array(p->rels, &oids);
    if (!preflight_ask(p, &p->source, "row-filter", SQL_PREFLIGHT_LARGE_VALUES,
                       PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows))
        return large;
    for (int r = 0; r < pgrows_count(rows); r++) {
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(rows, r, 0));
        if (rel != NULL)
            large[rel->id] = true;
    }
    return large;
}

/* What did not change and is large is not in the stream, unless the identity is FULL. */
static void moves_in(Preflight *p)
{
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_WARNING, "row-filter",
        "an UPDATE that moves a row into the filter may come without its large values: the table "
        "is then suspended and has to be copied again");
    const bool *large = NULL;
    for (int i = 0; p->streams && i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->filter == NULL || rel->replica_identity == 'f')
            continue;
        if (large == NULL)
            large = large_values(p);
        if (large[rel->id])
            preflight_group_add(
                &group, rel->display,
                preflight_text(p, "rows are chosen by %s, and its old values are not in the stream",
                               only_key(rel) ? "the key" : "columns that an UPDATE may change"),
                preflight_text(p, "ALTER TABLE %s REPLICA IDENTITY FULL;",
                               preflight_qualified(p, rel->schema, rel->name)));
    }
    preflight_group_end(&group);
}

/* What the target lacks is not told from what was never the task's. */
static void blind(Preflight *p)
{
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "row-filter",
                                           "the stream asks the target whether a row was the "
                                           "task's: of a row that is missing there by "
                                           "mistake the UPDATE becomes an INSERT and the DELETE is "
                                           "left out, and only 'bascule verify' "
                                           "finds it");
    for (int i = 0; p->streams && i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->filter == NULL || rel->replica_identity == 'f' || only_key(rel))
            continue;
        const char *name = preflight_qualified(p, rel->schema, rel->name);
        preflight_group_add(
            &group, rel->display,
            preflight_text(p, "the replica identity does not hold all columns of %s",
                           rel->filter->text),
            preflight_text(p,
                           "ALTER TABLE %s REPLICA IDENTITY FULL;  -- or USING INDEX, a unique one "
                           "over the key and these columns",
                           name));
    }
    preflight_group_end(&group);
}

static bool divides(const Expression *filter)
{
    for (int i = 0; i < filter->count; i++)
        if (filter->pieces[i].kind == PIECE_WORD &&
            (filter->pieces[i].word == WORD_DIVIDE || filter->pieces[i].word == WORD_MODULO))
            return true;
    return false;
}

static void divisions(Preflight *p)
{
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "row-filter",
                                           "a row for which the condition divides by zero suspends "
                                           "the table, and ends its copy");
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->filter != NULL && divides(rel->filter))
            preflight_group_add(&group, rel->display,
                                preflight_text(p, "a division is in %s", rel->filter->text),
                                "Guard it: case when $divisor <> 0 then ... end");
    }
    preflight_group_end(&group);
}

/* Foreign keys of the target, as child and parent; those to be created are as on the source. */
static bool target_has_key(const PgRows *rows, const Relation *child, const Relation *parent)
{
    for (int i = 0; rows != NULL && i < pgrows_count(rows); i++)
        if (strcmp(pgrows_text(rows, i, 1), child->target_schema) == 0 &&
            strcmp(pgrows_text(rows, i, 2), child->target_name) == 0 &&
            strcmp(pgrows_text(rows, i, 3), parent->target_schema) == 0 &&
            strcmp(pgrows_text(rows, i, 4), parent->target_name) == 0)
            return true;
    return false;
}

static bool any_reference(const Preflight *p)
{
    for (int k = 0; k < p->rels->foreign_key_count; k++) {
        const ForeignKey *fk = &p->rels->foreign_keys[k];
        if (fk->to_id >= 0 && p->rels->all[fk->to_id]->filter != NULL)
            return true;
    }
    return false;
}

static void tell_reference(Preflight *p, PreflightGroup *cut, PreflightGroup *maybe,
                           const PgRows *rows, const ForeignKey *fk)
{
    const Relation *child = p->rels->all[fk->from_id], *parent = p->rels->all[fk->to_id];
    bool create = p->spec->prepare == PREFLIGHT_CREATE;
    if (!create && !target_has_key(rows, child, parent))
        return;
    const char *what = preflight_text(p,
                                      "foreign key '%s' references %s, of which only rows where "
                                      "%s move",
                                      fk->name, parent->display, parent->filter->text);
    if (mapped_cuts_reference(p->rels, fk))
        preflight_group_add(
            cut, child->display, what,
            create
                ? "Give the table a rule in rules.rows too, or make the target's tables "
                  "without the key and use target.prepare: nothing."
                : preflight_text(p,
                                 "Give the table a rule in rules.rows too, or: ALTER TABLE %s DROP "
                                 "CONSTRAINT %s;  -- on the target",
                                 preflight_qualified(p, child->target_schema, child->target_name),
                                 preflight_ident(p, fk->name)));
    else
        preflight_group_add(maybe, child->display, what,
                            "See that no row that moves references one that stays behind; "
                            "'bascule verify' counts rows without parent on both sides.");
}

static void references(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!any_reference(p))
        return;
    if (p->spec->prepare != PREFLIGHT_CREATE && p->target.conn != NULL &&
        !preflight_ask_tables(p, &p->target, "row-filter", SQL_PREFLIGHT_TARGET_REFERENCES, &rows))
        return;
    PreflightGroup cut = preflight_group(
        p, PREFLIGHT_BLOCKER, "row-filter",
        "rows of the table would reference rows that stay behind: the key cannot hold");
    PreflightGroup maybe =
        preflight_group(p, PREFLIGHT_WARNING, "row-filter",
                        "a row that moves must not reference one that stays behind");
    for (int k = 0; k < p->rels->foreign_key_count; k++) {
        const ForeignKey *fk = &p->rels->foreign_keys[k];
        bool repeated = k > 0 && fk->oid == p->rels->foreign_keys[k - 1].oid;
        if (!repeated && fk->to_id >= 0 && p->rels->all[fk->to_id]->filter != NULL)
            tell_reference(p, &cut, &maybe, rows, fk);
    }
    preflight_group_end(&cut);
    preflight_group_end(&maybe);
}

void preflight_filters(Preflight *p)
{
    int filtered = 0;
    for (int i = 0; i < p->rels->count; i++)
        filtered += p->rels->all[i]->filter != NULL;
    if (filtered == 0)
        return;
    conditions(p);
    moves_in(p);
    blind(p);
    divisions(p);
    references(p);
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "row-filter", .subject = "source",
                  .what = preflight_text(p, "of %d of %d tables only some rows move", filtered,
                                         p->rels->count));
}

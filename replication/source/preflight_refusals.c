/* preflight_refusals - what the target's tables refuse and the source's accept: its own NOT NULL, CHECK, EXCLUDE
 * and unique indexes, labels that an enum lacks there, rules that rewrite what is applied. */
#include <stdio.h>
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

enum { R_PLACE, R_KIND, R_NAME, R_CONTENT };

/* Place, kind and content; of enums the name, too. */
static void put_key(Buf *key, const PgRows *rows, int i, const char *kind, const char *content)
{
    bool named = strcmp(kind, "enum") == 0 || strcmp(kind, "label") == 0;
    buf_clear(key);
    buf_printf(key, "%s\n%s\n%s\n%s", pgrows_text(rows, i, R_PLACE), kind,
               named ? pgrows_text(rows, i, R_NAME) : "", content);
}

static void index_rows(Preflight *p, Map *map, PgRows *rows)
{
    CLEANUP_BUF Buf key = BUF_INIT;
    for (int i = 0; i < pgrows_count(rows); i++) {
        put_key(&key, rows, i, pgrows_text(rows, i, R_KIND), pgrows_text(rows, i, R_CONTENT));
        map_put(map, arena_dup(p->arena, key.data, key.len), key.len, rows);
    }
}

static bool has(const Map *map, const PgRows *rows, int i, const char *kind, const char *content)
{
    CLEANUP_BUF Buf key = BUF_INIT;
    put_key(&key, rows, i, kind, content);
    return map_get(map, key.data, key.len) != NULL;
}

static const Relation *relation_of(const Preflight *p, const PgRows *rows, int i)
{
    return p->rels->all[pgrows_i64(rows, i, R_PLACE) - 1];
}

static bool has_column(const Relation *rel, const char *target_name)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].target_name, target_name) == 0)
            return true;
    return false;
}

/* What both sides say cannot be compared as text where a column is called otherwise on the target. */
static bool has_renamed_column(const Relation *rel)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].name, rel->columns[i].target_name) != 0)
            return true;
    return false;
}

/* A constraint or NOT NULL that only the target has. */
static void only_there(Preflight *p, PreflightGroup *group, const PgRows *rows, int i)
{
    const Relation *rel = relation_of(p, rows, i);
    const char *kind = pgrows_text(rows, i, R_KIND), *name = pgrows_text(rows, i, R_NAME);
    const char *table = preflight_qualified(p, rel->target_schema, rel->target_name);
    const char *ident = preflight_ident(p, name);
    if (strcmp(kind, "not-null") == 0) {
        if (!has_column(rel, name))
            return; /* a column that only one side has is told elsewhere */
        preflight_group_add(
            group, rel->display,
            preflight_text(p, "column '%s' is NOT NULL on the target only", name),
            preflight_text(p, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;  -- on the target",
                           table, ident));
        return;
    }
    bool unique = strcmp(kind, "unique") == 0;
    preflight_group_add(
        group, rel->display,
        preflight_text(p, "%s '%s' is on the target only:%s%s",
                       unique ? "unique index" : "constraint", name, unique ? "" : " ",
                       pgrows_text(rows, i, R_CONTENT)),
        unique ? preflight_text(p,
                                "DROP INDEX %s;  -- on the target; of a constraint: ALTER TABLE %s "
                                "DROP CONSTRAINT %s;",
                                preflight_qualified(p, rel->target_schema, name), table, ident)
               : preflight_text(p, "ALTER TABLE %s DROP CONSTRAINT %s;  -- on the target", table,
                                ident));
}

static void labels(Preflight *p, const PgRows *source, const Map *there)
{
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "target-refuses",
                                           "a row with it would be refused there");
    for (int i = 0; i < pgrows_count(source); i++) {
        const char *type = pgrows_text(source, i, R_NAME),
                   *label = pgrows_text(source, i, R_CONTENT);
        if (strcmp(pgrows_text(source, i, R_KIND), "label") != 0 ||
            !has(there, source, i, "enum", type) || has(there, source, i, "label", label))
            continue;
        preflight_group_add(
            &group, relation_of(p, source, i)->display,
            preflight_text(p, "enum %s has no label '%s' on the target", type, label),
            preflight_text(p, "ALTER TYPE %s ADD VALUE %s;  -- on the target", type,
                           preflight_string(p, label)));
    }
    preflight_group_end(&group);
}

static void rules(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!preflight_ask(p, &p->target, "target-rule", SQL_SYNC_FIRING_RULES,
                       PG_PARAMS(PG_TEXT(p->may_silence ? "t" : "f")), &rows))
        return;
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "target-rule",
                        "it rewrites what bascule applies: the stream refuses it");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 1), *table = pgrows_text(rows, i, 2);
        for (int t = 0; t < p->rels->count; t++) {
            const Relation *rel = p->rels->all[t];
            if (strcmp(rel->target_schema, schema) != 0 || strcmp(rel->target_name, table) != 0)
                continue;
            preflight_group_add(
                &group, rel->display,
                preflight_text(p, "rule '%s' of the target fires for rows that bascule writes",
                               pgrows_text(rows, i, 3)),
                preflight_text(
                    p, "ALTER TABLE %s DISABLE RULE %s;  -- on the target, until the cutover",
                    preflight_qualified(p, schema, table),
                    preflight_ident(p, pgrows_text(rows, i, 3))));
        }
    }
    preflight_group_end(&group);
}

void preflight_refusals(Preflight *p)
{
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    bool makes = p->loads && p->spec->prepare == PREFLIGHT_CREATE;
    if (makes || p->source.conn == NULL || p->target.conn == NULL ||
        !preflight_ask_tables(p, &p->source, "target-refuses", SQL_PREFLIGHT_REFUSALS, &source) ||
        !preflight_ask_tables(p, &p->target, "target-refuses", SQL_PREFLIGHT_REFUSALS, &target))
        return;
    Map here = MAP_INIT, there = MAP_INIT;
    index_rows(p, &here, source);
    index_rows(p, &there, target);
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_WARNING, "target-refuses",
        "a row that the source accepts may be refused there, and the load or the stream stops");
    for (int i = 0; i < pgrows_count(target); i++) {
        const char *kind = pgrows_text(target, i, R_KIND);
        if (strcmp(kind, "enum") != 0 && strcmp(kind, "label") != 0 &&
            !has_renamed_column(relation_of(p, target, i)) &&
            !has(&here, target, i, kind, pgrows_text(target, i, R_CONTENT)))
            only_there(p, &group, target, i);
    }
    preflight_group_end(&group);
    labels(p, source, &there);
    rules(p);
    map_done(&here);
    map_done(&there);
}

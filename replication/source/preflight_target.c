/*
 * preflight_target - the target's tables, against the source's: there or not, of the same shape,
 * empty, writable, without triggers that would fire.
 */
#include <stdio.h>
#include <string.h>

#include "source/mapped.h"
#include "source/preflight_internal.h"
#include "sql_files.h"
#include "sqltext/reading.h"

#define PROBES_AT_ONCE 100

/* columns of target_columns.sql */
enum {
    C_PLACE,
    C_RELKIND,
    C_NAME,
    C_TYPE_SCHEMA,
    C_TYPE_NAME,
    C_TYPE_TEXT,
    C_NOT_NULL,
    C_DEFAULT,
    C_IDENTITY,
    C_GENERATED
};
/* columns of preflight_target_tables.sql */
enum {
    T_PLACE,
    T_RELKIND,
    T_SELECT,
    T_INSERT,
    T_UPDATE,
    T_DELETE,
    T_TRUNCATE,
    T_SCHEMA,
    T_OWNER,
    T_AS_OWNER,
    T_BYTES,
    T_RLS
};

static const char *target_table(Preflight *p, const Relation *rel)
{
    return preflight_qualified(p, rel->target_schema, rel->target_name);
}

/* Shape
 * -----------------------------------------------------------------------------------------------
 */

typedef struct Shape {
    Preflight *p;
    PreflightGroup group;
    const PgRows *rows;
    int first, end; /* of one table */
    const Relation *rel;
} Shape;

static void shape_differs(Shape *s, const char *what, const char *remedy)
{
    preflight_group_add(&s->group, s->rel->display, what, remedy);
}

static const Column *source_column(const Relation *rel, const char *target_name)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].target_name, target_name) == 0)
            return &rel->columns[i];
    return NULL;
}

static bool generated_on_source(const Relation *rel, const char *name)
{
    for (int i = 0; i < rel->generated_count; i++)
        if (strcmp(rel->target_generated[i], name) == 0)
            return true;
    return false;
}

static void only_on_target(Shape *s, int row)
{
    Preflight *p = s->p;
    const char *name = pgrows_text(s->rows, row, C_NAME);
    bool generated = *pgrows_text(s->rows, row, C_GENERATED) != '\0';
    if (generated_on_source(s->rel, name)) {
        if (!generated)
            shape_differs(
                s,
                preflight_text(p, "column '%s' is generated on the source, ordinary on the target",
                               name),
                preflight_text(
                    p, "ALTER TABLE %s DROP COLUMN %s;  -- and add it as GENERATED ... STORED",
                    target_table(p, s->rel), preflight_ident(p, name)));
        return;
    }
    if (!generated && pgrows_bool(s->rows, row, C_NOT_NULL) &&
        !pgrows_bool(s->rows, row, C_DEFAULT) && *pgrows_text(s->rows, row, C_IDENTITY) == '\0')
        shape_differs(
            s,
            preflight_text(p, "column '%s' is only on the target, NOT NULL and without default",
                           name),
            preflight_text(p,
                           "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;  -- or SET DEFAULT ...",
                           target_table(p, s->rel), preflight_ident(p, name)));
}

static void both_have(Shape *s, int row, const Column *col)
{
    Preflight *p = s->p;
    const char *table = target_table(p, s->rel), *name = preflight_ident(p, col->target_name);
    if (*pgrows_text(s->rows, row, C_GENERATED) != '\0') {
        shape_differs(
            s,
            preflight_text(p, "column '%s' is generated on the target, ordinary on the source",
                           col->target_name),
            preflight_text(p, "ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION;", table, name));
        return;
    }
    const char *type = pgrows_text(s->rows, row, C_TYPE_TEXT);
    if (!mapped_type_fits(col, pgrows_text(s->rows, row, C_TYPE_SCHEMA),
                          pgrows_text(s->rows, row, C_TYPE_NAME), type))
        shape_differs(s,
                      preflight_text(p, "column '%s' is %s on the source, %s on the target",
                                     col->target_name, col->type_text, type),
                      preflight_text(p, "ALTER TABLE %s ALTER COLUMN %s TYPE %s;", table, name,
                                     col->other_types != NULL ? col->other_types : col->type_text));
}

static bool target_has(const Shape *s, const char *name)
{
    for (int row = s->first; row < s->end; row++)
        if (!pgrows_null(s->rows, row, C_NAME) &&
            strcmp(pgrows_text(s->rows, row, C_NAME), name) == 0)
            return true;
    return false;
}

static void missing_columns(Shape *s)
{
    Preflight *p = s->p;
    for (int i = 0; i < s->rel->column_count; i++) {
        const Column *col = &s->rel->columns[i];
        if (!target_has(s, col->target_name))
            shape_differs(
                s, preflight_text(p, "column '%s' is missing on the target", col->target_name),
                preflight_text(p, "ALTER TABLE %s ADD COLUMN %s %s;", target_table(p, s->rel),
                               preflight_ident(p, col->target_name),
                               col->value != NULL ? "..." : col->type_text));
    }
    for (int i = 0; i < s->rel->generated_count; i++)
        if (!target_has(s, s->rel->target_generated[i]))
            shape_differs(
                s,
                preflight_text(p, "generated column '%s' is missing on the target",
                               s->rel->target_generated[i]),
                preflight_text(
                    p, "ALTER TABLE %s ADD COLUMN %s ... GENERATED ALWAYS AS (...) STORED;",
                    target_table(p, s->rel), preflight_ident(p, s->rel->target_generated[i])));
}

static void one_shape(Shape *s)
{
    Preflight *p = s->p;
    if (pgrows_null(s->rows, s->first, C_RELKIND)) {
        shape_differs(s, "the table is missing on the target",
                      "pg_dump --schema-only --table=... | psql ...  -- or target.prepare: create");
        return;
    }
    char kind = *pgrows_text(s->rows, s->first, C_RELKIND);
    if (kind != 'r' && kind != 'p') {
        shape_differs(s,
                      preflight_text(p, "on the target it is %s",
                                     kind == 'v'   ? "a view"
                                     : kind == 'm' ? "a materialized view"
                                                   : "a foreign table"),
                      "Make it an ordinary table, or leave it out: tables.exclude");
        return;
    }
    for (int row = s->first; row < s->end; row++) {
        if (pgrows_null(s->rows, row, C_NAME))
            continue;
        const Column *col = source_column(s->rel, pgrows_text(s->rows, row, C_NAME));
        if (col == NULL)
            only_on_target(s, row);
        else
            both_have(s, row, col);
    }
    missing_columns(s);
}

static void shapes(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!preflight_ask_tables(p, &p->target, "schema-differs", SQL_TARGET_COLUMNS, &rows))
        return;
    Shape s = {.p = p, .rows = rows};
    s.group = preflight_group(p, PREFLIGHT_BLOCKER, "schema-differs",
                              "rows of the source do not fit there");
    int n = pgrows_count(rows);
    for (s.first = 0; s.first < n; s.first = s.end) {
        int64_t place = pgrows_i64(rows, s.first, C_PLACE);
        for (s.end = s.first + 1; s.end < n && pgrows_i64(rows, s.end, C_PLACE) == place;)
            s.end++;
        s.rel = p->rels->all[place - 1];
        one_shape(&s);
    }
    preflight_group_end(&s.group);
    if (s.group.count == 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "schema-differs", .subject = "target",
                      .what = preflight_text(p, "all %d tables are there with the same columns",
                                             p->rels->count));
}

/* prepare: create
 * ------------------------------------------------------------------------------------- */

static void renamed_create(Preflight *p)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "rules",
                        "target.prepare: create makes tables as the source has them");
    for (int i = 0; i < p->rels->count; i++)
        if (mapped_differs(p->rels->all[i]))
            preflight_group_add(
                &group, p->rels->all[i]->display,
                preflight_text(p,
                               "by the rules the table or its columns are called otherwise on the "
                               "target, or are not the same there: %s",
                               target_table(p, p->rels->all[i])),
                "target.prepare: nothing  -- or truncate, with the tables made under these names");
    preflight_group_end(&group);
}

static void absent(Preflight *p, const PgRows *there)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "target-not-empty",
                        "target.prepare: create makes the tables; this one is somebody's");
    for (int i = 0; i < pgrows_count(there); i++) {
        const Relation *rel = p->rels->all[pgrows_i64(there, i, T_PLACE) - 1];
        preflight_group_add(
            &group, rel->display, "the table exists on the target already",
            preflight_text(
                p,
                "DROP TABLE %s;  -- destroys it\ntarget.prepare: truncate  -- or nothing, "
                "to use it as it is",
                target_table(p, rel)));
    }
    preflight_group_end(&group);
}

/* Rows
 * -------------------------------------------------------------------------------------------------
 */

static bool probe(Preflight *p, const int *places, int count, PgRows **out_rows)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    for (int i = 0; i < count; i++) {
        const Relation *rel = p->rels->all[places[i]];
        if (i > 0)
            sqltext_put(&st, " UNION ALL ");
        sqltext_put(&st, "SELECT ");
        sqltext_i64(&st, places[i]);
        sqltext_put(&st, " WHERE EXISTS (SELECT FROM ");
        if (rel->has_children)
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, rel->target_schema, rel->target_name);
        reading_where(&st, rel, false, NULL);
        sqltext_put(&st, ")");
    }
    return preflight_ask(p, &p->target, "target-not-empty", sqltext_sql(&st), PG_NO_PARAMS,
                         out_rows);
}

static void tell_rows(Preflight *p, PreflightGroup *group, const int *places, int count)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (count == 0 || !probe(p, places, count, &rows))
        return;
    for (int i = 0; i < pgrows_count(rows); i++) {
        const Relation *rel = p->rels->all[pgrows_i64(rows, i, 0)];
        bool nothing = p->spec->prepare != PREFLIGHT_TRUNCATE;
        if (p->spec->prepare == PREFLIGHT_MERGE && rel->conflict_stated)
            continue;
        preflight_group_add(
            group, rel->display, "the table holds rows on the target",
            nothing
                ? preflight_text(p, "TRUNCATE %s;  -- on the target; or target.prepare: truncate",
                                 target_table(p, rel))
                : "Save them first if anybody needs them.");
    }
}

static void empty(Preflight *p, const PgRows *there)
{
    bool nothing = p->spec->prepare != PREFLIGHT_TRUNCATE;
    PreflightGroup group = preflight_group(
        p, nothing ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, "target-not-empty",
        p->spec->prepare == PREFLIGHT_MERGE
            ? "no line of conflicts.rules says what becomes of rows that both sides have"
        : nothing ? "copied rows would stand among others, or collide with them"
                  : "target.prepare: truncate destroys them");
    int places[PROBES_AT_ONCE], n = 0;
    for (int i = 0; i < pgrows_count(there); i++) {
        char kind = *pgrows_text(there, i, T_RELKIND);
        if ((kind != 'r' && kind != 'p') || (kind == 'r' && pgrows_i64(there, i, T_BYTES) == 0) ||
            !pgrows_bool(there, i, T_SELECT) || !pgrows_bool(there, i, T_SCHEMA) ||
            pgrows_bool(there, i, T_RLS))
            continue;
        places[n++] = (int)pgrows_i64(there, i, T_PLACE) - 1;
        if (n == PROBES_AT_ONCE) {
            tell_rows(p, &group, places, n);
            n = 0;
        }
    }
    tell_rows(p, &group, places, n);
    preflight_group_end(&group);
}

/* Rights
 * -----------------------------------------------------------------------------------------------
 */

static void writable(Preflight *p, const PgRows *there)
{
    static const struct {
        int column;
        const char *right;
    } RIGHTS[] = {{T_SELECT, "SELECT"},
                  {T_INSERT, "INSERT"},
                  {T_UPDATE, "UPDATE"},
                  {T_DELETE, "DELETE"},
                  {T_TRUNCATE, "TRUNCATE"}};
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "privilege", "rows cannot be written there");
    PreflightGroup minor = preflight_group(
        p, PREFLIGHT_WARNING, "privilege",
        "a TRUNCATE of the source cannot be repeated there, nor a table copied again");
    PreflightGroup policies = preflight_group(p, PREFLIGHT_BLOCKER, "row-security",
                                              "policies of the target would refuse or hide rows");
    const char *role = preflight_role(p, &p->target);
    for (int i = 0; i < pgrows_count(there); i++) {
        const Relation *rel = p->rels->all[pgrows_i64(there, i, T_PLACE) - 1];
        CLEANUP_BUF Buf missing = BUF_INIT;
        for (size_t r = 0; r < sizeof RIGHTS / sizeof *RIGHTS; r++)
            if (!pgrows_bool(there, i, RIGHTS[r].column))
                buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", RIGHTS[r].right);
        bool only_truncate = strcmp(buf_str(&missing), "TRUNCATE") == 0 &&
                             pgrows_bool(there, i, T_SCHEMA) &&
                             p->spec->prepare != PREFLIGHT_TRUNCATE;
        if (missing.len > 0 || !pgrows_bool(there, i, T_SCHEMA))
            preflight_group_add(
                only_truncate ? &minor : &group, rel->display,
                preflight_text(p, "on the target role %s lacks %s%s", role,
                               pgrows_bool(there, i, T_SCHEMA) ? "" : "USAGE of the schema ",
                               buf_str(&missing)),
                preflight_text(p,
                               "GRANT USAGE ON SCHEMA %s TO %s;\nGRANT SELECT, INSERT, UPDATE, "
                               "DELETE, TRUNCATE ON %s "
                               "TO %s;  -- on the target",
                               preflight_ident(p, rel->target_schema), role, target_table(p, rel),
                               role));
        if (pgrows_bool(there, i, T_RLS))
            preflight_group_add(
                &policies, rel->display,
                preflight_text(p, "row-level security holds for role %s on the target", role),
                preflight_text(p, "ALTER ROLE %s BYPASSRLS;  -- on the target", role));
    }
    preflight_group_end(&group);
    preflight_group_end(&minor);
    preflight_group_end(&policies);
}

/* The key lacks a column by which the target is partitioned: no index can help there. */
static bool root_key(Preflight *p, PreflightGroup *group, const Relation *rel, char kind,
                     const char *what)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf columns = BUF_INIT;
    bool lacks = false;
    if (kind != 'p' ||
        !preflight_ask(p, &p->target, "schema-differs", SQL_TARGET_PARTITION_COLUMNS,
                       PG_PARAMS(PG_TEXT(rel->target_schema), PG_TEXT(rel->target_name)), &rows))
        return false;
    for (int k = 0; k < rel->key_count; k++)
        buf_printf(&columns, "%s%s", k > 0 ? ", " : "",
                   preflight_ident(p, rel->columns[rel->key[k]].name));
    for (int i = 0; i < pgrows_count(rows); i++) {
        bool found = false;
        for (int k = 0; k < rel->key_count; k++)
            found = found ||
                    strcmp(rel->columns[rel->key[k]].target_name, pgrows_text(rows, i, 0)) == 0;
        if (!found)
            buf_printf(&columns, ", %s", preflight_ident(p, pgrows_text(rows, i, 0)));
        lacks = lacks || !found;
    }
    if (lacks)
        preflight_group_add(
            group, rel->display, what,
            preflight_text(
                p,
                "CREATE UNIQUE INDEX new_key ON %s (%s); ALTER TABLE %s REPLICA IDENTITY "
                "USING INDEX new_key;  -- on the source, columns NOT NULL; and the same "
                "index on the target",
                preflight_qualified(p, rel->schema, rel->name), buf_str(&columns),
                preflight_qualified(p, rel->schema, rel->name)));
    return lacks;
}

/* Before the load keys may be missing; the stream needs them. */
static void keys(Preflight *p, const PgRows *there)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!p->streams || !preflight_ask_tables(p, &p->target, "target-key", SQL_TARGET_KEYS, &rows))
        return;
    PreflightGroup group = preflight_group(
        p, p->spec->mode == PREFLIGHT_CDC ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, "schema-differs",
        "the stream finds rows by this key: without the index it is refused when the load is done");
    PreflightGroup parted = preflight_group(p, PREFLIGHT_BLOCKER, "schema-differs",
                                            "the stream finds rows by this key, and a unique index "
                                            "of a partitioned table must hold the "
                                            "columns that it is partitioned by");
    int n = pgrows_count(rows);
    bool *has = arena_new_array(p->arena, bool, p->rels->count + 1);
    for (int first = 0, end; first < n; first = end) {
        const Relation *rel = p->rels->all[pgrows_i64(rows, first, 0) - 1];
        int matching = 0;
        for (end = first; end < n && pgrows_i64(rows, end, 1) == pgrows_i64(rows, first, 1); end++)
            for (int k = 0; k < rel->key_count; k++)
                matching +=
                    strcmp(rel->columns[rel->key[k]].target_name, pgrows_text(rows, end, 2)) == 0;
        if (matching == rel->key_count && end - first == rel->key_count)
            has[rel->id] = true;
    }
    for (int t = 0; t < pgrows_count(there); t++) {
        const Relation *rel = p->rels->all[pgrows_i64(there, t, T_PLACE) - 1];
        CLEANUP_BUF Buf columns = BUF_INIT;
        if (has[rel->id] || strchr("rp", *pgrows_text(there, t, T_RELKIND)) == NULL ||
            rel->key_count == 0 || !rel->key_unique)
            continue;
        for (int k = 0; k < rel->key_count; k++)
            buf_printf(&columns, "%s%s", k > 0 ? ", " : "",
                       preflight_ident(p, rel->columns[rel->key[k]].target_name));
        const char *what =
            preflight_text(p, "the target has no unique index on its key (%s)", buf_str(&columns));
        if (!root_key(p, &parted, rel, *pgrows_text(there, t, T_RELKIND), what))
            preflight_group_add(&group, rel->display, what,
                                preflight_text(p,
                                               "CREATE UNIQUE INDEX ON %s (%s);  -- on the target",
                                               target_table(p, rel), buf_str(&columns)));
    }
    preflight_group_end(&group);
    preflight_group_end(&parted);
}

void preflight_target_tables(Preflight *p)
{
    CLEANUP_PGROWS PgRows *there = NULL;
    bool creates = p->loads && p->spec->prepare == PREFLIGHT_CREATE;
    if (p->target.conn == NULL ||
        !preflight_ask_tables(p, &p->target, "target-tables", SQL_PREFLIGHT_TARGET_TABLES, &there))
        return;
    if (creates && !p->resumed) {
        renamed_create(p);
        absent(p, there);
        return;
    }
    writable(p, there);
    if (creates)
        return;
    shapes(p);
    keys(p, there);
    if (p->loads && !p->resumed)
        empty(p, there);
}

/* Triggers
 * --------------------------------------------------------------------------------------------- */

void preflight_target_triggers(Preflight *p)
{
    CLEANUP_PGROWS PgRows *there = NULL, *rows = NULL;
    if (p->target.conn == NULL ||
        !preflight_ask_tables(p, &p->target, "target-tables", SQL_PREFLIGHT_TARGET_TABLES,
                              &there) ||
        pgrows_count(there) == 0 ||
        !preflight_ask(p, &p->target, "target-trigger", SQL_SYNC_FIRING_TRIGGERS,
                       PG_PARAMS(PG_TEXT(p->may_silence ? "t" : "f")), &rows))
        return;
    PreflightGroup ours =
        preflight_group(p, PREFLIGHT_WARNING, "target-trigger",
                        "it would fire a second time for every row: bascule disables it until the "
                        "target opens");
    PreflightGroup theirs =
        preflight_group(p, PREFLIGHT_BLOCKER, "target-trigger",
                        "it would fire a second time for every row, and only the table's owner may "
                        "disable it");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 1), *table = pgrows_text(rows, i, 2),
                   *trigger = pgrows_text(rows, i, 3);
        for (int t = 0; t < pgrows_count(there); t++) {
            const Relation *rel = p->rels->all[pgrows_i64(there, t, T_PLACE) - 1];
            if (strcmp(rel->target_name, table) != 0 || strcmp(rel->target_schema, schema) != 0)
                continue;
            char enabled = *pgrows_text(rows, i, 4);
            preflight_group_add(
                pgrows_bool(there, t, T_AS_OWNER) ? &ours : &theirs, rel->display,
                preflight_text(p, "trigger '%s' of the target fires for rows that bascule writes%s",
                               trigger,
                               enabled == 'A'   ? " (ENABLE ALWAYS)"
                               : enabled == 'R' ? " (ENABLE REPLICA)"
                                                : ""),
                preflight_text(p,
                               "ALTER TABLE %s DISABLE TRIGGER %s;  -- on the target, until the "
                               "cutover",
                               target_table(p, rel), preflight_ident(p, trigger)));
        }
    }
    preflight_group_end(&ours);
    preflight_group_end(&theirs);
}

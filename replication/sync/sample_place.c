/* sample_place - see sample.h: the scratch schema, known by its comment, and the tables in it. */
#include <stdio.h>
#include <string.h>

#include "bascule/base/log.h"
#include "sql_files.h"
#include "sync/sample_internal.h"

#define MARK "bascule: sample of task "

const char *sample_mark(Arena *arena, const char *task)
{
    return arena_printf(arena, MARK "%s", task);
}

bool sample_ours(const char *kind, const char *name, const char *comment, const char *task,
                 Error *err)
{
    size_t len = strlen(MARK);
    bool marked = comment != NULL && strncmp(comment, MARK, len) == 0;
    if (marked && strcmp(comment + len, task) == 0)
        return true;
    if (marked)
        ERR(err, ERR_WRONG_STATE, "%s '%s' holds the sample of task '%s'", kind, name,
            comment + len);
    else
        ERR(err, ERR_WRONG_STATE, "%s '%s' is there and was not made for a sample", kind, name);
    return err_hint(err, "It is not touched. Name another one: load.sample_name.");
}

/* *out_there false: there is no such schema. */
static bool look(PgConn *target, const char *name, const char *task, bool *out_there, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_SAMPLE_SCHEMA, PG_PARAMS(PG_TEXT(name)), &rows, err))
        return false;
    *out_there = pgrows_count(rows) > 0;
    return !*out_there ||
           sample_ours("schema", name, pgrows_null(rows, 0, 0) ? NULL : pgrows_text(rows, 0, 0),
                       task, err);
}

static void put_drop(SqlText *st, const char *name)
{
    sqltext_put(st, "DROP SCHEMA ");
    sqltext_ident(st, name);
    sqltext_put(st, " CASCADE; ");
}

bool sample_drop_schema(PgConn *target, const char *name, const char *task, bool *out_dropped,
                        Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (!look(target, name, task, out_dropped, err) || !*out_dropped)
        return !*out_dropped && err->cls == ERR_NONE;
    put_drop(&st, name);
    return pgconn_script(target, sqltext_sql(&st), err);
}

/* Schema, comment, and what an earlier sample left: one transaction. */
static bool make_schema(Sample *s, Error *err)
{
    const char *name = s->spec->scratch;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    bool there = false;
    if (!look(s->target, name, s->spec->task, &there, err))
        return false;
    if (there)
        put_drop(&st, name);
    sqltext_put(&st, "CREATE SCHEMA ");
    sqltext_ident(&st, name);
    sqltext_put(&st, "; COMMENT ON SCHEMA ");
    sqltext_ident(&st, name);
    sqltext_put(&st, " IS ");
    sqltext_string(&st, sample_mark(s->arena, s->spec->task));
    return pgconn_script(s->target, sqltext_sql(&st), err);
}

/* schema.table in one name where it fits. */
static const char *scratch_name(Sample *s, const Relation *rel)
{
    const char *name = arena_printf(s->arena, "%s.%s", rel->target_schema, rel->target_name);
    return strlen(name) < 64 ? name : arena_printf(s->arena, "table.%u", rel->id);
}

/* LIKE brings columns, defaults, checks and indexes, but no triggers and no foreign keys. */
static bool make_table(Sample *s, Relation *rel, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    const char *name = scratch_name(s, rel);
    sqltext_put(&st, "CREATE TABLE ");
    sqltext_qualified(&st, s->spec->scratch, name);
    sqltext_put(&st, " (LIKE ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    sqltext_put(&st, " INCLUDING ALL)");
    if (!pgconn_script(s->target, sqltext_sql(&st), err))
        return err_context(err, "a table like '%s.%s'", rel->target_schema, rel->target_name);
    return true;
}

/* From here on rows go to the scratch tables: the names were needed for LIKE until now. */
static void rename_all(Sample *s, const bool *wanted)
{
    for (int i = 0; i < s->rels->count; i++) {
        Relation *rel = s->rels->all[i];
        if (!wanted[i])
            continue;
        rel->row_schema = rel->target_schema;
        rel->row_name = rel->target_name;
        rel->target_name = scratch_name(s, rel);
        rel->target_schema = s->spec->scratch;
    }
}

bool sample_make_place(Sample *s, const bool *wanted, Error *err)
{
    if (s->spec->schema != NULL)
        return true;
    if (!make_schema(s, err))
        return false;
    for (int i = 0; i < s->rels->count; i++)
        if (wanted[i] && !make_table(s, s->rels->all[i], err))
            return false;
    rename_all(s, wanted);
    return true;
}

/* Foreign keys ------------------------------------------------------------------------------------ */

static const Relation *find_scratch(const Sample *s, const bool *wanted, const char *schema,
                                    const char *name)
{
    for (int i = 0; i < s->rels->count; i++) {
        const Relation *rel = s->rels->all[i];
        if (wanted[i] && strcmp(rel->row_schema, schema) == 0 && strcmp(rel->row_name, name) == 0)
            return rel;
    }
    return NULL;
}

static void put_key(SqlText *st, const Relation *rel, const Relation *parent, const PgRows *keys,
                    int r)
{
    sqltext_put(st, "ALTER TABLE ");
    sqltext_qualified(st, rel->target_schema, rel->target_name);
    sqltext_put(st, " ADD CONSTRAINT ");
    sqltext_ident(st, pgrows_text(keys, r, 0));
    sqltext_put(st, " FOREIGN KEY (");
    sqltext_deparsed(st, pgrows_text(keys, r, 1));
    sqltext_put(st, ") REFERENCES ");
    sqltext_qualified(st, parent->target_schema, parent->target_name);
    sqltext_put(st, " (");
    sqltext_deparsed(st, pgrows_text(keys, r, 4));
    sqltext_put(st, ")");
    if (pgrows_bool(keys, r, 5))
        sqltext_put(st, " MATCH FULL");
}

static bool make_keys(Sample *s, const Relation *rel, const bool *wanted, Error *err)
{
    CLEANUP_PGROWS PgRows *keys = NULL;
    if (!pgconn_query(s->target, SQL_SAMPLE_KEYS,
                      PG_PARAMS(PG_TEXT(rel->row_schema), PG_TEXT(rel->row_name)), &keys, err))
        return false;
    for (int r = 0; r < pgrows_count(keys); r++) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        const Relation *parent =
            find_scratch(s, wanted, pgrows_text(keys, r, 2), pgrows_text(keys, r, 3));
        if (parent == NULL)
            continue;
        put_key(&st, rel, parent, keys, r);
        if (pgconn_script(s->target, sqltext_sql(&st), err))
            continue;
        if (!sample_is_problem(s, err))
            return false;
        sample_problem(s, rel->display, err, "");
        err_clear(err);
    }
    return true;
}

/* The source's own indexes and keys, in a scratch database. */
static bool make_post_data(Sample *s, Error *err)
{
    const SchemaPort *schema = s->spec->schema;
    bool ok = true;
    for (int i = 0; ok && i < s->rels->count; i++)
        ok = schema->table_post_data(schema->self, s->rels->all[i], err);
    ok = ok && schema->common_post_data(schema->self, err) &&
         schema->foreign_keys(schema->self, err);
    if (ok || err->cls != ERR_SUBPROCESS)
        return ok;
    sample_problem(s, "", err, "");
    err_clear(err);
    return true;
}

bool sample_finish_place(Sample *s, const bool *wanted, Error *err)
{
    if (s->spec->schema != NULL)
        return make_post_data(s, err);
    for (int i = 0; i < s->rels->count; i++)
        if (wanted[i] && !make_keys(s, s->rels->all[i], wanted, err))
            return false;
    return true;
}

/* Problems ---------------------------------------------------------------------------------------- */

bool sample_is_problem(const Sample *s, const Error *err)
{
    return err->sqlstate[0] != '\0' && err->sqlstate[0] != '0' &&
           strcmp(err->sqlstate, "57014") != 0 && pgconn_usable(s->source) &&
           pgconn_usable(s->target);
}

void sample_problem(Sample *s, const char *table, const Error *err, const char *row)
{
    SampleReport *report = s->report;
    if (report->problem_count == report->problem_capacity) {
        int capacity = report->problem_capacity > 0 ? report->problem_capacity * 2 : 16;
        SampleProblem *grown = arena_new_array(s->arena, SampleProblem, capacity);
        if (report->problem_count > 0)
            memcpy(grown, report->problems, sizeof *grown * (size_t)report->problem_count);
        report->problems = grown;
        report->problem_capacity = capacity;
    }
    report->problems[report->problem_count++] = (SampleProblem){
        .table = arena_strdup(s->arena, table),
        .sqlstate = arena_strdup(s->arena, err->sqlstate),
        .what = arena_strdup(s->arena, err->message),
        .row = arena_strdup(s->arena, row),
    };
}

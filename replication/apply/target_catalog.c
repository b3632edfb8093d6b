/* target_catalog - see the header. The target is read in two queries whatever the number of tables.
 */
#include "apply/target_catalog.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "apply/pgarray.h"
#include "source/mapped.h"
#include "sql_files.h"
#include "sqltext/reading.h"
#include "sqltext/sqltext.h"

#define TEXT_OID     25
#define EMPTY_PROBES 100 /* tables asked in one statement */

/* columns of target_columns.sql */
enum {
    C_PLACE,
    C_RELKIND,
    C_NAME,
    C_TYPE_SCHEMA,
    C_TYPE_NAME,
    C_TYPE_TEXT,
    C_NOT_NULL,
    C_HAS_DEFAULT,
    C_IDENTITY,
    C_GENERATED,
    C_BASE_SCHEMA,
    C_BASE_NAME,
    C_READS_AS
};

bool target_catalog_query(PgConn *target, Sql sql, const Relations *rels, PgRows **out_rows,
                          Error *err)
{
    PgArray schemas = {0}, names = {0};
    pgarray_begin(&schemas, PGARRAY_BYTES, TEXT_OID, ',');
    pgarray_begin(&names, PGARRAY_BYTES, TEXT_OID, ',');
    for (int i = 0; i < rels->count; i++) {
        pgarray_put_string(&schemas, rels->all[i]->target_schema);
        pgarray_put_string(&names, rels->all[i]->target_name);
    }
    bool ok = pgconn_query(target, sql, PG_PARAMS(pgarray_end(&schemas), pgarray_end(&names)),
                           out_rows, err);
    pgarray_done(&schemas);
    pgarray_done(&names);
    return ok || err_context(err, "reading the target's catalog");
}

static Column *find_column(const Relation *rel, const char *target_name)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].target_name, target_name) == 0)
            return &rel->columns[i];
    return NULL;
}

static bool is_generated_on_source(const Relation *rel, const char *name)
{
    for (int i = 0; i < rel->generated_count; i++)
        if (strcmp(rel->target_generated[i], name) == 0)
            return true;
    return false;
}

static const char *keep(Arena *arena, const char *before, const char *now)
{
    return before != NULL && strcmp(before, now) == 0 ? before : arena_strdup(arena, now);
}

static const char *kind_text(char relkind)
{
    switch (relkind) {
    case 'f':
        return "a foreign table";
    case 'v':
        return "a view";
    default:
        return "a materialized view";
    }
}

static bool begins_with(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* A column that a rule adds. Its value is cast: what a cast to the type would cut without a word, or what
 * would be another value each time it is made, is refused. reads_as: what the type, or the domain, is. */
static bool added_type_fits(const Relation *rel, const Column *col, const char *type_text,
                            const char *reads_as, Error *err)
{
    static const char *const CUT[] = {"character(", "bit("};
    static const char *const TIMES[] = {"date", "time"};
    if (begins_with(reads_as, CUT, sizeof CUT / sizeof *CUT))
        return ERR(err, ERR_SCHEMA_DIFFERS,
                   "column '%s' of table '%s' is added by a rule, and is %s on the target, which "
                   "cuts what is too long: make it %s there",
                   col->target_name, rel->display, type_text,
                   reads_as[0] == 'b' ? "varbit" : "varchar");
    bool time = begins_with(reads_as, TIMES, sizeof TIMES / sizeof *TIMES);
    const char *word = time ? expression_clock_word(col->value) : NULL;
    return word == NULL ||
           ERR(err, ERR_SCHEMA_DIFFERS,
               "column '%s' of table '%s' is added by a rule as '%s', which is another "
               "value whenever it is read: a default of the target's column can say that",
               col->target_name, rel->display, word);
}

/* One column that the target has. */
static bool match_column(const PgRows *rows, int row, Relations *rels, Relation *rel, bool *seen,
                         Error *err)
{
    const char *name = pgrows_text(rows, row, C_NAME);
    bool generated = *pgrows_text(rows, row, C_GENERATED) != '\0';
    Column *col = find_column(rel, name);
    if (col == NULL) {
        bool source_generated = is_generated_on_source(rel, name);
        if (source_generated && !generated)
            return ERR(
                err, ERR_SCHEMA_DIFFERS,
                "column '%s' of table '%s' is generated on the source, ordinary on the target",
                name, rel->display);
        if (!source_generated && !generated && pgrows_bool(rows, row, C_NOT_NULL) &&
            !pgrows_bool(rows, row, C_HAS_DEFAULT) && *pgrows_text(rows, row, C_IDENTITY) == '\0')
            return ERR(
                err, ERR_SCHEMA_DIFFERS,
                "column '%s' of table '%s' is only on the target, NOT NULL and without default",
                name, rel->display);
        rel->target_has_more = rel->target_has_more || !generated;
        return true;
    }
    if (generated)
        return ERR(err, ERR_SCHEMA_DIFFERS,
                   "column '%s' of table '%s' is generated on the target, ordinary on the source",
                   name, rel->display);
    const char *type_schema = pgrows_text(rows, row, C_TYPE_SCHEMA);
    const char *type_name = pgrows_text(rows, row, C_TYPE_NAME);
    const char *type_text = pgrows_text(rows, row, C_TYPE_TEXT);
    if (!mapped_type_fits(col, type_schema, type_name, type_text))
        return ERR(err, ERR_SCHEMA_DIFFERS,
                   "column '%s' of table '%s' is %s on the source, %s on the target%s%s", name,
                   rel->display, col->type_text, type_text,
                   col->other_types != NULL ? "; by the rules it may become " : "",
                   col->other_types != NULL ? col->other_types : "");
    const char *reads_as =
        pgrows_null(rows, row, C_READS_AS) ? type_text : pgrows_text(rows, row, C_READS_AS);
    if (col->value != NULL && !added_type_fits(rel, col, type_text, reads_as, err))
        return false;
    col->target_type_text = keep(rels->arena, col->target_type_text, type_text);
    col->target_type_schema = keep(rels->arena, col->target_type_schema, type_schema);
    col->target_type_name = keep(rels->arena, col->target_type_name, type_name);
    bool base = !pgrows_null(rows, row, C_BASE_NAME);
    col->target_base_schema =
        !base ? NULL
              : keep(rels->arena, col->target_base_schema, pgrows_text(rows, row, C_BASE_SCHEMA));
    col->target_base_name =
        !base ? NULL
              : keep(rels->arena, col->target_base_name, pgrows_text(rows, row, C_BASE_NAME));
    col->target_reads_as =
        reads_as == type_text ? NULL : keep(rels->arena, col->target_reads_as, reads_as);
    col->target_identity_always = *pgrows_text(rows, row, C_IDENTITY) == 'a';
    seen[col - rel->columns] = true;
    return true;
}

static bool check_generated(const PgRows *rows, int first, int end, const Relation *rel, Error *err)
{
    for (int i = 0; i < rel->generated_count; i++) {
        bool found = false;
        for (int row = first; row < end && !found; row++)
            found = strcmp(pgrows_text(rows, row, C_NAME), rel->target_generated[i]) == 0;
        if (!found)
            return ERR(err, ERR_SCHEMA_DIFFERS,
                       "generated column '%s' of table '%s' is missing on the target",
                       rel->target_generated[i], rel->display);
    }
    return true;
}

/* The rows [first, end) of target_columns.sql are those of rel. */
static bool match_table(const PgRows *rows, int first, int end, Relations *rels, Relation *rel,
                        Arena *scratch, Error *err)
{
    if (pgrows_null(rows, first, C_RELKIND))
        return ERR(err, ERR_SCHEMA_DIFFERS, "table '%s.%s' is missing on the target",
                   rel->target_schema, rel->target_name);
    char relkind = *pgrows_text(rows, first, C_RELKIND);
    rel->target_is_root = relkind == 'p';
    rel->target_has_more = false;
    if (relkind != 'r' && relkind != 'p')
        return ERR(err, ERR_SCHEMA_DIFFERS, "table '%s' is %s on the target", rel->display,
                   kind_text(relkind));
    bool *seen = arena_new_array(scratch, bool, rel->column_count + 1);
    for (int row = first; row < end; row++)
        if (!pgrows_null(rows, row, C_NAME) && !match_column(rows, row, rels, rel, seen, err))
            return false;
    for (int i = 0; i < rel->column_count; i++)
        if (!seen[i])
            return ERR(err, ERR_SCHEMA_DIFFERS,
                       "column '%s' of table '%s' is missing on the target",
                       rel->columns[i].target_name, rel->display);
    return check_generated(rows, first, end, rel, err);
}

static bool match_columns(PgConn *target, Relations *rels, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!target_catalog_query(target, SQL_TARGET_COLUMNS, rels, &rows, err))
        return false;
    Arena *scratch = arena_new(0);
    bool ok = true;
    for (int first = 0, count = pgrows_count(rows); ok && first < count;) {
        int64_t place = pgrows_i64(rows, first, C_PLACE);
        int end = first + 1;
        while (end < count && pgrows_i64(rows, end, C_PLACE) == place)
            end++;
        ok = relation_left_out(rels->all[place - 1]) ||
             match_table(rows, first, end, rels, rels->all[place - 1], scratch, err);
        arena_reset(scratch);
        first = end;
    }
    arena_free(scratch);
    return ok;
}

static bool in_key(const Relation *rel, const char *target_name)
{
    for (int k = 0; k < rel->key_count; k++)
        if (strcmp(rel->columns[rel->key[k]].target_name, target_name) == 0)
            return true;
    return false;
}

/* columns of target_keys.sql */
enum { K_PLACE, K_INDEX, K_NAME, K_EQUAL_SCHEMA };

/* The rows [first, end) are the columns of one unique index: is it exactly the key? */
static bool index_is_key(const PgRows *rows, int first, int end, const Relation *rel)
{
    if (end - first != rel->key_count)
        return false;
    for (int row = first; row < end; row++)
        if (!in_key(rel, pgrows_text(rows, row, K_NAME)))
            return false;
    return true;
}

static void take_operators(const PgRows *rows, int first, int end, Relations *rels, Relation *rel)
{
    for (int row = first; row < end; row++)
        for (int k = 0; k < rel->key_count; k++) {
            Column *col = &rel->columns[rel->key[k]];
            if (strcmp(col->target_name, pgrows_text(rows, row, K_NAME)) == 0)
                col->target_equal_schema = pgrows_null(rows, row, K_EQUAL_SCHEMA)
                                               ? NULL
                                               : keep(rels->arena, col->target_equal_schema,
                                                      pgrows_text(rows, row, K_EQUAL_SCHEMA));
        }
}

static bool match_keys(PgConn *target, Relations *rels, TargetMatch what, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!target_catalog_query(target, SQL_TARGET_KEYS, rels, &rows, err))
        return false;
    for (int i = 0; i < rels->count; i++)
        rels->all[i]->target_has_key = false;
    for (int first = 0, count = pgrows_count(rows); first < count;) {
        int64_t index = pgrows_i64(rows, first, K_INDEX);
        int end = first + 1;
        while (end < count && pgrows_i64(rows, end, K_INDEX) == index)
            end++;
        Relation *rel = rels->all[pgrows_i64(rows, first, K_PLACE) - 1];
        if (index_is_key(rows, first, end, rel)) {
            rel->target_has_key = true;
            take_operators(rows, first, end, rels, rel);
        }
        first = end;
    }
    for (int i = 0; what == MATCH_STREAM && i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (rel->key_unique && rel->key_count > 0 && !rel->target_has_key &&
            !relation_left_out(rel))
            return ERR(err, ERR_SCHEMA_DIFFERS,
                       "table '%s' has no valid unique index on its key columns on the target",
                       rel->display);
    }
    return true;
}

bool target_catalog_match(PgConn *target, Relations *rels, TargetMatch what, Error *err)
{
    return match_columns(target, rels, err) && match_keys(target, rels, what, err);
}

/* Appends the names of those of rels->all[from..to) that hold rows. */
static bool probe_rows(PgConn *target, const Relations *rels, int from, int to, bool merge,
                       Buf *names, int *found, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int asked = 0;
    for (int i = from; i < to; i++) {
        const Relation *rel = rels->all[i];
        if (rel->load_state == TABLE_COMPLETED || (merge && rel->conflict_stated))
            continue;
        if (asked++ > 0)
            sqltext_put(&st, " UNION ALL ");
        sqltext_put(&st, "SELECT ");
        sqltext_i64(&st, i);
        sqltext_put(&st, " WHERE EXISTS (SELECT FROM ");
        if (rel->has_children)
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, rel->target_schema, rel->target_name);
        reading_where(&st, rel, false, NULL);
        sqltext_put(&st, ")");
    }
    if (asked == 0)
        return true;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return err_context(err, "looking whether the target's tables are empty");
    for (int row = 0; row < pgrows_count(rows); row++, (*found)++)
        if (*found < 10)
            buf_printf(names, "%s'%s'", *found > 0 ? ", " : "",
                       rels->all[pgrows_i64(rows, row, 0)]->display);
    return true;
}

bool target_catalog_check_empty(PgConn *target, const Relations *rels, bool merge, Error *err)
{
    CLEANUP_BUF Buf names = BUF_INIT;
    int found = 0;
    for (int from = 0; from < rels->count; from += EMPTY_PROBES) {
        int to = from + EMPTY_PROBES < rels->count ? from + EMPTY_PROBES : rels->count;
        if (!probe_rows(target, rels, from, to, merge, &names, &found, err))
            return false;
    }
    if (found == 0)
        return true;
    ERR(err, ERR_TARGET_NOT_EMPTY, "%d table%s of the target hold%s rows: %s%s", found,
        found == 1 ? "" : "s", found == 1 ? "s" : "", buf_str(&names), found > 10 ? ", ..." : "");
    return !merge ? false
                  : err_hint(err, "To merge into a table with rows a line of conflicts.rules must "
                                  "say what becomes of those that both sides have.");
}

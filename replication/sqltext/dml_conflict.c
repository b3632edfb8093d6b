/* dml_conflict - see the header. t is the table, s the row (or rows) that the source has. */
#include "sqltext/dml_conflict.h"

#include "sqltext/dml_parts.h"

void dml_insert_row_or_pass(SqlText *st, const DmlTable *table)
{
    dml_insert_row(st, table);
    sqltext_put(st, " ON CONFLICT DO NOTHING");
}

void dml_insert_set_or_pass(SqlText *st, const DmlTable *table)
{
    dml_insert_set(st, table);
    sqltext_put(st, " ON CONFLICT DO NOTHING");
}

/* A column's value in one of the rows: of the table, of the one row, or of the set. */
typedef struct Of {
    char alias;          /* t or s */
    const DmlMade *made; /* of the set: where its columns stand; else NULL */
} Of;

static void put_value(SqlText *st, const DmlTable *table, int column, Of of)
{
    const DmlColumn *col = &table->columns[column];
    if (of.made != NULL && col->made != NULL) {
        dml_put_made(st, of.made, column);
    } else if (of.made != NULL) {
        dml_put_set_value(st, col, of.made->place[column]);
    } else {
        if (of.alias == 't')
            sqltext_put(st, "t.");
        else
            sqltext_put(st, "s.");
        sqltext_ident(st, col->name);
    }
}

/* The value's text; NULL is NULL. Not IS NULL: that is true for a row value of nulls. */
static void put_text(SqlText *st, const DmlTable *table, int column, Of of)
{
    sqltext_put(st, "(CASE WHEN ");
    put_value(st, table, column, of);
    sqltext_put(st, " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ");
    put_value(st, table, column, of);
    sqltext_put(st, ") END COLLATE pg_catalog.\"C\")");
}

static const Of IN_TABLE = {.alias = 't'}, IN_ROW = {.alias = 's'};

void dml_equal_set(SqlText *st, const DmlTable *table)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    DmlMade made = {.table = table, .in_sets = true};
    const Of in_set = {.made = &made};
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].made != NULL)
            continue;
        dml_source_add(&source, &table->columns[i]);
        made.place[i] = (int16_t)source.count;
    }
    sqltext_put(st, "SELECT FROM ");
    dml_put_source(st, &source);
    sqltext_put(st, " JOIN ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t ON ");
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        if (k > 0)
            sqltext_put(st, " AND ");
        dml_put_equal(st, "t", col);
        put_value(st, table, table->key[k], in_set);
        dml_put_base(st, col);
    }
    for (int i = 0; i < table->column_count; i++) {
        bool exact = table->columns[i].equal_is_exact;
        sqltext_put(st, " AND ");
        for (int side = 0; side < 2; side++) {
            if (side > 0)
                sqltext_put(st, " IS NOT DISTINCT FROM ");
            if (exact)
                put_value(st, table, i, side == 0 ? IN_TABLE : in_set);
            else
                put_text(st, table, i, side == 0 ? IN_TABLE : in_set);
        }
    }
}

bool dml_in_row(const DmlTable *table, const bool *present, int i)
{
    const Column *made = table->columns[i].made;
    for (int o = 0; made != NULL && o < made->value->count; o++)
        if (made->operands[o] >= 0 && !present[made->operands[o]])
            return false;
    return made != NULL || present[i];
}

/* (SELECT $1::type AS "a", ...) AS s; returns the number of the last parameter. */
static int put_one_row(SqlText *st, const DmlTable *table, const bool *present)
{
    int n = 0, done = 0;
    DmlMade made = {.table = table};
    for (int i = 0; i < table->column_count; i++)
        if (present[i] && table->columns[i].made == NULL)
            made.place[i] = (int16_t)++n;
    sqltext_put(st, "(SELECT ");
    for (int i = 0; i < table->column_count; i++) {
        if (!dml_in_row(table, present, i))
            continue;
        dml_put_comma(st, done++);
        if (table->columns[i].made != NULL)
            dml_put_made(st, &made, i);
        else
            dml_put_row_value(st, &table->columns[i], made.place[i]);
        sqltext_put(st, " AS ");
        sqltext_ident(st, table->columns[i].name);
    }
    sqltext_put(st, ") AS s");
    return n;
}

/* ARRAY of the names of columns whose texts differ */
static void put_differing(SqlText *st, const DmlTable *table, const bool *present)
{
    int done = 0;
    sqltext_put(st, "ARRAY(SELECT v.n FROM (VALUES ");
    for (int i = 0; i < table->column_count; i++) {
        if (!dml_in_row(table, present, i))
            continue;
        dml_put_comma(st, done++);
        sqltext_put(st, "(");
        sqltext_string(st, table->columns[i].name);
        sqltext_put(st, ", ");
        put_text(st, table, i, IN_TABLE);
        sqltext_put(st, ", ");
        put_text(st, table, i, IN_ROW);
        sqltext_put(st, ")");
    }
    sqltext_put(st, ") AS v (n, a, b) WHERE v.a IS DISTINCT FROM v.b)::pg_catalog.text");
}

static void put_both_rows(SqlText *st, const DmlTable *table, const bool *present, int latest)
{
    put_differing(st, table, present);
    sqltext_put(st, " AS columns, pg_catalog.to_jsonb(t.*)::pg_catalog.text AS target, "
                    "pg_catalog.to_jsonb(s.*)::pg_catalog.text AS source, ");
    if (latest >= 0 && dml_in_row(table, present, latest)) {
        sqltext_put(st, "s.");
        sqltext_ident(st, table->columns[latest].name);
        sqltext_put(st, " >= t.");
        sqltext_ident(st, table->columns[latest].name);
    } else {
        sqltext_put(st, "NULL::pg_catalog.bool");
    }
    sqltext_put(st, " AS newer");
}

/* t.column = s.column */
static void put_same(SqlText *st, const DmlColumn *col)
{
    dml_put_equal(st, "t", col);
    sqltext_put(st, "s.");
    sqltext_ident(st, col->name);
    dml_put_base(st, col);
}

static void put_key_equal(SqlText *st, const DmlTable *table)
{
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        if (k > 0)
            sqltext_put(st, " AND ");
        put_same(st, col);
    }
}

void dml_look(SqlText *st, const DmlTable *table, const bool *present, int latest)
{
    sqltext_put(st, "SELECT ");
    put_both_rows(st, table, present, latest);
    sqltext_put(st, " FROM ");
    put_one_row(st, table, present);
    sqltext_put(st, " JOIN ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t ON ");
    put_key_equal(st, table);
    sqltext_put(st, " FOR UPDATE OF t");
}

/* The row with the key that the parameters are. */
static void put_key_given(SqlText *st, const DmlTable *table)
{
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        if (k > 0)
            sqltext_put(st, " AND ");
        dml_put_equal(st, "t", col);
        dml_put_row_value(st, col, k + 1);
        dml_put_base(st, col);
    }
}

void dml_lock_row(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "SELECT FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t WHERE ");
    put_key_given(st, table);
    sqltext_put(st, " FOR UPDATE");
}

void dml_has_children(SqlText *st, const DmlTable *table, const DmlChild *child)
{
    sqltext_put(st, "SELECT EXISTS (SELECT FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t JOIN ");
    sqltext_qualified(st, child->schema, child->name);
    sqltext_put(st, " AS c ON ");
    for (int i = 0; i < child->count; i++) {
        const DmlChildColumn *column = &child->columns[i];
        if (i > 0)
            sqltext_put(st, " AND ");
        sqltext_put(st, "t.");
        sqltext_ident(st, column->referenced);
        sqltext_put(st, " OPERATOR(");
        sqltext_ident(st, column->operator_schema);
        sqltext_put(st, ".");
        sqltext_deparsed(st, column->operator_name);
        sqltext_put(st, ") c.");
        sqltext_ident(st, column->name);
    }
    sqltext_put(st, " WHERE ");
    put_key_given(st, table);
    sqltext_put(st, ")");
}

void dml_show_row(SqlText *st, const DmlTable *table, const bool *present)
{
    sqltext_put(st, "SELECT pg_catalog.to_jsonb(s.*)::pg_catalog.text FROM ");
    put_one_row(st, table, present);
}

void dml_settles(SqlText *st, const DmlTable *table, const bool *present)
{
    sqltext_put(st, "SELECT FROM bascule.conflict AS c, ");
    int n = put_one_row(st, table, present);
    sqltext_put(
        st,
        " WHERE c.target_row || pg_catalog.to_jsonb(s.*) = c.target_row AND "
        "pg_catalog.to_jsonb(s.*) OPERATOR(pg_catalog.?&) COALESCE(c.columns, '{}') AND c.id = ");
    sqltext_param(st, n + 1);
    sqltext_put(st, "::pg_catalog.int8");
}

/* CROSS JOIN LATERAL (SELECT element AS e1, ..., (predicate) AS p FROM (SELECT of.*) AS x) AS name: in there
 * the server's own texts find the columns of one row alone. */
static void put_elements(SqlText *st, const DmlClash *clash, Of of, const char *name)
{
    sqltext_put(st, " CROSS JOIN LATERAL (SELECT ");
    for (int k = 0; k < clash->count; k++) {
        dml_put_comma(st, k);
        sqltext_deparsed(st, clash->parts[k].element);
        sqltext_put(st, " AS e");
        sqltext_i64(st, k + 1);
    }
    if (clash->predicate != NULL) {
        sqltext_put(st, ", ");
        sqltext_deparsed(st, clash->predicate);
        sqltext_put(st, " AS p");
    }
    if (of.alias == 't')
        sqltext_put(st, " FROM (SELECT t.*) AS x) AS ");
    else
        sqltext_put(st, " FROM (SELECT s.*) AS x) AS ");
    sqltext_ident(st, name);
}

static void put_element(SqlText *st, const DmlClashPart *part, const char *of, int k)
{
    sqltext_ident(st, of);
    sqltext_put(st, ".e");
    sqltext_i64(st, k + 1);
    if (part == NULL || part->type_name == NULL)
        return;
    sqltext_put(st, "::");
    sqltext_qualified(st, part->type_schema, part->type_name);
}

/* a.e1 OPERATOR(...) b.e1 */
static void put_elements_clash(SqlText *st, const DmlClash *clash, int k)
{
    const DmlClashPart *part = &clash->parts[k];
    sqltext_put(st, " AND (");
    put_element(st, part, "a", k);
    sqltext_put(st, " OPERATOR(");
    sqltext_ident(st, part->operator_schema);
    sqltext_put(st, ".");
    sqltext_deparsed(st, part->operator_name);
    sqltext_put(st, ") ");
    put_element(st, part, "b", k);
    if (clash->nulls_equal) {
        sqltext_put(st, " OR ");
        put_element(st, NULL, "a", k);
        sqltext_put(st, " IS NOT DISTINCT FROM NULL AND ");
        put_element(st, NULL, "b", k);
        sqltext_put(st, " IS NOT DISTINCT FROM NULL");
    }
    sqltext_put(st, ")");
}

void dml_clash(SqlText *st, const DmlTable *table, const bool *present, const DmlClash *clash,
               int latest)
{
    sqltext_put(st, "SELECT ");
    put_both_rows(st, table, present, latest);
    for (int k = 0; k < table->key_count; k++) {
        sqltext_put(st, ", ");
        put_text(st, table, table->key[k], IN_TABLE);
    }
    sqltext_put(st, " FROM ");
    put_one_row(st, table, present);
    sqltext_put(st, " CROSS JOIN ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t");
    put_elements(st, clash, IN_TABLE, "a");
    put_elements(st, clash, IN_ROW, "b");
    sqltext_put(st, " WHERE NOT (");
    put_key_equal(st, table);
    sqltext_put(st, ")");
    if (clash->predicate != NULL)
        sqltext_put(st, " AND a.p AND b.p");
    for (int k = 0; k < clash->count; k++)
        put_elements_clash(st, clash, k);
    sqltext_put(st, " LIMIT 1 FOR UPDATE OF t");
}

/* Merging ---------------------------------------------------------------------------------------- */

/* alias NULL: none */
static void put_columns(SqlText *st, const DmlTable *table, const char *alias)
{
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        if (alias != NULL) {
            sqltext_ident(st, alias);
            sqltext_put(st, ".");
        }
        sqltext_ident(st, table->columns[i].name);
    }
}

static void put_stage(SqlText *st)
{
    sqltext_qualified(st, "pg_temp", DML_STAGE);
}

void dml_stage_make(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "CREATE TEMPORARY TABLE ");
    sqltext_ident(st, DML_STAGE);
    sqltext_put(st, " ON COMMIT DROP AS SELECT ");
    put_columns(st, table, NULL);
    sqltext_put(st, " FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " WITH NO DATA");
}

void dml_stage_insert(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "INSERT INTO ");
    sqltext_qualified(st, table->schema, table->name);
    dml_put_column_list(st, table);
    sqltext_put(st, " OVERRIDING SYSTEM VALUE SELECT ");
    put_columns(st, table, "s");
    sqltext_put(st, " FROM ");
    put_stage(st);
    sqltext_put(st, " AS s ON CONFLICT DO NOTHING");
}

void dml_stage_rest(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "DECLARE bascule_rest NO SCROLL CURSOR FOR SELECT ");
    put_columns(st, table, "s");
    sqltext_put(st, " FROM ");
    put_stage(st);
    sqltext_put(st, " AS s WHERE NOT EXISTS (SELECT FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t WHERE ");
    put_key_equal(st, table);
    for (int i = 0; i < table->column_count; i++) {
        sqltext_put(st, " AND ");
        put_text(st, table, i, IN_TABLE);
        sqltext_put(st, " IS NOT DISTINCT FROM ");
        put_text(st, table, i, IN_ROW);
    }
    sqltext_put(st, ")");
}

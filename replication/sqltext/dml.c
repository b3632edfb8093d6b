/* dml - see the header. In every statement t is the table, s the set of rows that comes as
 * parameters. */
#include "sqltext/dml.h"

#include "sqltext/dml_parts.h"
#include "sqltext/reading.h"

void dml_put_type(SqlText *st, const DmlColumn *col)
{
    sqltext_qualified(st, col->type_schema, col->type_name);
}

/* s.cN, converted when it came as text */
void dml_put_set_value(SqlText *st, const DmlColumn *col, int n)
{
    sqltext_put(st, "s.c");
    sqltext_i64(st, n);
    if (col->as_text) {
        sqltext_put(st, "::");
        dml_put_type(st, col);
    }
}

void dml_put_row_value(SqlText *st, const DmlColumn *col, int n)
{
    sqltext_param(st, n);
    sqltext_put(st, "::");
    dml_put_type(st, col);
}

void dml_put_comma(SqlText *st, int already)
{
    if (already > 0)
        sqltext_put(st, ", ");
}

void dml_source_add(DmlSource *source, const DmlColumn *col)
{
    dml_put_comma(&source->names, source->count);
    dml_put_comma(&source->arrays, source->count);
    source->count++;
    sqltext_put(&source->names, "c");
    sqltext_i64(&source->names, source->count);
    sqltext_put(&source->arrays, "pg_catalog.unnest(");
    sqltext_param(&source->arrays, source->count);
    sqltext_put(&source->arrays, "::");
    if (col->as_text)
        sqltext_put(&source->arrays, "pg_catalog.text");
    else
        dml_put_type(&source->arrays, col);
    sqltext_put(&source->arrays, "[])");
}

/* ROWS FROM takes any number of qualified functions; unnest(a, b) would not. */
static void put_rows(SqlText *st, DmlSource *source, bool numbered)
{
    sqltext_put(st, "ROWS FROM (");
    sqltext_append(st, sqltext_sql(&source->arrays));
    sqltext_put(st, ")");
    if (numbered)
        sqltext_put(st, " WITH ORDINALITY");
    sqltext_put(st, " AS s (");
    sqltext_append(st, sqltext_sql(&source->names));
    if (numbered)
        sqltext_put(st, ", o");
    sqltext_put(st, ")");
    sqltext_done(&source->arrays);
    sqltext_done(&source->names);
}

void dml_put_source(SqlText *st, DmlSource *source)
{
    put_rows(st, source, false);
}

void dml_put_numbered_source(SqlText *st, DmlSource *source)
{
    put_rows(st, source, true);
}

void dml_put_base(SqlText *st, const DmlColumn *col)
{
    if (col->base_name == NULL)
        return;
    sqltext_put(st, "::");
    sqltext_qualified(st, col->base_schema, col->base_name);
}

/* alias.column = ; the value comes next, and then dml_put_base(). */
void dml_put_equal(SqlText *st, const char *alias, const DmlColumn *col)
{
    sqltext_ident(st, alias);
    sqltext_put(st, ".");
    sqltext_ident(st, col->name);
    dml_put_base(st, col);
    sqltext_put(st, " OPERATOR(");
    sqltext_ident(st, col->equal_schema != NULL ? col->equal_schema : "pg_catalog");
    sqltext_put(st, ".=) ");
}

static void put_row_equal(SqlText *st, const char *alias, const DmlColumn *col, int param)
{
    dml_put_equal(st, alias, col);
    dml_put_row_value(st, col, param);
    dml_put_base(st, col);
}

/* t.key = s.c1 AND ..., and so on with the pinned columns */
static void put_set_where(SqlText *st, const DmlTable *table, bool pinned)
{
    sqltext_put(st, " WHERE ");
    for (int k = 0; k < table->key_count + (pinned ? table->pinned_count : 0); k++) {
        int i = k < table->key_count ? table->key[k] : table->pinned[k - table->key_count];
        const DmlColumn *col = &table->columns[i];
        if (k > 0)
            sqltext_put(st, " AND ");
        dml_put_equal(st, "t", col);
        dml_put_set_value(st, col, k + 1);
        dml_put_base(st, col);
    }
}

static void put_row_key(SqlText *st, const DmlTable *table, const char *alias, int first)
{
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        if (k > 0)
            sqltext_put(st, " AND ");
        put_row_equal(st, alias, col, first + k);
    }
}

static void put_pinned(SqlText *st, const DmlTable *table, int first)
{
    for (int k = 0; k < table->pinned_count; k++) {
        const DmlColumn *col = &table->columns[table->pinned[k]];
        sqltext_put(st, " AND ");
        put_row_equal(st, "t", col, first + k);
    }
}

static void put_names(SqlText *st, const DmlTable *table)
{
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        sqltext_ident(st, table->columns[i].name);
    }
}

void dml_put_column_list(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, " (");
    put_names(st, table);
    sqltext_put(st, ")");
}

static bool is_key(const DmlTable *table, int column)
{
    for (int k = 0; k < table->key_count; k++)
        if (table->key[k] == column)
            return true;
    return false;
}

static bool may_set(const DmlTable *table, const bool *set, int column, bool keys)
{
    return set[column] && !table->columns[column].identity_always &&
           table->columns[column].made == NULL && (keys || !is_key(table, column));
}

/* Columns that are made ------------------------------------------------------------------------- */

static void put_made_of(SqlText *st, const void *arg, int column)
{
    const DmlMade *made = arg;
    const DmlColumn *col = &made->table->columns[column];
    if (made->place[column] == 0) {
        sqltext_ident(st, made->alias);
        sqltext_put(st, ".");
        sqltext_ident(st, col->name);
    } else if (made->in_sets) {
        dml_put_set_value(st, col, made->place[column]);
    } else {
        dml_put_row_value(st, col, made->place[column]);
    }
}

void dml_put_made(SqlText *st, const DmlMade *made, int column)
{
    reading_value(st, made->table->columns[column].made, false, put_made_of, made);
}

/* It is made of a column that has a parameter, or asked for. */
static bool made_anew(const DmlMade *made, const bool *set, int column)
{
    const Column *col = made->table->columns[column].made;
    if (col != NULL && set[column])
        return true;
    for (int i = 0; col != NULL && i < col->value->count; i++)
        if (col->operands[i] >= 0 && made->place[col->operands[i]] > 0)
            return true;
    return false;
}

/* SET of those; returns how many stand in the list now. */
static int put_made_set(SqlText *st, const DmlMade *made, const bool *set, int already)
{
    for (int i = 0; i < made->table->column_count; i++) {
        if (!made_anew(made, set, i))
            continue;
        dml_put_comma(st, already++);
        sqltext_ident(st, made->table->columns[i].name);
        sqltext_put(st, " = ");
        dml_put_made(st, made, i);
    }
    return already;
}

bool dml_sets_anything(const DmlTable *table, const bool *set, bool keys)
{
    for (int i = 0; i < table->column_count; i++)
        if (may_set(table, set, i, keys))
            return true;
    return false;
}

void dml_insert_set(SqlText *st, const DmlTable *table)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    DmlMade made = {.table = table, .in_sets = true};
    sqltext_put(st, "INSERT INTO ");
    sqltext_qualified(st, table->schema, table->name);
    dml_put_column_list(st, table);
    sqltext_put(st, " OVERRIDING SYSTEM VALUE SELECT ");
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        if (table->columns[i].made != NULL) {
            dml_put_made(st, &made, i);
            continue;
        }
        dml_source_add(&source, &table->columns[i]);
        made.place[i] = (int16_t)source.count;
        dml_put_set_value(st, &table->columns[i], source.count);
    }
    sqltext_put(st, " FROM ");
    dml_put_source(st, &source);
}

void dml_insert_empty(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "INSERT INTO ");
    sqltext_qualified(st, table->schema, table->name);
    sqltext_put(st, " SELECT FROM pg_catalog.generate_series(1, $1::pg_catalog.int8)");
}

/* A key column set to itself: the statement finds its rows and counts them. */
static void put_set_nothing(SqlText *st, const DmlTable *table)
{
    for (int i = 0; i < table->column_count; i++) {
        const DmlColumn *col = &table->columns[i];
        if (col->identity_always)
            continue;
        sqltext_ident(st, col->name);
        sqltext_put(st, " = t.");
        sqltext_ident(st, col->name);
        return;
    }
}

/* The rows of this table alone, not those of tables that inherit from it. */
void dml_put_table(SqlText *st, const DmlTable *table)
{
    if (!table->is_root)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, table->schema, table->name);
}

void dml_update_set(SqlText *st, const DmlTable *table, const bool *set)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    int n = table->key_count + table->pinned_count, done = 0;
    DmlMade made = {.table = table, .alias = "t", .in_sets = true};
    for (int k = 0; k < table->key_count; k++)
        dml_source_add(&source, &table->columns[table->key[k]]);
    for (int k = 0; k < table->pinned_count; k++)
        dml_source_add(&source, &table->columns[table->pinned[k]]);
    sqltext_put(st, "UPDATE ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t SET ");
    for (int i = 0; i < table->column_count; i++) {
        if (!may_set(table, set, i, false))
            continue;
        dml_put_comma(st, done++);
        sqltext_ident(st, table->columns[i].name);
        sqltext_put(st, " = ");
        dml_put_set_value(st, &table->columns[i], ++n);
        made.place[i] = (int16_t)n;
        dml_source_add(&source, &table->columns[i]);
    }
    if (put_made_set(st, &made, set, done) == 0)
        put_set_nothing(st, table);
    sqltext_put(st, " FROM ");
    dml_put_source(st, &source);
    put_set_where(st, table, true);
}

void dml_delete_set(SqlText *st, const DmlTable *table)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    for (int k = 0; k < table->key_count; k++)
        dml_source_add(&source, &table->columns[table->key[k]]);
    sqltext_put(st, "DELETE FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t USING ");
    dml_put_source(st, &source);
    put_set_where(st, table, false);
}

void dml_insert_row(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "INSERT INTO ");
    sqltext_qualified(st, table->schema, table->name);
    if (table->column_count == 0) {
        sqltext_put(st, " DEFAULT VALUES");
        return;
    }
    DmlMade made = {.table = table};
    int n = 0;
    dml_put_column_list(st, table);
    sqltext_put(st, " OVERRIDING SYSTEM VALUE VALUES (");
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        if (table->columns[i].made != NULL) {
            dml_put_made(st, &made, i);
            continue;
        }
        made.place[i] = (int16_t)++n;
        dml_put_row_value(st, &table->columns[i], n);
    }
    sqltext_put(st, ")");
}

/* Returns the number of the last parameter. */
static int put_row_set(SqlText *st, const DmlTable *table, const bool *set, int n)
{
    int done = 0;
    DmlMade made = {.table = table, .alias = "t"};
    for (int i = 0; i < table->column_count; i++) {
        if (!may_set(table, set, i, true))
            continue;
        dml_put_comma(st, done++);
        sqltext_ident(st, table->columns[i].name);
        sqltext_put(st, " = ");
        dml_put_row_value(st, &table->columns[i], ++n);
        made.place[i] = (int16_t)n;
    }
    if (put_made_set(st, &made, set, done) == 0)
        put_set_nothing(st, table);
    return n;
}

void dml_update_row(SqlText *st, const DmlTable *table, const bool *set, bool moved)
{
    int before = table->key_count + table->pinned_count;
    sqltext_put(st, "UPDATE ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t SET ");
    int last = put_row_set(st, table, set, before);
    sqltext_put(st, " WHERE (");
    put_row_key(st, table, "t", 1);
    if (moved) {
        sqltext_put(st, " OR (");
        put_row_key(st, table, "t", last + 1);
        sqltext_put(st, " AND NOT EXISTS (SELECT FROM ");
        dml_put_table(st, table);
        sqltext_put(st, " AS o WHERE ");
        put_row_key(st, table, "o", 1);
        sqltext_put(st, "))");
    }
    sqltext_put(st, ")");
    put_pinned(st, table, table->key_count + 1);
}

void dml_delete_row(SqlText *st, const DmlTable *table)
{
    sqltext_put(st, "DELETE FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t WHERE ");
    put_row_key(st, table, "t", 1);
}

void dml_replace_row(SqlText *st, const DmlTable *table, const bool *set)
{
    int n = table->key_count;
    DmlMade made = {.table = table, .alias = "gone"};
    sqltext_put(st, "WITH gone AS (");
    dml_delete_row(st, table);
    sqltext_put(st, " RETURNING t.*) INSERT INTO ");
    sqltext_qualified(st, table->schema, table->name);
    sqltext_put(st, " (");
    put_names(st, table);
    for (int i = 0; i < table->kept_count; i++) {
        dml_put_comma(st, table->column_count + i);
        sqltext_ident(st, table->kept[i]);
    }
    sqltext_put(st, ") OVERRIDING SYSTEM VALUE SELECT ");
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        if (table->columns[i].made != NULL) {
            dml_put_made(st, &made, i);
        } else if (set[i]) {
            made.place[i] = (int16_t)++n;
            dml_put_row_value(st, &table->columns[i], n);
        } else {
            sqltext_put(st, "gone.");
            sqltext_ident(st, table->columns[i].name);
        }
    }
    for (int i = 0; i < table->kept_count; i++) {
        dml_put_comma(st, table->column_count + i);
        sqltext_put(st, "gone.");
        sqltext_ident(st, table->kept[i]);
    }
    sqltext_put(st, " FROM gone");
}

/*
 * (SELECT the ctid of one row that has these values). Equality of the output text is exact for
 * every type, byte by byte (a column's own collation may hold different texts for equal); = stands
 * before it where the type has one, because an index may serve it.
 */
static int put_one_ctid(SqlText *st, const DmlTable *table, const DmlMatch *match)
{
    int n = 0, done = 0;
    /* A row's address is one of its partition. */
    if (table->is_root)
        sqltext_put(st, " WHERE (tableoid, ctid) = (SELECT m.tableoid, m.ctid FROM ");
    else
        sqltext_put(st, " WHERE ctid = (SELECT m.ctid FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS m");
    for (int i = 0; i < table->column_count; i++) {
        const DmlColumn *col = &table->columns[i];
        if (match[i] == DML_ANY)
            continue;
        if (done++ == 0)
            sqltext_put(st, " WHERE ");
        else
            sqltext_put(st, " AND ");
        if (match[i] == DML_NULL) {
            sqltext_put(st, "m.");
            sqltext_ident(st, col->name);
            sqltext_put(st, " IS NOT DISTINCT FROM NULL");
            continue;
        }
        n++;
        if (col->equal_schema != NULL) {
            put_row_equal(st, "m", col, n);
            if (col->equal_is_exact)
                continue;
            sqltext_put(st, " AND ");
        }
        sqltext_put(st, "m.");
        sqltext_ident(st, col->name);
        /* Not IS NULL: that is true for a row value of nulls. */
        sqltext_put(st, " IS DISTINCT FROM NULL AND pg_catalog.format('%s', m.");
        sqltext_ident(st, col->name);
        sqltext_put(st,
                    ") COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) pg_catalog.format('%s', ");
        dml_put_row_value(st, col, n);
        sqltext_put(st, ")");
    }
    sqltext_put(st, " LIMIT 1)");
    return n;
}

static int count_values(const DmlTable *table, const DmlMatch *match)
{
    int n = 0;
    for (int i = 0; i < table->column_count; i++)
        n += match[i] == DML_VALUE;
    return n;
}

void dml_update_match(SqlText *st, const DmlTable *table, const DmlMatch *match, const bool *set)
{
    sqltext_put(st, "UPDATE ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t SET ");
    put_row_set(st, table, set, count_values(table, match));
    put_one_ctid(st, table, match);
}

void dml_delete_match(SqlText *st, const DmlTable *table, const DmlMatch *match)
{
    sqltext_put(st, "DELETE FROM ");
    dml_put_table(st, table);
    put_one_ctid(st, table, match);
}

static void put_image_value(SqlText *st, const DmlTable *table, int column, bool parameters)
{
    if (parameters) {
        dml_put_set_value(st, &table->columns[column], column + 1);
    } else {
        sqltext_put(st, "t.");
        sqltext_ident(st, table->columns[column].name);
    }
}

/* A digest of a row's values: NULL differs from every text, and the array's own quoting keeps values
 * apart. Not IS NULL: that is true for a row value of nulls. */
static void put_image(SqlText *st, const DmlTable *table, bool parameters)
{
    sqltext_put(st, "pg_catalog.sha256(pg_catalog.convert_to((ARRAY[");
    for (int i = 0; i < table->column_count; i++) {
        dml_put_comma(st, i);
        sqltext_put(st, "CASE WHEN ");
        put_image_value(st, table, i, parameters);
        sqltext_put(st, " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ");
        put_image_value(st, table, i, parameters);
        sqltext_put(st, ") END");
    }
    sqltext_put(st, "]::pg_catalog.text[])::pg_catalog.text, pg_catalog.getdatabaseencoding()))");
}

/* (t.a, t.b) IN (SELECT s.c1, s.c2 FROM s): what is cheap to look at, and may have an index */
static void put_candidates(SqlText *st, const DmlTable *table, const bool *join)
{
    int done = 0;
    for (int i = 0; i < table->column_count; i++) {
        if (!join[i])
            continue;
        if (done++ == 0)
            sqltext_put(st, " WHERE (");
        else
            sqltext_put(st, ", ");
        put_image_value(st, table, i, false);
    }
    if (done == 0)
        return;
    sqltext_put(st, ") IN (SELECT ");
    done = 0;
    for (int i = 0; i < table->column_count; i++) {
        if (!join[i])
            continue;
        dml_put_comma(st, done++);
        put_image_value(st, table, i, true);
    }
    sqltext_put(st, " FROM s)");
}

/*
 * s: the rows that come, m: the table's rows with the same image, p: place in the table for row o.
 * Equal images are numbered on both sides and paired by number. Grouped, not joined: a join whose
 * size the planner has no way to know may become a loop in a loop.
 */
static void put_pairs(SqlText *st, const DmlTable *table, const bool *join, DmlSource *source)
{
    sqltext_put(st,
                "WITH s AS MATERIALIZED (SELECT i.*, pg_catalog.row_number() OVER (PARTITION BY "
                "i.image) AS n FROM (SELECT s.*, ");
    put_image(st, table, true);
    sqltext_put(st, " AS image FROM ROWS FROM (");
    sqltext_append(st, sqltext_sql(&source->arrays));
    sqltext_put(st, ") WITH ORDINALITY AS s (");
    sqltext_append(st, sqltext_sql(&source->names));
    sqltext_put(st, ", o)) AS i), m AS MATERIALIZED (SELECT r.part, r.at, r.image, "
                    "pg_catalog.row_number() OVER (PARTITION BY r.image) AS n FROM (SELECT "
                    "t.tableoid AS part, t.ctid AS at, ");
    put_image(st, table, false);
    sqltext_put(st, " AS image FROM ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t");
    put_candidates(st, table, join);
    sqltext_put(st, " OFFSET 0) AS r WHERE r.image IN (SELECT s.image FROM s)), "
                    "p AS MATERIALIZED (SELECT pg_catalog.max(u.o) AS o, pg_catalog.max(u.part) AS "
                    "part, pg_catalog.max(u.at) AS at FROM (SELECT s.image, s.n, s.o, "
                    "NULL::pg_catalog.oid AS part, NULL::pg_catalog.tid AS at FROM s UNION ALL "
                    "SELECT m.image, m.n, NULL, m.part, m.at FROM m) AS u GROUP BY u.image, u.n) ");
    sqltext_done(&source->arrays);
    sqltext_done(&source->names);
}

static void add_all_columns(DmlSource *source, const DmlTable *table)
{
    for (int i = 0; i < table->column_count; i++)
        dml_source_add(source, &table->columns[i]);
}

void dml_update_match_set(SqlText *st, const DmlTable *table, const bool *join, const bool *set)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    CLEANUP_SQLTEXT SqlText sets = SQLTEXT_INIT;
    add_all_columns(&source, table);
    for (int i = 0; i < table->column_count; i++) {
        if (!may_set(table, set, i, true))
            continue;
        dml_put_comma(&sets, source.count - table->column_count);
        dml_source_add(&source, &table->columns[i]);
        sqltext_ident(&sets, table->columns[i].name);
        sqltext_put(&sets, " = ");
        dml_put_set_value(&sets, &table->columns[i], source.count);
    }
    if (sets.buf.len == 0)
        put_set_nothing(&sets, table);
    put_pairs(st, table, join, &source);
    sqltext_put(st, "UPDATE ");
    dml_put_table(st, table);
    sqltext_put(st, " AS t SET ");
    sqltext_append(st, sqltext_sql(&sets));
    sqltext_put(st, " FROM p JOIN s ON s.o = p.o WHERE t.ctid = p.at AND t.tableoid = p.part");
}

void dml_delete_match_set(SqlText *st, const DmlTable *table, const bool *join)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    add_all_columns(&source, table);
    put_pairs(st, table, join, &source);
    sqltext_put(st, "DELETE FROM ");
    dml_put_table(st, table);
    sqltext_put(st,
                " AS t USING p WHERE t.ctid = p.at AND t.tableoid = p.part AND p.o IS NOT NULL");
}

void dml_copy(SqlText *st, const DmlTable *table, bool binary)
{
    sqltext_put(st, "COPY ");
    sqltext_qualified(st, table->schema, table->name);
    dml_put_column_list(st, table);
    if (binary)
        sqltext_put(st, " FROM STDIN WITH (FORMAT binary)");
    else
        sqltext_put(st, " FROM STDIN");
}

void dml_truncate(SqlText *st, Relation *const *rels, int count)
{
    sqltext_put(st, "TRUNCATE TABLE ");
    for (int i = 0; i < count; i++) {
        dml_put_comma(st, i);
        sqltext_put(st, "ONLY ");
        sqltext_qualified(st, rels[i]->target_schema, rels[i]->target_name);
    }
}

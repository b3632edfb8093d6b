/*
 * keydiff - see the header.
 *
 * The keys travel as one array parameter a key column and are joined to the table by its own
 * comparison, so that the key's index serves. A type that is not built in brings the operator of that
 * index; where none is known it is compared by its text.
 */
#include "verify/keydiff.h"

#include <stdio.h>
#include <string.h>

#include "sqltext/reading.h"
#include "verify/arrays.h"

#define FIRST_NORMAL_OID 16384
enum { FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };

const char *keydiff_kind_name(KeyDiffKind kind)
{
    static const char *const NAMES[KEYDIFF_KIND_COUNT] = {"equal", "missing", "extra", "different",
                                                          "representation"};
    return NAMES[kind];
}

/* Digits without sign of a zero and without zeros that say nothing; NaN and Infinity as they are. */
static void plain_number(const char *text, Buf *out)
{
    buf_clear(out);
    const char *digits = *text == '-' ? text + 1 : text;
    size_t len = strlen(digits);
    if (strchr(digits, '.') != NULL && strpbrk(digits, "eE") == NULL) {
        while (len > 0 && digits[len - 1] == '0')
            len--;
        if (len > 0 && digits[len - 1] == '.')
            len--;
    }
    bool zero = strspn(digits, "0.") >= len;
    if (*text == '-' && !zero)
        buf_putc(out, '-');
    if (zero)
        buf_putc(out, '0');
    else
        buf_put(out, digits, len);
}

bool keydiff_same_number(uint32_t base_type_oid, const char *a, const char *b)
{
    if (base_type_oid != FLOAT4 && base_type_oid != FLOAT8 && base_type_oid != NUMERIC)
        return false;
    CLEANUP_BUF Buf x = BUF_INIT;
    CLEANUP_BUF Buf y = BUF_INIT;
    plain_number(a, &x);
    plain_number(b, &y);
    return strcmp(buf_str(&x), buf_str(&y)) == 0;
}

void keydiff_judge(const Relation *rel, KeyDiff *diff, Arena *arena)
{
    diff->column_count = 0;
    diff->columns = NULL;
    if (diff->source == NULL || diff->target == NULL) {
        diff->kind = diff->source != NULL   ? KEYDIFF_MISSING
                     : diff->target != NULL ? KEYDIFF_EXTRA
                                            : KEYDIFF_EQUAL;
        return;
    }
    int *columns = arena_new_array(arena, int, rel->column_count);
    bool numbers_only = true;
    for (int c = 0; c < rel->column_count; c++) {
        const char *a = diff->source[c], *b = diff->target[c];
        if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0))
            continue;
        columns[diff->column_count++] = c;
        numbers_only = numbers_only && a != NULL && b != NULL &&
                       keydiff_same_number(rel->columns[c].base_type_oid, a, b);
    }
    diff->columns = columns;
    diff->kind = diff->column_count == 0 ? KEYDIFF_EQUAL
                 : numbers_only          ? KEYDIFF_REPRESENTATION
                                         : KEYDIFF_DIFFERENT;
}

void keydiff_describe(const Relation *rel, const KeyDiff *diff, char *out, size_t size)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    buf_printf(&text, "%s: ", keydiff_kind_name(diff->kind));
    for (int k = 0; k < rel->key_count; k++)
        buf_printf(&text, "%s%s=*** (%zu bytes)", k > 0 ? ", " : "", rel->columns[rel->key[k]].name,
                   strlen(diff->key[k]));
    for (int c = 0; c < diff->column_count; c++)
        buf_printf(&text, "%s%s", c == 0 ? " in column " : ", ",
                   rel->columns[diff->columns[c]].name);
    snprintf(out, size, "%s", buf_str(&text));
}

static const char *base_name(const Column *column, bool on_source)
{
    return on_source ? column->base_name : column->target_base_name;
}

static const char *column_name(const Column *column, bool on_source)
{
    return on_source ? column->name : column->target_name;
}

static bool column_by_index(const Column *column)
{
    return column->base_type_oid < FIRST_NORMAL_OID ||
           (column->equal_schema != NULL && column->target_equal_schema != NULL &&
            column->target_type_schema != NULL && column->target_type_name != NULL);
}

bool keydiff_by_index(const Relation *rel)
{
    for (int k = 0; k < rel->key_count; k++)
        if (!column_by_index(&rel->columns[rel->key[k]]))
            return false;
    return rel->key_count > 0;
}

/* Values travel as texts and become the type in the join: an array of arrays is taken apart in whole,
 * and one of composites gives their fields. */
static bool column_as_text(const Column *column)
{
    return column->base_type_oid >= FIRST_NORMAL_OID ||
           (column->type_oid == column->base_type_oid && column->type_name[0] == '_');
}

/* The type in which values are compared. */
static void put_type(SqlText *st, const Column *column, bool on_source)
{
    if (base_name(column, on_source) != NULL)
        sqltext_qualified(st, on_source ? column->base_schema : column->target_base_schema,
                          base_name(column, on_source));
    else if (column->base_type_oid >= FIRST_NORMAL_OID && !on_source)
        sqltext_qualified(st, column->target_type_schema, column->target_type_name);
    else
        sqltext_qualified(st, column->type_schema, column->type_name);
}

static void put_wanted(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, " FROM ROWS FROM (");
    for (int k = 0; k < rel->key_count; k++) {
        if (k > 0)
            sqltext_put(st, ", ");
        sqltext_put(st, "pg_catalog.unnest(");
        sqltext_param(st, k + 1);
        sqltext_put(st, "::");
        if (column_as_text(&rel->columns[rel->key[k]]))
            sqltext_put(st, "pg_catalog.text");
        else
            put_type(st, &rel->columns[rel->key[k]], on_source);
        sqltext_put(st, "[])");
    }
    sqltext_put(st, ") WITH ORDINALITY AS w (");
    for (int k = 0; k < rel->key_count; k++) {
        sqltext_put(st, "k");
        sqltext_i64(st, k);
        sqltext_put(st, ", ");
    }
    sqltext_put(st, "place)");
}

static void put_join(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, " JOIN ");
    if (rel->has_children)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, on_source ? rel->schema : rel->target_schema,
                      on_source ? rel->name : rel->target_name);
    sqltext_put(st, " t ON ");
    for (int k = 0; k < rel->key_count; k++) {
        const Column *column = &rel->columns[rel->key[k]];
        if (k > 0)
            sqltext_put(st, " AND ");
        sqltext_put(st, "t.");
        sqltext_ident(st, column_name(column, on_source));
        if (!column_by_index(column)) {
            sqltext_put(st, "::pg_catalog.text");
        } else if (base_name(column, on_source) != NULL) {
            sqltext_put(st, "::");
            put_type(st, column, on_source);
        }
        sqltext_put(st, " OPERATOR(");
        sqltext_ident(st, !column_by_index(column) || column->base_type_oid < FIRST_NORMAL_OID
                              ? "pg_catalog"
                          : on_source ? column->equal_schema
                                      : column->target_equal_schema);
        sqltext_put(st, ".=) w.k");
        sqltext_i64(st, k);
        if (column_by_index(column) && column_as_text(column)) {
            sqltext_put(st, "::");
            put_type(st, column, on_source);
        }
    }
    bool first = false;
    reading_filter(st, rel, on_source, "t", &first);
}

void keydiff_put_rows(SqlText *st, const Relation *rel, bool on_source)
{
    put_wanted(st, rel, on_source);
    put_join(st, rel, on_source);
}

static void build(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, "SELECT w.place");
    for (int c = 0; c < rel->column_count; c++) {
        sqltext_put(st, ", ");
        reading_column(st, &rel->columns[c], rel, on_source, "t");
    }
    keydiff_put_rows(st, rel, on_source);
}

PgParam *keydiff_params(const Relation *rel, const char *const *const *keys, int count,
                        Arena *arena, int more)
{
    PgParam *params = arena_new_array(arena, PgParam, rel->key_count + more);
    for (int k = 0; k < rel->key_count; k++) {
        CLEANUP_BUF Buf array = BUF_INIT;
        arrays_begin(&array);
        for (int i = 0; i < count; i++)
            arrays_put_text(&array, keys[i][k]);
        params[k] = PG_TEXT(arena_strdup(arena, arrays_end(&array)));
    }
    return params;
}

static const char **take_row(const PgRows *rows, int r, const Relation *rel, Arena *arena)
{
    const char **values = arena_new_array(arena, const char *, rel->column_count + 1);
    for (int c = 0; c < rel->column_count; c++)
        if (!pgrows_null(rows, r, c + 1))
            values[c] = arena_dup(arena, pgrows_text(rows, r, c + 1),
                                  (size_t)pgrows_length(rows, r, c + 1));
    return values;
}

bool keydiff_rows(PgConn *conn, bool on_source, const Relation *rel, const char *const *const *keys,
                  int count, Arena *arena, const char ***out_rows, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgParam *params = keydiff_params(rel, keys, count, arena, 0);
    build(&st, rel, on_source);
    if (!pgconn_query(conn, sqltext_sql(&st), params, rel->key_count, &rows, err))
        return err_context(err, "reading rows of table '%s' by key on the %s", rel->display,
                           on_source ? "source" : "target");
    memset(out_rows, 0, sizeof *out_rows * (size_t)count);
    for (int r = 0; r < pgrows_count(rows); r++)
        out_rows[pgrows_i64(rows, r, 0) - 1] = take_row(rows, r, rel, arena);
    return true;
}

bool keydiff_read(PgConn *source, PgConn *target, const Relation *rel,
                  const char *const *const *keys, int count, Arena *arena, KeyDiff *out_diffs,
                  Error *err)
{
    const char ***sources = arena_new_array(arena, const char **, count + 1);
    const char ***targets = arena_new_array(arena, const char **, count + 1);
    if (!keydiff_rows(source, true, rel, keys, count, arena, sources, err) ||
        !keydiff_rows(target, false, rel, keys, count, arena, targets, err))
        return false;
    for (int i = 0; i < count; i++) {
        out_diffs[i] = (KeyDiff){.key = keys[i], .source = sources[i], .target = targets[i]};
        keydiff_judge(rel, &out_diffs[i], arena);
    }
    return true;
}

/* reading - see the header. */
#include "sqltext/reading.h"

#include <string.h>

/* Expressions ------------------------------------------------------------------------------------ */

static void put_word(SqlText *st, ExpressionWord word)
{
#define WORD_SQL(name, text, sql)                                                                  \
    case WORD_##name:                                                                              \
        sqltext_put(st, sql);                                                                      \
        break;
    switch (word) {
        EXPRESSION_WORDS(WORD_SQL)
    case WORD_COUNT:
        break;
    }
#undef WORD_SQL
}

static void put_expression(SqlText *st, const Expression *value, const int *operands,
                           ReadingOperand *operand, const void *arg)
{
    for (int i = 0; i < value->count; i++) {
        const ExpressionPiece *piece = &value->pieces[i];
        if (piece->kind == PIECE_WORD) {
            put_word(st, piece->word);
            continue;
        }
        sqltext_put(st, " "); /* two of them in a row must not become one */
        if (piece->kind == PIECE_COLUMN)
            operand(st, arg, operands[i]);
        else if (piece->kind == PIECE_TEXT)
            sqltext_string(st, piece->text);
        else
            sqltext_number(st, piece->text);
    }
}

/* A type that the other server has for certain. */
static bool is_builtin(const Column *col)
{
    return col->target_type_schema != NULL && strcmp(col->target_type_schema, "pg_catalog") == 0;
}

/* Without the length of a varchar: a cast would cut, where a write refuses. */
static void put_target_type(SqlText *st, const Column *col)
{
    if (strcmp(col->target_type_name, "varchar") == 0 || col->target_type_text == NULL)
        sqltext_qualified(st, col->target_type_schema, col->target_type_name);
    else
        sqltext_deparsed(st, col->target_type_text);
}

void reading_value(SqlText *st, const Column *col, bool on_source, ReadingOperand *operand,
                   const void *arg)
{
    bool cast = col->target_type_name != NULL && (!on_source || is_builtin(col));
    if (cast)
        sqltext_put(st, "CAST(");
    sqltext_put(st, "(");
    put_expression(st, col->value, col->operands, operand, arg);
    sqltext_put(st, ")");
    if (cast) {
        sqltext_put(st, " AS ");
        put_target_type(st, col);
        sqltext_put(st, ")");
    }
}

/* Columns ---------------------------------------------------------------------------------------- */

typedef struct Row {
    const Relation *rel;
    const char *alias;
} Row;

static void put_name(SqlText *st, const char *alias, const char *name)
{
    if (alias != NULL) {
        sqltext_ident(st, alias);
        sqltext_put(st, ".");
    }
    sqltext_ident(st, name);
}

static void put_operand(SqlText *st, const void *arg, int column)
{
    const Row *row = arg;
    put_name(st, row->alias, row->rel->columns[column].name);
}

static bool is_integer(const char *type)
{
    return strcmp(type, "int2") == 0 || strcmp(type, "int4") == 0 || strcmp(type, "int8") == 0;
}

/* The text of the source's value, read by the target's type: as load and stream do it. */
static void put_retyped(SqlText *st, const Column *col, const char *alias)
{
    bool cast = is_builtin(col);
    if (cast && is_integer(col->type_name) && is_integer(col->target_type_name)) {
        put_name(st, alias, col->name);
        return;
    }
    if (cast)
        sqltext_put(st, "CAST(");
    sqltext_put(st, "CASE WHEN ");
    put_name(st, alias, col->name);
    sqltext_put(st, " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ");
    put_name(st, alias, col->name);
    sqltext_put(st, ") END");
    if (cast) {
        sqltext_put(st, " AS ");
        put_target_type(st, col);
        sqltext_put(st, ")");
    }
}

void reading_column(SqlText *st, const Column *col, const Relation *rel, bool on_source,
                    const char *alias)
{
    const Row row = {.rel = rel, .alias = alias};
    if (!on_source)
        put_name(st, alias, col->target_name);
    else if (col->value != NULL)
        reading_value(st, col, true, put_operand, &row);
    else if (col->other_types != NULL)
        put_retyped(st, col, alias);
    else
        put_name(st, alias, col->name);
}

void reading_copied(SqlText *st, const Column *col, const Relation *rel)
{
    const Row row = {.rel = rel};
    if (col->value != NULL)
        reading_value(st, col, true, put_operand, &row);
    else
        sqltext_ident(st, col->name);
}

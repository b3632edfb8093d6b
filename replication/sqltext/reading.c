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

/* Texts are compared by their bytes: the collations of both databases may differ. */
static void put_expression(SqlText *st, const Expression *value, const int *operands,
                           const bool *texts, ReadingOperand *operand, const void *arg)
{
    for (int i = 0; i < value->count; i++) {
        const ExpressionPiece *piece = &value->pieces[i];
        if (piece->kind == PIECE_WORD) {
            put_word(st, piece->word);
            continue;
        }
        sqltext_put(st, " "); /* two of them in a row must not become one */
        if (piece->kind == PIECE_COLUMN && texts != NULL && texts[i]) {
            sqltext_put(st, "(");
            operand(st, arg, operands[i]);
            sqltext_put(st, " COLLATE pg_catalog.\"C\")");
        } else if (piece->kind == PIECE_COLUMN)
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
    return col->target_reads_as != NULL ||
           (col->target_type_schema != NULL && strcmp(col->target_type_schema, "pg_catalog") == 0);
}

/* Without the length of a varchar: a cast would cut, where a write refuses. */
static void put_target_type(SqlText *st, const Column *col)
{
    static const char VARCHAR[] = "character varying";
    if (col->target_reads_as != NULL &&
        strncmp(col->target_reads_as, VARCHAR, sizeof VARCHAR - 1) == 0)
        sqltext_qualified(st, "pg_catalog", "varchar");
    else if (col->target_reads_as != NULL)
        sqltext_deparsed(st, col->target_reads_as);
    else if (strcmp(col->target_type_name, "varchar") == 0 || col->target_type_text == NULL)
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
    put_expression(st, col->value, col->operands, col->texts, operand, arg);
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
    bool on_target;
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
    const Column *col = &row->rel->columns[column];
    put_name(st, row->alias, row->on_target ? col->target_name : col->name);
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

/* Rows ------------------------------------------------------------------------------------------- */

void reading_condition(SqlText *st, const Relation *rel, ReadingOperand *operand, const void *arg)
{
    sqltext_put(st, "(");
    put_expression(st, rel->filter, rel->filter_operands, rel->filter_texts, operand, arg);
    sqltext_put(st, ")");
}

static void put_row_condition(SqlText *st, const Relation *rel, bool on_source, const char *alias)
{
    const Row row = {.rel = rel, .alias = alias, .on_target = !on_source};
    reading_condition(st, rel, put_operand, &row);
}

void reading_filter(SqlText *st, const Relation *rel, bool on_source, const char *alias,
                    bool *first)
{
    if (!relation_filtered(rel))
        return;
    if (*first)
        sqltext_put(st, " WHERE ");
    else
        sqltext_put(st, " AND ");
    *first = false;
    /* No condition is known: the server refuses the statement, whatever the table holds. */
    if (rel->rule_trouble != NULL) {
        sqltext_string(st, rel->rule_trouble);
        sqltext_put(st, "::pg_catalog.bool");
        return;
    }
    put_row_condition(st, rel, on_source, alias);
}

void reading_where(SqlText *st, const Relation *rel, bool on_source, const char *alias)
{
    bool first = true;
    reading_filter(st, rel, on_source, alias, &first);
}

void reading_outside(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, " WHERE ");
    put_row_condition(st, rel, on_source, NULL);
    sqltext_put(st, " IS NOT TRUE");
}

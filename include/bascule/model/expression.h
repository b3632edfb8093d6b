/*
 * expression - a value or a condition over the columns of one row, as a rule says it: $name stands for a
 * column of the source. A list of pieces, each of which both servers understand alike: words of a fixed
 * list, numbers, texts, columns. What is not on the list does not compile, so an expression can neither
 * ask another table nor give another answer tomorrow.
 */
#pragma once

#include "bascule/base/arena.h"

/* name, as a rule writes it, as SQL */
#define EXPRESSION_WORDS(W)                                                                        \
    W(OPEN, "(", "(")                                                                              \
    W(CLOSE, ")", ")")                                                                             \
    W(COMMA, ",", ", ")                                                                            \
    W(CONCATENATE, "||", " || ")                                                                   \
    W(PLUS, "+", " + ")                                                                            \
    W(MINUS, "-", " - ")                                                                           \
    W(TIMES, "*", " * ")                                                                           \
    W(DIVIDE, "/", " / ")                                                                          \
    W(MODULO, "%", " % ")                                                                          \
    W(NOT_EQUAL, "<>", " <> ")                                                                     \
    W(NOT_EQUAL_TOO, "!=", " <> ")                                                                 \
    W(NOT_ABOVE, "<=", " <= ")                                                                     \
    W(NOT_BELOW, ">=", " >= ")                                                                     \
    W(BELOW, "<", " < ")                                                                           \
    W(ABOVE, ">", " > ")                                                                           \
    W(EQUAL, "=", " = ")                                                                           \
    W(CASE, "case", " CASE ")                                                                      \
    W(WHEN, "when", " WHEN ")                                                                      \
    W(THEN, "then", " THEN ")                                                                      \
    W(ELSE, "else", " ELSE ")                                                                      \
    W(END, "end", " END ")                                                                         \
    W(AND, "and", " AND ")                                                                         \
    W(OR, "or", " OR ")                                                                            \
    W(NOT, "not", " NOT ")                                                                         \
    W(IS, "is", " IS ")                                                                            \
    W(NOTHING, "null", " NULL ")                                                                   \
    W(TRUE, "true", " true ")                                                                      \
    W(FALSE, "false", " false ")                                                                   \
    W(IN, "in", " IN ")                                                                            \
    W(BETWEEN, "between", " BETWEEN ")                                                             \
    W(LOWER, "lower", "pg_catalog.lower")                                                          \
    W(UPPER, "upper", "pg_catalog.upper")                                                          \
    W(LENGTH, "length", "pg_catalog.length")                                                       \
    W(SUBSTR, "substr", "pg_catalog.substr")                                                       \
    W(SUBSTRING, "substring", "pg_catalog.substr")                                                 \
    W(REPLACE, "replace", "pg_catalog.replace")                                                    \
    W(TRIM, "trim", "pg_catalog.btrim")                                                            \
    W(LTRIM, "ltrim", "pg_catalog.ltrim")                                                          \
    W(RTRIM, "rtrim", "pg_catalog.rtrim")                                                          \
    W(INSTR, "instr", "pg_catalog.strpos")                                                         \
    W(ABS, "abs", "pg_catalog.abs")                                                                \
    W(ROUND, "round", "pg_catalog.round")                                                          \
    W(COALESCE, "coalesce", "COALESCE")                                                            \
    W(IFNULL, "ifnull", "COALESCE")                                                                \
    W(NULLIF, "nullif", "NULLIF")                                                                  \
    W(MD5, "md5", "pg_catalog.md5")

#define EXPRESSION_WORD(name, text, sql) WORD_##name,
typedef enum ExpressionWord { EXPRESSION_WORDS(EXPRESSION_WORD) WORD_COUNT } ExpressionWord;
#undef EXPRESSION_WORD

typedef enum PieceKind { PIECE_WORD, PIECE_NUMBER, PIECE_TEXT, PIECE_COLUMN } PieceKind;

typedef struct ExpressionPiece {
    PieceKind kind;
    ExpressionWord word;
    const char *text; /* of the other kinds: digits, the text itself, the column's name */
} ExpressionPiece;

typedef struct Expression {
    const char *text; /* as written */
    int count;
    const ExpressionPiece *pieces;
} Expression;

/* CONFIG: a character or a word that is not on the list, a parenthesis too many, nothing at all. */
MUST_CHECK bool expression_parse(Arena *arena, const char *text, const Expression **out,
                                 Error *err);
/* A text in it that a date or time would read as another moment each time ('now'); NULL: none. */
const char *expression_clock_word(const Expression *expression);
/* The same over columns that are called otherwise: `from` and `to` are `count` names each. */
const Expression *expression_renamed(Arena *arena, const Expression *expression, int count,
                                     const char *const *from, const char *const *to);

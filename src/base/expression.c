/* expression - see bascule/model/expression.h. Only words are found here; whether they make sense in
 * that order the source's server says, before anything is touched. */
#include "bascule/model/expression.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bascule/base/buf.h"

#define WORD_TEXT(name, text, sql) text,
static const char *const WORDS[] = {EXPRESSION_WORDS(WORD_TEXT)};
#undef WORD_TEXT

typedef struct Parser {
    Arena *arena;
    const char *text, *at;
    ExpressionPiece *pieces;
    int count, depth;
    Error *err;
} Parser;

static bool fail(Parser *p, const char *what)
{
    ERR(p->err, ERR_CONFIG, "'%s': %s", p->text, what);
    return err_hint(p->err, "Columns are written $name or $\"Name\", texts 'like this'; the manual "
                            "lists the operators and functions.");
}

static void add(Parser *p, PieceKind kind, ExpressionWord word, const char *text)
{
    p->pieces[p->count++] = (ExpressionPiece){.kind = kind, .word = word, .text = text};
}

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* From behind the opening quote; a doubled quote stands for itself. */
static bool read_quoted(Parser *p, char quote, const char **out)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    for (;; p->at++) {
        if (*p->at == '\0')
            return fail(p, "a quote is not closed");
        if (*p->at == quote && *++p->at != quote)
            break;
        buf_putc(&text, *p->at);
    }
    *out = arena_strdup(p->arena, buf_str(&text));
    return true;
}

static bool read_column(Parser *p)
{
    const char *name = "", *start = ++p->at;
    if (*p->at == '"') {
        p->at++;
        if (!read_quoted(p, '"', &name))
            return false;
    } else {
        while (is_name_character(*p->at))
            p->at++;
        name = arena_dup(p->arena, start, (size_t)(p->at - start));
    }
    if (*name == '\0')
        return fail(p, "a '$' without the name of a column");
    add(p, PIECE_COLUMN, WORD_COUNT, name);
    return true;
}

static bool read_number(Parser *p)
{
    char *end;
    size_t digits = strspn(p->at, "0123456789");
    size_t len = digits;
    if (p->at[len] == '.')
        len += 1 + strspn(p->at + len + 1, "0123456789");
    if ((p->at[len] | 0x20) == 'e') {
        strtod(p->at, &end);
        len = (size_t)(end - p->at);
    }
    if (is_name_character(p->at[len]) || p->at[len] == '.')
        return fail(p, "a number is followed by something else");
    add(p, PIECE_NUMBER, WORD_COUNT, arena_dup(p->arena, p->at, len));
    p->at += len;
    return true;
}

static bool read_word(Parser *p)
{
    bool letters = isalpha((unsigned char)*p->at);
    size_t most = 0, len = 0;
    int found = -1;
    while (letters && is_name_character(p->at[len]))
        len++;
    for (int w = 0; w < WORD_COUNT; w++) {
        size_t size = strlen(WORDS[w]);
        if (letters ? size == len && strncasecmp(p->at, WORDS[w], len) == 0
                    : size > most && strncmp(p->at, WORDS[w], size) == 0) {
            found = w;
            most = size;
        }
    }
    if (found < 0)
        return fail(
            p, arena_printf(p->arena, "'%.*s' is not supported", (int)(letters ? len : 1), p->at));
    p->at += most;
    p->depth += found == WORD_OPEN ? 1 : found == WORD_CLOSE ? -1 : 0;
    if (p->depth < 0)
        return fail(p, "a ')' without its '('");
    if (found == WORD_COMMA && p->depth == 0)
        return fail(p, "a ',' outside of parentheses");
    add(p, PIECE_WORD, (ExpressionWord)found, NULL);
    return true;
}

static bool read_piece(Parser *p)
{
    const char *text = "";
    if (*p->at == '$')
        return read_column(p);
    if (isdigit((unsigned char)*p->at))
        return read_number(p);
    if (*p->at != '\'')
        return read_word(p);
    p->at++;
    if (!read_quoted(p, '\'', &text))
        return false;
    add(p, PIECE_TEXT, WORD_COUNT, text);
    return true;
}

bool expression_parse(Arena *arena, const char *text, const Expression **out, Error *err)
{
    Parser p = {.arena = arena, .text = text, .at = text, .err = err};
    p.pieces = arena_new_array(arena, ExpressionPiece, strlen(text) + 1);
    for (;;) {
        while (isspace((unsigned char)*p.at))
            p.at++;
        if (*p.at == '\0')
            break;
        if (!read_piece(&p))
            return false;
    }
    if (p.count == 0)
        return fail(&p, "there is no expression");
    if (p.depth > 0)
        return fail(&p, "a '(' without its ')'");
    Expression *made = arena_new_object(arena, Expression);
    *made = (Expression){.text = arena_strdup(arena, text), .count = p.count, .pieces = p.pieces};
    *out = made;
    return true;
}

const char *expression_clock_word(const Expression *expression)
{
    static const char *const CLOCK[] = {"now", "today", "tomorrow", "yesterday"};
    for (int i = 0; i < expression->count; i++) {
        const ExpressionPiece *piece = &expression->pieces[i];
        char word[16] = "";
        if (piece->kind != PIECE_TEXT)
            continue;
        (void)sscanf(piece->text, " %15s", word);
        for (size_t c = 0; c < sizeof CLOCK / sizeof *CLOCK; c++)
            if (strcasecmp(word, CLOCK[c]) == 0)
                return piece->text;
    }
    return NULL;
}

const Expression *expression_renamed(Arena *arena, const Expression *expression, int count,
                                     const char *const *from, const char *const *to)
{
    Expression *made = arena_new_object(arena, Expression);
    ExpressionPiece *pieces = arena_new_array(arena, ExpressionPiece, expression->count);
    for (int i = 0; i < expression->count; i++) {
        pieces[i] = expression->pieces[i];
        if (pieces[i].kind == PIECE_WORD)
            continue;
        const char *name = pieces[i].text;
        for (int c = 0; pieces[i].kind == PIECE_COLUMN && c < count; c++)
            if (strcmp(from[c], expression->pieces[i].text) == 0)
                name = to[c];
        pieces[i].text = arena_strdup(arena, name);
    }
    *made = (Expression){.text = arena_strdup(arena, expression->text),
                         .count = expression->count,
                         .pieces = pieces};
    return made;
}

/* sqlsplit - see the header. One pass over the bytes; every state of the lexer is one function that
 * moves behind what it reads. */
#include "schema/sqlsplit.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct Splitter {
    Arena *arena;
    const char *script;
    size_t len, at;
    int line; /* of `at` */
    /* the statement that is read */
    bool begun;
    SqlStatement now;
    int words, parentheses, blocks; /* blocks: BEGIN ATOMIC and CASE that are open */
    bool may_have_body;             /* CREATE FUNCTION or PROCEDURE */
    bool client_copy;
    SqlSplit *out;
    int capacity;
    Error *err;
} Splitter;

static char peek(const Splitter *s, size_t ahead)
{
    return s->at + ahead < s->len ? s->script[s->at + ahead] : '\0';
}

static void step(Splitter *s)
{
    s->line += s->script[s->at++] == '\n';
}

static void steps(Splitter *s, size_t count)
{
    while (count-- > 0)
        step(s);
}

static bool endless(Splitter *s, int line, const char *what)
{
    return ERR(s->err, ERR_CONFIG, "line %d: %s does not end", line, what);
}

static bool is_word_begin(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
    return is_word_begin(c) || isdigit((unsigned char)c) || c == '$';
}

/* At the opening quote. */
static bool skip_quoted(Splitter *s, char quote, bool escapes, const char *what)
{
    int line = s->line;
    step(s);
    while (s->at < s->len) {
        if (escapes && peek(s, 0) == '\\' && s->at + 1 < s->len) {
            steps(s, 2);
        } else if (peek(s, 0) != quote) {
            step(s);
        } else if (peek(s, 1) == quote) {
            steps(s, 2);
        } else {
            step(s);
            return true;
        }
    }
    return endless(s, line, what);
}

static void skip_line_comment(Splitter *s)
{
    while (s->at < s->len && peek(s, 0) != '\n')
        step(s);
}

static bool skip_comment(Splitter *s)
{
    int line = s->line, depth = 0;
    while (s->at < s->len) {
        if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            depth++;
            steps(s, 2);
        } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            steps(s, 2);
            if (--depth == 0)
                return true;
        } else {
            step(s);
        }
    }
    return endless(s, line, "a comment");
}

/* Length of "$tag$" at the place; 0: that is none. */
static size_t dollar_tag(const Splitter *s)
{
    size_t n = 1;
    if (peek(s, n) != '$' && !is_word_begin(peek(s, n)))
        return 0;
    while (peek(s, n) != '$' && is_word(peek(s, n)))
        n++;
    return peek(s, n) == '$' ? n + 1 : 0;
}

static bool skip_dollar_quoted(Splitter *s, size_t tag)
{
    int line = s->line;
    size_t from = s->at;
    steps(s, tag);
    while (s->at + tag <= s->len) {
        if (memcmp(s->script + s->at, s->script + from, tag) == 0) {
            steps(s, tag);
            return true;
        }
        step(s);
    }
    return endless(s, line, "a dollar-quoted string");
}

static bool same_word(const char *word, size_t len, const char *other)
{
    return strlen(other) == len && strncasecmp(word, other, len) == 0;
}

/* psql's rule for the bodies of SQL functions: semicolons between BEGIN and its END are inside. */
static void note_block(Splitter *s, const char *word, size_t len)
{
    if (s->words <= 5 && strcmp(s->now.word[0], "CREATE") == 0 &&
        (same_word(word, len, "FUNCTION") || same_word(word, len, "PROCEDURE")))
        s->may_have_body = true;
    if (!s->may_have_body || s->parentheses > 0) /* `begin` may be a parameter's name */
        return;
    if (same_word(word, len, "BEGIN") || (s->blocks > 0 && same_word(word, len, "CASE")))
        s->blocks++;
    else if (s->blocks > 0 && same_word(word, len, "END"))
        s->blocks--;
}

static void read_word(Splitter *s)
{
    const char *word = s->script + s->at;
    size_t len = 0;
    while (is_word(peek(s, len)))
        len++;
    steps(s, len);
    if (s->words < 2) {
        char *out = s->now.word[s->words];
        for (size_t i = 0; i < len && i + 1 < sizeof s->now.word[0]; i++)
            out[i] = (char)toupper((unsigned char)word[i]);
    }
    s->words++;
    note_block(s, word, len);
    if (strcmp(s->now.word[0], "COPY") == 0 && s->parentheses == 0 &&
        (same_word(word, len, "STDIN") || same_word(word, len, "STDOUT")))
        s->client_copy = true;
}

/* E'...', and the other letters that may stand in front of a quote: they are part of the string. */
static bool read_word_or_string(Splitter *s)
{
    char c = peek(s, 0);
    if ((c == 'e' || c == 'E') && peek(s, 1) == '\'') {
        step(s);
        return skip_quoted(s, '\'', true, "a string");
    }
    read_word(s);
    return true;
}

static void begin_statement(Splitter *s)
{
    s->begun = true;
    s->now = (SqlStatement){.offset = s->at, .line = s->line};
    s->words = s->parentheses = s->blocks = 0;
    s->may_have_body = s->client_copy = false;
}

static bool end_statement(Splitter *s)
{
    if (!s->begun)
        return true;
    s->begun = false;
    if (s->client_copy)
        return ERR(s->err, ERR_CONFIG,
                   "line %d: COPY from or to the client is not possible in a script, write INSERT",
                   s->now.line);
    if (s->out->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        SqlStatement *bigger = arena_new_array(s->arena, SqlStatement, s->capacity);
        if (s->out->count > 0)
            memcpy(bigger, s->out->all, sizeof *bigger * (size_t)s->out->count);
        s->out->all = bigger;
    }
    s->now.text = arena_dup(s->arena, s->script + s->now.offset, s->at - s->now.offset);
    s->out->all[s->out->count++] = s->now;
    return true;
}

/* Blanks and comments; false: there was none. */
static bool skip_space(Splitter *s, bool *out_skipped)
{
    char c = peek(s, 0);
    *out_skipped = true;
    if (isspace((unsigned char)c)) {
        step(s);
    } else if (c == '-' && peek(s, 1) == '-') {
        skip_line_comment(s);
    } else if (c == '/' && peek(s, 1) == '*') {
        return skip_comment(s);
    } else {
        *out_skipped = false;
    }
    return true;
}

static bool read_token(Splitter *s)
{
    char c = peek(s, 0);
    size_t tag;
    if (c == '\'')
        return skip_quoted(s, '\'', false, "a string");
    if (c == '"')
        return skip_quoted(s, '"', false, "a quoted name");
    if (c == '$' && (tag = dollar_tag(s)) > 0)
        return skip_dollar_quoted(s, tag);
    if (is_word_begin(c))
        return read_word_or_string(s);
    if (isdigit((unsigned char)c) || c == '$') {
        /* $1, 1e5, 0x1f: what follows the digit belongs to it */
        do
            step(s);
        while (is_word(peek(s, 0)));
        return true;
    }
    if (c == '\\' && s->parentheses == 0)
        return ERR(s->err, ERR_CONFIG,
                   "line %d: '\\' outside of a string: commands of psql are not understood",
                   s->line);
    if (c == '(')
        s->parentheses++;
    if (c == ')' && s->parentheses > 0)
        s->parentheses--;
    step(s);
    return true;
}

bool sqlsplit(Arena *arena, const char *script, size_t len, SqlSplit *out_split, Error *err)
{
    SqlSplit split = {0};
    Splitter s = {
        .arena = arena, .script = script, .len = len, .line = 1, .out = &split, .err = err};
    while (s.at < len) {
        bool skipped;
        if (!skip_space(&s, &skipped))
            return false;
        if (skipped)
            continue;
        if (peek(&s, 0) == ';' && s.parentheses == 0 && s.blocks == 0) {
            if (!end_statement(&s))
                return false;
            step(&s);
            continue;
        }
        if (!s.begun)
            begin_statement(&s);
        if (!read_token(&s))
            return false;
    }
    if (s.begun && (s.blocks > 0 || s.parentheses > 0))
        return endless(&s, s.now.line, "a statement");
    if (!end_statement(&s))
        return false;
    *out_split = split;
    return true;
}

bool sqlsplit_is_transaction(const SqlStatement *statement)
{
    static const char *const WORDS[][2] = {
        {"BEGIN", NULL},
        {"COMMIT", NULL},
        {"END", NULL},
        {"ABORT", NULL},
        {"START", "TRANSACTION"},
        {"ROLLBACK", ""},
        {"ROLLBACK", "WORK"},
        {"ROLLBACK", "AND"},
        {"ROLLBACK", "PREPARED"},
        {"ROLLBACK", "TRANSACTION"},
        {"PREPARE", "TRANSACTION"},
    };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        const char *second = WORDS[i][1];
        if (strcmp(statement->word[0], WORDS[i][0]) != 0)
            continue;
        if (second == NULL || strcmp(statement->word[1], second) == 0)
            return true;
    }
    return false;
}

int sqlsplit_line(const SqlStatement *statement, int position)
{
    int line = statement->line, character = 1;
    for (const char *c = statement->text; *c != '\0' && character < position; c++) {
        line += *c == '\n';
        /* the next byte begins a character unless it continues this one */
        character += ((unsigned char)c[1] & 0xC0) != 0x80;
    }
    return line;
}

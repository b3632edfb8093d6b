/*
 * sqlsplit - an SQL script as its statements, as psql would divide it: at semicolons outside of
 * quotes, dollar quotes, comments, parentheses and the bodies of SQL functions (BEGIN ATOMIC).
 *
 * Reads    standard strings ('it''s', E'it\'s'), "names", $tag$ ... $tag$, nested comments.
 * Refuses  what no server could be sent: a quote or comment that does not end, psql's own backslash
 *          commands, COPY from or to the client. The message begins with the line.
 */
#pragma once

#include "bascule/base/arena.h"

typedef struct SqlStatement {
    const char *text; /* without the semicolon; ends with a NUL */
    size_t offset;    /* of its first byte in the script */
    int line;         /* of that byte, from 1 */
    char word[2]
             [16]; /* its first words in upper case, "" where there is none; longer ones are cut */
} SqlStatement;

typedef struct SqlSplit {
    SqlStatement *all;
    int count;
} SqlSplit;

/* Empty statements are left out. CONFIG */
MUST_CHECK bool sqlsplit(Arena *arena, const char *script, size_t len, SqlSplit *out_split,
                         Error *err);
/* BEGIN, COMMIT and what else begins or ends a transaction; savepoints do not. */
bool sqlsplit_is_transaction(const SqlStatement *statement);
/* The line of the script that a server's error position (characters, from 1; 0: not known) in the
 * statement means. */
int sqlsplit_line(const SqlStatement *statement, int position);

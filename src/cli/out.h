/*
 * out - what commands print on stdout: tables whose columns fit their content, figures for people,
 * JSON.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/arena.h"
#include "bascule/base/buf.h"

typedef struct OutTable OutTable;

/* Titles NULL-terminated; a title that begins with '>' makes its column align right. In `arena`. */
OutTable *out_table_new(Arena *arena, const char *const *titles);
/* One cell a column; NULL is "unknown". Texts are copied. Line ends start a new line in the cell.
 */
void out_table_row(OutTable *table, const char *const *cells);
/* Lines without trailing blanks. A table without rows prints its titles. */
void out_table_put(const OutTable *table, Buf *out);

/* "1.5 GB" (powers of 1024), "1,234,567", "4.2 s"; PROGRESS_UNKNOWN is "unknown". */
const char *out_bytes(Arena *arena, int64_t bytes);
const char *out_count(Arena *arena, int64_t count);
const char *out_duration(Arena *arena, int64_t us);
/* Breaks text at blanks; every line begins with `indent` blanks. */
void out_wrap(Buf *out, const char *text, int indent, int width);

/* To stdout at once; a reader that has gone away is no error. */
void out_text(const char *text);
void out_buf(const Buf *buf);
void out_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Nobody takes what is printed: a full disk, or a reader that went away. */
bool out_failed(void);
/* The same, without readers that went away: then the exit code must say so. */
bool out_lost(void);
/* Indented for a report, on one line for a stream of lines. Does not own the value. */
void out_json(const json_t *value);
void out_json_line(const json_t *value);

/* stdin and stdout are a terminal: only then may a question be asked. */
bool out_interactive(void);
/* Asks on the terminal; true when the answer is exactly `expected`. */
bool out_confirm(const char *question, const char *expected);

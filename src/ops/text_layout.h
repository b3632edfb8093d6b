/*
 * text_layout - words, figures and columns for a terminal: what is printed is never wider than
 * asked and never holds control characters (a table's name may).
 */
#pragma once

#include <stdint.h>

#include "bascule/base/buf.h"

/* Columns that s takes, one a character of UTF-8 (bytes that are none count one). */
int text_width(const char *s);
/* s in exactly `width` columns: padded with spaces, or cut with an ellipsis. right: padded on the
 * left. */
void text_put_cell(Buf *out, const char *s, int width, bool right);
/* s without control characters, whole. */
void text_put_clean(Buf *out, const char *s);
/* Words of s on as many lines as needed; the first line continues at column `at` of the current
 * one, the others begin at `indent`. Newlines in s are kept. Ends with \n. */
void text_put_wrapped(Buf *out, const char *s, int at, int indent, int width);

#define TEXT_NUMBER_SIZE 32
/* "12,345"; PROGRESS_UNKNOWN: "unknown". All return out (of TEXT_NUMBER_SIZE bytes). */
char *text_count(int64_t n, char *out);
/* "123 B", "1.5 MB" (powers of 1024) */
char *text_bytes(int64_t bytes, char *out);
/* clock_format_duration, or "unknown" */
char *text_duration(int64_t us, char *out);

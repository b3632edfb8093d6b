/*
 * json_text - strings that came from servers and files, made fit for JSON: what is no valid UTF-8
 * (a LATIN1 source's table name) is shown with '?' in place of the bytes, instead of losing the
 * key.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "bascule/base/buf.h"

/* Flags for json_dumps and json_dumpb: one line, figures without noise digits. */
#define JSON_TEXT_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))
/* The same over several lines, for people. */
#define JSON_TEXT_PRETTY (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

json_t *json_text(const char *s);        /* NULL: null */
json_t *json_text_number(int64_t value); /* PROGRESS_UNKNOWN: null */
json_t *json_text_ms(int64_t us); /* milliseconds, one decimal at least; PROGRESS_UNKNOWN: null */
json_t *json_text_seconds(int64_t us); /* PROGRESS_UNKNOWN: null */
json_t *json_text_lsn(uint64_t lsn);   /* "X/X"; 0: null */
void json_text_dump(const json_t *value, size_t flags, Buf *out);

/*
 * json - reads JSON where it lies: strings are unescaped in place, numbers keep their source text,
 * nothing is allocated. Only what a wal2json message needs.
 *
 * Holds    start <= p <= end; nothing outside is read; what is behind p may have been overwritten,
 * what is before it never. Errors   DECODE, with the byte position and never with the data.
 */
#pragma once

#include "bascule/base/error.h"

typedef struct Json {
    char *start, *p, *end;
} Json;

typedef struct JsonText {
    char *data;
    size_t len;
} JsonText;

typedef enum JsonKind { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING } JsonKind;

#define JSON_MAX_DEPTH 32

bool json_error(const Json *json, const char *expected, Error *err);
bool json_error_char(const Json *json, char expected, Error *err);

static inline void json_skip_space(Json *json)
{
    while (json->p < json->end &&
           (*json->p == ' ' || *json->p == '\n' || *json->p == '\t' || *json->p == '\r'))
        json->p++;
}

/* Skips white space; true and takes it when the character is next. */
static inline bool json_accept(Json *json, char c)
{
    json_skip_space(json);
    if (json->p == json->end || *json->p != c)
        return false;
    json->p++;
    return true;
}

/* Skips white space, then takes the character, or fails. */
MUST_CHECK static inline bool json_expect(Json *json, char c, Error *err)
{
    return json_accept(json, c) || json_error_char(json, c, err);
}

MUST_CHECK bool json_quoted(Json *json, JsonText *out_text, Error *err);
/* A string, number or literal; *out_text is a string's text or a number's source text; of a literal
 * it is empty and points at its first letter. */
MUST_CHECK bool json_scalar(Json *json, JsonKind *out_kind, JsonText *out_text, Error *err);
/* Any value, left as it is: it can be read again later. */
MUST_CHECK bool json_skip(Json *json, Error *err);
/* Only white space is left. */
MUST_CHECK bool json_end(Json *json, Error *err);

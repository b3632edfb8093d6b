/*
 * value - one column of one row: a slice into the arena of the message that brought it.
 *
 * TEXT is the type's output text, unescaped, in the source database's encoding (client_encoding
 * of every session is set so that source and target agree); data is not NUL-terminated.
 * UNCHANGED is a TOASTed column that the source did not send; it is never NULL and never written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum ValueKind {
    VALUE_NULL = 0,
    VALUE_UNCHANGED,
    VALUE_TEXT,
    VALUE_BINARY,
} ValueKind;

typedef struct Value {
    const char *data;
    uint32_t len;
    uint8_t kind; /* ValueKind */
} Value;

static inline bool value_equal(const Value *a, const Value *b)
{
    return a->kind == b->kind &&
           (a->kind < VALUE_TEXT || (a->len == b->len && memcmp(a->data, b->data, a->len) == 0));
}

/*
 * canonical - one way to write a JSON value, so that others can compute its digest again.
 *
 * Form     keys sorted by their bytes, nothing between the tokens, pure ASCII: whatever is not stands as
 *          \uXXXX with upper-case digits, as do control characters without a short form (\b \f \n
 *          \r \t). Integers only, no fractions. See docs/operations/audit.md.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "bascule/base/sha256.h"

void canonical_put(const json_t *value, Buf *out);
/* SHA-256 over the canonical form of the object without the keys in `but` (ended by NULL). */
char *canonical_digest(const json_t *object, const char *const *but, char out[SHA256_HEX_SIZE]);
/* The bytes are the canonical form of the value that they were read as. */
bool canonical_is(const json_t *value, const char *text, size_t len);

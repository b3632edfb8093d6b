/*
 * copy_binary - what stands around the rows of a COPY TO in binary form.
 *
 * Source   PostgreSQL documentation, "COPY", File Formats, Binary Format.
 */
#pragma once

#include "bascule/base/error.h"

/* The header comes in front of the first row, in one message with it: *data and *len become the row's.
 * PROTOCOL when it is something else. */
MUST_CHECK bool copy_binary_skip_header(const char **data, int *len, Error *err);
/* The mark after the last row. */
bool copy_binary_is_end(const char *data, int len);

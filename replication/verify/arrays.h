/*
 * arrays - text form of arrays, for parameters: {1,2} and {"a","b\"c"}.
 */
#pragma once

#include "bascule/base/buf.h"

void arrays_begin(Buf *out);
void arrays_put_text(Buf *out, const char *element); /* NULL is NULL */
void arrays_put_u32(Buf *out, uint32_t element);
const char *arrays_end(Buf *out);

/*
 * copytext - rows of Values as COPY data, text or binary.
 *
 * Owns     nothing: the buffer and the session, which is in COPY IN, are borrowed.
 */
#pragma once

#include "bascule/model/value.h"
#include "bascule/port/pgconn.h"

typedef struct Copytext {
    PgConn *conn;
    Buf *buf;
    int column_count;
    bool binary;
} Copytext;

/* Binary when every value of this row that is not null is. */
bool copytext_is_binary(const Value *values, int column_count);
void copytext_begin(Copytext *copy, PgConn *conn, Buf *buf, int column_count, bool binary);
/* False also for a value that has not the form of this COPY. */
MUST_CHECK bool copytext_row(Copytext *copy, const Value *values, Error *err);
/* One row as bytes behind those in buf; false: a value is of another form. */
MUST_CHECK bool copytext_write_row(Buf *buf, const Value *values, int column_count, bool binary);
MUST_CHECK bool copytext_end(Copytext *copy, int64_t *out_rows, Error *err);

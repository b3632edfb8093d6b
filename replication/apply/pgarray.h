/*
 * pgarray - one-dimensional PostgreSQL arrays as statement parameters, built from Values.
 *
 * Forms    a column's values go to the server as one array parameter: binary where the type's
 *          receive function takes the text's bytes or a trivial conversion of them; else the
 * array's text form, so that each element goes through the element type's own input function. Owns
 * its buffer: pgarray_done. It is reused by the next pgarray_begin. Errors   none; pgarray_put
 * refuses a text that is not of its form (the caller then uses a statement with plain text
 * parameters).
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/model/value.h"
#include "bascule/port/pgconn.h"

typedef enum PgArrayForm {
    PGARRAY_LITERAL, /* {"a","b\"c",NULL}: any type with an array type */
    PGARRAY_BYTES,   /* text, varchar, bpchar, json: receive takes the text's bytes */
    PGARRAY_JSONB,   /* a version byte, then the text */
    PGARRAY_BYTEA,   /* \x hexadecimal text to bytes */
    PGARRAY_BOOL,
    PGARRAY_INT2,
    PGARRAY_INT4,
    PGARRAY_INT8,
    PGARRAY_OID,
    PGARRAY_UUID,
    PGARRAY_RECEIVE, /* VALUE_BINARY as it is */
} PgArrayForm;

typedef struct PgArray {
    Buf buf;
    PgArrayForm form;
    char delimiter; /* LITERAL */
    bool has_null;
    uint32_t element_oid;
    int32_t count;
} PgArray;

/* The form for values of a type of schema pg_catalog; LITERAL for all that are not known better. */
PgArrayForm pgarray_form(uint32_t type_oid);

void pgarray_begin(PgArray *array, PgArrayForm form, uint32_t element_oid, char delimiter);
void pgarray_put_null(PgArray *array);
/* NULL or TEXT (RECEIVE: NULL or BINARY). False: not of this form, nothing was put. */
MUST_CHECK bool pgarray_put(PgArray *array, const Value *value);
/* The parameter; valid until the array's next change. */
PgParam pgarray_end(PgArray *array);
void pgarray_done(PgArray *array);

/* For the control tables: C strings (NULL is NULL) and numbers. */
void pgarray_put_string(PgArray *array, const char *s);
void pgarray_put_i64(PgArray *array, int64_t value);

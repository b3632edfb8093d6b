/*
 * describe - a plugin's messages as JSON, with nothing but what they say themselves.
 *
 * Place    beside the decoders, for what must be readable whatever became of the tables since: no
 *          Relation is needed, so none can be a misfit. Values stay what the plugin sends: text, and
 *          with wal2json also JSON's own numbers and booleans.
 * Errors   DECODE for what it does not understand.
 */
#pragma once

#include "bascule/base/buf.h"

/* A change of one table. NUL-terminated; valid until the callback returns. */
typedef struct Described {
    const char *operation; /* "insert", "update", "delete", "truncate" */
    const char *schema, *table;
    const char *columns;    /* JSON array of {"name","value"}: the new row; NULL none */
    const char *identity;   /* the same: the old row, as far as it is sent; NULL none */
    int64_t commit_time_us; /* of its transaction, since 1970; 0 unknown */
    uint32_t xid;
} Described;

typedef bool (*DescribeFn)(void *arg, const Described *change, Error *err);

typedef struct Describer Describer;

/* plugin: "wal2json" (format-version 2) or "pgoutput" (protocol 1, text). */
Describer *describer_new(const char *plugin);
void describer_free(Describer *describer); /* NULL is fine */
/* One message, which may be overwritten; `fn` for each change in it. */
MUST_CHECK bool describer_read(Describer *describer, char *data, size_t len, DescribeFn fn,
                               void *arg, Error *err);

/* A JSON string with its quotes. */
void describe_put_string(Buf *out, const char *text, size_t len);

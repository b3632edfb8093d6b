/*
 * schema - restores the source's schema on the target, section by section
 * (include/bascule/port/schema.h).
 *
 * Owns     one schema dump in `directory`, made when it is first needed by this process.
 * Method   pg_dump's own table of contents, split by catalog and oid: per-table indexes and keys,
 * what belongs to several tables, foreign keys, and what must come last. Entries whose object is on
 * the target already are left out, so that every step can be repeated. Scope    tables that the
 * rules leave out are left out with everything that depends on them. Threads  table_post_data may
 * be called by several threads at once, after pre_data.
 */
#pragma once

#include "bascule/base/stop.h"
#include "bascule/port/pgconn.h"
#include "bascule/port/schema.h"

typedef struct SchemaRestoreSpec {
    PgEndpoint source, target;
    bool everything;       /* no rule narrows the scope */
    const char *directory; /* for the dump and the lists */
    int jobs;
    StopToken *stop;
} SchemaRestoreSpec;

typedef struct SchemaRestore SchemaRestore;

/* Fills *out_port; both live until schema_restore_free. */
SchemaRestore *schema_restore_new(const SchemaRestoreSpec *spec, SchemaPort *out_port);
void schema_restore_free(SchemaRestore *restore); /* NULL is fine; removes the dump */

/*
 * objects - what a schema is made of, as the catalogs of both sides say: by catalog and oid on the
 * source, by a name that is the same on both sides.
 */
#pragma once

#include "bascule/base/map.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "schema/toc.h"

typedef struct SchemaObject {
    uint32_t id[2]; /* catalog, oid */
    uint32_t table; /* oid of the table it stands on; 0 none */
    const char *key;
} SchemaObject;

typedef struct SchemaObjects {
    Map by_id, by_key;
    Map by_words; /* of relations: "schema name" */
} SchemaObjects;

MUST_CHECK bool schema_objects_read(PgConn *conn, Arena *arena, SchemaObjects *out_objects,
                                    Error *err);
void schema_objects_done(SchemaObjects *objects);
const SchemaObject *schema_objects_get(const SchemaObjects *objects, uint32_t catalog,
                                       uint32_t oid);
/* The relation that "schema name ..." begins with; NULL when none does. */
const SchemaObject *schema_objects_named(const SchemaObjects *objects, const char *words);
bool schema_objects_has_key(const SchemaObjects *objects, const char *key);

/* Marks the entries that cannot come along because they need tables out of scope. */
MUST_CHECK bool schema_outside_mark(PgConn *source, const Relations *rels, Toc *const *tocs,
                                    int toc_count, Error *err);

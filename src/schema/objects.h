/*
 * objects - what post-data makes, as the catalogs of both sides say: by catalog and oid on the
 * source, by a name that is the same on both sides.
 */
#pragma once

#include "bascule/base/map.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "schema/toc.h"

typedef struct SchemaObject {
    uint32_t id[2]; /* catalog, oid */
    uint32_t table; /* oid of the table it stands on */
    const char *key;
} SchemaObject;

typedef struct SchemaObjects {
    Map by_id, by_key;
} SchemaObjects;

/* All user objects, or (schema, table not NULL) those of one table. */
MUST_CHECK bool schema_objects_read(PgConn *conn, const char *schema, const char *table,
                                    Arena *arena, SchemaObjects *out_objects, Error *err);
void schema_objects_done(SchemaObjects *objects);
const SchemaObject *schema_objects_get(const SchemaObjects *objects, uint32_t catalog,
                                       uint32_t oid);
bool schema_objects_has_key(const SchemaObjects *objects, const char *key);

/* What cannot come along because tables are out of scope. */
typedef struct SchemaOutside {
    Map ids;            /* key: catalog, oid */
    const char **names; /* "schema TABLE name ", as comments and grants name a table */
    int name_count;
} SchemaOutside;

MUST_CHECK bool schema_outside_read(PgConn *source, const Relations *rels, Arena *arena,
                                    SchemaOutside *out_outside, Error *err);
bool schema_outside_has(const SchemaOutside *outside, const TocEntry *entry);
void schema_outside_done(SchemaOutside *outside);

/* REFRESH of every materialized view that is populated on the source and exists on the target. */
MUST_CHECK bool schema_refresh_views(PgConn *source, PgConn *target, Error *err);

/*
 * catalog - what the source's catalog says about the tables in scope.
 *
 * catalog_read() gives every ordinary table (relkind r, permanent or unlogged, partitions too) outside
 * pg_catalog, information_schema, pg_toast, schema bascule and extensions' own tables that the rules
 * select, with columns, key, foreign keys, sizes. Rows are read in one REPEATABLE READ transaction.
 * Where the target is known, a partitioned table that it does not have with the same partitions is one
 * relation (roots.h).
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

/* A new Relations in its own arena: relations_free(). CONFIG when a rule without wildcard names no table.
 * target: where the tables of `task` go; NULL: not known. */
MUST_CHECK bool catalog_read(PgConn *source, PgConn *target, const char *task, Rules *rules,
                             Relations **out_rels, Error *err);
/* The same for a task that has copied them: a table that rules about its columns or rows do not fit any
 * more has a rule_trouble, and nothing of these rules; the others are as they are. One that a rule names
 * alone may be gone, when the task has moved it or left it out. */
MUST_CHECK bool catalog_read_living(PgConn *source, PgConn *target, const char *task, Rules *rules,
                                    Relations **out_rels, Error *err);
void relations_free(Relations *rels);
/* "{1,2,3}": the oids of the relations, as the parameter oid[] of a query; leaves are not among them. */
void relations_oid_array(const Relations *rels, Buf *out);
/* Tables in scope that are not among rels: *out_count, and a hash of which they are. */
MUST_CHECK bool catalog_newcomers(PgConn *source, Rules *rules, const Relations *rels,
                                  int *out_count, uint32_t *out_hash, Error *err);
/* xxh3 hex of everything that must not change under us: attributes, types, keys, relfilenode (the last
 * optional: TRUNCATE changes it). */
MUST_CHECK bool catalog_fingerprint(PgConn *source, const Relations *rels, char out_hex[33],
                                    Error *err);

/* Who the source is. */
typedef struct SourceIdentity {
    char system_id[32];
    int timeline;
    char started_at[64]; /* of the server: copies of one cluster share the system identifier */
    char database[64];
    char encoding[32]; /* server_encoding */
    int version;       /* 150020 */
} SourceIdentity;
MUST_CHECK bool source_identify(PgConn *conn, SourceIdentity *out_identity, Error *err);
/* The same database of the same running server. A copy of a cluster (base backup, clone) is another one. */
bool source_is_same(const SourceIdentity *a, const SourceIdentity *b);

/*
 * schema - what the engine asks of whoever restores schemas (src/schema runs pg_dump, pg_restore).
 *
 * Every call is idempotent: what already exists on the target is left alone, so that a killed run
 * repeats the step. Steps may be called from several threads at once (table_post_data).
 */
#pragma once

#include "bascule/model/relation.h"

typedef struct SchemaPort {
    void *self;
    /* Which tables are meant: before anything else, in each process. pre_data says it too. */
    void (*scope)(void *self, const Relations *rels);
    /* The source's schema has changed: the next step dumps it again. */
    void (*forget)(void *self);
    /* Dumps the source's schema (the guard locks are held) and restores pre-data: schemas, types,
     * tables, functions, sequences, no indexes, no constraints but CHECK and NOT NULL. */
    bool (*pre_data)(void *self, const Relations *rels, Error *err);
    /* Indexes, primary keys, unique and exclusion constraints, replica identity of one table. */
    bool (*table_post_data)(void *self, const Relation *rel, Error *err);
    /* What of post-data belongs to no single loaded table (partitioned roots' indexes and attaches,
     * statistics objects, ...), but not foreign keys and triggers. After all tables. */
    bool (*common_post_data)(void *self, Error *err);
    /* Foreign keys, validated. Only once the stream has passed the newest start position. */
    bool (*foreign_keys)(void *self, Error *err);
    /* Triggers, rules, policies, event triggers, comments on them, materialized view data. */
    bool (*last)(void *self, Error *err);
} SchemaPort;

/*
 * sample_internal - what the files of a sample share: the rows that are taken, by table of the source.
 */
#pragma once

#include "bascule/model/relation.h"
#include "sqltext/sqltext.h"
#include "sync/sample.h"

/* Rows by their place in the snapshot: block << 16 | item. */
typedef struct Tids {
    uint64_t *all;
    int count, capacity;
} Tids;

/* A table of the source that holds rows: a relation, or a partition of one. */
typedef struct Heap {
    Relation *rel;
    const char *schema, *name;
    uint32_t oid;
    int64_t blocks;
    Tids taken; /* sorted */
    Tids fresh; /* found, their own parents not looked for yet */
    int64_t chosen;
} Heap;

/* p is needed wherever c is taken. */
typedef struct Edge {
    const Relation *child;
    const char *schema, *name; /* the parent's, on the source */
    bool root;
    const char *condition; /* deparsed by the server; NULL: of `reference` */
    const struct VerifyReference *reference;
} Edge;

typedef struct Sample {
    const SampleSpec *spec;
    Arena *arena;
    SampleReport *report;
    Relations *rels;
    PgConn *source, *target;
    Heap *heaps;
    int heap_count;
    Map by_oid;
    Edge *edges;
    int edge_count;
    int64_t *us; /* by relation */
} Sample;

void tids_done(Tids *tids);
void tids_add(Tids *tids, uint64_t tid);
/* "(12,3)" */
uint64_t tid_parse(const char *text);
const char *tid_text(Arena *arena, uint64_t tid);
/* '{"(12,3)",...}'::tid[] as a literal */
void tids_put(SqlText *st, const uint64_t *tids, int count);

/* sample_choose.c: which rows */
MUST_CHECK bool sample_choose(Sample *sample, Error *err);
/* sample_copy.c: copies and compares the rows of a relation */
MUST_CHECK bool sample_copy(Sample *sample, Relation *rel, SampleTable *out, Error *err);
/* sample_place.c: where they go */
MUST_CHECK bool sample_make_place(Sample *sample, const bool *wanted, Error *err);
MUST_CHECK bool sample_finish_place(Sample *sample, const bool *wanted, Error *err);
void sample_problem(Sample *sample, const char *table, const Error *err, const char *row);
/* The server has refused a row, or what a rule makes of it; the sessions are fine. */
bool sample_is_problem(const Sample *sample, const Error *err);

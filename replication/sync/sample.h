/*
 * sample - some rows of each table and the rows that they need, copied to a scratch place on the target
 * and compared there: what a full load would meet, in seconds.
 *
 * Reads    the source under one snapshot of a read-only transaction; no slot, no publication.
 * Chooses  random pages (TABLESAMPLE SYSTEM, never the whole of a large table), the first and the last
 *          key, and then, along foreign keys and the given references, every row that a chosen row
 *          refers to, until nothing is missing. Cycles end: a row is taken once.
 * Writes   only to the scratch schema (tables LIKE those of the target) or, where `schema` is given,
 *          to the scratch database that `target` is, in which it makes the source's schema.
 * Problems that a load would meet are reported, not returned: false is for what ends the sample.
 * Names    a scratch schema is known by its comment; another one is never touched (WRONG_STATE).
 */
#pragma once

#include "bascule/model/progress.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"
#include "bascule/port/schema.h"

#define SAMPLE_ROWS_MOST 10000

typedef struct SampleSpec {
    PgEndpoint source, target;
    const char *task;
    Rules *rules;
    int64_t rows;              /* of each table, 1 to SAMPLE_ROWS_MOST */
    const char *const *tables; /* patterns; none: all that move */
    int table_count;
    const char *const *references; /* lines of verify.references */
    int reference_count;
    const char *scratch;      /* name of the schema; of the database, with `schema` */
    const SchemaPort *schema; /* makes the tables; NULL: they are on the target */
    int jobs;                 /* of the load, for the figures */
} SampleSpec;

typedef struct SampleTable {
    const char *table, *target; /* schema.name on the source and in the scratch place */
    int64_t chosen, parents;    /* rows: by chance, and needed by others */
    int64_t loaded, refused;
    int64_t different; /* rows that do not read the same on both sides */
    int64_t bytes, copy_us;
    int64_t rows_estimated, about_bytes, about_us; /* of the whole table; PROGRESS_UNKNOWN */
} SampleTable;

typedef struct SampleProblem {
    const char *table;
    const char *sqlstate; /* "" ours */
    const char *what;
    const char *row; /* its ctid on the source; "" none in particular */
} SampleProblem;

typedef struct SampleReport {
    const char *place; /* "schema bascule_sample" */
    SampleTable *tables;
    int table_count;
    SampleProblem *problems;
    int problem_count, problem_capacity;
    int64_t about_bytes, about_us; /* of the load; PROGRESS_UNKNOWN */
    int64_t us;
} SampleReport;

MUST_CHECK bool sample_run(const SampleSpec *spec, Arena *arena, SampleReport *out_report,
                           Error *err);

/* The comment by which a scratch place of this task is known. */
const char *sample_mark(Arena *arena, const char *task);
/* Is it ours? comment NULL: it has none. WRONG_STATE names whose it is. */
MUST_CHECK bool sample_ours(const char *kind, const char *name, const char *comment,
                            const char *task, Error *err);
/* Drops the scratch schema. *out_dropped false: there is none. */
MUST_CHECK bool sample_drop_schema(PgConn *target, const char *name, const char *task,
                                   bool *out_dropped, Error *err);

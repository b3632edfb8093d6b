/*
 * preflight_internal - what the files source/preflight_*.c share; nobody else includes it.
 *
 * Each file looks at one subject. A query that fails is a finding of its own (UNKNOWN), so that one
 * missing right does not hide the rest.
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/base/map.h"
#include "source/preflight.h"

typedef struct PreflightSide {
    const PgEndpoint *endpoint;
    const char *name; /* "source" | "target" */
    PgConn *conn;     /* NULL: not reached */
    Map facts;        /* name -> text of preflight_facts.sql; a fact that is unknown is not in it */
    int version;      /* 150020; 0 unknown */
    bool superuser;
    char system_id[32]; /* "" unknown */
} PreflightSide;

typedef struct Preflight {
    const PreflightSpec *spec;
    Arena *arena; /* the caller's: findings live in it */
    PreflightReport *report;
    int capacity; /* of report->findings */
    PreflightSide source, target;
    Relations *rels; /* NULL: the source's catalog could not be read */
    bool streams;    /* the mode needs a slot */
    bool loads;
    bool resumed;     /* the target knows the task */
    bool may_silence; /* the target role may set session_replication_role */
    bool may_silence_known;
} Preflight;

/* Findings ----------------------------------------------------------------------------------- */
void preflight_add(Preflight *p, PreflightFinding finding);
#define PREFLIGHT_ADD(p, res, ...)                                                                 \
    preflight_add((p), (PreflightFinding){.result = (res), __VA_ARGS__})
/* A text in the report's arena. */
const char *preflight_text(Preflight *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Asks; when that fails, adds an UNKNOWN finding of `code` and returns false. */
MUST_CHECK bool preflight_ask(Preflight *p, PreflightSide *side, const char *code, Sql sql,
                              const PgParam *params, int nparams, PgRows **out_rows);
#define PREFLIGHT_ASK(p, side, code, sql, rows)                                                    \
    preflight_ask(p, side, code, sql, PG_NO_PARAMS, rows)

/* Findings of one kind about many tables: the first few stand alone, the rest become one finding
 * that names them all and holds all their statements. */
typedef struct PreflightGroup {
    Preflight *p;
    PreflightFinding like; /* result, code, why; what: of the rest */
    int count;
    Buf names, remedies;
} PreflightGroup;
PreflightGroup preflight_group(Preflight *p, PreflightResult result, const char *code,
                               const char *why);
void preflight_group_add(PreflightGroup *group, const char *subject, const char *what,
                         const char *remedy);
void preflight_group_end(PreflightGroup *group);

/* Names ---------------------------------------------------------------------------------------- */
const char *preflight_ident(Preflight *p, const char *name); /* "name" */
const char *preflight_qualified(Preflight *p, const char *schema, const char *name);
const char *preflight_string(Preflight *p, const char *value);       /* 'value' */
const char *preflight_role(Preflight *p, const PreflightSide *side); /* ours, quoted */
/* "{...}" of text, for parameters */
void preflight_array_begin(Buf *array);
void preflight_array_put(Buf *array, const char *value);
const char *preflight_array_end(Buf *array);
/* preflight_ask() about the task's tables, as they are called on that side: $1 text[] schemas, $2 text[]
 * names. */
MUST_CHECK bool preflight_ask_tables(Preflight *p, PreflightSide *side, const char *code, Sql sql,
                                     PgRows **out_rows);

/* Facts ---------------------------------------------------------------------------------------- */
const char *preflight_fact(const PreflightSide *side, const char *name); /* NULL unknown */
bool preflight_fact_true(const PreflightSide *side, const char *name);
/* false: unknown */
bool preflight_fact_i64(const PreflightSide *side, const char *name, int64_t *out);

/* The subjects, in the order of the report -------------------------------------------------------
 */
/* Reaches the side and reads its facts. false: stopped. */
MUST_CHECK bool preflight_reach(Preflight *p, PreflightSide *side, Error *err);
void preflight_connection(Preflight *p, PreflightSide *side); /* TLS, pooler, version, recovery */
void preflight_identity(Preflight *p);                        /* source is not target; the task */
void preflight_replication(Preflight *p); /* wal_level, slots, senders, WAL limits */
void preflight_resources(Preflight *p, PreflightSide *side); /* connections, locks */
void preflight_databases(Preflight *p);                      /* encoding, collation */
void preflight_extensions(Preflight *p);
void preflight_transactions(Preflight *p); /* what a slot waits for */
void preflight_tasks(Preflight *p);        /* of which some of our tables are */
void preflight_others(Preflight *p);       /* subscriptions, triggers, objects */
void preflight_capture(Preflight *p);      /* event triggers that tell of DDL */
void preflight_source_rights(Preflight *p, const PgRows *tables);
void preflight_tables(Preflight *p, const PgRows *tables); /* replica identity, types, shapes */
void preflight_graph(Preflight *p);
void preflight_rules(Preflight *p);                 /* foreign keys */
void preflight_filters(Preflight *p);               /* rules about rows; of preflight_rules() */
void preflight_dual(Preflight *p);                  /* target_writes: dual-write */
void preflight_numbers(Preflight *p, bool creates); /* of preflight_dual() */
void preflight_plugin(Preflight *p);
void preflight_target_rights(Preflight *p);
void preflight_target_tables(Preflight *p);
void preflight_target_triggers(Preflight *p);
void preflight_refusals(Preflight *p); /* what the target refuses */
void preflight_back(Preflight *p);     /* what a rollback needs of the target */
void preflight_tools(Preflight *p);    /* pg_dump */
void preflight_sizes(Preflight *p, const PgRows *tables);

/* columns of preflight_tables.sql, in the order of Preflight.rels */
enum {
    PT_OID,
    PT_SELECT,
    PT_SCHEMA,
    PT_RLS,
    PT_OWNER,
    PT_AS_OWNER,
    PT_PK,
    PT_PK_DEFERRABLE,
    PT_PK_VALID,
    PT_IDENTITY_INDEX,
    PT_CANDIDATE,
    PT_NULLABLE,
    PT_TOTAL_BYTES,
    PT_OWNER_SUPER
};

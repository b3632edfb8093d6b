/*
 * history - which scripts a database has seen, held against the folder: in which of five states it is.
 *
 * The history stands in bascule.schema_history on the target and outlives tasks. Reading it makes
 * nothing; histories of Alembic and Flyway are only looked at.
 */
#pragma once

#include "bascule/port/pgconn.h"
#include "schema/scripts.h"

typedef enum HistoryState {
    HISTORY_EMPTY,        /* no tables, no history: run everything */
    HISTORY_NONE,         /* tables that somebody made, no history: it has to be repaired first */
    HISTORY_PENDING,      /* run what is pending */
    HISTORY_UP_TO_DATE,   /* nothing to do */
    HISTORY_INCONSISTENT, /* history and folder contradict each other: a person must look */
    HISTORY_STATE_COUNT,
} HistoryState;

const char *history_state_name(HistoryState state);   /* "pending_migrations" */
const char *history_state_action(HistoryState state); /* what is to be done: one sentence */

typedef struct HistoryRow {
    Revision revision;
    const char *name, *sha256, *how, *applied_at, *applied_by, *version;
    bool success;
    int64_t duration_ms; /* -1: not known */
} HistoryRow;

typedef struct HistoryProblem {
    const char *revision, *name, *what;
} HistoryProblem;

/* Another tool's history. */
typedef struct HistoryForeign {
    const char *tool;    /* "Alembic", "Flyway" */
    const char *table;   /* schema.table */
    const char *version; /* NULL: not known, see why */
    const char *why;
} HistoryForeign;

typedef struct History {
    HistoryState state;
    bool exists;      /* there is a table of it */
    HistoryRow *rows; /* by revision */
    int row_count;
    const Script **pending; /* in the order in which they would run */
    int pending_count;
    HistoryProblem *problems;
    int problem_count;
    HistoryForeign *foreign;
    int foreign_count;
    int64_t tables; /* that stand in the database */
} History;

/* tables_expected: tables without a history are no sign of anything, because the load made them. */
MUST_CHECK bool history_read(PgConn *target, const Scripts *scripts, bool tables_expected,
                             Arena *arena, History *out_history, Error *err);
/* The row of the newest revision that is applied; NULL: none. */
const HistoryRow *history_current(const History *history);
const HistoryRow *history_find(const History *history, const Revision *revision);

/* SCHEMA_HISTORY with every problem in the message, when the state is INCONSISTENT or NONE. */
MUST_CHECK bool history_refuse(const History *history, Error *err);

/* Makes the table; inside a transaction or not. */
MUST_CHECK bool history_create(PgConn *target, Error *err);
typedef struct HistoryEntry {
    const Script *script;
    bool recorded; /* else it was run */
    bool success;
    int64_t duration_ms; /* -1: not known */
} HistoryEntry;
MUST_CHECK bool history_write(PgConn *target, const HistoryEntry *entry, Error *err);
MUST_CHECK bool history_forget(PgConn *target, const char *revision, Error *err);

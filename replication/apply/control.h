/*
 * control - schema bascule on the target: what is durable about a task. The tables are plain and
 * meant to be read with psql; replication/sql/control_schema.sql documents each column.
 *
 * Holds    resume row <= what the target has; one row a task, keyed by the task's name.
 * Lock     control_lock() holds a session advisory lock: a second `run` on the task is refused with
 *          ALREADY_RUNNING, naming the pid of the owner's session.
 * Durable  every write commits synchronously, or makes the transaction that it stands in do so.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct ControlTask {
    char state[32]; /* task state machine: sync/task_fsm.h */
    char source_system_id[32];
    char source_database[64];
    char slot_name[64];
    char plugin[16];
    char publication[64];  /* "" with wal2json */
    bool publication_ours; /* created by bascule: cleanup drops it */
    char mode[32];
    char prepare[16];
    Lsn consistent_lsn; /* LSN_UNKNOWN until the slot exists */
    Lsn resume_lsn;     /* from bascule.resume; LSN_UNKNOWN before */
    int64_t resume_commit_time_us;
    int64_t epoch;
} ControlTask;

MUST_CHECK bool control_create(PgConn *target, Error *err); /* idempotent */
MUST_CHECK bool control_exists(PgConn *target, bool *out_exists, Error *err);
MUST_CHECK bool control_lock(PgConn *target, const char *task, Error *err);
/* *out_found false: no such task. */
MUST_CHECK bool control_read(PgConn *target, const char *task, ControlTask *out_task,
                             bool *out_found, Error *err);
/* Inserts or updates every field of the task row (not the resume row). synchronous_commit on. */
MUST_CHECK bool control_write(PgConn *target, const char *task, const ControlTask *row, Error *err);
MUST_CHECK bool control_set_state(PgConn *target, const char *task, const char *state, Error *err);
MUST_CHECK bool control_set_resume(PgConn *target, const char *task, Lsn resume_lsn, Error *err);
/* Table rows: state, start_lsn, rows, bytes. Written for all relations at the start of a load. */
MUST_CHECK bool control_write_tables(PgConn *target, const char *task, const Relations *rels,
                                     Error *err);
/* Inside the copier's transaction (or alone): one table's state. */
MUST_CHECK bool control_write_table(PgConn *target, const char *task, const Relation *rel,
                                    LoadState state, Lsn start_lsn, int64_t rows, int64_t bytes,
                                    const char *message, Error *err);
/* Fills load_state, start_lsn, loaded_rows/bytes, copied_shape and suspension of each relation that has
 * a row; a relation without one stays TABLE_BEFORE_LOAD. One that has another name, or whose name
 * belongs to another table now, is SUSPEND_DUE. Rows of tables that are not there go to rels->gone. */
MUST_CHECK bool control_read_tables(PgConn *target, const char *task, Relations *rels, Error *err);
/* Named steps of the schema work ("pre-data", "post-data public.t", "foreign-keys", ...). */
MUST_CHECK bool control_step_done(PgConn *target, const char *task, const char *step,
                                  bool *out_done, Error *err);
MUST_CHECK bool control_mark_step(PgConn *target, const char *task, const char *step, Error *err);
/* Append-only notes of operator actions and state changes. */
MUST_CHECK bool control_journal(PgConn *target, const char *task, int64_t epoch, const char *step,
                                const char *detail, Error *err);
/* Removes the task's rows; drops the schema when no task is left. */
MUST_CHECK bool control_remove(PgConn *target, const char *task, Error *err);

/*
 * backup - a dump of the target from before a task touched it, and the way back to it.
 *
 * A backup is a file of pg_dump (custom format, the whole database but schema bascule) and a row in
 * bascule.backup on the target with its SHA-256; the rows of bascule.backup_table say which of the
 * task's tables were there, and with how many rows. They outlive tasks.
 *
 * Restore  gives the task's tables the rows of the backup. One that was not there is dropped when
 *          the task made it (target.prepare: create), else emptied. Nothing else is touched.
 * Crash    a restore that has begun is recorded; every step may be repeated. The rows come back in
 *          one transaction.
 * Errors   BACKUP: it cannot be made or used; nothing was changed.
 */
#pragma once

#include "bascule/base/map.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "schema/tools.h"

typedef struct BackupSpec {
    const PgEndpoint *target;
    const char *task;
    const char *prepare;   /* target.prepare */
    const char *directory; /* made when it is not there */
    const Relations *rels; /* what moves, under its names on the target */
    StopToken *stop;
} BackupSpec;

typedef struct Backup {
    int64_t id;
    const char *state; /* made, restoring, restored, closed, opened */
    const char *file, *host, *sha256;
    int64_t bytes;
    const char *prepare, *made_at;
} Backup;

typedef struct Backups {
    Backup *all; /* the newest first */
    int count;
} Backups;

/* Blocks as long as pg_dump takes. Recorded once the file is on disk and readable. */
MUST_CHECK bool backup_make(const BackupSpec *spec, Arena *arena, Backup *out_backup, Error *err);
/* None: there are no backups, or nobody has made any here. */
MUST_CHECK bool backup_list(PgConn *target, const char *task, Arena *arena, Backups *out_backups,
                            Error *err);
/* The one in that file, wherever it was moved to; NULL: the one whose restore has not ended, else the newest
 * (BACKUP when that is restored). */
MUST_CHECK bool backup_choose(const Backups *backups, const char *file, Arena *arena,
                              Backup *out_backup, Error *err);
/* The file is there, and is the one that was recorded. */
MUST_CHECK bool backup_check(const Backup *backup, Error *err);
MUST_CHECK bool backup_set_state(PgConn *target, const Backup *backup, const char *state,
                                 Error *err);

typedef enum BackupFate {
    BACKUP_REFILL, /* it was there: emptied, its rows come back */
    BACKUP_EMPTY,  /* it was not there, and the task did not make it: emptied */
    BACKUP_DROP,   /* the task made it */
    BACKUP_GONE,   /* it was not there, and is not there */
} BackupFate;

typedef struct BackupTable {
    const char *schema, *name; /* as it is called now */
    BackupFate fate;
    uint32_t was_oid, now_oid; /* 0: not there */
    int64_t rows;              /* in the backup; -1 not counted */
} BackupTable;

/* What a restore would do. */
typedef struct BackupPlan {
    const Backup *backup;
    SchemaTools tools;
    Map was_there; /* by oid: the relations that the dump has */
    BackupTable *tables;
    int table_count, recorded_count; /* the first ones are recorded already */
    const char *list;                /* of what pg_restore takes from the dump */
    int64_t rows;                    /* that come back, as far as they were counted */
} BackupPlan;

/* Looks at everything that could refuse it. Changes nothing. */
MUST_CHECK bool backup_plan(const BackupSpec *spec, const Backup *backup, PgConn *target,
                            Arena *arena, BackupPlan *out_plan, Error *err);
void backup_plan_done(BackupPlan *plan);
/* Records that a restore has begun, with tables that came to the task after the backup. */
MUST_CHECK bool backup_begin(const BackupPlan *plan, PgConn *target, Error *err);
/* Takes away what the task has put there. */
MUST_CHECK bool backup_clear(const BackupPlan *plan, PgConn *target, Error *err);
/* The rows of the dump, all or none, and the count of them. */
MUST_CHECK bool backup_fill(const BackupSpec *spec, const BackupPlan *plan, PgConn *target,
                            Error *err);

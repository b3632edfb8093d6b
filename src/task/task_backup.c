/* task_backup - see the header. */
#include "task/task_backup.h"

#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "bascule/base/clock.h"
#include "bascule/base/directory.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sync/cleanup.h"
#include "sync/offline.h"
#include "task/cleanup.h"
#include "task/task_internal.h"

static void note(const char *event, const char *result, const Backup *backup)
{
    CLEANUP_BUF Buf detail = BUF_INIT;
    buf_printf(&detail, "%s, %lld bytes, sha256 %s", backup->file, (long long)backup->bytes,
               backup->sha256);
    audit_note(&(AuditNote){
        .action = "backup", .event = event, .result = result, .detail = buf_str(&detail)});
}

static BackupSpec spec_of(const Task *task, const Relations *rels)
{
    return (BackupSpec){
        .target = &task->spec.target,
        .task = task->spec.task,
        .prepare = sync_prepare_name(task->spec.prepare),
        .directory = config_text(task->config, OPT_BACKUP_DIR),
        .rels = rels,
        .stop = task->stop,
    };
}

static bool read_relations(const Task *task, Relations **out_rels, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&task->spec.source, PG_SESSION_SQL, "backup", err);
    if (source == NULL)
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "backup", err);
    return target != NULL && sync_offline_tables(source, target, &task->spec, out_rels, err);
}

static bool make(const Task *task, Error *err)
{
    Relations *rels = NULL;
    Backup backup;
    int64_t begin_us = clock_now_us();
    if (!read_relations(task, &rels, err))
        return false;
    BackupSpec spec = spec_of(task, rels);
    log_info("backing up the target before anything is changed there");
    bool ok = backup_make(&spec, task->arena, &backup, err);
    relations_free(rels);
    if (!ok)
        return err_context(err, "the backup of the target");
    log_info("the target is backed up file=%s bytes=%lld ms=%lld", backup.file,
             (long long)backup.bytes, (long long)((clock_now_us() - begin_us) / 1000));
    note("backup", "done", &backup);
    return true;
}

/* One of an earlier attempt of this task counts, as long as nothing but the attempt has come since. */
static bool is_there(const Task *task, const Backup *backup, bool found, Error *err)
{
    bool ours = found || (config_text(task->config, OPT_SCHEMA_SCRIPTS) != NULL &&
                          config_bool(task->config, OPT_SCHEMA_AUTO));
    if (!ours || strcmp(backup->state, "made") != 0)
        return false;
    if (access(backup->file, R_OK) != 0) {
        ERR_OS(err, ERR_BACKUP, "this task began with the backup '%s', which cannot be read",
               backup->file);
        err_hint(err,
                 "It was written on %s. Bring it back, or 'bascule cleanup' to begin anew with "
                 "another one.",
                 backup->host);
        return false;
    }
    log_info("the target was backed up already file=%s", backup->file);
    return true;
}

bool task_backup_begin(Task *task, TaskState state, bool found, Error *err)
{
    Backups backups;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "backup", err);
    if (target == NULL || !backup_list(target, task->spec.task, task->arena, &backups, err))
        return false;
    for (int i = 0; i < backups.count; i++) {
        if (strcmp(backups.all[i].state, "restoring") == 0) {
            ERR(err, ERR_BACKUP, "a restore of '%s' has begun and not ended", backups.all[i].file);
            return err_hint(err, "'bascule restore' finishes it; then 'run' begins a new task.");
        }
    }
    if (config_choice(task->config, OPT_BACKUP_WHEN) == 0 || state > TASK_PREPARING)
        return true;
    if (backups.count > 0 && is_there(task, &backups.all[0], found, err))
        return true;
    return err->cls == ERR_NONE && make(task, err);
}

/* Restore ---------------------------------------------------------------------------------------- */

static bool refuse_open(const Task *task, Error *err)
{
    Situation now;
    if (!way_read(&task->spec, &now, err))
        return false;
    bool undecided = now.forward == DECISION_FENCED || now.back == DECISION_FENCED;
    if (now.forward != DECISION_OPENED && now.back == DECISION_NONE && !undecided)
        return true;
    ERR(err, ERR_WRONG_STATE,
        undecided ? "a cutover has begun and is not decided"
                  : "the task was cut over: applications have written to the "
                    "target");
    return err_hint(err, undecided ? "'bascule abort' or 'bascule rollback' first."
                                   : "'bascule rollback' goes back to the source without losing "
                                     "them. A backup would.");
}

static bool refuse_state(const Backup *backup, Error *err)
{
    if (strcmp(backup->state, "opened") != 0)
        return true;
    ERR(err, ERR_WRONG_STATE,
        "the task of this backup was cut over: applications have written to "
        "the target");
    return err_hint(err,
                    "Restore it into another database with pg_restore, and take from there what "
                    "you need.");
}

bool task_restore_look(Task *task, const char *file, Arena *arena, TaskRestore *out, Error *err)
{
    *out = (TaskRestore){0};
    CLEANUP_PGCONN PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "restore", err);
    /* The lock goes with this session: it is asked for again before each write. */
    bool ok = target != NULL && sync_cleanup_target_lock(target, task->spec.task, err) &&
              backup_list(target, task->spec.task, arena, &out->backups, err) &&
              backup_choose(&out->backups, file, arena, &out->backup, err) &&
              refuse_state(&out->backup, err) && refuse_open(task, err) &&
              read_relations(task, &out->rels, err);
    out->spec = spec_of(task, out->rels);
    if (ok && backup_plan(&out->spec, &out->backup, target, arena, &out->plan, err))
        return true;
    task_restore_done(out);
    return false;
}

static PgConn *locked(const Task *task, Error *err)
{
    PgConn *target = pgconn_open(&task->spec.target, PG_SESSION_SQL, "restore", err);
    if (target != NULL && !sync_cleanup_target_lock(target, task->spec.task, err)) {
        pgconn_close(target);
        return NULL;
    }
    return target;
}

/* From here on `run` refuses until the restore has ended. */
static bool mark(const Task *task, const TaskRestore *restore, Error *err)
{
    CLEANUP_PGCONN PgConn *target = locked(task, err);
    if (target == NULL || !backup_begin(&restore->plan, target, err))
        return false;
    note("restore", "begun", &restore->backup);
    return true;
}

static bool bring_back(const Task *task, const TaskRestore *restore, Error *err)
{
    CLEANUP_PGCONN PgConn *target = locked(task, err);
    if (target == NULL || !backup_clear(&restore->plan, target, err))
        return false;
    FAULT(RESTORE_EMPTIED);
    if (!backup_fill(&restore->spec, &restore->plan, target, err))
        return false;
    FAULT(RESTORE_FILLED);
    return backup_set_state(target, &restore->backup, "restored", err);
}

bool task_restore_run(Task *task, TaskRestore *restore, Error *err)
{
    if (!directory_make(restore->spec.directory, err) || !mark(task, restore, err))
        return false;
    FAULT(RESTORE_MARKED);
    if (!task_cleanup_run(task, err))
        return err_context(err, "removing the task");
    FAULT(RESTORE_CLEANED);
    if (!bring_back(task, restore, err)) {
        if (err->hint[0] == '\0')
            err_hint(err, "'bascule restore' may be repeated; 'run' refuses until it has ended.");
        return false;
    }
    note("restore", "done", &restore->backup);
    return true;
}

void task_restore_done(TaskRestore *restore)
{
    backup_plan_done(&restore->plan);
    relations_free(restore->rels);
    restore->rels = NULL;
}

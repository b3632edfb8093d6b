/*
 * task_backup - a task's backup of the target (schema/backup.h): made before its first write, and
 * brought back by `restore`, which ends the task.
 */
#pragma once

#include "schema/backup.h"
#include "task/task.h"

/* In front of everything that changes the target. A task that has begun to load is not asked; BACKUP
 * when it cannot be made, or when a restore has begun and not ended. `found`: the target knows the
 * task. */
MUST_CHECK bool task_backup_begin(Task *task, TaskState state, bool found, Error *err);

typedef struct TaskRestore {
    Backups backups; /* all that the target knows */
    Backup backup;   /* the one that would be taken */
    BackupPlan plan;
    Relations *rels;
    BackupSpec spec;
} TaskRestore;

/* What a restore of that file (NULL: the newest) would do, or why it is refused: an engine runs
 * (ALREADY_RUNNING), the target is or was open (WRONG_STATE), a side does not answer, the file is not
 * the one that was written (BACKUP). Changes nothing. */
MUST_CHECK bool task_restore_look(Task *task, const char *file, Arena *arena,
                                  TaskRestore *out_restore, Error *err);
/* Removes the task and brings its tables back. May be repeated from the start whatever became of an
 * earlier call. */
MUST_CHECK bool task_restore_run(Task *task, TaskRestore *restore, Error *err);
void task_restore_done(TaskRestore *restore);

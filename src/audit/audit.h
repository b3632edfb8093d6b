/*
 * audit - the record of what operators did and what was decided: who, when, where, with which command.
 *
 * One file a work_dir (audit.log, 0600, append-only JSON lines, each with the hash of the one before),
 * copied into bascule.audit on both databases by audit_copy. Process-wide, as the log is; until
 * audit_open() nothing is recorded.
 *
 * Order    the file first; what the databases miss is filled in later from the file.
 * Failure  audit_note() never fails: what cannot be written is kept, told once in the log, and written
 *          with the next. audit_note_now() says so instead, for what may not go unrecorded.
 * Threads  any.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "bascule/base/error.h"
#include "bascule/model/lsn.h"

/* Who asked: SO_PEERCRED of the control socket. */
typedef struct AuditPeer {
    uid_t uid;
    pid_t pid;
} AuditPeer;

/* What is not known stays zero. Texts without secrets and without row data; cut at 2,000 bytes. */
typedef struct AuditNote {
    const char *action; /* "cutover", "repair", "hook", ... */
    const char *event;  /* "begin", "end", "decision", "note" */
    const char *result; /* "done", "refused", "opened", ... */
    const char *detail;
    const char *plan; /* hash */
    bool has_exit;
    int exit_code;
    int64_t epoch;
    Lsn source_lsn, target_lsn;
    const AuditPeer *peer; /* NULL: who runs this process */
    int64_t at_us;         /* when it happened; 0: now */
    bool lazy;             /* need not be flushed: a later record will be */
} AuditNote;

/* `work_dir` is made; `command` is what was typed, without secrets. roles may be NULL. */
MUST_CHECK bool audit_open(const char *work_dir, const char *task, const char *command,
                           const char *source_role, const char *target_role, Error *err);
void audit_close(void);
bool audit_is_open(void);

void audit_note(const AuditNote *note);
/* What was noted lazily is on disk; as far as the disk takes it. */
void audit_flush(void);
MUST_CHECK bool audit_note_now(const AuditNote *note, Error *err);

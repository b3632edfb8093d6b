/*
 * audit_copy - the audit's copies in both databases: filled from the file, read for the comparison.
 *
 * A copy is only made where schema bascule is: on the target from the first `run` on, on the source
 * from the first cutover on. Filling is idempotent: records that a copy has are left as they are.
 */
#pragma once

#include <jansson.h>

#include "audit/audit_record.h"
#include "bascule/port/pgconn.h"
#include "config/config.h"

typedef struct AuditLine {
    const char *text; /* not ended by NUL */
    size_t len;
    int64_t line; /* in the file, from 1; 0: of a database */
    int64_t seq;  /* as the database keeps it; 0: as the record says */
    char log[AUDIT_LOG_ID];
} AuditLine;

typedef enum AuditCopyState {
    AUDIT_COPY_READ,
    AUDIT_COPY_NONE,    /* there is none, and need not be */
    AUDIT_COPY_MISSING, /* schema bascule is there, the table is not */
    AUDIT_COPY_UNKNOWN, /* could not be read: `why` */
} AuditCopyState;

typedef struct AuditCopy {
    const char *name; /* "disk", "source", "target" */
    AuditCopyState state;
    const char *why;
    AuditLine *lines;
    int count;
} AuditCopy;

#define AUDIT_COPIES 3 /* disk, then the sides */

/* All of them, in the arena; what cannot be read is UNKNOWN. */
void audit_copy_read(const Config *config, Arena *arena, AuditCopy out_copies[AUDIT_COPIES]);
/* The lines of the file alone. */
MUST_CHECK bool audit_copy_read_disk(const char *path, Arena *arena, AuditCopy *out_copy,
                                     Error *err);

/* Brings one database up to the file, over a session that is open. *out_last: how far it is now;
 * -1: no place for a copy. */
MUST_CHECK bool audit_copy_push(PgConn *conn, int64_t *out_last, Error *err);
/* Both databases, as far as they answer within a short time; what fails is told in the log. `end` (may
 * be NULL) is written between: it then says how far the copies are, and is copied too. Notes in the
 * audit when a copy turns out to have lost what it had. */
void audit_copy_sync(const Config *config, const AuditNote *end);
/* The target alone, now: what was recorded is there when true is returned. WRONG_STATE: it has no place
 * for it. */
MUST_CHECK bool audit_copy_reach_target(const Config *config, Error *err);
/* Before schema bascule goes: chains of other machines are kept beside the file. */
void audit_copy_keep(const Config *config);
/* Behind that: the copies are gone on purpose. */
void audit_copy_forget(void);

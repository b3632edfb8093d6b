/*
 * audit_record - one record of the audit: made from what happened, and read again.
 *
 * A record is a JSON object in the canonical form (audit/canonical.h), one a line. `hash` is the
 * SHA-256 over the canonical form of all other keys; `prev` is the hash of the record before, of 64
 * zeros for the first; `seq` counts from 1; `log` names the file that it was written to first.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "audit/audit.h"
#include "bascule/base/buf.h"
#include "bascule/base/sha256.h"

#define AUDIT_LOG_ID  17 /* 16 hex digits and a NUL */
#define AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define AUDIT_SIDES   2

extern const char *const AUDIT_SIDE_NAMES[AUDIT_SIDES]; /* "source", "target" */

/* Where a chain ends, and how far the databases were known to have it. */
typedef struct AuditHead {
    char log[AUDIT_LOG_ID];
    int64_t seq; /* 0: nothing is written yet */
    char hash[SHA256_HEX_SIZE];
    int64_t copied[AUDIT_SIDES];
} AuditHead;

/* What is the same in all records of a process. */
typedef struct AuditProcess {
    const char *task, *host, *command, *file;
    const char *roles[AUDIT_SIDES]; /* NULL: not configured */
} AuditProcess;

/* The record behind `head`; *head moves on to it. The line has no line end. */
void audit_record_make(const AuditProcess *process, const AuditNote *note, int64_t at_us,
                       AuditHead *head, Buf *out_line);
/* Reads what a chain goes on from; false: that is no record. */
bool audit_record_head(const char *line, size_t len, AuditHead *out_head);

/* {"uid", "user", "login_uid", ...} of a peer, or (NULL) of this process. */
json_t *audit_record_who(const AuditPeer *peer);

/* NULL when the line is a record as it was written; else what is wrong with it. *out_record is the
 * JSON value as far as there is one (the caller's reference), or NULL. */
const char *audit_record_check(const char *line, size_t len, json_t **out_record);
/* "2026-01-02T03:04:05.678901Z"; 0 when it is none. */
char *audit_record_time(int64_t wall_us, char out[32]);
int64_t audit_record_parse_time(const char *text);

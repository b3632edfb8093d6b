/*
 * audit_file - the file of the audit: locked, appended to, read.
 *
 * Holds    a record is written by one write(2) under an exclusive flock, so that processes take turns;
 *          a write that is cut short is taken back. What a kill left of a line stays in the file, and the
 *          next record says how many bytes they are and their SHA-256.
 */
#pragma once

#include "audit/audit_record.h"

typedef struct AuditFile {
    int fd;
    AuditHead head; /* of the last record */
    int64_t size;
    bool unended;       /* the last line has no line end */
    int64_t torn_bytes; /* behind the last record: what is none */
    char torn_hash[SHA256_HEX_SIZE];
} AuditFile;

/* Waits up to 3 s for other processes. Makes the file where there is none. IO. */
MUST_CHECK bool audit_file_open(const char *path, AuditFile *out_file, Error *err);
MUST_CHECK bool audit_file_append(AuditFile *file, const char *line, size_t len, Error *err);
MUST_CHECK bool audit_file_flush(AuditFile *file, Error *err);
void audit_file_close(AuditFile *file);

/* The whole file; *out_found false: there is none. */
MUST_CHECK bool audit_file_read(const char *path, Buf *out_text, bool *out_found, Error *err);

/*
 * audit_check - finds what was changed in the audit: each copy against its own hashes, and the copies
 * against each other.
 */
#pragma once

#include "audit/audit_copy.h"

/* {"verdict": "intact" | "changed" | "unknown", "records", "head", "copies": [...], "findings": [...],
 * "warnings": [...]}; see docs/operations/audit.md. */
json_t *audit_check(const AuditCopy copies[AUDIT_COPIES], const char *path);

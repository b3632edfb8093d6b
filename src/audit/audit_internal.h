/*
 * audit_internal - what the files of src/audit share.
 */
#pragma once

#include "audit/audit_record.h"

#define AUDIT_TORN        "torn"
#define AUDIT_TORN_DETAIL "%lld bytes that are no record stand in front, sha256 %s"

const char *audit_path(void); /* of the file; while open */
const char *audit_task(void);
/* How far the databases have the chain: said by the records from now on. */
void audit_know_copied(const int64_t copied[AUDIT_SIDES]);
void audit_forget_copies(void);
bool audit_copies_forgotten(void);

/*
 * approval - a second person's consent to a plan, as a record of the audit.
 *
 * It is looked for in the file and in the copies of both databases, so that the other person may use a
 * bascule of his own. Two people are two logins where the kernel knows them (/proc/PID/loginuid
 * survives su and sudo), else two uids.
 */
#pragma once

#include "audit/audit.h"
#include "config/config.h"

#define APPROVAL_ACTION "approve"

/* Recorded here and in the target's copy, or an error. */
MUST_CHECK bool approval_give(const Config *config, const char *plan, Error *err);
/* NOT_APPROVED says what is missing and what to type. */
MUST_CHECK bool approval_find(const Config *config, const char *plan, const AuditPeer *runner,
                              Error *err);

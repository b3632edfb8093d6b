/*
 * offline - what is known of a task without its engine: the tables as the source's catalog has them
 * and the control tables say how far they are.
 */
#pragma once

#include "sync/sync.h"

typedef struct SyncOffline {
    Relations *rels; /* relations_free */
    char encoding[32];
    char phase[32];
    Lsn resume_lsn;
} SyncOffline;

/* *out_found false: the target knows no such task. */
/* The task's tables as the source has them now, with those that were added while it lived. */
MUST_CHECK bool sync_offline_tables(PgConn *source, PgConn *target, const SyncSpec *spec,
                                    Relations **out_rels, Error *err);
/* CONFIG when the task began with other rules than these. */
MUST_CHECK bool sync_rules_check(PgConn *target, const SyncSpec *spec, Error *err);
MUST_CHECK bool sync_offline_read(const SyncSpec *spec, SyncOffline *out, bool *out_found,
                                  Error *err);
void sync_offline_done(SyncOffline *offline);

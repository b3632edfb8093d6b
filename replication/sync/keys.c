/*
 * keys - the log of changed keys beside the stream: opened before the reader starts, flushed by a
 * worker of its own, told to the reader as the position up to which it may confirm.
 *
 * A log that cannot be had is a warning: the stream goes on, and no table counts as proved by it.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/slot.h"
#include "sync/internal.h"

#define FLUSH_US 200000

/* What the source will not send again. */
static bool read_confirmed(const Sync *sync, Lsn *out_lsn, Error *err)
{
    SlotState slot;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "keys", err);
    if (conn == NULL || !slot_state(conn, sync->row.slot_name, &slot, err))
        return err_context(err, "looking at the slot");
    *out_lsn = slot.exists ? slot.confirmed_lsn : LSN_UNKNOWN;
    return true;
}

static Keylog *open_log(const Sync *sync)
{
    Error failed = ERROR_INIT;
    KeylogSpec spec = {
        .directory = sync->spec.keys_dir,
        .memory_bytes = sync->spec.keys_memory_bytes,
        .disk_bytes = sync->spec.keys_disk_bytes,
    };
    Keylog *log = keylog_open(&spec, &failed);
    if (log == NULL)
        log_error_value(LOG_WARN, &failed, "changed keys are not kept");
    return log;
}

/* A backlog right after the load is not noted for tables that were never verified: the cutover reads
 * them in whole as long as that is so, and there is no proof that their keys could keep true. The
 * process that has begun to prove notes everything. */
static void mute_unproved(Sync *sync, Keylog *log)
{
    const Relations *rels = sync_relations(sync);
    if (atomic_load(&sync->state) != TASK_CATCHING_UP)
        return;
    int muted = 0;
    for (int i = 0; i < rels->count; i++) {
        if (proof_holds(&sync->proofs[i], rels->all[i], keylog_id(log)))
            continue;
        keylog_mute(log, rels->all[i]->oid);
        muted++;
    }
    if (muted > 0)
        log_info("changed keys are noted once the stream has caught up, of tables that were never "
                 "verified tables=%d",
                 muted);
}

void sync_keys_caught_up(Sync *sync)
{
    Keylog *log = atomic_load(&sync->keylog);
    if (log != NULL)
        keylog_unmute(log);
}

/* The switch that this stream comes from proved its tables where the stream begins, and from there on
 * the log notes everything: so their proofs hold. */
static bool take_over(Sync *sync, Keylog *log, Error *err)
{
    int taken = 0;
    size_t count = (size_t)sync_relations(sync)->count;
    Proof *proofs = mem_zalloc(sizeof *proofs * (count + 1));
    memcpy(proofs, sync->proofs, sizeof *proofs * count); /* nobody else writes before the stream */
    if (!proof_take_over(sync->control, sync->spec.task, sync_relations(sync),
                         atomic_load(&sync->progress.durable_lsn), keylog_id(log), proofs, &taken,
                         err)) {
        free(proofs);
        return false;
    }
    pthread_mutex_lock(&sync->lock);
    memcpy(sync->proofs, proofs, sizeof *proofs * count);
    pthread_mutex_unlock(&sync->lock);
    free(proofs);
    if (taken > 0)
        log_info("what the switch proved counts here, with the keys changed since tables=%d",
                 taken);
    return true;
}

bool sync_keys_begin(Sync *sync, Error *err)
{
    Lsn confirmed_lsn = LSN_UNKNOWN;
    Keylog *log = atomic_load(&sync->keylog);
    atomic_store(&sync->progress.keys_lsn, LSN_UNKNOWN);
    if (sync->spec.keys_dir == NULL)
        return true;
    if (!read_confirmed(sync, &confirmed_lsn, err))
        return false;
    if (log == NULL)
        log = open_log(sync);
    if (log == NULL)
        return true;
    bool ok = proofs_read(sync, err);
    if (ok) {
        keylog_begin(log, atomic_load(&sync->progress.durable_lsn), confirmed_lsn);
        keylog_sync(log);
        ok = take_over(sync, log, err);
    }
    if (!ok) {
        if (atomic_load(&sync->keylog) == NULL)
            keylog_close(log);
        return false;
    }
    if (atomic_load(&sync->keylog) == NULL)
        mute_unproved(sync, log);
    atomic_store(&sync->progress.keys_lsn, keylog_durable_lsn(log));
    atomic_store(&sync->keylog, log);
    return true;
}

Lsn sync_keys_begin_lsn(const Sync *sync, Lsn resume_lsn)
{
    Keylog *log = atomic_load(&sync->keylog);
    Lsn noted_lsn = log != NULL ? keylog_noted_lsn(log) : LSN_UNKNOWN;
    return noted_lsn != LSN_UNKNOWN && noted_lsn < resume_lsn ? noted_lsn : resume_lsn;
}

StepResult sync_keys_step(void *self, Error *err)
{
    Sync *sync = self;
    (void)err;
    stop_wait(sync->stream_stop, FLUSH_US);
    Keylog *log = atomic_load(&sync->keylog);
    keylog_sync(log);
    Lsn lsn = keylog_durable_lsn(log);
    if (atomic_exchange(&sync->progress.keys_lsn, lsn) != lsn && sync->reader != NULL)
        reader_wake(sync->reader);
    return STEP_IDLE;
}

/* After the applier's end: what it took last is flushed, so that nothing comes twice. The log itself
 * stays for the next stream of this run, and for whoever looks at it. */
void sync_keys_rest(Sync *sync)
{
    Keylog *log = atomic_load(&sync->keylog);
    if (log != NULL)
        keylog_sync(log);
}

/* proofs - see the header. */
#include "sync/proofs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "sync/internal.h"

bool proofs_read(Sync *sync, Error *err)
{
    const Relations *rels = sync_relations(sync);
    Proof *proofs = mem_zalloc(sizeof *proofs * (size_t)(rels->count + 1));
    if (!proof_read(sync->control, sync->spec.task, rels, false, proofs, err)) {
        free(proofs);
        return false;
    }
    pthread_mutex_lock(&sync->lock);
    Proof *before = sync->proofs;
    sync->proofs = proofs;
    sync->proofs_of = rels;
    pthread_mutex_unlock(&sync->lock);
    free(before);
    return true;
}

Keylog *proofs_keylog(Sync *sync)
{
    return atomic_load(&sync->keylog);
}

void proofs_cut(Sync *sync, ProofCut *out)
{
    Keylog *log = atomic_load(&sync->keylog);
    *out = (ProofCut){0};
    if (log == NULL)
        return;
    keylog_cut(log, true, &out->segment);
    snprintf(out->log_id, sizeof out->log_id, "%s", keylog_id(log));
}

static void keep(Sync *sync, const Relation *rel, const Proof *proof)
{
    pthread_mutex_lock(&sync->lock);
    if (sync->proofs != NULL && sync->proofs_of == sync_relations(sync) &&
        rel->id < (uint32_t)sync->proofs_of->count)
        sync->proofs[rel->id] = *proof;
    /* All rows were found equal later than those that had differed. */
    if (strcmp(proof->method, PROOF_METHOD_ROWS) == 0 && sync->recheck != NULL &&
        sync->recheck_of == sync_relations(sync) && rel->id < (uint32_t)sync->recheck_of->count)
        sync->recheck[rel->id] = (Recheck){0};
    pthread_mutex_unlock(&sync->lock);
}

bool proofs_put(Sync *sync, PgConn *target, const Relation *rel, const ProofCut *cut, Lsn lsn,
                int64_t rows, int64_t kept, const char *digest, bool *out_counts, Error *err)
{
    Keylog *log = atomic_load(&sync->keylog);
    Proof proof = {.method = PROOF_METHOD_ROWS,
                   .lsn = lsn,
                   .rows = rows,
                   .keys = -1,
                   .segment = cut->segment,
                   .kept = kept};
    snprintf(proof.digest, sizeof proof.digest, "%s", digest != NULL ? digest : "");
    snprintf(proof.log_id, sizeof proof.log_id, "%s", cut->log_id);
    if (!proof_write(target, sync->spec.task, rel, &proof, err))
        return false;
    *out_counts = log != NULL && proof_holds(&proof, rel, keylog_id(log));
    if (*out_counts)
        keylog_floor(log, rel->oid, cut->segment);
    keep(sync, rel, &proof);
    return true;
}

bool proofs_void(Sync *sync, PgConn *target, const Relation *rel, Lsn lsn, Error *err)
{
    Proof proof = {
        .method = PROOF_METHOD_MISMATCH, .lsn = lsn, .rows = -1, .keys = -1, .segment = -1};
    if (!proof_write(target, sync->spec.task, rel, &proof, err))
        return false;
    keep(sync, rel, &proof);
    return true;
}

void proofs_state(Sync *sync, const Relation *rel, ProofState *out)
{
    Keylog *log = atomic_load(&sync->keylog);
    Proof proof = {0};
    KeylogTable keys = {0};
    *out = (ProofState){.open_keys = -1, .rows = -1};
    if (log == NULL)
        return;
    pthread_mutex_lock(&sync->lock);
    if (sync->proofs != NULL && sync->proofs_of == sync_relations(sync) &&
        rel->id < (uint32_t)sync->proofs_of->count)
        proof = sync->proofs[rel->id];
    if (sync->recheck != NULL && sync->recheck_of == sync_relations(sync) &&
        rel->id < (uint32_t)sync->recheck_of->count) {
        out->differing = sync->recheck[rel->id].differing;
        snprintf(out->first, sizeof out->first, "%s", sync->recheck[rel->id].first);
    }
    pthread_mutex_unlock(&sync->lock);
    keylog_table(log, rel, &keys);
    out->whole = keys.whole;
    snprintf(out->why, sizeof out->why, "%s", keys.why);
    if (!keys.whole && !keys.muted)
        out->open_keys = keys.open_keys;
    if (!proof_holds(&proof, rel, keylog_id(log)))
        return;
    out->lsn = proof.lsn;
    out->at_wall_us = proof.at_wall_us;
    out->rows = proof.rows;
    out->kept = proof.kept;
    snprintf(out->digest, sizeof out->digest, "%s", proof.digest);
    out->proved = !keys.whole && rel->persistence != 'u' && out->differing == 0 &&
                  atomic_load(&rel->suspended) == SUSPEND_NOT;
}

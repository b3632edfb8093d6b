/*
 * proofs - what the engine knows of the equality of its tables: for those who prove them (verify,
 * the background re-check), for the cutover and for status.
 *
 *  1. proofs_cut(), before the position of the snapshots is fixed (twin_take, a slot, an LSN read)
 *  2. both sides found equal at X
 *  3. proofs_put(): the row on the target, then the floor of the log of changed keys
 * A table whose proof took several snapshots passes the cut made before the first, and its X. A cut
 * outlives the stream, not the process: the next one notes nothing of tables that are not proved
 * until it has caught up (keylog_mute). proofs_put() says in *out_counts whether the log is still the
 * same.
 */
#pragma once

#include "sync/sync.h"
#include "verify/proof.h"

typedef struct ProofCut {
    char
        log_id[KEYLOG_ID_SIZE]; /* "": changed keys are not kept, nothing can be proved for later */
    int64_t segment;
} ProofCut;

void proofs_cut(Sync *sync, ProofCut *out_cut);
/* *out_counts false: the table was equal at lsn, but what changed since is not known. */
MUST_CHECK bool proofs_put(Sync *sync, PgConn *target, const Relation *rel, const ProofCut *cut,
                           Lsn lsn, int64_t rows, int64_t kept, const char *digest,
                           bool *out_counts, Error *err);

/* It was found to differ: whatever was known before does not count. */
MUST_CHECK bool proofs_void(Sync *sync, PgConn *target, const Relation *rel, Lsn lsn, Error *err);

/* proved: equal at `lsn` and every key changed since is open in the log. */
typedef struct ProofState {
    bool proved;
    Lsn lsn;
    int64_t at_wall_us;
    bool whole;        /* only reading all of it can prove it */
    char why[96];      /* of whole */
    int64_t open_keys; /* -1: not known */
    int64_t differing; /* rows that the last re-check found different: then nothing is proved */
    char first[160];   /* the first of them: kind and key */
    int64_t rows;      /* of the proof; -1 unknown */
    int64_t kept;      /* rows of the target's own beside them, which a rule keeps */
    char digest[33];
} ProofState;
void proofs_state(Sync *sync, const Relation *rel, ProofState *out_state);
/* NULL: changed keys are not kept. */
Keylog *proofs_keylog(Sync *sync);

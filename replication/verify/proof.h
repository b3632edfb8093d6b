/*
 * proof - what is known of a table's equality, as rows of bascule.proof on the target.
 *
 * A row of epoch 0 was found while the stream ran: both sides were equal at `lsn`, and the log of
 * changed keys goes on from `segment` (keylog.h). It counts only with that log and that load of the
 * table: proof_holds(). A row of a cutover's epoch says how the table was proved while frozen.
 *
 * A switch leaves such rows for the stream in the other direction as well: proved at the position where
 * that stream begins, with PROOF_HANDED_OVER in place of a log. The log that notes everything from that
 * very position on takes them over: proof_take_over().
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "verify/keylog.h"

#define PROOF_METHOD_ROWS     "rows"
#define PROOF_HANDED_OVER     "handed-over" /* a log_id: no log has this one */
#define PROOF_METHOD_MISMATCH "mismatch"    /* rows differed: nothing is proved */

typedef struct Proof {
    int64_t epoch;
    uint32_t source_oid;
    Lsn start_lsn;
    char method[24]; /* "": there is none */
    Lsn lsn;
    int64_t at_wall_us;
    int64_t rows, keys; /* -1 unknown */
    char digest[33];    /* "" unknown */
    char log_id[KEYLOG_ID_SIZE];
    int64_t segment;
    Lsn base_lsn;
    char shape[17]; /* of the columns that were compared */
    int64_t
        kept; /* rows that only the target had, and a rule kept: then it is not equal, but contained */
} Proof;

/* proof->source_oid, start_lsn, shape, and at_wall_us where it is 0, are filled in. In the transaction that is open, or
 * alone. */
MUST_CHECK bool proof_write(PgConn *target, const char *task, const Relation *rel, Proof *proof,
                            Error *err);
/* One a relation, those of epoch 0 (or the newest cutover's, when frozen): zeroed where there is
 * none. */
MUST_CHECK bool proof_read(PgConn *target, const char *task, const Relations *rels, bool frozen,
                           Proof *out_proofs, Error *err);
/* It is of this load of the table, of its columns as they are, and of this log. */
bool proof_holds(const Proof *proof, const Relation *rel, const char *log_id);
/* Those in the table that were handed over at `lsn` go with this log from now on. proofs, of the
 * relations, are brought up to date. */
MUST_CHECK bool proof_take_over(PgConn *target, const char *task, const Relations *rels, Lsn lsn,
                                const char *log_id, Proof *proofs, int *out_taken, Error *err);

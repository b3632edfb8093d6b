/*
 * gate - the applier held, and let go on exactly to one position of the source.
 *
 * What for    a state of the target that belongs to a known state of the source, while writes flow.
 *             gate_hold() parks the applier between two transactions. Then the caller fixes a
 *             position X on the source (a temporary slot's consistent point, a commit), which is
 *             later than everything applied so far because the applier stands. After
 *             gate_release_to(X) the target holds every transaction whose commit record begins
 *             before X and none that begins at X or later, committed, and the applier stands there
 *             until gate_free(). verify/twin.h makes two snapshots of it.
 * Lag         the stream goes on being received and the slot confirmed; only the target waits.
 *             Holders therefore take deadlines, and free the gate as soon as they have what they
 *             came for (a snapshot of the target, usually).
 * One         at a time: a second gate_hold() waits for the first until its deadline.
 * Cutover     takes the applier back at once: the gate is revoked, gate_release_to() and
 *             gate_check() then fail with WRONG_STATE, and no gate is given until the cutover has
 *             ended. The same when the stream stops or starts again.
 * Threads     any but the engine's own workers. A gate must be freed before its Sync.
 * Errors      WRONG_STATE (no stream, a cutover), LAG (deadline), STOPPED, or what ended the stream.
 */
#pragma once

#include "sync/sync.h"
#include "verify/twin.h"

typedef struct Gate Gate;

MUST_CHECK bool gate_hold(Sync *sync, int64_t deadline_us, Gate **out_gate, Error *err);
/* May be called again with a later position. */
MUST_CHECK bool gate_release_to(Gate *gate, Lsn lsn, int64_t deadline_us, Error *err);
/* It is still in force: what was read from the target since is the state that was asked for. */
MUST_CHECK bool gate_check(Gate *gate, Error *err);
/* The applier goes on. NULL is fine. */
void gate_free(Gate *gate);

/* The same as callbacks, for verify/twin.h. */
TwinEngine gate_twin_engine(Sync *sync);

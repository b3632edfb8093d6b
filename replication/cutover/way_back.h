/*
 * way_back - the stream in the other direction, made ready while the side that will open is still
 * closed: whatever is written there from its first moment on can be brought back.
 *
 * look     what stands against it; changes nothing (way_back_look.c)
 * arm      before the freeze (a new slot waits for running transactions): on the target publication
 *          and slot, on the source the control rows of the other direction
 * advance  in the freeze, after apply has stopped: the slot moves to the target's end of WAL, so it
 *          holds exactly what is written after the opening. That position, not an origin, keeps our
 *          own writes from coming back, and needs no superuser.
 * start    in the transaction of the fence: resume row and state of the other direction
 * drop     when nothing was committed
 *
 * The resume row of a direction lives where that direction's changes are applied. A rollback arms
 * the way forward again by the very same steps, with the sides exchanged.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct Cutover Cutover; /* cutover/internal.h */

typedef struct WayBack {
    bool possible; /* look found nothing against it */
    bool armed;
    bool slot_made;
    char role[128]; /* session_user on the source: who passes the fence */
    char plugin[16];
    Relations *rels; /* of the target, those that the task moves */
    int extra_count; /* tables in scope that only the target has: not streamed back */
    const char **extra;
    Lsn start_lsn; /* consistent point of the slot */
    Lsn lsn;       /* where the stream back begins */
} WayBack;

MUST_CHECK bool way_back_arm(Cutover *cut, Error *err);
MUST_CHECK bool way_back_advance(Cutover *cut, Error *err);
/* After a crash: was it armed by the run that committed the fence? */
MUST_CHECK bool way_back_recall(Cutover *cut, Error *err);
/* On the lock session, inside the freeze. */
MUST_CHECK bool way_back_start(Cutover *cut, PgConn *conn, Error *err);
void way_back_drop(Cutover *cut);
void way_back_done(WayBack *way);

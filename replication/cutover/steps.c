/*
 * steps - from arming to the proof: everything that can still be undone by a ROLLBACK.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "bascule/base/fault.h"
#include "cutover/internal.h"
#include "source/catalog.h"
#include "sql_files.h"

#define SLICE_US 50000 /* how soon an abort is noticed while waiting */

/* Arm: everything slow is done before writers wait
 * ------------------------------------------------- */

static bool take_epoch(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char newest[24];
    unsigned char nonce[8];
    snprintf(newest, sizeof newest, "%lld", (long long)cut->newest_known);
    if (!pgconn_query(cut->target, SQL_CUTOVER_EPOCH_TAKE,
                      PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(newest)), &rows, err))
        return err_context(err, "taking a new epoch");
    cut->report->epoch = cut->epoch = pgrows_i64(rows, 0, 0);
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return ERR_OS(err, ERR_IO, "getrandom");
    int len = snprintf(cut->barrier, sizeof cut->barrier, "%s:%lld:", cut->spec->task,
                       (long long)cut->epoch);
    for (size_t i = 0; i < sizeof nonce; i++)
        len += snprintf(cut->barrier + len, sizeof cut->barrier - (size_t)len, "%02x", nonce[i]);
    return true;
}

/* Nothing is frozen yet: it is a refusal. */
static bool locked_by_others(Error *err)
{
    if (err->cls != ERR_LOCK_TIMEOUT)
        return false;
    err->cls = ERR_BLOCKED;
    err->hint[0] = '\0';
    return err_context(err, "somebody holds a lock on a table in scope");
}

bool cutover_open_comparison(Cutover *cut, Error *err)
{
    if (cut->compare != NULL || cut->spec->discard != NULL)
        return true;
    CompareSpec spec = {
        .source = cut->spec->source,
        .target = cut->spec->target,
        .rels = cut->spec->rels,
        .jobs = cut->spec->jobs,
        .spill_dir = cut->spec->spill_dir,
        .count_only = cut->spec->verify == CUTOVER_VERIFY_COUNT,
        .stop = cut->give_up,
    };
    return compare_open(&spec, &cut->compare, err) || locked_by_others(err);
}

/* With dual writes the target's fence begins here: what is proved must not move under the proof. */
static bool end_dual_write(Cutover *cut, Error *err)
{
    bool skipped = false;
    if (!cut->spec->dual_write)
        return true;
    cut->target_fenced = true;
    if (!target_fence_install(cut->target, cut->spec->task, cut->spec->rels, &skipped, err))
        return false;
    if (skipped) {
        ERR(err, ERR_PRIVILEGE,
            "the application writes to the target, and its tables cannot be "
            "fenced there: they belong to another role");
        return err_hint(err,
                        "Make bascule's role on the target a member of the owner of its tables.");
    }
    cutover_tell(cut, "arm", false, "the target refuses the application's writes from here on");
    return true;
}

CutoverFsmEvent cutover_arm(Cutover *cut, Error *err)
{
    cut->step_us = clock_now_us();
    if (!end_dual_write(cut, err) || !fence_objects_create(cut->source, err) ||
        !way_back_arm(cut, err) || !cutover_open_comparison(cut, err) ||
        !freeze_open_session(cut, err) || !take_epoch(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "arm");
    cutover_tell(cut, "arm", false, "epoch %lld, fence objects are there, all sessions are open",
                 (long long)cut->epoch);
    if (FAULT_ERROR(CUTOVER_ARMED, err) || cutover_given_up(cut, err))
        return cutover_fail(cut, err);
    return CUT_EV_DONE;
}

/* Drain
 * -------------------------------------------------------------------------------------------- */

bool cutover_write_barrier(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(cut->source, SQL_CUTOVER_BARRIER, PG_PARAMS(PG_TEXT(cut->barrier)), &rows,
                      err))
        return err_context(err, "writing the barrier message");
    cut->report->barrier_lsn = pgrows_lsn(rows, 0, 0);
    if (cut->applied_at_freeze != LSN_UNKNOWN && cut->report->barrier_lsn >= cut->applied_at_freeze)
        cut->report->drained_bytes = (int64_t)(cut->report->barrier_lsn - cut->applied_at_freeze);
    return true;
}

/* Nothing can change the tables' shape any more; did something between the preflight and the locks?
 */
static bool same_schema(Cutover *cut, Error *err)
{
    char now[33];
    if (!catalog_fingerprint(cut->source, cut->spec->rels, now, err))
        return false;
    if (strcmp(now, cut->fingerprint) != 0)
        return ERR(err, ERR_SCHEMA_CHANGED,
                   "a table in scope changed its shape between the checks and the freeze");
    return true;
}

static bool wait_barrier(Cutover *cut, Error *err)
{
    for (;;) {
        Error waited = ERROR_INIT;
        if (cutover_given_up(cut, err))
            return false;
        if (cut->spec->wait_message(cut->spec->engine, cut->barrier, clock_now_us() + SLICE_US,
                                    &waited))
            return true;
        if (waited.cls != ERR_DEADLINE) {
            *err = waited;
            return false;
        }
        if (clock_now_us() >= cut->freeze.watchdog_us)
            return ERR(err, ERR_DEADLINE,
                       "the changes up to the freeze have not all reached the %s in time",
                       TO_SIDE(cut));
    }
}

CutoverFsmEvent cutover_drain(Cutover *cut, Error *err)
{
    cut->step_us = clock_now_us();
    if (!cutover_write_barrier(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "barrier");
    if (FAULT_ERROR(CUTOVER_BARRIER, err) || !same_schema(cut, err) || !wait_barrier(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "drain");
    cutover_tell(cut, "drain", false, "everything up to " LSN_FMT " is on the %s",
                 LSN_ARGS(cut->report->barrier_lsn), TO_SIDE(cut));
    return FAULT_ERROR(CUTOVER_DRAINED, err) ? cutover_fail(cut, err) : CUT_EV_DONE;
}

/* Sequences
 * ---------------------------------------------------------------------------------------- */

bool cutover_raise_sequences(Cutover *cut, int *out_raised, Error *err)
{
    if (!sequences_read(cut->source, cut->arena, &cut->sequences, err))
        return false;
    sequences_keep_scope(&cut->sequences, cut->spec->rels);
    if (!sequences_name(cut->target, cut->arena, cut->spec->rels, &cut->sequences, err))
        return false;
    return sequences_raise(cut->target, &cut->sequences, cut->spec->sequence_margin,
                           cut->spec->sequences_apart, out_raised, err);
}

CutoverFsmEvent cutover_raise(Cutover *cut, Error *err)
{
    int raised = 0;
    cut->step_us = clock_now_us();
    if (!cutover_raise_sequences(cut, &raised, err)) {
        err_context(err, "setting the sequences");
        return cutover_fail(cut, err);
    }
    cut->report->sequences_total = cut->sequences.count;
    cut->report->sequences_raised = raised;
    cutover_phase(cut, "sequences");
    cutover_tell(cut, "sequences", false, "%d of %d raised", raised, cut->sequences.count);
    return FAULT_ERROR(CUTOVER_SEQUENCES, err) ? cutover_fail(cut, err) : CUT_EV_DONE;
}

/*
 * compare - sessions, lanes, deadline, and the verdicts.
 */
#include "verify/compare.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "verify/compare_internal.h"

#define SAMPLE_BYTES ((int64_t)16 << 20)

const char *compare_verdict_name(CompareVerdict verdict)
{
    static const char *const NAMES[] = {"not-done", "equal", "contained", "different"};
    return NAMES[verdict];
}

static bool open_lanes(Compare *compare, Error *err)
{
    for (int i = 0; i < compare->lane_count; i++) {
        CompareLane *lane = &compare->lanes[i];
        lane->compare = compare;
        lane->side = i % SIDE_COUNT;
        PgEndpoint endpoint =
            lane->side == SIDE_SOURCE ? compare->spec.source : compare->spec.target;
        endpoint.stop = compare->halt;
        snprintf(lane->name, sizeof lane->name, "compare-%c%d", endpoint.side[0],
                 i / SIDE_COUNT + 1);
        lane->conn = pgconn_open(&endpoint, PG_SESSION_SQL, "compare", err);
        if (lane->conn == NULL)
            return false;
    }
    return true;
}

static Compare *new_compare(const CompareSpec *spec)
{
    Compare *compare = calloc(1, sizeof *compare);
    ASSERT(compare != NULL);
    compare->spec = *spec;
    if (compare->spec.jobs < 1)
        compare->spec.jobs = 1;
    compare->halt = stop_new();
    compare->finished = stop_new();
    pthread_mutex_init(&compare->lock, NULL);
    compare->lane_count = compare->spec.jobs * SIDE_COUNT;
    compare->how = calloc((size_t)spec->rels->count + 1, sizeof *compare->how);
    ASSERT(compare->how != NULL);
    compare->subsets = mem_zalloc(sizeof(Subset *) * ((size_t)spec->rels->count + 1));
    for (int i = 0; i < spec->rels->count; i++)
        compare->how[i] = spec->count_only ? COMPARE_BY_COUNT : COMPARE_BY_HASH;
    compare->lanes = calloc((size_t)compare->lane_count, sizeof *compare->lanes);
    ASSERT(compare->lanes != NULL);
    for (int side = 0; side < SIDE_COUNT; side++) {
        compare->parts[side] = calloc((size_t)spec->rels->count + 1, sizeof(ComparePart));
        ASSERT(compare->parts[side] != NULL);
    }
    return compare;
}

bool compare_open(const CompareSpec *spec, Compare **out_compare, Error *err)
{
    Compare *compare = new_compare(spec);
    bool ok = open_lanes(compare, err);
    for (int side = 0; ok && side < SIDE_COUNT; side++) {
        PgConn *conn = compare->lanes[side].conn;
        /* Sizes need ACCESS SHARE: somebody's long ACCESS EXCLUSIVE must not hold us for ever. */
        ok = pgconn_script(conn, SQL("SET lock_timeout = '5s'"), err) &&
             compare_plan_sizes(compare, side, conn, err) &&
             pgconn_script(conn, SQL("SET lock_timeout = 0"), err);
        if (ok)
            compare_plan_units(compare, side);
    }
    if (!ok) {
        compare_close(compare);
        return false;
    }
    compare->binary_possible = pgconn_server_version(compare->lanes[SIDE_SOURCE].conn) / 10000 ==
                               pgconn_server_version(compare->lanes[SIDE_TARGET].conn) / 10000;
    *out_compare = compare;
    return true;
}

static void build_hold(const Compare *compare, int64_t idle_limit_us, SqlText *out)
{
    sqltext_put(out, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;\n"
                     "SET LOCAL lock_timeout = '50ms';\n"
                     "SET LOCAL idle_in_transaction_session_timeout = ");
    sqltext_i64(out, idle_limit_us / 1000);
    sqltext_put(out, ";\nLOCK TABLE ");
    for (int i = 0; i < compare->spec.rels->count; i++) {
        const Relation *rel = compare->spec.rels->all[i];
        if (i > 0)
            sqltext_put(out, ", ");
        if (compare->parts[SIDE_SOURCE][i].only)
            sqltext_put(out, "ONLY ");
        sqltext_qualified(out, rel->schema, rel->name);
    }
    sqltext_put(out, " IN ACCESS SHARE MODE");
}

bool compare_hold(Compare *compare, int64_t idle_limit_us, Error *err)
{
    CLEANUP_SQLTEXT SqlText hold = SQLTEXT_INIT;
    if (compare->spec.rels->count == 0)
        return true;
    build_hold(compare, idle_limit_us, &hold);
    compare->held = true;
    for (int i = 0; i < compare->lane_count; i++) {
        CompareLane *lane = &compare->lanes[i];
        if (lane->side != SIDE_SOURCE || pgconn_script(lane->conn, sqltext_sql(&hold), err))
            continue;
        compare_release(compare);
        return err_context(err, "holding the tables for the comparison");
    }
    return true;
}

void compare_release(Compare *compare)
{
    if (compare == NULL || !compare->held)
        return;
    compare->held = false;
    for (int i = 0; i < compare->lane_count; i++) {
        CompareLane *lane = &compare->lanes[i];
        Error ignored = ERROR_INIT;
        /* A session that cannot roll back loses its locks when it is closed. */
        if (lane->side == SIDE_SOURCE && pgconn_usable(lane->conn) &&
            !pgconn_script(lane->conn, SQL("ROLLBACK"), &ignored))
            log_debug("releasing the comparison's locks: %s", ignored.message);
    }
}

void compare_close(Compare *compare)
{
    if (compare == NULL)
        return;
    for (int i = 0; i < compare->lane_count; i++) {
        pgconn_close(compare->lanes[i].conn);
        sqltext_done(&compare->lanes[i].sql);
    }
    for (int side = 0; side < SIDE_COUNT; side++) {
        free(compare->parts[side]);
        free(compare->units[side]);
    }
    for (int i = 0; i < compare->spec.rels->count; i++)
        subset_free(compare->subsets[i]);
    free(compare->subsets);
    free(compare->how);
    free(compare->lanes);
    stop_free(compare->halt);
    stop_free(compare->finished);
    pthread_mutex_destroy(&compare->lock);
    free(compare);
}

/* Waits for the lanes, the deadline or the stop; then nobody reads any more. */
static bool run_lanes(Compare *compare, int64_t deadline_us, Error *err)
{
    int started = 0;
    bool ok = true;
    atomic_store(&compare->lanes_left, compare->lane_count);
    for (; ok && started < compare->lane_count; started++) {
        CompareLane *lane = &compare->lanes[started];
        WorkerSpec spec = {
            .name = lane->name,
            .self = lane,
            .step = compare_lane_step,
            .on_end = compare_lane_end,
        };
        lane->worker = worker_start(&spec, compare->halt, err);
        ok = lane->worker != NULL;
    }
    if (ok) {
        StopToken *stop = compare->spec.stop != NULL ? compare->spec.stop : compare->halt;
        stop_poll(stop, stop_fd(compare->finished), POLLIN, deadline_us);
    }
    if (!stop_requested(compare->finished))
        stop_request(compare->halt);
    for (int i = 0; i < started; i++) {
        if (compare->lanes[i].worker != NULL)
            worker_join(compare->lanes[i].worker, NULL);
        compare->lanes[i].worker = NULL;
    }
    return ok;
}

/* The sums differ, but the target may have rows of its own. */
static bool judge_subset(Compare *compare, int i, int64_t deadline_us, CompareTable *out,
                         Error *err)
{
    SubsetResult result;
    if (!subset_judge(compare->subsets[i], deadline_us, NULL, &result, err))
        return err_context(err, "looking for the source's rows of table '%s' on the target",
                           out->rel->display);
    if (!result.complete) {
        out->verdict = COMPARE_NOT_DONE;
        snprintf(out->why, sizeof out->why,
                 "the time ran out before the source's rows were found on the target");
    } else if (result.lacking > 0) {
        snprintf(out->why, sizeof out->why,
                 "%lld rows of the source are not there, or not the same",
                 (long long)result.lacking);
    } else {
        out->verdict = COMPARE_CONTAINED;
        out->kept = result.extra;
    }
    return true;
}

/* What compare_keys has filled stays. */
static bool judge(Compare *compare, int i, int64_t now_us, int64_t deadline_us, CompareTable *out,
                  Error *err)
{
    const ComparePart *source = &compare->parts[SIDE_SOURCE][i];
    const ComparePart *target = &compare->parts[SIDE_TARGET][i];
    out->rel = compare->spec.rels->all[i];
    out->how = compare->how[i];
    if (out->how == COMPARE_NOT)
        return true;
    out->source = source->hash;
    out->target = target->hash;
    out->bytes = source->read_bytes;
    out->elapsed_us = source->end_us > target->end_us ? source->end_us : target->end_us;
    out->read = source->units_left == 0 && target->units_left == 0;
    if (!out->read) {
        out->verdict = COMPARE_NOT_DONE;
        out->elapsed_us = now_us - compare->started_us;
        if (!out->by_keys)
            snprintf(out->why, sizeof out->why, "the time ran out before the %s was read",
                     source->units_left > 0 ? "source" : "target");
        return true;
    }
    bool equal = rows_hash_equal(&source->hash, &target->hash);
    out->verdict = equal ? COMPARE_EQUAL : COMPARE_DIFFERENT;
    return equal || compare->subsets[i] == NULL || judge_subset(compare, i, deadline_us, out, err);
}

/* Only what is read in whole and by key may have rows of the target's own. */
static void make_subsets(Compare *compare)
{
    for (int i = 0; i < compare->spec.rels->count; i++) {
        const Relation *rel = compare->spec.rels->all[i];
        if (rel->keep_extra && rel->key_unique && rel->target_has_key &&
            compare->how[i] == COMPARE_BY_HASH)
            compare->subsets[i] = subset_new(compare->spec.spill_dir);
    }
}

bool compare_go(Compare *compare, int64_t deadline_us, CompareTable *out_tables, Error *err)
{
    compare->started_us = clock_now_us();
    make_subsets(compare);
    if (!run_lanes(compare, deadline_us, err))
        return false;
    int64_t now_us = clock_now_us();
    compare_release(compare);
    for (int i = 0; i < compare->spec.rels->count; i++)
        if (!judge(compare, i, now_us, deadline_us, &out_tables[i], err))
            return false;
    if (compare->failed) {
        *err = compare->failure;
        return false;
    }
    if (compare->spec.stop != NULL && stop_requested(compare->spec.stop) &&
        stop_requested(compare->halt))
        return ERR(err, ERR_STOPPED, "stopped while comparing");
    return true;
}

bool compare_run(const CompareSpec *spec, CompareTable *out_tables, Error *err)
{
    Compare *compare = NULL;
    if (!compare_open(spec, &compare, err))
        return false;
    bool ok = compare_go(compare, spec->deadline_us, out_tables, err);
    compare_close(compare);
    return ok;
}

/* Microseconds a byte on disk, by reading the head of the side's largest table. */
static bool sample_side(Compare *compare, int side, double *out_us_per_byte, Error *err)
{
    *out_us_per_byte = 0;
    if (compare->unit_count[side] == 0)
        return true;
    CompareUnit unit = compare->units[side][0];
    ComparePart *part = &compare->parts[side][unit.table];
    if (part->heap_blocks == 0 || part->bytes == 0)
        return true;
    int64_t blocks = (int64_t)((double)part->heap_blocks * SAMPLE_BYTES / (double)part->bytes);
    if (blocks < 1)
        blocks = 1;
    if (blocks > part->heap_blocks)
        blocks = part->heap_blocks;
    unit.ranged = true;
    unit.first_block = 0;
    unit.end_block = blocks;
    RowsHash hash = {0};
    int64_t bytes = 0, begin_us = clock_now_us();
    if (!compare_lane_read(&compare->lanes[side], &unit, &hash, &bytes, err))
        return false;
    double read_bytes = (double)part->bytes * (double)blocks / (double)part->heap_blocks;
    *out_us_per_byte = (double)(clock_now_us() - begin_us) / read_bytes;
    return true;
}

bool compare_predict(Compare *compare, int64_t *out_bytes, int64_t *out_predicted_us, Error *err)
{
    int64_t bytes[SIDE_COUNT] = {0};
    double slowest_us = 0;
    for (int side = 0; side < SIDE_COUNT; side++) {
        double us_per_byte = 0;
        if (!sample_side(compare, side, &us_per_byte, err))
            return false;
        for (int i = 0; i < compare->spec.rels->count; i++)
            bytes[side] += compare->parts[side][i].bytes;
        double us = us_per_byte * (double)bytes[side] / compare->spec.jobs;
        if (us > slowest_us)
            slowest_us = us;
    }
    *out_bytes = bytes[SIDE_SOURCE];
    *out_predicted_us = (int64_t)slowest_us;
    return true;
}

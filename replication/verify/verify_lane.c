/*
 * verify_lane - the sessions that read, each with its thread.
 *
 * A table that a side cannot read (no right, a column that is gone) is that table's verdict; any
 * other error breaks this round of snapshots, and the coordinator decides whether to try again.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/mem.h"
#include "verify/verify_internal.h"

#define IDLE_US 1000

static Unit *next_unit(VerifyRun *run, int side)
{
    pthread_mutex_lock(&run->lock);
    UnitList *list = &run->units[side];
    Unit *unit = list->first;
    if (unit != NULL) {
        list->first = unit->next;
        if (list->first == NULL)
            list->last = NULL;
        list->count--;
    }
    pthread_mutex_unlock(&run->lock);
    return unit;
}

/* SQLSTATE class 42: names, types, rights. */
static bool is_the_tables(const Error *err)
{
    return strncmp(err->sqlstate, "42", 2) == 0;
}

static void refuse(VerifyLane *lane, Group *group, const Error *err)
{
    Error ignored = ERROR_INIT;
    pthread_mutex_lock(&lane->run->lock);
    snprintf(group->refused, sizeof group->refused, "the %s refused to read it: %.180s",
             pgconn_side(lane->conn), err->message);
    group->units_left--;
    pthread_mutex_unlock(&lane->run->lock);
    if (!pgconn_exec(lane->conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored))
        pgconn_cancel(lane->conn);
}

static StepResult lane_step(void *self, Error *err)
{
    VerifyLane *lane = self;
    VerifyRun *run = lane->run;
    if (stop_requested(run->halt))
        return STEP_DONE;
    Unit *unit = next_unit(run, lane->side);
    if (unit == NULL) {
        stop_wait(run->halt, IDLE_US);
        return STEP_IDLE;
    }
    if (!FAULT_ERROR(VERIFY_READ, err) && verify_read_unit(lane, unit, err))
        return STEP_AGAIN;
    if (is_the_tables(err) && pgconn_usable(lane->conn)) {
        refuse(lane, unit->group, err);
        err_clear(err);
        return STEP_AGAIN;
    }
    pthread_mutex_lock(&run->lock);
    if (!run->broken && !stop_requested(run->halt)) {
        run->broken = true;
        run->failure = *err;
        err_context(&run->failure, "reading table '%s' on the %s", unit->group->table->rel->display,
                    pgconn_side(lane->conn));
    }
    pthread_mutex_unlock(&run->lock);
    return STEP_DONE;
}

static bool open_lane(VerifyLane *lane, int number, Error *err)
{
    const VerifySpec *spec = &lane->run->spec;
    PgEndpoint endpoint = lane->side == SIDE_SOURCE ? spec->twin.source : spec->twin.target;
    endpoint.stop = lane->run->halt;
    snprintf(lane->name, sizeof lane->name, "verify-%c%d", endpoint.side[0], number);
    lane->conn = pgconn_open(&endpoint, PG_SESSION_SQL, "verify", err);
    return lane->conn != NULL &&
           pgconn_script(lane->conn, SQL("SET max_parallel_workers_per_gather = 0"), err);
}

bool verify_lanes_start(VerifyRun *run, Error *err)
{
    run->halt = stop_new();
    run->broken = false;
    run->lane_count = run->spec.jobs * SIDE_COUNT;
    run->lanes = mem_zalloc(sizeof *run->lanes * (size_t)run->lane_count);
    bool ok = true;
    for (int i = 0; ok && i < run->lane_count; i++) {
        VerifyLane *lane = &run->lanes[i];
        lane->run = run;
        lane->side = i % SIDE_COUNT;
        ok = open_lane(lane, i / SIDE_COUNT + 1, err);
    }
    for (int i = 0; ok && i < run->lane_count; i++) {
        WorkerSpec spec = {.name = run->lanes[i].name, .self = &run->lanes[i], .step = lane_step};
        run->lanes[i].worker = worker_start(&spec, run->halt, err);
        ok = run->lanes[i].worker != NULL;
    }
    if (!ok)
        verify_lanes_stop(run);
    return ok;
}

void verify_lanes_stop(VerifyRun *run)
{
    if (run->lanes == NULL)
        return;
    stop_request(run->halt);
    for (int i = 0; i < run->lane_count; i++) {
        if (run->lanes[i].worker != NULL)
            worker_join(run->lanes[i].worker, NULL);
        pgconn_close(run->lanes[i].conn);
        sqltext_done(&run->lanes[i].sql);
    }
    free(run->lanes);
    run->lanes = NULL;
    stop_free(run->halt);
    run->halt = NULL;
}

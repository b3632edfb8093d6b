/* engine_verify - see the header. */
#include "cli/engine_verify.h"

#include <pthread.h>
#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/base/worker.h"
#include "ops/repair_report.h"
#include "ops/repair_request.h"
#include "ops/verify_report.h"
#include "ops/verify_request.h"

struct EngineVerify {
    Task *task;
    pthread_mutex_t lock; /* guards what follows, for start against start */
    bool ended;
    Worker *worker;
    StopToken *stop;
    Arena *arena;
    TaskVerify options;
    TaskRepair repair; /* or this */
    ControlEvents *events;
};

EngineVerify *engine_verify_new(Task *task)
{
    EngineVerify *verify = mem_zalloc(sizeof *verify);
    verify->task = task;
    pthread_mutex_init(&verify->lock, NULL);
    return verify;
}

static void join(EngineVerify *verify)
{
    if (verify->worker != NULL) {
        stop_request(verify->stop);
        worker_join(verify->worker, NULL);
    }
    stop_free(verify->stop);
    arena_free(verify->arena);
    verify->worker = NULL;
    verify->stop = NULL;
    verify->arena = NULL;
}

void engine_verify_end(EngineVerify *verify)
{
    if (verify == NULL)
        return;
    pthread_mutex_lock(&verify->lock);
    verify->ended = true;
    join(verify);
    pthread_mutex_unlock(&verify->lock);
}

void engine_verify_free(EngineVerify *verify)
{
    if (verify == NULL)
        return;
    pthread_mutex_destroy(&verify->lock);
    free(verify);
}

static void on_progress(void *arg, const VerifyProgress *progress)
{
    EngineVerify *verify = arg;
    if (!control_events_line(verify->events, verify_progress_json(progress), false))
        stop_request(verify->stop);
}

static StepResult step(void *self, Error *err)
{
    (void)err;
    EngineVerify *verify = self;
    VerifyReport report = {0};
    Error failure = ERROR_INIT;
    bool ok = task_verify(verify->task, &verify->options, verify->arena, &report, &failure);
    if (ok)
        log_info("verification ended run=%lld verdict=%s", (long long)report.run,
                 verify_verdict_name(report.verdict));
    else
        log_error_value(LOG_WARN, &failure, "verification ended");
    (void)control_events_line(verify->events, verify_final_json(&report, ok ? NULL : &failure),
                              true);
    return STEP_DONE;
}

static StepResult repair_step(void *self, Error *err)
{
    (void)err;
    EngineVerify *verify = self;
    TaskRepairReport report = {0};
    Error failure = ERROR_INIT;
    bool ok = task_repair(verify->task, &verify->repair, verify->arena, &report, &failure);
    if (!ok)
        log_error_value(LOG_WARN, &failure, "repair ended");
    (void)control_events_line(verify->events, repair_final_json(&report, ok ? NULL : &failure),
                              true);
    return STEP_DONE;
}

/* With the lock held. What ran before is over, and there is an arena for the next. */
static bool make_ready(EngineVerify *verify, ControlEvents *events, Error *err)
{
    if (verify->ended)
        return ERR(err, ERR_WRONG_STATE, "the engine is ending");
    if (verify->worker != NULL && !worker_ended(verify->worker))
        return ERR(err, ERR_ALREADY_RUNNING, "a verification or a repair is running already");
    join(verify);
    verify->arena = arena_new(0);
    verify->stop = stop_new();
    verify->events = events;
    return true;
}

static bool launch(EngineVerify *verify, const char *name,
                   StepResult (*work)(void *self, Error *err), Error *err)
{
    WorkerSpec spec = {.name = name, .self = verify, .step = work};
    verify->worker = worker_start(&spec, verify->stop, err);
    return verify->worker != NULL;
}

bool engine_verify_start(EngineVerify *verify, const json_t *request, ControlEvents *events,
                         Error *err)
{
    pthread_mutex_lock(&verify->lock);
    bool ok = make_ready(verify, events, err) &&
              verify_request_read(request, verify->arena, &verify->options, err);
    if (ok) {
        verify->options.stop = verify->stop;
        verify->options.on_progress = on_progress;
        verify->options.progress_arg = verify;
        ok = launch(verify, "verify", step, err);
    }
    pthread_mutex_unlock(&verify->lock);
    return ok;
}

bool engine_repair_start(EngineVerify *verify, const json_t *request, ControlEvents *events,
                         Error *err)
{
    pthread_mutex_lock(&verify->lock);
    bool ok = make_ready(verify, events, err) &&
              repair_request_read(request, verify->arena, &verify->repair, err);
    if (ok) {
        verify->repair.stop = verify->stop;
        verify->repair.on_progress = on_progress;
        verify->repair.progress_arg = verify;
        ok = launch(verify, "repair", repair_step, err);
    }
    pthread_mutex_unlock(&verify->lock);
    return ok;
}

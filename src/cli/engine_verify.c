/* engine_verify - see the header. */
#include "cli/engine_verify.h"

#include <pthread.h>
#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/base/worker.h"
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

/* With the lock held. */
static bool start(EngineVerify *verify, const json_t *request, ControlEvents *events, Error *err)
{
    if (verify->ended)
        return ERR(err, ERR_WRONG_STATE, "the engine is ending");
    if (verify->worker != NULL && !worker_ended(verify->worker))
        return ERR(err, ERR_ALREADY_RUNNING, "a verification is running already");
    join(verify);
    verify->arena = arena_new(0);
    if (!verify_request_read(request, verify->arena, &verify->options, err))
        return false;
    verify->stop = stop_new();
    verify->options.stop = verify->stop;
    verify->options.on_progress = on_progress;
    verify->options.progress_arg = verify;
    verify->events = events;
    WorkerSpec spec = {.name = "verify", .self = verify, .step = step};
    verify->worker = worker_start(&spec, verify->stop, err);
    return verify->worker != NULL;
}

bool engine_verify_start(EngineVerify *verify, const json_t *request, ControlEvents *events,
                         Error *err)
{
    pthread_mutex_lock(&verify->lock);
    bool ok = start(verify, request, events, err);
    pthread_mutex_unlock(&verify->lock);
    return ok;
}

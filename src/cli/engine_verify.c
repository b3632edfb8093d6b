/* engine_verify - see the header. */
#include "cli/engine_verify.h"

#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "cli/engine_job.h"
#include "ops/repair_report.h"
#include "ops/repair_request.h"
#include "ops/verify_report.h"
#include "ops/verify_request.h"

struct EngineVerify {
    Task *task;
    EngineJob job;
    TaskVerify options;
    TaskRepair repair; /* or this */
};

EngineVerify *engine_verify_new(Task *task)
{
    EngineVerify *verify = mem_zalloc(sizeof *verify);
    verify->task = task;
    engine_job_init(&verify->job);
    return verify;
}

void engine_verify_end(EngineVerify *verify)
{
    if (verify != NULL)
        engine_job_end(&verify->job, true);
}

void engine_verify_free(EngineVerify *verify)
{
    if (verify == NULL)
        return;
    engine_job_done(&verify->job);
    free(verify);
}

static void on_progress(void *arg, const VerifyProgress *progress)
{
    EngineVerify *verify = arg;
    if (!control_events_line(verify->job.events, verify_progress_json(progress), false))
        stop_request(verify->job.stop);
}

static StepResult step(void *self, Error *err)
{
    (void)err;
    EngineVerify *verify = self;
    VerifyReport report = {0};
    Error failure = ERROR_INIT;
    bool ok = task_verify(verify->task, &verify->options, verify->job.arena, &report, &failure);
    if (ok)
        log_info("verification ended run=%lld verdict=%s", (long long)report.run,
                 verify_verdict_name(report.verdict));
    else
        log_error_value(LOG_WARN, &failure, "verification ended");
    (void)control_events_line(verify->job.events, verify_final_json(&report, ok ? NULL : &failure),
                              true);
    return STEP_DONE;
}

static StepResult repair_step(void *self, Error *err)
{
    (void)err;
    EngineVerify *verify = self;
    TaskRepairReport report = {0};
    Error failure = ERROR_INIT;
    bool ok = task_repair(verify->task, &verify->repair, verify->job.arena, &report, &failure);
    if (!ok)
        log_error_value(LOG_WARN, &failure, "repair ended");
    (void)control_events_line(verify->job.events, repair_final_json(&report, ok ? NULL : &failure),
                              true);
    return STEP_DONE;
}

static bool read_verify(void *self, const json_t *request, Error *err)
{
    EngineVerify *verify = self;
    if (!verify_request_read(request, verify->job.arena, &verify->options, err))
        return false;
    verify->options.stop = verify->job.stop;
    verify->options.on_progress = on_progress;
    verify->options.progress_arg = verify;
    return true;
}

static bool read_repair(void *self, const json_t *request, Error *err)
{
    EngineVerify *verify = self;
    if (!repair_request_read(request, verify->job.arena, &verify->repair, err))
        return false;
    verify->repair.stop = verify->job.stop;
    verify->repair.on_progress = on_progress;
    verify->repair.progress_arg = verify;
    return true;
}

static const char BUSY[] = "a verification or a repair is running already";

bool engine_verify_start(EngineVerify *verify, const json_t *request, ControlEvents *events,
                         Error *err)
{
    EngineJobSpec spec = {
        .name = "verify", .busy = BUSY, .self = verify, .read = read_verify, .work = step};
    return engine_job_start(&verify->job, &spec, request, events, err);
}

bool engine_repair_start(EngineVerify *verify, const json_t *request, ControlEvents *events,
                         Error *err)
{
    EngineJobSpec spec = {
        .name = "repair", .busy = BUSY, .self = verify, .read = read_repair, .work = repair_step};
    return engine_job_start(&verify->job, &spec, request, events, err);
}

/* engine_tables - see the header. */
#include "cli/engine_tables.h"

#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "cli/engine_job.h"
#include "ops/tables_request.h"

struct EngineTables {
    Task *task;
    EngineJob job;
    TablesAsk ask;
};

EngineTables *engine_tables_new(Task *task)
{
    EngineTables *tables = mem_zalloc(sizeof *tables);
    tables->task = task;
    engine_job_init(&tables->job);
    return tables;
}

void engine_tables_end(EngineTables *tables)
{
    if (tables != NULL)
        engine_job_end(&tables->job, false);
}

void engine_tables_free(EngineTables *tables)
{
    if (tables == NULL)
        return;
    engine_job_done(&tables->job);
    free(tables);
}

static bool read_request(void *self, const json_t *request, Error *err)
{
    EngineTables *tables = self;
    return tables_request_read(request, tables->job.arena, &tables->ask, err);
}

static StepResult step(void *self, Error *err)
{
    (void)err;
    EngineTables *tables = self;
    Error failure = ERROR_INIT;
    Sync *sync = task_sync(tables->task);
    bool ok = sync != NULL ? sync_tables(sync, &tables->ask, &failure)
                           : ERR(&failure, ERR_WRONG_STATE, "the task has not begun yet");
    if (!ok)
        log_error_value(LOG_WARN, &failure, "tables");
    (void)control_events_line(tables->job.events, tables_final_json(&tables->ask, &failure), true);
    return STEP_DONE;
}

bool engine_tables_start(EngineTables *tables, const json_t *request, ControlEvents *events,
                         Error *err)
{
    EngineJobSpec spec = {.name = "tables",
                          .busy = "another request about tables is being done",
                          .self = tables,
                          .read = read_request,
                          .work = step};
    return engine_job_start(&tables->job, &spec, request, events, err);
}

/* engine_tables - see the header. */
#include "cli/engine_tables.h"

#include <pthread.h>
#include <stdlib.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/base/worker.h"
#include "ops/tables_request.h"

struct EngineTables {
    Task *task;
    pthread_mutex_t lock; /* guards what follows, for start against start */
    bool ended;
    Worker *worker;
    StopToken *stop;
    Arena *arena;
    TablesAsk ask;
    ControlEvents *events;
};

EngineTables *engine_tables_new(Task *task)
{
    EngineTables *tables = mem_zalloc(sizeof *tables);
    tables->task = task;
    pthread_mutex_init(&tables->lock, NULL);
    return tables;
}

static void join(EngineTables *tables)
{
    if (tables->worker != NULL)
        worker_join(tables->worker, NULL);
    stop_free(tables->stop);
    arena_free(tables->arena);
    tables->worker = NULL;
    tables->stop = NULL;
    tables->arena = NULL;
}

void engine_tables_end(EngineTables *tables)
{
    if (tables == NULL)
        return;
    pthread_mutex_lock(&tables->lock);
    tables->ended = true;
    join(tables);
    pthread_mutex_unlock(&tables->lock);
}

void engine_tables_free(EngineTables *tables)
{
    if (tables == NULL)
        return;
    pthread_mutex_destroy(&tables->lock);
    free(tables);
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
    (void)control_events_line(tables->events, tables_final_json(&tables->ask, &failure), true);
    return STEP_DONE;
}

bool engine_tables_start(EngineTables *tables, const json_t *request, ControlEvents *events,
                         Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&tables->lock);
    if (tables->ended)
        ok = ERR(err, ERR_WRONG_STATE, "the engine is ending");
    else if (tables->worker != NULL && !worker_ended(tables->worker))
        ok = ERR(err, ERR_WRONG_STATE, "another request about tables is being done");
    if (ok) {
        join(tables);
        tables->arena = arena_new(0);
        tables->stop = stop_new();
        tables->events = events;
        WorkerSpec spec = {.name = "tables", .self = tables, .step = step};
        ok = tables_request_read(request, tables->arena, &tables->ask, err) &&
             (tables->worker = worker_start(&spec, tables->stop, err)) != NULL;
    }
    pthread_mutex_unlock(&tables->lock);
    return ok;
}

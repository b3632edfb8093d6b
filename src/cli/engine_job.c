/* engine_job - see the header. */
#include "cli/engine_job.h"

void engine_job_init(EngineJob *job)
{
    *job = (EngineJob){0};
    pthread_mutex_init(&job->lock, NULL);
}

static void forget(EngineJob *job)
{
    if (job->worker != NULL)
        worker_join(job->worker, NULL);
    stop_free(job->stop);
    arena_free(job->arena);
    job->worker = NULL;
    job->stop = NULL;
    job->arena = NULL;
}

void engine_job_end(EngineJob *job, bool stop)
{
    pthread_mutex_lock(&job->lock);
    job->ended = true;
    if (job->worker != NULL && stop)
        stop_request(job->stop);
    forget(job);
    pthread_mutex_unlock(&job->lock);
}

void engine_job_done(EngineJob *job)
{
    pthread_mutex_destroy(&job->lock);
}

static bool start(EngineJob *job, const EngineJobSpec *spec, const json_t *request,
                  ControlEvents *events, Error *err)
{
    WorkerSpec worker = {.name = spec->name, .self = spec->self, .step = spec->work};
    if (job->ended)
        return ERR(err, ERR_WRONG_STATE, "the engine is ending");
    if (job->worker != NULL && !worker_ended(job->worker))
        return ERR(err, ERR_ALREADY_RUNNING, "%s", spec->busy);
    forget(job);
    job->arena = arena_new(0);
    job->stop = stop_new();
    job->events = events;
    return spec->read(spec->self, request, err) &&
           (job->worker = worker_start(&worker, job->stop, err)) != NULL;
}

bool engine_job_start(EngineJob *job, const EngineJobSpec *spec, const json_t *request,
                      ControlEvents *events, Error *err)
{
    pthread_mutex_lock(&job->lock);
    bool ok = start(job, spec, request, events, err);
    pthread_mutex_unlock(&job->lock);
    return ok;
}

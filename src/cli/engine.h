/*
 * engine - the engine inside this process: the task in a worker, the control socket, and the
 * threads that run a cutover. `run` owns one for long, `cutover` starts one when no other process
 * does.
 *
 * Threads  engine_* from the main thread; the control socket's callbacks come from the worker
 * "http".
 */
#pragma once

#include "config/config.h"
#include "ops/status.h"
#include "task/task.h"

typedef struct Engine Engine;

/* Preflight, then control socket, then the task's worker. ALREADY_RUNNING when another process owns
 * the task. */
MUST_CHECK bool engine_start(const Config *config, StopToken *stop, bool until_caught_up,
                             Engine **out_engine, Error *err);
bool engine_ended(const Engine *engine);
/* Stops what runs and waits; true when the task ended well. Frees. */
bool engine_finish(Engine *engine, Error *err);
Task *engine_task(Engine *engine);
void engine_status(Engine *engine, Arena *arena, StatusReport *out_report);
/* Without an engine: from the control tables. *out_found false: no such task. */
MUST_CHECK bool engine_status_offline(const Config *config, Arena *arena, StatusReport *out_report,
                                      bool *out_found, Error *err);

/*
 * engine_verify - one verification or repair at a time on the running engine, in a thread of its own, asked
 * for by the control socket. It ends when its client goes away: nobody would hear the result, and
 * the next call goes on with it.
 */
#pragma once

#include <jansson.h>

#include "ops/control_api.h"
#include "task/task.h"

typedef struct EngineVerify EngineVerify;

EngineVerify *engine_verify_new(Task *task);
/* Ends what runs, waits, and refuses from then on. NULL is fine. */
void engine_verify_end(EngineVerify *verify);
void engine_verify_free(EngineVerify *verify); /* after the end; NULL is fine */
/* As ControlOps.verify. */
MUST_CHECK bool engine_verify_start(EngineVerify *verify, const json_t *request,
                                    ControlEvents *events, Error *err);
/* As ControlOps.repair. */
MUST_CHECK bool engine_repair_start(EngineVerify *verify, const json_t *request,
                                    ControlEvents *events, Error *err);

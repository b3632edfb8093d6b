/*
 * engine_tables - what the control socket asks about single tables, one at a time, in a thread of its own.
 */
#pragma once

#include <jansson.h>

#include "ops/control_api.h"
#include "task/task.h"

typedef struct EngineTables EngineTables;

EngineTables *engine_tables_new(Task *task);
/* Waits for what runs, and refuses from then on. NULL is fine. */
void engine_tables_end(EngineTables *tables);
void engine_tables_free(EngineTables *tables); /* after the end; NULL is fine */
/* As ControlOps.tables. */
MUST_CHECK bool engine_tables_start(EngineTables *tables, const json_t *request,
                                    ControlEvents *events, Error *err);

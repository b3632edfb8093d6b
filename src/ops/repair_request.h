/*
 * repair_request - the body of POST /v1/repair, for the client, and back.
 */
#pragma once

#include <jansson.h>

#include "task/task_repair.h"

/* A new object. */
json_t *repair_request_json(const TaskRepair *options);
/* Strings and lists live in `arena`. USAGE names the key that is wrong. */
MUST_CHECK bool repair_request_read(const json_t *request, Arena *arena, TaskRepair *out_options,
                                    Error *err);

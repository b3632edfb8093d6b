/*
 * verify_request - the body of POST /v1/verify, for the client, and back.
 */
#pragma once

#include <jansson.h>

#include "task/task_verify.h"

/* A new object; what is left to the engine's configuration is left out. */
json_t *verify_request_json(const TaskVerify *options);
/* Strings and lists live in `arena`. USAGE names the key that is wrong. */
MUST_CHECK bool verify_request_read(const json_t *request, Arena *arena, TaskVerify *out_options,
                                    Error *err);

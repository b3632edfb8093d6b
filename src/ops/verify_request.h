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

/* What the bodies of requests have in common; USAGE names the key. */
MUST_CHECK bool request_texts(const char *key, const json_t *value, Arena *arena,
                              const char *const **out_texts, int *out_count, Error *err);
MUST_CHECK bool request_bool(const char *key, const json_t *value, bool *out, Error *err);
/* 0 to max, times unit */
MUST_CHECK bool request_number(const char *key, const json_t *value, int64_t unit, int64_t max,
                               int64_t *out, Error *err);

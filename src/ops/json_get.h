/*
 * json_get - reads what a JSON report holds, for the text renderings: a key that is missing, null
 * or of another type is unknown.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* path: keys joined by '.', at most a few levels */
const json_t *json_get(const json_t *object, const char *path);
int64_t json_get_number(const json_t *object, const char *path);             /* PROGRESS_UNKNOWN */
int64_t json_get_us(const json_t *object, const char *path, double unit_us); /* PROGRESS_UNKNOWN */
const char *json_get_text(const json_t *object, const char *path, const char *unknown);
bool json_get_true(const json_t *object, const char *path);

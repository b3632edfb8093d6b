/*
 * timestamp - reads PostgreSQL's ISO output of timestamptz: 2026-01-02 03:04:05.678901+05:30.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds since 1970 UTC; false when it is something else (BC, infinity, a name of a zone). */
bool timestamp_parse(const char *text, size_t len, int64_t *out_wall_us);

/*
 * when - a point in time as people write it: 02:00, 02:00:30 (the next one, local time), 2026-01-31
 * 02:00 (local), 2026-01-31T02:00:00Z, 2026-01-31T02:00:00+02:00, +30min.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/error.h"

/* USAGE when it is none of these or lies in the past. */
MUST_CHECK bool when_parse(const char *text, int64_t now_wall_us, int64_t *out_wall_us, Error *err);
/* The same for what has been: 2026-01-31 (its beginning, local time), 2026-01-31 02:00,
 * 2026-01-31T02:00:00Z. USAGE when it is none of these or lies in the future. */
MUST_CHECK bool when_parse_past(const char *text, int64_t now_wall_us, int64_t *out_wall_us,
                                Error *err);

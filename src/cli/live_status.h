/*
 * live_status - the status JSON of a task: from the running engine, or without one from the control
 * tables.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

/* WRONG_STATE: no engine runs and the target knows no such task. *out_running: an engine answered.
 */
MUST_CHECK bool live_status(const Config *config, json_t **out_status, bool *out_running,
                            Error *err);

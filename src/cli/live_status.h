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
/* The same; while a running engine has only just turned the other way (the lag is not measured yet), it
 * is waited for, ten seconds at most. */
MUST_CHECK bool live_status_settled(const Config *config, json_t **out_status, bool *out_running,
                                    Error *err);

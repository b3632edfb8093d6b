/*
 * status_json - StatusReport as the JSON that `status --json` prints and GET /v1/status answers.
 * Unknown is null. Keys never come and go: a reader may rely on each.
 */
#pragma once

#include <jansson.h>

#include "ops/status.h"

json_t *status_json(const StatusReport *report); /* the caller owns it */

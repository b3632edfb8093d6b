/*
 * status_proof - the part of the status that says how far the tables are known to be equal.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "ops/status.h"

json_t *status_proof_table_json(const StatusTable *table);
json_t *status_proof_json(const StatusReport *report);
/* One line out of the status' JSON, nothing when it is not known. true: something wants attention. */
bool status_proof_text(const json_t *status, Buf *out);

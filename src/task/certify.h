/*
 * certify - what the migration certificate says, read from the control tables of both sides.
 *
 * Whatever is not recorded is the text "unknown"; a table is `full` or `keys` only where a comparison of
 * its rows is recorded.
 */
#pragma once

#include <jansson.h>

#include "task/task.h"

/* A new document, not sealed; the caller's reference. Both sides must answer. */
MUST_CHECK bool certify_make(Task *task, json_t **out_document, Error *err);

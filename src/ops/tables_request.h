/*
 * tables_request - the body of POST /v1/tables, for the client, and back; and its last line.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "sync/tables.h"

/* {"action":"pause","tables":["public.t"]} */
json_t *tables_request_json(TablesAction action, const char *const *patterns, int count);
/* Texts live in `arena`, which the answer takes too. USAGE names what is wrong. */
MUST_CHECK bool tables_request_read(const json_t *request, Arena *arena, TablesAsk *out_ask,
                                    Error *err);
/* The report event; err NULL or ERR_NONE: it went well. */
json_t *tables_final_json(const TablesAsk *ask, const Error *err);
/* For people: a line a table. */
void tables_report_text(const json_t *report, Buf *out);

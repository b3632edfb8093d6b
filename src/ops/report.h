/*
 * report - the cutover's report as JSON (stable keys) and, out of that JSON, as text for people.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "cutover/cutover.h"

/* One event: {"event":"step","step","text","elapsed_ms","frozen_ms"|null,"failed"}. */
json_t *report_event_json(const CutoverEvent *event);
/* The report alone. Unknown figures and "never frozen" are null. */
json_t *report_json(const CutoverReport *report);
/* The last event of a cutover: {"event":"report","exit","error"|null,"report"|null}. err may be
 * NULL (or ERR_NONE): it went well. report may be NULL. */
json_t *report_final_json(const CutoverReport *report, const Error *err);

/* One line (with \n) for an event, numbered by *step_number; elapsed and frozen time in front. */
void report_event_text(const json_t *event, int *step_number, Buf *out);
/* The whole report; takes the object of report_json(). */
void report_text(const json_t *report, int width, Buf *out);

/*
 * report_checks - the part of a cutover's report that comes before it: what the preflight checked,
 * what the freeze was predicted to cost, and the plan's digest.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "cutover/cutover.h"

/* Adds "checks", "prediction" and "plan_hash" where they are known. */
void report_checks_json(const CutoverReport *report, json_t *out);
/* The table of checks, worst last, with a line that counts them. */
void report_checks_text(const json_t *report, int width, bool color, Buf *out);
/* Checks with this result: "ok", "warning", "blocker". */
int report_checks_count(const json_t *report, const char *result);
/* The lines "Predicted" and "Plan" of the report, where there is something to say. */
void report_plan_text(const json_t *report, int width, Buf *out);

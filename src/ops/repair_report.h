/*
 * repair_report - a repair's report as JSON (stable keys) and, out of that JSON, as text.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "task/task_repair.h"

/* The last event: {"event":"report","exit","error"|null,"report"}. err may be NULL. */
json_t *repair_final_json(const TaskRepairReport *report, const Error *err);
/* 0 nothing differs (any more), 4 rows differ, 6 could not tell, else what the error says. */
int repair_exit_code(const TaskRepairReport *report, const Error *err);
void repair_report_text(const json_t *report, int width, Buf *out);

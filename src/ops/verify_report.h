/*
 * verify_report - a verification's progress and report as JSON (stable keys) and, out of that JSON,
 * as text for people.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "verify/verify.h"

/* {"event":"progress", ...}: what is not known is null. */
json_t *verify_progress_json(const VerifyProgress *progress);
json_t *verify_report_json(const VerifyReport *report);
/* The last event: {"event":"report","exit","error"|null,"report"}. err may be NULL. */
json_t *verify_final_json(const VerifyReport *report, const Error *err);
/* 0 equal, 4 different, 6 could not tell, else what the error says. */
int verify_exit_code(const VerifyReport *report, const Error *err);

/* One line for a terminal, without \n. */
void verify_progress_text(const json_t *progress, Buf *out);
void verify_report_text(const json_t *report, int width, Buf *out);

/* A key as it is recorded, JSON in and JSON out; masked: only the lengths of its values. */
json_t *report_key_json(const char *text, bool mask);
/* VerifyFailure.details as JSON. */
json_t *report_details_json(const char *text);
/* "details" as lines, the last line end included. */
void report_columns_text(const json_t *columns, Buf *out);

/*
 * report_client - a request to the running engine that takes a while: its answer is a line an event,
 * progress first, the report last. For `verify` and `repair`.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"
#include "ops/status_live.h"

typedef struct ReportClient {
    const Config *config;
    bool json;
    StatusLive *live; /* NULL: no progress is shown */
    json_t *last;     /* the report event; owned */
} ReportClient;

ReportClient report_client(const Config *config);
/* Progress where the screen can show it, unless --json. */
void report_client_show(ReportClient *client);
void report_client_progress(ReportClient *client, const json_t *line);
void report_client_hide(ReportClient *client);
/* client->last is there, or *err. `request` is consumed. `again`: the hint when the answer broke off. */
MUST_CHECK bool report_client_ask(ReportClient *client, const char *path, json_t *request,
                                  const char *again, Error *err);
/* The error of the report, where it has one, in *err; gives the exit code that the engine told. */
int report_client_exit(const ReportClient *client, Error *err);
void report_client_done(ReportClient *client);

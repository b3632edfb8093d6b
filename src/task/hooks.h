/*
 * hooks - commands and webhooks of the operator before and after the phases of a cutover or rollback.
 *
 * A line is "POINT [TIME] [abort|warn] COMMAND [ARGUMENT...]", or a URL in place of the command;
 * points are before-freeze, after-open, ..., end, and every. No shell; arguments are divided by blanks and may be quoted. What a command is told stands in its
 * environment (CUTOVER_...), see docs/operations/hooks.md.
 * Policy   abort: a failure, or a command that is not done in time, gives up what can still be given
 *          up (everything up to the fence's COMMIT). warn: it is told and the cutover goes on.
 */
#pragma once

#include <jansson.h>

#include "cutover/cutover.h"

typedef struct Hook {
    const char *point; /* "before-freeze" */
    int64_t timeout_us;
    bool abort; /* else warn */
    bool web;   /* argv[0] is a URL */
    const char **argv;
    const char *name; /* argv[0] for people: of a URL only the host */
    const char *line; /* as configured, for the plan; of a URL a digest of what is not shown */
} Hook;

typedef struct Hooks {
    Hook *all;
    int count;
    const char *const *headers; /* of the webhooks; this and what follows: secrets */
    int header_count;
    const char *secret; /* NULL none */
    const char *ca_file;
    int retries;
    const char *task;
    const char *from_conninfo, *to_conninfo; /* this and what follows: for each run */
    const char *mode;     /* "cutover", "rehearsal", "rollback", "rollback-rehearsal" */
    StopToken *stop;      /* ends a command that runs */
    CutoverHookRun *runs; /* what was run, as far as there is room */
    int run_count;
    Arena *run_arena;
    json_t *(*report_json)(const CutoverReport *report); /* may be NULL */
} Hooks;

/* Adds the lines of hooks.commands, or with `web` of hooks.webhooks. CONFIG names the line that is
 * wrong. */
MUST_CHECK bool hooks_parse(const char *const *lines, int count, bool web, Arena *arena,
                            Hooks *hooks, Error *err);
/* How long it may take: its own time, less when the moment leaves less. */
int64_t hook_time_us(const Hook *hook, const CutoverMoment *moment);
#define HOOK_RUNS_MAX 512 /* of one cutover */
/* Lines for the plan; "" without hooks. */
const char *hooks_plan(const Hooks *hooks, Arena *arena);
/* CutoverSpec.on_phase; arg is the Hooks. */
MUST_CHECK bool hooks_run(void *arg, const CutoverMoment *moment, Error *err);

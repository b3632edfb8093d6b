/*
 * hooks - commands of the operator before and after the phases of a cutover or rollback.
 *
 * A line is "POINT [TIME] [abort|warn] COMMAND [ARGUMENT...]": before-freeze, after-open, ..., end. No
 * shell; arguments are divided by blanks and may be quoted. What a command is told stands in its
 * environment (CUTOVER_...), see docs/operations/hooks.md.
 * Policy   abort: a failure, or a command that is not done in time, gives up what can still be given
 *          up (everything up to the fence's COMMIT). warn: it is told and the cutover goes on.
 */
#pragma once

#include "cutover/cutover.h"

typedef struct Hook {
    const char *point; /* "before-freeze" */
    int64_t timeout_us;
    bool abort; /* else warn */
    const char **argv;
    const char *line; /* as configured, for the plan */
} Hook;

typedef struct Hooks {
    Hook *all;
    int count;
    const char *task;
    const char *from_conninfo, *to_conninfo; /* this and what follows: for each run */
    const char *mode; /* "cutover", "rehearsal", "rollback", "rollback-rehearsal" */
    StopToken *stop;  /* ends a command that runs */
} Hooks;

/* CONFIG names the line that is wrong. */
MUST_CHECK bool hooks_parse(const char *const *lines, int count, Arena *arena, Hooks *out_hooks,
                            Error *err);
/* Lines for the plan; "" without hooks. */
const char *hooks_plan(const Hooks *hooks, Arena *arena);
/* CutoverSpec.on_phase; arg is the Hooks. */
MUST_CHECK bool hooks_run(void *arg, const CutoverMoment *moment, Error *err);

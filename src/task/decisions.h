/*
 * decisions - what a cutover decides, for the audit: who asked for it, each step that changes something
 * for good, and its end. Between these stand the operator's hooks.
 */
#pragma once

#include "audit/audit.h"
#include "cutover/cutover.h"

typedef struct Decisions {
    bool (*next)(void *arg, const CutoverMoment *moment, Error *err); /* NULL: nothing else */
    void *next_arg;
    const char *mode; /* "cutover", "rehearsal", "rollback", "rollback-rehearsal" */
    AuditPeer peer;
    int64_t fenced_us; /* when the fence was committed; 0: not */
} Decisions;

void decisions_begin(Decisions *decisions, const char *confirmed_plan);
void decisions_end(Decisions *decisions, const CutoverReport *report, const Error *err);
/* CutoverSpec.on_phase; arg is the Decisions. */
MUST_CHECK bool decisions_phase(void *arg, const CutoverMoment *moment, Error *err);

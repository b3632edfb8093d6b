/*
 * moments - what the program does at the moments of a cutover or rollback: commands, and the poolers
 * (CutoverSpec.on_phase).
 *
 * Order    before the freeze the poolers are paused last, so that clients wait for nothing else. Once
 * the other side is open, poolers whose entries we rewrite come first; then the commands, which may
 * rewrite others; then those others are resumed.
 */
#pragma once

#include "task/hooks.h"
#include "task/traffic.h"

typedef struct Moments {
    Hooks hooks;
    Traffic traffic;
} Moments;

/* Reads the configuration. CONFIG */
MUST_CHECK bool moments_read(const Config *config, Arena *arena, const PgEndpoint *source,
                             const PgEndpoint *target, Moments *out_moments, Error *err);
/* For one run: what it is, and what ends it. Sets the callbacks of spec. */
void moments_begin(Moments *moments, CutoverSpec *spec, Arena *arena);
/* What only is known when it is over. */
void moments_report(const Moments *moments, CutoverReport *report);

/*
 * switch_client - what cutover and rollback have in common: asks for consent, then follows the switch
 * that the engine makes; without an engine it starts one.
 */
#pragma once

#include "config/config.h"
#include "cutover/cutover.h"

/* The exit code; *err as far as it failed. */
int switch_client(const Config *config, bool back, bool running, Error *err);

/* The same printing and exit codes for a switch that `run` makes in this process, without an engine. */
typedef bool (*SwitchRun)(void *arg, void (*on_event)(void *event_arg, const CutoverEvent *event),
                          void *event_arg, Arena *arena, CutoverReport *out_report, Error *err);
int switch_in_process(const Config *config, bool back, bool dry_run, SwitchRun run, void *arg,
                      Error *err);

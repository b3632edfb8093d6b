/*
 * switch_client - what cutover and rollback have in common: asks for consent, then follows the switch
 * that the engine makes; without an engine it starts one.
 */
#pragma once

#include "config/config.h"

/* The exit code; *err as far as it failed. */
int switch_client(const Config *config, bool back, bool running, Error *err);

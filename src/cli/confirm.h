/*
 * confirm - asks before a target is written to, where the configuration wants that (confirm: true,
 * the default of a profile named production).
 */
#pragma once

#include "config/config.h"

/* Agreed: nothing wants it, --confirm names the target database, or somebody types its name. Else
 * NOT_CONFIRMED. `what` is about to happen: "to load into it". */
MUST_CHECK bool confirm_write(const Config *config, const char *what, Error *err);
/* The same, wanted in any case. */
MUST_CHECK bool confirm_always(const Config *config, const char *what, Error *err);

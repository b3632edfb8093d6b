/*
 * engine_gone - for commands that work where an engine may not: the running one ends first.
 */
#pragma once

#include "config/config.h"

/* No engine answers on the control socket any more; none was running is fine, too. */
MUST_CHECK bool engine_gone(const Config *config, Error *err);

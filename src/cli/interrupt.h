/*
 * interrupt - SIGINT and SIGTERM for commands that wait: the first sets a stop token, the second
 * ends the process as it would without us.
 */
#pragma once

#include "bascule/base/stop.h"

/* Installs the handlers; the token lives as long as the process. */
StopToken *interrupt_stop(void);

/*
 * status_live - the block of lines that `run` (and `status --watch`) keeps at the bottom of a
 * terminal.
 *
 * Draws by plain ANSI: cursor up, erase below. Log lines scroll above it: it hooks itself around
 * them (log_set_around) while it exists; there is one at a time. Threads  any; its own lock stands
 * around each draw and each log line.
 */
#pragma once

#include <stdbool.h>

#include "bascule/base/buf.h"

typedef struct StatusLive StatusLive;

/* NULL when fd is no terminal or TERM is dumb: then draw nothing (the other calls take NULL). */
StatusLive *status_live_new(int fd);
void status_live_draw(StatusLive *live,
                      const char *text); /* whole lines; cut to the screen's height */
/* keep: the last block stays on the screen, else it is wiped. */
void status_live_free(StatusLive *live, bool keep);

/* Columns of the terminal: TIOCGWINSZ, else $COLUMNS, else 80. Never 0. */
int status_live_width(int fd);
/* Colours are welcome: a terminal, TERM not dumb, NO_COLOR not set. */
bool status_live_color(int fd);

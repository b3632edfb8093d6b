/* sqlstate - what a server's five characters mean to bascule; the one table of that. */
#pragma once

#include "bascule/base/error.h"

/* ERR_SQL for what has no row. NULL or "" is ERR_PROTOCOL: the error did not come from a server. */
ErrorClass sqlstate_class(const char *sqlstate);

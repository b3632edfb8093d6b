/*
 * advisory - locks on a name that a session holds on a server, so that only one does a thing there.
 */
#pragma once

#include "bascule/port/pgconn.h"

typedef struct AdvisoryHolder {
    bool known;            /* it was still there when we looked */
    uint32_t pid;          /* of its session on the server */
    char application[128]; /* its application_name, "" when it may not be seen */
} AdvisoryHolder;

/* Never waits: *out_taken, or who holds it. Held until the session ends. */
MUST_CHECK bool advisory_try_lock(PgConn *conn, const char *name, bool *out_taken,
                                  AdvisoryHolder *out_holder, Error *err);

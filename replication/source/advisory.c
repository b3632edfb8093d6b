/* advisory - see the header. */
#include "source/advisory.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/map.h"
#include "sql_files.h"

bool advisory_try_lock(PgConn *conn, const char *name, bool *out_taken, AdvisoryHolder *out_holder,
                       Error *err)
{
    char key[24];
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_PGROWS PgRows *owner = NULL;
    snprintf(key, sizeof key, "%lld", (long long)hash_bytes(name, strlen(name)));
    if (!pgconn_query(conn, SQL_CONTROL_LOCK, PG_PARAMS(PG_TEXT(key)), &rows, err))
        return false;
    *out_taken = pgrows_bool(rows, 0, 0);
    if (*out_taken)
        return true;
    if (!pgconn_query(conn, SQL_CONTROL_LOCK_OWNER, PG_PARAMS(PG_TEXT(key)), &owner, err))
        return err_context(err, "looking who holds the lock");
    *out_holder = (AdvisoryHolder){.known = pgrows_count(owner) > 0};
    if (out_holder->known) {
        out_holder->pid = pgrows_u32(owner, 0, 0);
        snprintf(out_holder->application, sizeof out_holder->application, "%s",
                 pgrows_text(owner, 0, 1));
    }
    return true;
}

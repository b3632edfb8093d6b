/* flushed - see the header */
#include "apply/flushed.h"

#include "sql_files.h"

void flushed_forget(Flushed *flushed)
{
    *flushed = (Flushed){0};
}

bool flushed_look(Flushed *flushed, PgConn *conn, Lsn applied_lsn, Lsn *out_durable_lsn, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out_durable_lsn = LSN_UNKNOWN;
    if (!pgconn_query(conn, SQL_APPLY_FLUSHED, PG_NO_PARAMS, &rows, err))
        return false;
    if (pgrows_null(rows, 0, 1)) {
        flushed_forget(flushed);
        return true;
    }
    if (flushed->applied_lsn != LSN_UNKNOWN && pgrows_lsn(rows, 0, 1) >= flushed->wal_lsn) {
        *out_durable_lsn = flushed->applied_lsn;
        flushed_forget(flushed);
    }
    if (flushed->applied_lsn == LSN_UNKNOWN)
        *flushed = (Flushed){.wal_lsn = pgrows_lsn(rows, 0, 0), .applied_lsn = applied_lsn};
    return true;
}

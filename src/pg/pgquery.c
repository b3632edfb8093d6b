/* pgquery - single statements, and their rows (see bascule/port/pgconn.h). A PgRows is libpq's
 * result. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "pg/session.h"

#define MAX_PARAMS 65535 /* of the protocol */

static bool too_many(PgConn *conn, int nparams, Error *err)
{
    return ERR(err, ERR_BUG, "%s: %d parameters in one statement, %d are possible", conn->side,
               nparams, MAX_PARAMS);
}

bool pg_set_params(PgConn *conn, const PgParam *params, int nparams, const Oid **out_types,
                   Error *err)
{
    bool typed = false;

    if (nparams > MAX_PARAMS)
        return too_many(conn, nparams, err);
    if (nparams > conn->param_capacity) {
        size_t n = (size_t)nparams;
        conn->values = mem_grow(conn->values, n * sizeof *conn->values);
        conn->lengths = mem_grow(conn->lengths, n * sizeof *conn->lengths);
        conn->formats = mem_grow(conn->formats, n * sizeof *conn->formats);
        conn->types = mem_grow(conn->types, n * sizeof *conn->types);
        conn->param_capacity = nparams;
    }
    for (int i = 0; i < nparams; i++) {
        conn->values[i] = params[i].data;
        conn->lengths[i] = params[i].len;
        conn->formats[i] = params[i].binary;
        conn->types[i] = params[i].type;
        typed = typed || params[i].type != 0;
    }
    *out_types = typed ? conn->types : NULL;
    return true;
}

static bool send(PgConn *conn, Sql sql, const PgParam *params, int nparams, Error *err)
{
    const Oid *types;
    int sent;

    conn->error_position = 0;
    if (!pg_may_start(conn, err))
        return false;
    if (nparams == 0) {
        sent = PQsendQuery(conn->pq, sql.text);
    } else {
        if (!pg_set_params(conn, params, nparams, &types, err))
            return false;
        sent = PQsendQueryParams(conn->pq, sql.text, nparams, types, conn->values, conn->lengths,
                                 conn->formats, 0);
    }
    return sent == 1 || pg_fail_call(conn, err);
}

bool pgconn_query(PgConn *conn, Sql sql, const PgParam *params, int nparams, PgRows **out_rows,
                  Error *err)
{
    PGresult *result = NULL;

    if (!send(conn, sql, params, nparams, err) ||
        !pg_collect(conn, out_rows != NULL ? &result : NULL, err))
        return false;
    if (out_rows != NULL)
        *out_rows = (PgRows *)result;
    return true;
}

bool pgconn_exec(PgConn *conn, Sql sql, const PgParam *params, int nparams, int64_t *out_affected,
                 Error *err)
{
    PGresult *result = NULL;

    if (!send(conn, sql, params, nparams, err) || !pg_collect(conn, &result, err))
        return false;
    if (out_affected != NULL)
        *out_affected = pg_affected(result);
    PQclear(result);
    return true;
}

bool pgconn_script(PgConn *conn, Sql sql, Error *err)
{
    return send(conn, sql, NULL, 0, err) && pg_collect(conn, NULL, err);
}

int pgconn_error_position(const PgConn *conn)
{
    return conn->error_position;
}

/* Rows ---------------------------------------------------------------------------------------- */

static const PGresult *result_of(const PgRows *rows)
{
    return (const PGresult *)rows;
}

void pgrows_free(PgRows *rows)
{
    PQclear((PGresult *)rows);
}

int pgrows_count(const PgRows *rows)
{
    return PQntuples(result_of(rows));
}

int pgrows_columns(const PgRows *rows)
{
    return PQnfields(result_of(rows));
}

const char *pgrows_column_name(const PgRows *rows, int column)
{
    const char *name = PQfname(result_of(rows), column);
    ASSERT(name != NULL);
    return name;
}

static void check_place(const PgRows *rows, int row, int column)
{
    ASSERT(row >= 0 && row < pgrows_count(rows));
    ASSERT(column >= 0 && column < pgrows_columns(rows));
}

bool pgrows_null(const PgRows *rows, int row, int column)
{
    check_place(rows, row, column);
    return PQgetisnull(result_of(rows), row, column) == 1;
}

const char *pgrows_text(const PgRows *rows, int row, int column)
{
    check_place(rows, row, column);
    return PQgetvalue(result_of(rows), row, column);
}

int pgrows_length(const PgRows *rows, int row, int column)
{
    check_place(rows, row, column);
    return PQgetlength(result_of(rows), row, column);
}

/* A value that is no number means that the statement does not fit its reader: a defect of ours. */
int64_t pgrows_i64(const PgRows *rows, int row, int column)
{
    const char *text = pgrows_text(rows, row, column);
    char *end;
    long long value;

    if (text[0] == '\0')
        return 0;
    errno = 0;
    value = strtoll(text, &end, 10);
    ASSERT(errno == 0 && end != text && *end == '\0');
    return value;
}

uint32_t pgrows_u32(const PgRows *rows, int row, int column)
{
    int64_t value = pgrows_i64(rows, row, column);
    ASSERT(value >= 0 && value <= UINT32_MAX);
    return (uint32_t)value;
}

bool pgrows_bool(const PgRows *rows, int row, int column)
{
    const char *text = pgrows_text(rows, row, column);
    ASSERT(text[0] == '\0' || strcmp(text, "t") == 0 || strcmp(text, "f") == 0);
    return text[0] == 't';
}

Lsn pgrows_lsn(const PgRows *rows, int row, int column)
{
    const char *text = pgrows_text(rows, row, column);
    Lsn lsn = LSN_UNKNOWN;
    ASSERT(text[0] == '\0' || lsn_parse(text, &lsn));
    return lsn;
}

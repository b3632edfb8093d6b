/*
 * fake_pgconn - a PgConn that answers from a script, in order. Good for what our code does with answers
 * and errors; evidence of nothing about servers. Included by one file of a test program.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/port/pgconn.h"

typedef struct FakeAnswer {
    const char *match; /* the statement must contain this */
    int rows, columns;
    const char *const *cells; /* row by row; NULL is NULL */
    ErrorClass cls;           /* ERR_NONE: it succeeds */
    const char *sqlstate, *message;
} FakeAnswer;

struct PgConn {
    PgSession session;
};
struct PgRows {
    const FakeAnswer *answer;
};

static const FakeAnswer *fake_answers;
static int fake_count, fake_next, fake_open;
static char fake_params[8][512]; /* of the last statement with parameters */
static PgConn fake_conns[2] = {{PG_SESSION_SQL}, {PG_SESSION_WALSENDER}};

static void fake_script(const FakeAnswer *answers, int count)
{
    fake_answers = answers;
    fake_count = count;
    fake_next = 0;
}
#define FAKE_SCRIPT(answers) fake_script((answers), (int)(sizeof(answers) / sizeof((answers)[0])))

static void fake_all_used(void)
{
    assert_int_equal(fake_next, fake_count);
    assert_int_equal(fake_open, 0);
}

static bool fake_answer(const char *sql, const FakeAnswer **out_answer, Error *err)
{
    if (fake_next >= fake_count)
        fail_msg("unexpected statement: %s", sql);
    const FakeAnswer *answer = &fake_answers[fake_next++];
    if (strstr(sql, answer->match) == NULL)
        fail_msg("expected a statement with '%s', got: %s", answer->match, sql);
    *out_answer = answer;
    if (answer->cls == ERR_NONE)
        return true;
    ERR(err, answer->cls, "fake: %s", answer->message != NULL ? answer->message : "refused");
    if (answer->sqlstate != NULL)
        snprintf(err->sqlstate, sizeof err->sqlstate, "%s", answer->sqlstate);
    return false;
}

PgConn *pgconn_open(const PgEndpoint *endpoint, PgSession session, const char *what, Error *err)
{
    (void)endpoint, (void)what, (void)err;
    fake_open++;
    return &fake_conns[session == PG_SESSION_WALSENDER];
}

void pgconn_close(PgConn *conn)
{
    fake_open -= conn != NULL;
}

bool pgconn_query(PgConn *conn, Sql sql, const PgParam *params, int nparams, PgRows **out_rows,
                  Error *err)
{
    (void)conn;
    const FakeAnswer *answer;
    for (int i = 0; i < nparams && i < 8; i++)
        snprintf(fake_params[i], sizeof fake_params[i], "%s",
                 params[i].data != NULL ? params[i].data : "NULL");
    if (!fake_answer(sql.text, &answer, err))
        return false;
    *out_rows = calloc(1, sizeof **out_rows);
    (*out_rows)->answer = answer;
    return true;
}

bool pgconn_exec(PgConn *conn, Sql sql, const PgParam *params, int nparams, int64_t *out_affected,
                 Error *err)
{
    (void)conn, (void)params, (void)nparams, (void)out_affected;
    const FakeAnswer *answer;
    return fake_answer(sql.text, &answer, err);
}

bool pgconn_script(PgConn *conn, Sql sql, Error *err)
{
    (void)conn;
    const FakeAnswer *answer;
    return fake_answer(sql.text, &answer, err);
}

bool pgconn_usable(const PgConn *conn)
{
    (void)conn;
    return true;
}

bool pgconn_in_transaction(const PgConn *conn)
{
    (void)conn;
    return true;
}

const char *pgconn_side(const PgConn *conn)
{
    (void)conn;
    return "source";
}

int pgconn_server_version(const PgConn *conn)
{
    (void)conn;
    return 150020;
}

uint32_t pgconn_backend_pid(const PgConn *conn)
{
    (void)conn;
    return 1;
}

void pgrows_free(PgRows *rows)
{
    free(rows);
}

int pgrows_count(const PgRows *rows)
{
    return rows->answer->rows;
}

static const char *fake_cell(const PgRows *rows, int row, int column)
{
    assert_in_range(row, 0, rows->answer->rows - 1);
    assert_in_range(column, 0, rows->answer->columns - 1);
    return rows->answer->cells[row * rows->answer->columns + column];
}

bool pgrows_null(const PgRows *rows, int row, int column)
{
    return fake_cell(rows, row, column) == NULL;
}

const char *pgrows_text(const PgRows *rows, int row, int column)
{
    const char *cell = fake_cell(rows, row, column);
    return cell != NULL ? cell : "";
}

int pgrows_length(const PgRows *rows, int row, int column)
{
    return (int)strlen(pgrows_text(rows, row, column));
}

int64_t pgrows_i64(const PgRows *rows, int row, int column)
{
    return strtoll(pgrows_text(rows, row, column), NULL, 10);
}

uint32_t pgrows_u32(const PgRows *rows, int row, int column)
{
    return (uint32_t)strtoul(pgrows_text(rows, row, column), NULL, 10);
}

bool pgrows_bool(const PgRows *rows, int row, int column)
{
    return pgrows_text(rows, row, column)[0] == 't';
}

Lsn pgrows_lsn(const PgRows *rows, int row, int column)
{
    Lsn lsn = LSN_UNKNOWN;
    return lsn_parse(fake_cell(rows, row, column), &lsn) ? lsn : LSN_UNKNOWN;
}

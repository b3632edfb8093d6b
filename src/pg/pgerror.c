/*
 * pgerror - turns what libpq and the server say into an Error (see pg/session.h).
 *
 * Only the primary message and the hint of a server's error are kept: DETAIL and CONTEXT hold row
 * data. Messages of SQLSTATE class 22 (data exceptions) quote the offending value, so quoted parts
 * are blanked.
 *
 * While connecting, libpq gives text only. A server's answer still carries its SQLSTATE in it,
 * because pgopen.c asks for verbose messages; what libpq found out by itself is told apart by its
 * English text (the program never calls setlocale, so it is not translated). Nowhere else is text
 * compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/session.h"
#include "pg/sqlstate.h"

/* The first line, without libpq's advice below it. */
static int first_line(const char *text)
{
    return (int)strcspn(text, "\n");
}

/* From the first quote to the last one: a value may hold quotes itself. */
static void blank_quoted(char *text, size_t size)
{
    char *first = strchr(text, '"'), *last = strrchr(text, '"');
    char rest[512];

    if (first == NULL)
        return;
    snprintf(rest, sizeof rest, "%s", last != first ? last + 1 : "");
    snprintf(first, size - (size_t)(first - text), "\"...\"%s", rest);
}

static bool ends_session(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

bool pg_fail_result(PgConn *conn, const PGresult *result, Error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    ErrorClass cls = sqlstate_class(sqlstate);

    conn->error_position = position != NULL ? atoi(position) : 0;
    if (PQstatus(conn->pq) == CONNECTION_BAD || ends_session(result)) {
        conn->broken = true;
        if (cls == ERR_SQL || cls == ERR_PROTOCOL)
            cls = ERR_CONN_LOST;
    }
    if (conn->cancel_deadline_us != 0 && sqlstate != NULL && strcmp(sqlstate, "57014") == 0)
        cls = ERR_STOPPED;
    if (message == NULL) { /* made by libpq */
        message = PQresultErrorMessage(result);
        if (message[0] == '\0')
            message = PQresStatus(PQresultStatus(result));
    }
    ERR(err, cls, "%.*s", first_line(message), message);
    if (sqlstate != NULL)
        strncat(err->sqlstate, sqlstate, sizeof err->sqlstate - 1);
    if (strncmp(err->sqlstate, "22", 2) == 0 && strcmp(err->sqlstate, "22P04") != 0)
        blank_quoted(err->message, sizeof err->message);
    if (hint != NULL)
        err_hint(err, "%s", hint);
    return err_context(err, "%s", conn->side);
}

bool pg_fail_lost(PgConn *conn, Error *err)
{
    const char *message;

    conn->broken = true;
    /* The server may have said why before it closed. libpq does not wait on a closed socket. */
    for (int i = 0; i < 8 && PQstatus(conn->pq) == CONNECTION_BAD; i++) {
        PGresult *result = PQgetResult(conn->pq);
        bool told = result != NULL && PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL;
        if (told)
            pg_fail_result(conn, result, err);
        PQclear(result);
        if (told)
            return false;
    }
    message = PQerrorMessage(conn->pq);
    ERR(err, ERR_CONN_LOST, "connection lost: %.*s", first_line(message), message);
    return err_context(err, "%s", conn->side);
}

bool pg_fail_call(PgConn *conn, Error *err)
{
    const char *message;

    if (PQstatus(conn->pq) == CONNECTION_BAD)
        return pg_fail_lost(conn, err);
    message = PQerrorMessage(conn->pq);
    ERR(err, ERR_PROTOCOL, "libpq: %.*s", first_line(message), message);
    return err_context(err, "%s", conn->side);
}

/* Connecting ---------------------------------------------------------------------------------- */

/* Finds ":  28P01: " and gives the place of the five characters, the last one when there are
 * several. */
static const char *find_sqlstate(const char *text)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, ":  ")) != NULL; at++) {
        const char *code = at + 3;
        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && code[5] == ':')
            found = code;
    }
    return found;
}

static ErrorClass class_of_text(const char *text)
{
    static const struct {
        const char *part;
        ErrorClass cls;
    } PARTS[] = {
        {"could not translate host name", ERR_CONN_REFUSED},
        {"Connection refused", ERR_CONN_REFUSED},
        {"No such file or directory\n\tIs the server", ERR_CONN_REFUSED},
        {"timeout expired", ERR_CONN_REFUSED},
        {"Connection timed out", ERR_CONN_REFUSED},
        {"No route to host", ERR_CONN_REFUSED},
        {"Network is unreachable", ERR_CONN_REFUSED},
        {"certificate", ERR_TLS},
        {"private key", ERR_TLS},
        {"SSL", ERR_TLS},
        {"no password supplied", ERR_AUTH},
        {"authentication", ERR_AUTH},
        {"SCRAM", ERR_AUTH},
        {"password", ERR_AUTH},
        {"service file", ERR_CONFIG},
        {"definition of service", ERR_CONFIG},
        {"invalid ", ERR_CONFIG},
        {"could not match ", ERR_CONFIG},
        {"server closed the connection", ERR_CONN_LOST},
        {"could not receive data", ERR_CONN_LOST},
        {"could not send", ERR_CONN_LOST},
        {"session is read-only", ERR_CONN_REFUSED},
        {"session is not read-only", ERR_CONN_REFUSED},
        {"server is in hot standby", ERR_CONN_REFUSED},
        {"server is not in hot standby", ERR_CONN_REFUSED},
    };

    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (strstr(text, PARTS[i].part) != NULL)
            return PARTS[i].cls;
    return ERR_CONN_REFUSED;
}

/* Puts the useful lines of libpq's text together; one line an attempt, equal ones once (libpq tries
 * with and without TLS or GSS). */
static void put_lines(const char *text, char *out, size_t size)
{
    static const char *const NOT_WANTED[] = {"\t", "DETAIL:", "HINT:", "LOCATION:", "CONTEXT:"};
    const char *last = "";
    size_t last_len = 0, used = 0;

    for (const char *line = text, *next; *line != '\0'; line = next) {
        size_t len = strcspn(line, "\n");
        bool wanted = len > 0;
        next = line + len + (line[len] == '\n');
        for (size_t i = 0; i < sizeof NOT_WANTED / sizeof *NOT_WANTED; i++)
            wanted = wanted && strncmp(line, NOT_WANTED[i], strlen(NOT_WANTED[i])) != 0;
        if (!wanted || used + len + 3 > size || (len == last_len && memcmp(line, last, len) == 0))
            continue;
        last = line;
        last_len = len;
        if (used > 0) {
            memcpy(out + used, "; ", 2);
            used += 2;
        }
        memcpy(out + used, line, len);
        used += len;
    }
    out[used] = '\0';
}

bool pg_fail_connect(const char *libpq_message, Error *err)
{
    const char *code = find_sqlstate(libpq_message);
    char sqlstate[6] = "";
    char text[1024];
    ErrorClass cls;

    put_lines(libpq_message, text, sizeof text);
    if (code == NULL)
        return ERR(err, class_of_text(libpq_message), "%s",
                   text[0] != '\0' ? text : "libpq gives no reason");
    memcpy(sqlstate, code, 5);
    cls = sqlstate_class(sqlstate);
    if (cls == ERR_SQL && (strncmp(sqlstate, "22", 2) == 0 || strcmp(sqlstate, "42704") == 0))
        cls = ERR_CONFIG; /* a startup parameter that the server does not accept */
    /* ":  28P01: text" reads better as ": text" */
    for (const char *in; (in = find_sqlstate(text)) != NULL;)
        memmove(text + (in - text) - 1, in + 7, strlen(in + 7) + 1);
    ERR(err, cls, "%s", text);
    memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
    if (cls == ERR_CONFIG && strcmp(sqlstate, "3D000") == 0)
        err_hint(err, "Create the database, or correct the database name in the configuration.");
    return false;
}

/* ddl_notes - see the header. */
#include "apply/ddl_notes.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/log.h"
#include "sql_files.h"

/* The next line; false: there is none that fits. */
static bool take_line(const char **at, const char *end, char *out, size_t size)
{
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    if (stop == NULL)
        return false;
    size_t len = (size_t)(stop - *at);
    if (len >= size)
        return false;
    memcpy(out, *at, len);
    out[len] = '\0';
    *at = stop + 1;
    return strlen(out) == len;
}

static bool take_oid(const char **at, const char *end, uint32_t *out)
{
    char text[16], *rest;
    if (!take_line(at, end, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &rest, 10);
    *out = (uint32_t)value;
    return *rest == '\0' && value <= UINT32_MAX;
}

bool ddl_note_parse(const char *content, size_t len, DdlNote *out)
{
    static const char HEAD[] = "ddl\n";
    const char *at = content, *end = content + len;
    uint32_t object;
    if (len < sizeof HEAD - 1 || memcmp(content, HEAD, sizeof HEAD - 1) != 0)
        return false;
    at += sizeof HEAD - 1;
    if (!take_line(&at, end, out->tag, sizeof out->tag) ||
        !take_line(&at, end, out->kind, sizeof out->kind) || !take_oid(&at, end, &out->table_oid) ||
        !take_oid(&at, end, &object) || !take_line(&at, end, out->name, sizeof out->name))
        return false;
    /* A character that is cut in two would be refused: rather no text. */
    size_t rest = (size_t)(end - at);
    bool whole = rest < sizeof out->statement && memchr(at, '\0', rest) == NULL;
    memcpy(out->statement, at, whole ? rest : 0);
    out->statement[whole ? rest : 0] = '\0';
    return true;
}

bool ddl_note_write(PgConn *target, const char *task, Lsn end_lsn, int number, const DdlNote *note,
                    Error *err)
{
    LsnText lsn = lsn_text(end_lsn);
    char place[16], oid[16];
    Error refused = ERROR_INIT;
    snprintf(place, sizeof place, "%d", number);
    snprintf(oid, sizeof oid, "%u", note->table_oid);
    if (!pgconn_script(target, SQL("SAVEPOINT bascule_note"), err))
        return false;
    if (pgconn_exec(target, SQL_DDL_NOTE_WRITE,
                    PG_PARAMS(PG_TEXT(task), PG_TEXT(lsn.text), PG_TEXT(place), PG_TEXT(note->tag),
                              PG_TEXT(note->kind), PG_TEXT(oid), PG_TEXT(note->name),
                              PG_TEXT(note->statement)),
                    NULL, &refused))
        return pgconn_script(target, SQL("RELEASE SAVEPOINT bascule_note"), err);
    if (!pgconn_usable(target)) {
        *err = refused;
        return false;
    }
    log_warn("a statement of the source could not be noted: %s", refused.message);
    return pgconn_script(target, SQL("ROLLBACK TO SAVEPOINT bascule_note"), err);
}

/* rules_mark - see the header. */
#include "apply/rules_mark.h"

#include <string.h>

#include "apply/control.h"
#include "bascule/base/hash.h"
#include "sql_files.h"

#define MARK_SIZE 64

/* Without such rules there is no mark: so it was before there were any. */
static void mark_of(const Rules *rules, char out[MARK_SIZE])
{
    Arena *scratch = arena_new(0);
    const char *text = rules_mapping_text(rules, scratch);
    RowsHash hash = {0};
    char hex[33];
    rows_hash_add(&hash, text, strlen(text));
    rows_hash_text(&hash, hex);
    snprintf(out, MARK_SIZE, "%s%s", *text == '\0' ? "" : "rules ", *text == '\0' ? "" : hex);
    arena_free(scratch);
}

static bool read_mark(PgConn *target, const char *task, char out[MARK_SIZE], Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    out[0] = '\0';
    if (!pgconn_query(target, SQL_CONTROL_RULES_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading with which rules the task began");
    if (pgrows_count(rows) > 0)
        snprintf(out, MARK_SIZE, "%s", pgrows_text(rows, 0, 0));
    return true;
}

bool rules_mark_keep(PgConn *target, const char *task, const Rules *rules, Error *err)
{
    char mark[MARK_SIZE];
    mark_of(rules, mark);
    /* A mark of another preparation, which did not come to an end, is not of this one. */
    return pgconn_exec(target, SQL_CONTROL_RULES_FORGET, PG_PARAMS(PG_TEXT(task)), NULL, err) &&
           (mark[0] == '\0' || control_mark_step(target, task, mark, err));
}

bool rules_mark_check(PgConn *target, const char *task, const Rules *rules, Error *err)
{
    char mark[MARK_SIZE], kept[MARK_SIZE];
    mark_of(rules, mark);
    if (!read_mark(target, task, kept, err))
        return false;
    if (strcmp(mark, kept) == 0)
        return true;
    ERR(err, ERR_CONFIG, "the rules are not those that the task '%s' began with", task);
    return err_hint(err, "Put them back; or 'bascule cleanup' and start again with the new ones.");
}

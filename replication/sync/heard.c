/* heard - see the header. */
#include "sync/heard.h"

#include <string.h>

#include "bascule/base/buf.h"
#include "sql_files.h"

#define SQLSTATE_NO_TABLE "42P01"
#define MOST              "1000"

bool heard_read(PgConn *target, const char *task, Arena *arena, HeardList **out_list, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out_list = NULL;
    if (!pgconn_query(target, SQL_DDL_NOTES_READ, PG_PARAMS(PG_TEXT(task)), &rows, err)) {
        if (strcmp(err->sqlstate, SQLSTATE_NO_TABLE) != 0)
            return err_context(err, "reading the source's statements");
        err_clear(err);
        return true;
    }
    HeardList *list = arena_new_object(arena, HeardList);
    list->count = pgrows_count(rows);
    list->all = arena_new_array(arena, HeardStatement, list->count + 1);
    for (int i = 0; i < list->count; i++)
        list->all[i] = (HeardStatement){
            .lsn = pgrows_lsn(rows, i, 0),
            .tag = arena_strdup(arena, pgrows_text(rows, i, 1)),
            .kind = arena_strdup(arena, pgrows_text(rows, i, 2)),
            .table_oid = pgrows_u32(rows, i, 3),
            .name = arena_strdup(arena, pgrows_text(rows, i, 4)),
            .statement = arena_strdup(arena, pgrows_text(rows, i, 5)),
        };
    *out_list = list;
    return true;
}

bool heard_prune(PgConn *target, const char *task, Error *err)
{
    Error refused = ERROR_INIT;
    if (pgconn_exec(target, SQL_DDL_NOTES_PRUNE, PG_PARAMS(PG_TEXT(task), PG_TEXT(MOST)), NULL,
                    &refused) ||
        strcmp(refused.sqlstate, SQLSTATE_NO_TABLE) == 0)
        return true;
    *err = refused;
    return err_context(err, "forgetting old statements of the source");
}

HeardList *heard_copy(const HeardList *list, Arena *arena)
{
    HeardList *copy = arena_new_object(arena, HeardList);
    copy->count = list->count;
    copy->all = arena_new_array(arena, HeardStatement, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        const HeardStatement *s = &list->all[i];
        copy->all[i] = (HeardStatement){
            .lsn = s->lsn,
            .tag = arena_strdup(arena, s->tag),
            .kind = arena_strdup(arena, s->kind),
            .name = arena_strdup(arena, s->name),
            .table_oid = s->table_oid,
            .statement = arena_strdup(arena, s->statement),
        };
    }
    return copy;
}

const char *heard_of_table(const HeardList *list, uint32_t table_oid, Arena *arena)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    const char *before = NULL;
    for (int i = list != NULL ? list->count - 1 : -1; i >= 0; i--) {
        const HeardStatement *s = &list->all[i];
        if (s->table_oid != table_oid)
            continue;
        /* One statement may tell of a table and of its index. */
        if (s->statement[0] != '\0' && before != NULL && strcmp(before, s->statement) == 0)
            continue;
        before = s->statement;
        if (s->statement[0] != '\0')
            buf_printf(&out, "%s%s;", out.len > 0 ? " " : "", s->statement);
        else
            buf_printf(&out, "%s%s %s (text withheld);", out.len > 0 ? " " : "", s->tag, s->name);
    }
    return arena_strdup(arena, buf_str(&out));
}

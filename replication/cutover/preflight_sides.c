/*
 * preflight_sides - what has to be alike on both sides before applications move, what does not
 * travel by itself, and who holds tables for long. Only what the catalogs say; nothing is changed.
 */
#include <stdio.h>
#include <string.h>

#include "cutover/findings.h"
#include "sql_files.h"
#include "verify/arrays.h"

#define NAMES_SHOWN 3

static void put_oids(const Relations *rels, Buf *out)
{
    arrays_begin(out);
    for (int i = 0; i < rels->count; i++)
        arrays_put_u32(out, rels->all[i]->oid);
    arrays_end(out);
}

/* Commands that hold tables for long
 * ---------------------------------------------------------------- */

static bool check_commands(Findings *f, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT;
    put_oids(f->cut->spec->rels, &oids);
    if (!pgconn_query(f->cut->source, SQL_CUTOVER_BUSY_COMMANDS, PG_PARAMS(PG_TEXT(buf_str(&oids))),
                      &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *command = pgrows_text(rows, r, 1), *table = pgrows_text(rows, r, 2);
        const char *pid = pgrows_text(rows, r, 0);
        if (pgrows_bool(rows, r, 4))
            finding_block(f, ERR_BLOCKED,
                          "an autovacuum against wraparound works on '%s' (pid %s) and does not "
                          "give way: wait until it is done",
                          table, pid);
        else if (strcmp(command, "COPY FROM") == 0)
            finding_warn(f, "COPY FROM fills '%s' (pid %s): the freeze waits for its end", table,
                         pid);
        else
            finding_block(f, ERR_BLOCKED,
                          "%s works on '%s' (pid %s) and does not give way: wait, or end it",
                          command, table, pid);
    }
    return true;
}

/* Both databases
 * ------------------------------------------------------------------------------------ */

/* Items of `a` ("x, y") that are not in `b`, in the form "x, y"; false when there are none. */
static bool missing_items(const char *a, const char *b, Buf *out)
{
    buf_clear(out);
    for (const char *item = a; *item != '\0';) {
        const char *end = strstr(item, ", ");
        size_t len = end != NULL ? (size_t)(end - item) : strlen(item);
        bool found = false;
        for (const char *at = b; (at = memmem(at, strlen(at), item, len)) != NULL && !found; at++)
            found = (at == b || at[-1] == ' ') && (at[len] == '\0' || at[len] == ',');
        if (!found) {
            buf_puts(out, out->len > 0 ? ", " : "");
            buf_put(out, item, len);
        }
        item += len + (end != NULL ? 2 : 0);
    }
    return out->len > 0;
}

static void compare_databases(Findings *f, const PgRows *source, const PgRows *target)
{
    CLEANUP_BUF Buf missing = BUF_INIT;
    const char *from = FROM_SIDE(f->cut), *to = TO_SIDE(f->cut);
    if (pgrows_bool(source, 0, 0))
        finding_warn(f, "the %s has large objects (pg_largeobject): they do not travel", from);
    if (!pgrows_null(source, 0, 1))
        finding_warn(
            f, "event triggers are enabled on the %s (%s): see whether the %s should have them",
            from, pgrows_text(source, 0, 1), to);
    if (pgrows_bool(source, 0, 2))
        finding_warn(f,
                     "pg_cron is on the %s: its jobs go on there, and are refused by the fence; "
                     "move them",
                     from);
    if (missing_items(pgrows_text(source, 0, 3), pgrows_text(target, 0, 3), &missing))
        finding_warn(f, "extensions that only the %s has: %s", from, buf_str(&missing));
    if (missing_items(pgrows_text(source, 0, 4), pgrows_text(target, 0, 4), &missing))
        finding_warn(f, "settings that only the %s's database has (ALTER DATABASE ... SET): %s",
                     from, buf_str(&missing));
    if (pgrows_i64(target, 0, 6) < pgrows_i64(source, 0, 5))
        finding_warn(f,
                     "the %s has room for %lld more connections, the %s serves %lld now: raise "
                     "max_connections or the database's limit",
                     to, (long long)pgrows_i64(target, 0, 6), from,
                     (long long)pgrows_i64(source, 0, 5));
    if (pgrows_bool(target, 0, 7))
        finding_warn(f,
                     "the %s's collation has another version than its database was created "
                     "with: REINDEX, then ALTER DATABASE ... REFRESH COLLATION VERSION",
                     to);
}

static bool check_databases(Findings *f, Error *err)
{
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    if (!pgconn_query(f->cut->source, SQL_CUTOVER_SIDE_FACTS, PG_NO_PARAMS, &source, err) ||
        !pgconn_query(f->cut->target, SQL_CUTOVER_SIDE_FACTS, PG_NO_PARAMS, &target, err))
        return false;
    compare_databases(f, source, target);
    return true;
}

/* Tables
 * -------------------------------------------------------------------------------------------- */

static bool read_tables(PgConn *conn, const Relations *rels, bool target, PgRows **out, Error *err)
{
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    arrays_begin(&schemas);
    arrays_begin(&names);
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        arrays_put_text(&schemas, target ? rel->target_schema : rel->schema);
        arrays_put_text(&names, target ? rel->target_name : rel->name);
    }
    return pgconn_query(conn, SQL_CUTOVER_TABLE_RIGHTS,
                        PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names))), out,
                        err);
}

/* One finding for many tables: the first names and how many more. */
typedef struct TableList {
    int count;
    Buf names;
} TableList;

static void list_add(TableList *list, const Relation *rel, const char *detail)
{
    if (list->count++ >= NAMES_SHOWN)
        return;
    buf_printf(&list->names, "%s%s", list->names.len > 0 ? ", " : "", rel->display);
    if (detail[0] != '\0')
        buf_printf(&list->names, " (%s)", detail);
}

static const char *list_text(TableList *list)
{
    if (list->count > NAMES_SHOWN)
        buf_printf(&list->names, " and %d more", list->count - NAMES_SHOWN);
    return buf_str(&list->names);
}

typedef struct TableLists {
    TableList security, grants, indexes, constraints, statistics, unfenced, disarmed;
    int fenced;
} TableLists;

static void judge_table(TableLists *lists, const Relation *rel, const PgRows *s, const PgRows *t,
                        int sr, int tr)
{
    const char *fence = pgrows_text(t, tr, 6);
    if (strcmp(pgrows_text(s, sr, 1), pgrows_text(t, tr, 1)) != 0)
        list_add(&lists->security, rel, "");
    if (strcmp(pgrows_text(s, sr, 2), pgrows_text(t, tr, 2)) != 0)
        list_add(&lists->grants, rel, "");
    if (!pgrows_null(t, tr, 3) && pgrows_null(s, sr, 3))
        list_add(&lists->indexes, rel, pgrows_text(t, tr, 3));
    if (!pgrows_null(t, tr, 4) && strcmp(pgrows_text(s, sr, 4), pgrows_text(t, tr, 4)) != 0)
        list_add(&lists->constraints, rel, pgrows_text(t, tr, 4));
    if (pgrows_bool(t, tr, 5) && rel->estimated_rows > 0)
        list_add(&lists->statistics, rel, "");
    if (fence[0] == 'A')
        lists->fenced++;
    else
        list_add(fence[0] == 'D' ? &lists->disarmed : &lists->unfenced, rel, "");
}

static void tell_tables(Findings *f, TableLists *lists)
{
    const char *to = TO_SIDE(f->cut);
    if (lists->security.count > 0)
        finding_block(f, ERR_SCHEMA_DIFFERS,
                      "row security or its policies differ between source and target: %s",
                      list_text(&lists->security));
    if (lists->grants.count > 0)
        finding_warn(f, "grants differ between source and target: %s", list_text(&lists->grants));
    if (lists->indexes.count > 0)
        finding_block(f, ERR_BLOCKED, "indexes of the %s are not valid, REINDEX them: %s", to,
                      list_text(&lists->indexes));
    if (lists->constraints.count > 0)
        finding_warn(f, "constraints are not validated on the %s: %s", to,
                     list_text(&lists->constraints));
    if (lists->statistics.count > 0)
        finding_warn(f, "tables of the %s were never analyzed, ANALYZE them: %s", to,
                     list_text(&lists->statistics));
    /* With dual writes the fence is put up when the cutover arms. */
    if (f->cut->spec->dual_write)
        return;
    if (lists->disarmed.count > 0)
        finding_block(f, ERR_TARGET_STATE,
                      "somebody disabled the fence of the %s, ALTER TABLE ... ENABLE ALWAYS "
                      "TRIGGER bascule_fence: %s",
                      to, list_text(&lists->disarmed));
    if (lists->unfenced.count > 0)
        finding_warn(f, "the %s is not fenced, others could write there: %s", to,
                     list_text(&lists->unfenced));
}

static void lists_done(TableLists *lists)
{
    buf_done(&lists->security.names);
    buf_done(&lists->grants.names);
    buf_done(&lists->indexes.names);
    buf_done(&lists->constraints.names);
    buf_done(&lists->statistics.names);
    buf_done(&lists->unfenced.names);
    buf_done(&lists->disarmed.names);
}

static bool check_tables(Findings *f, Error *err)
{
    const Relations *rels = f->cut->spec->rels;
    CLEANUP_PGROWS PgRows *source = NULL;
    CLEANUP_PGROWS PgRows *target = NULL;
    TableLists lists = {0};
    if (!read_tables(f->cut->source, rels, false, &source, err) ||
        !read_tables(f->cut->target, rels, true, &target, err))
        return false;
    bool *unguarded = arena_new_array(f->cut->arena, bool, rels->count + 1);
    /* Both are in the order of the relations; one that is gone is another check's finding. */
    int sr = 0, tr = 0;
    for (int i = 0; i < rels->count; i++) {
        bool there = sr < pgrows_count(source) && pgrows_i64(source, sr, 0) == i + 1;
        bool here = tr < pgrows_count(target) && pgrows_i64(target, tr, 0) == i + 1;
        if (there && here)
            judge_table(&lists, rels->all[i], source, target, sr, tr);
        else if (there)
            finding_block(f, ERR_TARGET_STATE, "the %s has no table for '%s' any more",
                          TO_SIDE(f->cut), rels->all[i]->display);
        unguarded[i] = !here || pgrows_text(target, tr, 6)[0] != 'A';
        sr += there;
        tr += here;
    }
    f->cut->unguarded = unguarded;
    tell_tables(f, &lists);
    lists_done(&lists);
    return true;
}

/* What verifications found; the proof in the freeze looks for itself. */
static bool check_failures(Findings *f, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(f->cut->target, SQL_VERIFY_EXISTS, PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0))
        return true;
    if (!pgconn_query(f->cut->target, SQL_CUTOVER_OPEN_FAILURES,
                      PG_PARAMS(PG_TEXT(f->cut->spec->task)), &rows, err))
        return false;
    int64_t others = pgrows_i64(rows, 0, 2);
    if (pgrows_i64(rows, 0, 0) > 0)
        finding_warn(f,
                     "verify found %lld rows of %lld tables that differ (one is %s), and they are "
                     "not repaired: bascule repair --plan",
                     (long long)pgrows_i64(rows, 0, 0), (long long)pgrows_i64(rows, 0, 1),
                     pgrows_text(rows, 0, 3));
    if (others > 0)
        finding_warn(f,
                     "somebody else than bascule wrote to the %s: %lld of the rows that differ are "
                     "newer than what bascule wrote last",
                     TO_SIDE(f->cut), (long long)others);
    return true;
}

bool preflight_sides(Findings *f, Error *err)
{
    finding_check(f, "running commands");
    if (!check_commands(f, err))
        return false;
    finding_check(f, "both databases");
    if (!check_databases(f, err))
        return false;
    finding_check(f, "tables of the target");
    if (!check_tables(f, err))
        return false;
    finding_check(f, "verified rows");
    return check_failures(f, err);
}

/* backup_restore - see backup.h: from a recorded backup to the tables as they were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/port/conninfo.h"
#include "schema/backup_internal.h"
#include "schema/restore.h"
#include "schema/toc.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define PG_CLASS_OID 1259u

/* What the dump has ----------------------------------------------------------------------------- */

static bool was_there(const BackupPlan *plan, uint32_t oid)
{
    return map_get(&plan->was_there, &oid, sizeof oid) != NULL;
}

static bool read_toc(const BackupSpec *spec, BackupPlan *plan, Arena *arena, Toc *out_toc,
                     Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    if (!tools_list(&plan->tools, plan->backup->file, NULL, spec->stop, &text, err) ||
        !toc_parse(arena, buf_str(&text), out_toc, err))
        return false;
    for (int i = 0; i < out_toc->count; i++) {
        TocEntry *entry = &out_toc->entries[i];
        if (entry->catalog == PG_CLASS_OID)
            map_put(&plan->was_there, &entry->oid, sizeof entry->oid, entry);
    }
    return true;
}

/* The tables ------------------------------------------------------------------------------------- */

static void add(BackupPlan *plan, Arena *arena, const BackupTable *table)
{
    /* Doubled at each power of two. */
    int n = plan->table_count;
    if ((n & (n - 1)) == 0) {
        BackupTable *grown = arena_new_array(arena, BackupTable, n > 0 ? n * 2 : 1);
        if (n > 0)
            memcpy(grown, plan->tables, sizeof *grown * (size_t)n);
        plan->tables = grown;
    }
    plan->tables[plan->table_count++] = *table;
}

static bool gone(const char *schema, const char *name, const char *column, Error *err)
{
    if (column != NULL)
        ERR(err, ERR_BACKUP, "table '%s.%s' has no column '%s' any more, which the backup has",
            schema, name, column);
    else
        ERR(err, ERR_BACKUP, "table '%s.%s' was there when the backup was made, and is gone",
            schema, name);
    return err_hint(err, "Nothing was touched. Bring it back to the shape it had (pg_restore "
                         "--schema-only of the backup prints it), or restore by hand.");
}

static bool add_recorded(BackupPlan *plan, const PgRows *rows, int r, Arena *arena, Error *err)
{
    bool there = !pgrows_null(rows, r, 5);
    BackupTable table = {
        .schema = arena_strdup(arena, pgrows_text(rows, r, there ? 4 : 0)),
        .name = arena_strdup(arena, pgrows_text(rows, r, there ? 5 : 1)),
        .was_oid = pgrows_u32(rows, r, 2),
        .now_oid = there ? pgrows_u32(rows, r, 7) : 0,
        .rows = pgrows_null(rows, r, 3) ? -1 : pgrows_i64(rows, r, 3),
    };
    if (table.was_oid != 0 && (!there || !pgrows_null(rows, r, 6)))
        return gone(table.schema, table.name, there ? pgrows_text(rows, r, 6) : NULL, err);
    if (table.was_oid == 0 && there && was_there(plan, table.now_oid))
        return ERR(err, ERR_BACKUP,
                   "a table that is older than the backup is called '%s.%s' now: it was renamed",
                   table.schema, table.name);
    if (table.was_oid != 0)
        table.fate = BACKUP_REFILL;
    else if (!there)
        table.fate = BACKUP_GONE;
    else
        table.fate = strcmp(plan->backup->prepare, "create") == 0 ? BACKUP_DROP : BACKUP_EMPTY;
    add(plan, arena, &table);
    return true;
}

static bool known(const BackupPlan *plan, const BackupTable *table)
{
    for (int i = 0; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        if (table->now_oid != 0
                ? t->now_oid == table->now_oid
                : strcmp(t->schema, table->schema) == 0 && strcmp(t->name, table->name) == 0)
            return true;
    }
    return false;
}

/* Tables that came to the task after the backup: the dump is of the whole database. */
static bool add_newcomers(const BackupSpec *spec, BackupPlan *plan, PgConn *target, Arena *arena,
                          Error *err)
{
    BackupTable *found = NULL;
    int count = 0;
    if (!backup_find_tables(target, spec->rels, arena, &found, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        BackupTable table = found[i];
        if (table.now_oid == 0 || known(plan, &table))
            continue;
        bool older = was_there(plan, table.now_oid);
        table.was_oid = older ? table.now_oid : 0;
        table.fate = older                                          ? BACKUP_REFILL
                     : strcmp(plan->backup->prepare, "create") == 0 ? BACKUP_DROP
                                                                    : BACKUP_EMPTY;
        add(plan, arena, &table);
    }
    return true;
}

static bool read_tables(const BackupSpec *spec, BackupPlan *plan, PgConn *target, Arena *arena,
                        Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char id[32];
    if (!pgconn_query(target, SQL_BACKUP_TABLES_NOW, PG_PARAMS(number(plan->backup->id, id)), &rows,
                      err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++)
        if (!add_recorded(plan, rows, r, arena, err))
            return false;
    plan->recorded_count = plan->table_count;
    return add_newcomers(spec, plan, target, arena, err);
}

/* What pg_restore takes -------------------------------------------------------------------------- */

static void put_entry(Buf *list, const TocEntry *entry)
{
    buf_printf(list, "%d; %u %u %s\n", entry->dump_id, entry->catalog, entry->oid, entry->words);
}

/* The entry that sets a sequence has its name only: in the words of the one that makes it. */
static void want_sequences(const Toc *toc, const PgRows *oids, Map *wanted_words)
{
    Map wanted = MAP_INIT;
    uint32_t *all = mem_alloc(sizeof *all * (size_t)(pgrows_count(oids) + 1));
    for (int r = 0; r < pgrows_count(oids); r++) {
        all[r] = pgrows_u32(oids, r, 0);
        map_put(&wanted, &all[r], sizeof all[r], all);
    }
    for (int i = 0; i < toc->count; i++) {
        TocEntry *entry = &toc->entries[i];
        if (entry->catalog == PG_CLASS_OID &&
            map_get(&wanted, &entry->oid, sizeof entry->oid) != NULL)
            map_put(wanted_words, entry->name, strlen(entry->name), entry);
    }
    map_done(&wanted);
    free(all);
}

static bool make_list(BackupPlan *plan, PgConn *target, const Toc *toc, Arena *arena, Error *err)
{
    CLEANUP_PGROWS PgRows *sequences = NULL;
    CLEANUP_BUF Buf list = BUF_INIT;
    char id[32];
    if (!pgconn_query(target, SQL_BACKUP_SEQUENCES, PG_PARAMS(number(plan->backup->id, id)),
                      &sequences, err))
        return false;
    Map tables = MAP_INIT, words = MAP_INIT;
    for (int i = 0; i < plan->table_count; i++) {
        BackupTable *t = &plan->tables[i];
        if (t->fate != BACKUP_REFILL)
            continue;
        map_put(&tables, &t->was_oid, sizeof t->was_oid, t);
        plan->rows += t->rows > 0 ? t->rows : 0;
    }
    want_sequences(toc, sequences, &words);
    for (int i = 0; i < toc->count; i++) {
        const TocEntry *entry = &toc->entries[i];
        if (backup_is_data(entry) ? map_get(&tables, &entry->oid, sizeof entry->oid) != NULL
                                  : backup_is_sequence_set(entry) &&
                                        map_get(&words, entry->name, strlen(entry->name)) != NULL)
            put_entry(&list, entry);
    }
    map_done(&tables);
    map_done(&words);
    plan->list = arena_strdup(arena, buf_str(&list));
    return true;
}

/* Rows come back one table after the other, whatever refers to what; nothing may fire. */
static bool may_silence(PgConn *target, Error *err)
{
    if (pgconn_script(target, SQL("SET session_replication_role = replica"), err))
        return true;
    if (err->cls != ERR_PRIVILEGE)
        return false;
    err->cls = ERR_BACKUP;
    err_context(err, "a restore must switch triggers and foreign keys off for its session");
    return err_hint(err, "As a superuser of the target: GRANT SET ON PARAMETER "
                         "session_replication_role TO <the role of target>; or restore with that "
                         "role's data by hand.");
}

bool backup_plan(const BackupSpec *spec, const Backup *backup, PgConn *target, Arena *arena,
                 BackupPlan *out, Error *err)
{
    Toc toc;
    int major = pgconn_server_version(target) / 10000;
    *out = (BackupPlan){.backup = backup, .was_there = MAP_INIT};
    if (backup_check(backup, err) &&
        tools_find(arena, major, major, spec->stop, &out->tools, err) &&
        read_toc(spec, out, arena, &toc, err) && read_tables(spec, out, target, arena, err) &&
        make_list(out, target, &toc, arena, err) && may_silence(target, err))
        return true;
    backup_plan_done(out);
    return false;
}

void backup_plan_done(BackupPlan *plan)
{
    map_done(&plan->was_there);
    plan->was_there = MAP_INIT;
}

/* Doing it --------------------------------------------------------------------------------------- */

static bool write_newcomers(const BackupPlan *plan, PgConn *target, Error *err)
{
    for (int i = plan->recorded_count; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        if (!backup_write_table(target, plan->backup->id, t, t->was_oid != 0, err))
            return false;
    }
    return true;
}

bool backup_begin(const BackupPlan *plan, PgConn *target, Error *err)
{
    return pgconn_script(target, SQL("BEGIN"), err) && write_newcomers(plan, target, err) &&
           backup_set_state(target, plan->backup, "restoring", err) &&
           pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

static int put_names(const BackupPlan *plan, SqlText *st, bool only)
{
    int count = 0;
    for (int i = 0; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        if (t->fate != BACKUP_REFILL && t->fate != BACKUP_EMPTY)
            continue;
        if (count++ > 0)
            sqltext_put(st, ", ");
        if (only && t->fate == BACKUP_REFILL)
            sqltext_put(st, "ONLY ");
        sqltext_qualified(st, t->schema, t->name);
    }
    return count;
}

/* A table outside may refer to one of them: the keys are off, and the rows come back. */
static bool delete_all(const BackupPlan *plan, PgConn *target, Error *err)
{
    for (int i = 0; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        if (t->fate != BACKUP_REFILL && t->fate != BACKUP_EMPTY)
            continue;
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        sqltext_put(&st, "DELETE FROM ");
        if (t->fate == BACKUP_REFILL)
            sqltext_put(&st, "ONLY ");
        sqltext_qualified(&st, t->schema, t->name);
        if (!pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
            return err_context(err, "emptying table '%s.%s'", t->schema, t->name);
    }
    return true;
}

static bool empty(const BackupPlan *plan, PgConn *target, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "TRUNCATE ");
    if (put_names(plan, &st, true) == 0)
        return true;
    if (!pgconn_script(target, SQL("SAVEPOINT empty"), err))
        return false;
    if (pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return true;
    if (strcmp(err->sqlstate, "0A000") != 0 && err->cls != ERR_PRIVILEGE)
        return err_context(err, "emptying the tables");
    log_info("the tables cannot be truncated, their rows are deleted (%s)", err->message);
    err_clear(err);
    return pgconn_script(target, SQL("ROLLBACK TO SAVEPOINT empty"), err) &&
           delete_all(plan, target, err);
}

static void put_drop(SqlText *st, int *count, const char *schema, const char *name)
{
    sqltext_put(st, "DROP TABLE IF EXISTS ");
    sqltext_qualified(st, schema, name);
    sqltext_put(st, " CASCADE; ");
    (*count)++;
}

/* What depends on a table that the task made is younger than it: views, keys and defaults go too. */
static bool drop(const BackupPlan *plan, PgConn *target, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int count = 0;
    for (int i = 0; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        CLEANUP_PGROWS PgRows *above = NULL;
        char oid[32];
        if (t->fate != BACKUP_DROP)
            continue;
        if (!pgconn_query(target, SQL_BACKUP_ANCESTORS, PG_PARAMS(number(t->now_oid, oid)), &above,
                          err))
            return false;
        put_drop(&st, &count, t->schema, t->name);
        for (int r = 0; r < pgrows_count(above); r++)
            if (!was_there(plan, pgrows_u32(above, r, 0)))
                put_drop(&st, &count, pgrows_text(above, r, 1), pgrows_text(above, r, 2));
    }
    return count == 0 || pgconn_script(target, sqltext_sql(&st), err) ||
           err_context(err, "dropping the tables that the task made");
}

static void roll_back(PgConn *target)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(target) && pgconn_in_transaction(target))
        (void)!pgconn_exec(target, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored);
}

bool backup_clear(const BackupPlan *plan, PgConn *target, Error *err)
{
    if (pgconn_script(target,
                      SQL("BEGIN; SET LOCAL session_replication_role = replica; "
                          "SET LOCAL lock_timeout = '30s'"),
                      err) &&
        empty(plan, target, err) && drop(plan, target, err) &&
        pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err))
        return true;
    roll_back(target);
    return err_context(err, "taking away what the task has put on the target");
}

/* pg_restore's session, in which nothing fires. */
static bool silent_endpoint(const PgEndpoint *from, Arena *arena, PgEndpoint *out, Error *err)
{
    Conninfo parts;
    *out = *from;
    if (!conninfo_parse(arena, from->conninfo, &parts, err))
        return false;
    const char *options = conninfo_get(&parts, "options");
    if (options == NULL)
        options = getenv("PGOPTIONS");
    conninfo_put(arena, &parts, "options",
                 arena_printf(arena, "%s -c session_replication_role=replica",
                              options != NULL ? options : ""));
    out->conninfo = conninfo_text(arena, &parts);
    return true;
}

static bool count_back(const BackupPlan *plan, PgConn *target, Error *err)
{
    for (int i = 0; i < plan->table_count; i++) {
        const BackupTable *t = &plan->tables[i];
        int64_t rows = 0;
        if (t->fate != BACKUP_REFILL || t->rows < 0)
            continue;
        if (!backup_count_rows(target, t, &rows, err))
            return false;
        if (rows != t->rows)
            return ERR(err, ERR_DIFFERENT,
                       "table '%s.%s' has %lld rows after the restore, the backup had %lld",
                       t->schema, t->name, (long long)rows, (long long)t->rows);
    }
    return true;
}

bool backup_fill(const BackupSpec *spec, const BackupPlan *plan, PgConn *target, Error *err)
{
    Arena *arena = arena_new(0);
    PgEndpoint silent;
    bool ok = true;
    if (plan->list[0] != '\0') {
        const char *list =
            arena_printf(arena, "%s/restore.%d.list", spec->directory, (int)getpid());
        RestoreSpec restore = {.dump = plan->backup->file,
                               .list = list,
                               .one_transaction = true,
                               .keep_owners = true,
                               .keep_grants = true};
        ok = silent_endpoint(spec->target, arena, &silent, err) &&
             restore_write_list(list, plan->list, err) &&
             tools_restore(&plan->tools, &silent, &restore, spec->stop, err);
        unlink(list);
    }
    arena_free(arena);
    return ok && count_back(plan, target, err);
}

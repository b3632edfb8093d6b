/* backup - see the header: making one, and what is recorded of it. */
#include "schema/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "bascule/base/directory.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/sha256.h"
#include "schema/backup_internal.h"
#include "schema/toc.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define READ_BYTES ((size_t)1 << 20)

/* The file --------------------------------------------------------------------------------------- */

static bool digest_of(const char *path, char out[SHA256_HEX_SIZE], int64_t *out_bytes, Error *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return ERR_OS(err, ERR_BACKUP, "cannot read the backup '%s'", path);
    char *buffer = malloc(READ_BYTES);
    ASSERT(buffer != NULL);
    Sha256 *sha = sha256_new();
    int64_t bytes = 0;
    size_t got;
    while ((got = fread(buffer, 1, READ_BYTES, file)) > 0) {
        sha256_put(sha, buffer, got);
        bytes += (int64_t)got;
    }
    bool ok = ferror(file) == 0 || ERR_OS(err, ERR_BACKUP, "cannot read the backup '%s'", path);
    sha256_end(sha, out);
    free(buffer);
    fclose(file);
    *out_bytes = bytes;
    return ok;
}

bool backup_check(const Backup *backup, Error *err)
{
    char sha256[SHA256_HEX_SIZE];
    int64_t bytes = 0;
    if (!digest_of(backup->file, sha256, &bytes, err)) {
        err_hint(err,
                 "It was written on %s. Bring it back to this place, or give its place with "
                 "--backup FILE.",
                 backup->host);
        return false;
    }
    if (bytes == backup->bytes && strcmp(sha256, backup->sha256) == 0)
        return true;
    ERR(err, ERR_BACKUP, "'%s' is not the file that was written: SHA-256 %s, %lld bytes",
        backup->file, sha256, (long long)bytes);
    err_hint(err,
             "Recorded in bascule.backup were %s and %lld bytes: the file was changed or cut. "
             "Nothing was touched.",
             backup->sha256, (long long)backup->bytes);
    return false;
}

static bool none(const Backups *backups, const char *file, Error *err)
{
    if (file != NULL)
        ERR(err, ERR_BACKUP, "'%s' is none of the %d backups that the target knows of this task",
            file, backups->count);
    else
        ERR(err, ERR_BACKUP, "the target knows of no backup of this task");
    return err_hint(err, "bascule.backup on the target lists them; 'bascule run' makes one with "
                         "backup: before_load. A dump of your own is restored with pg_restore.");
}

/* The one whose restore has not ended, else the newest. What is older than one that was restored is never
 * meant by itself: a command that is said twice would go back further. */
static bool choose_newest(const Backups *backups, Backup *out, Error *err)
{
    const Backup *chosen = &backups->all[0];
    for (int i = backups->count - 1; i >= 0; i--)
        if (strcmp(backups->all[i].state, "restoring") == 0)
            chosen = &backups->all[i];
    if (strcmp(chosen->state, "restored") != 0) {
        *out = *chosen;
        return true;
    }
    ERR(err, ERR_BACKUP, "the newest backup of this task is restored already: '%s'", chosen->file);
    return err_hint(err, "--backup FILE restores it once more, or an older one: bascule.backup on "
                         "the target lists them.");
}

bool backup_choose(const Backups *backups, const char *file, Arena *arena, Backup *out, Error *err)
{
    char sha256[SHA256_HEX_SIZE];
    int64_t bytes = 0;
    if (backups->count == 0)
        return none(backups, file, err);
    if (file == NULL)
        return choose_newest(backups, out, err);
    for (int i = 0; i < backups->count; i++)
        if (strcmp(backups->all[i].file, file) == 0) {
            *out = backups->all[i];
            return true;
        }
    if (!digest_of(file, sha256, &bytes, err))
        return false;
    for (int i = 0; i < backups->count; i++)
        if (strcmp(backups->all[i].sha256, sha256) == 0) {
            *out = backups->all[i];
            out->file = arena_strdup(arena, file);
            return true;
        }
    return none(backups, file, err);
}

/* Rows as text take about what they take in the tables; compressed, less. */
static bool look_for_room(const char *directory, int64_t bytes, Error *err)
{
    struct statvfs disk;
    if (statvfs(directory, &disk) != 0)
        return ERR_OS(err, ERR_BACKUP, "cannot look at '%s'", directory);
    int64_t left = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (left > bytes)
        return true;
    ERR(err, ERR_DISK_FULL, "a backup of the target may take %lld bytes, and '%s' has %lld left",
        (long long)bytes, directory, (long long)left);
    return err_hint(err, "Make room, or name another directory: backup.dir.");
}

/* Until it is whole the file has another name. 0600 from its first byte: what stands there already, of an
 * attempt that was killed or of somebody else, may be open to others. */
static bool make_file(const char *path, Error *err)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_OS(err, ERR_BACKUP, "cannot write '%s'", path);
    close(fd);
    return true;
}

static bool rename_durably(const char *from, const char *to, const char *directory, Error *err)
{
    if (rename(from, to) != 0)
        return ERR_OS(err, ERR_BACKUP, "cannot rename '%s'", from);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        ERR_OS(err, ERR_BACKUP, "cannot flush '%s'", directory);
    if (fd >= 0)
        close(fd);
    return ok;
}

static const char *name_of(const BackupSpec *spec, Arena *arena)
{
    char when[32];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts);
    return arena_printf(arena, "%s/%s-%s-%d.dump", spec->directory, spec->task, when,
                        (int)getpid());
}

/* The tables ------------------------------------------------------------------------------------- */

/* A list of tables as they are on the target now; 0 as oid: not there. */
typedef struct Found {
    BackupTable *all;
    int count, capacity;
} Found;

static void add(Found *found, Arena *arena, const char *schema, const char *name, uint32_t oid)
{
    if (found->count == found->capacity) {
        int capacity = found->capacity > 0 ? found->capacity * 2 : 64;
        BackupTable *grown = arena_new_array(arena, BackupTable, capacity);
        if (found->count > 0)
            memcpy(grown, found->all, sizeof *grown * (size_t)found->count);
        found->all = grown;
        found->capacity = capacity;
    }
    found->all[found->count++] = (BackupTable){.schema = arena_strdup(arena, schema),
                                               .name = arena_strdup(arena, name),
                                               .now_oid = oid,
                                               .rows = -1};
}

bool backup_find_tables(PgConn *target, const Relations *rels, Arena *arena,
                        BackupTable **out_tables, int *out_count, Error *err)
{
    Found found = {0};
    for (int i = 0; i < rels->count; i++) {
        CLEANUP_PGROWS PgRows *rows = NULL;
        const Relation *rel = rels->all[i];
        if (!pgconn_query(target, SQL_BACKUP_FIND_TABLE,
                          PG_PARAMS(PG_TEXT(rel->target_schema), PG_TEXT(rel->target_name)), &rows,
                          err))
            return false;
        for (int r = 0; r < pgrows_count(rows); r++)
            add(&found, arena, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1),
                pgrows_u32(rows, r, 2));
        if (pgrows_count(rows) == 0)
            add(&found, arena, rel->target_schema, rel->target_name, 0);
    }
    *out_tables = found.all;
    *out_count = found.count;
    return true;
}

bool backup_count_rows(PgConn *target, const BackupTable *table, int64_t *out_rows, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SELECT pg_catalog.count(*) FROM ONLY ");
    sqltext_qualified(&st, table->schema, table->name);
    if (!pgconn_query(target, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return err_context(err, "counting the rows of '%s.%s'", table->schema, table->name);
    *out_rows = pgrows_i64(rows, 0, 0);
    return true;
}

/* What is recorded ------------------------------------------------------------------------------- */

bool backup_write_table(PgConn *target, int64_t backup, const BackupTable *table, bool was_there,
                        Error *err)
{
    char id[32], oid[32], rows[32];
    return pgconn_exec(target, SQL_BACKUP_WRITE_TABLE,
                       PG_PARAMS(number(backup, id), PG_TEXT(table->schema), PG_TEXT(table->name),
                                 was_there ? number(table->now_oid, oid) : PG_TEXT(NULL),
                                 table->rows >= 0 ? number(table->rows, rows) : PG_TEXT(NULL)),
                       NULL, err);
}

static bool write_rows(PgConn *target, const BackupSpec *spec, Backup *backup,
                       const BackupTable *tables, int count, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char bytes[32];
    if (!pgconn_query(target, SQL_BACKUP_WRITE,
                      PG_PARAMS(PG_TEXT(spec->task), PG_TEXT(backup->file), PG_TEXT(backup->host),
                                PG_TEXT(backup->sha256), number(backup->bytes, bytes),
                                PG_TEXT(spec->prepare)),
                      &rows, err))
        return false;
    backup->id = pgrows_i64(rows, 0, 0);
    for (int i = 0; i < count; i++)
        if (!backup_write_table(target, backup->id, &tables[i], tables[i].now_oid != 0, err))
            return false;
    return true;
}

static bool record(const BackupSpec *spec, Backup *backup, const BackupTable *tables, int count,
                   Error *err)
{
    CLEANUP_PGCONN PgConn *target = pgconn_open(spec->target, PG_SESSION_SQL, "backup", err);
    return target != NULL && pgconn_script(target, SQL_BACKUP_SCHEMA, err) &&
           pgconn_script(target, SQL("BEGIN; SET LOCAL synchronous_commit = on"), err) &&
           write_rows(target, spec, backup, tables, count, err) &&
           pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool backup_list(PgConn *target, const char *task, Arena *arena, Backups *out, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out = (Backups){0};
    if (!pgconn_query(target, SQL_BACKUP_EXISTS, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    if (!pgconn_query(target, SQL_BACKUP_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading bascule.backup");
    out->count = pgrows_count(rows);
    out->all = arena_new_array(arena, Backup, out->count + 1);
    for (int r = 0; r < out->count; r++)
        out->all[r] = (Backup){
            .id = pgrows_i64(rows, r, 0),
            .state = arena_strdup(arena, pgrows_text(rows, r, 1)),
            .file = arena_strdup(arena, pgrows_text(rows, r, 2)),
            .host = arena_strdup(arena, pgrows_text(rows, r, 3)),
            .sha256 = arena_strdup(arena, pgrows_text(rows, r, 4)),
            .bytes = pgrows_i64(rows, r, 5),
            .prepare = arena_strdup(arena, pgrows_text(rows, r, 6)),
            .made_at = arena_strdup(arena, pgrows_text(rows, r, 7)),
        };
    return true;
}

bool backup_set_state(PgConn *target, const Backup *backup, const char *state, Error *err)
{
    char id[32];
    return pgconn_script(target, SQL("SET synchronous_commit = on"), err) &&
           pgconn_exec(target, SQL_BACKUP_STATE, PG_PARAMS(number(backup->id, id), PG_TEXT(state)),
                       NULL, err);
}

/* Making one ------------------------------------------------------------------------------------- */

/* The session whose snapshot the dump and the counts share. */
static bool begin_snapshot(PgConn *conn, Arena *arena, const char **out_snapshot, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_script(conn, SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), err) ||
        !pgconn_query(conn, SQL("SELECT pg_catalog.pg_export_snapshot()"), PG_NO_PARAMS, &rows,
                      err))
        return false;
    *out_snapshot = arena_strdup(arena, pgrows_text(rows, 0, 0));
    return true;
}

static bool count_all(PgConn *conn, BackupTable *tables, int count, Error *err)
{
    for (int i = 0; i < count; i++)
        if (tables[i].now_oid != 0 && !backup_count_rows(conn, &tables[i], &tables[i].rows, err))
            return false;
    return true;
}

static bool has_data_of(const Toc *toc, const BackupTable *table)
{
    for (int i = 0; i < toc->count; i++)
        if (toc->entries[i].oid == table->now_oid && backup_is_data(&toc->entries[i]))
            return true;
    return false;
}

/* pg_restore can read it, and it holds every table. */
static bool verify_file(const SchemaTools *tools, const char *file, const BackupTable *tables,
                        int count, StopToken *stop, Arena *arena, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    Toc toc;
    if (!tools_list(tools, file, "data", stop, &text, err) ||
        !toc_parse(arena, buf_str(&text), &toc, err))
        return false;
    for (int i = 0; i < count; i++)
        if (tables[i].now_oid != 0 && !has_data_of(&toc, &tables[i]))
            return ERR(err, ERR_BACKUP, "the backup does not hold table '%s.%s'", tables[i].schema,
                       tables[i].name);
    return true;
}

static bool dump(const BackupSpec *spec, PgConn *conn, const char *part, Arena *arena,
                 BackupTable *tables, int count, Error *err)
{
    CLEANUP_PGROWS PgRows *size = NULL;
    SchemaTools tools;
    const char *snapshot = NULL;
    PgEndpoint target = *spec->target;
    int major = pgconn_server_version(conn) / 10000;
    if (!pgconn_query(conn, SQL_BACKUP_SIZE, PG_NO_PARAMS, &size, err) ||
        !look_for_room(spec->directory, pgrows_i64(size, 0, 0), err) ||
        !tools_find(arena, major, major, spec->stop, &tools, err))
        return false;
    /* As the server keeps it: nothing is converted on its way out and back. */
    target.encoding = arena_strdup(arena, pgrows_text(size, 0, 1));
    return begin_snapshot(conn, arena, &snapshot, err) && make_file(part, err) &&
           tools_backup(&tools, &target, part, snapshot, spec->stop, err) &&
           count_all(conn, tables, count, err) &&
           verify_file(&tools, part, tables, count, spec->stop, arena, err);
}

bool backup_make(const BackupSpec *spec, Arena *arena, Backup *out, Error *err)
{
    char host[128] = "", sha256[SHA256_HEX_SIZE];
    BackupTable *tables = NULL;
    int count = 0;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(spec->target, PG_SESSION_SQL, "backup", err);
    if (conn == NULL || !directory_make(spec->directory, err))
        return false;
    const char *part = arena_printf(arena, "%s/%s.part", spec->directory, spec->task);
    *out = (Backup){.state = "made", .file = name_of(spec, arena), .prepare = spec->prepare};
    gethostname(host, sizeof host - 1);
    out->host = arena_strdup(arena, host);
    bool ok = backup_find_tables(conn, spec->rels, arena, &tables, &count, err) &&
              dump(spec, conn, part, arena, tables, count, err) &&
              digest_of(part, sha256, &out->bytes, err) &&
              rename_durably(part, out->file, spec->directory, err);
    if (!ok) {
        unlink(part);
        return false;
    }
    out->sha256 = arena_strdup(arena, sha256);
    FAULT(BACKUP_MADE);
    if (record(spec, out, tables, count, err))
        return true;
    return err_context(err, "recording the backup '%s' on the target", out->file);
}

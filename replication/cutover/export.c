/*
 * export - see the header. The server decodes into its own memory and temporary files; here only
 * fifty rows are held at a time.
 */
#include "cutover/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/map.h"
#include "bascule/base/mem.h"
#include "source/slot.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"
#include "verify/arrays.h"
#include "wire/describe.h"
#include "wire/left_out.h"

#define FLUSH_BYTES (1 << 16)
#define OUR_SCHEMA  "bascule"

struct Export {
    ExportSpec spec;
    Arena *arena;
    PgConn *conn;
    char copy[64], plugin[64];
    Describer *describer;
    Map others; /* schema NUL name: tables that take no part */
    int fd;     /* -1: only counted, or closed */
    Buf out;    /* not written yet */
    Sha256 *sha;
    ExportTotals totals;
    Lsn row_lsn;         /* of the message that is read */
    uint32_t counted;    /* xid of the transaction that was counted last */
    bool any;            /* a transaction was counted */
    Error left_out;      /* the plugin did not send a change */
    bool made, finished; /* the file */
    int64_t counted_us;
};

/* The file
 * ------------------------------------------------------------------------------------------ */

static bool file_error(const Export *export, const char *what, Error *err)
{
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
        return ERR_OS(err, ERR_IO, "cannot %s '%s.partial'", what, export->totals.file);
    ERR_OS(err, ERR_DISK_FULL, "cannot %s '%s.partial'", what, export->totals.file);
    return err_hint(err, "Free space there, or set cutover.discard_dir to a larger disk. Nothing "
                         "was discarded.");
}

static bool flush(Export *export, Error *err)
{
    size_t done = 0;
    while (export->fd >= 0 && done < export->out.len) {
        ssize_t n = write(export->fd, export->out.data + done, export->out.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(export, "write", err);
        done += (size_t)n;
    }
    if (export->fd >= 0 && export->out.len > 0) {
        sha256_put(export->sha, export->out.data, export->out.len);
        export->totals.bytes += (int64_t) export->out.len;
    }
    buf_clear(&export->out);
    return true;
}

static void partial_path(const Export *export, char *out, size_t size)
{
    snprintf(out, size, "%s.partial", export->totals.file);
}

static void put_head(Export *export)
{
    char at[40];
    LsnText from = lsn_text(export->spec.from_lsn);
    Buf *out = &export->out;
    buf_puts(out, "{\"task\":");
    describe_put_string(out, export->spec.task, strlen(export->spec.task));
    buf_puts(out, ",\"from\":");
    describe_put_string(out, export->spec.from.shown, strlen(export->spec.from.shown));
    buf_printf(out, ",\"plugin\":\"%s\",\"applied_lsn\":\"%s\",\"begun_at\":\"%s\"}\n",
               export->plugin, from.text, clock_format_wall(clock_wall_us(), at, sizeof at));
}

static bool open_file(Export *export, Error *err)
{
    char path[sizeof export->totals.file + 16], when[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    int len = snprintf(export->totals.file, sizeof export->totals.file, "%s/%s-%s-%d.ndjson",
                       export->spec.directory, export->spec.task, when, (int)getpid());
    if (len >= (int)sizeof export->totals.file)
        return ERR(err, ERR_CONFIG, "cutover.discard_dir is too long");
    partial_path(export, path, sizeof path);
    export->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (export->fd < 0)
        return file_error(export, "create", err);
    export->made = true;
    export->sha = sha256_new();
    put_head(export);
    return true;
}

static bool sync_directory(const Export *export, Error *err)
{
    int fd = open(export->spec.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot open the directory '%s'", export->spec.directory);
    bool ok = fsync(fd) == 0;
    if (!ok)
        ERR_OS(err, ERR_IO, "cannot flush the directory '%s'", export->spec.directory);
    close(fd);
    return ok;
}

bool export_finish(Export *export, Error *err)
{
    char path[sizeof export->totals.file + 16];
    LsnText up_to = lsn_text(export->totals.up_to_lsn);
    ASSERT(export->fd >= 0);
    buf_printf(&export->out, "{\"transactions\":%lld,\"changes\":%lld,\"up_to_lsn\":\"%s\"}\n",
               (long long)export->totals.transactions, (long long)export->totals.changes,
               up_to.text);
    if (!flush(export, err))
        return false;
    if (fsync(export->fd) != 0)
        return file_error(export, "flush", err);
    partial_path(export, path, sizeof path);
    if (rename(path, export->totals.file) != 0)
        return file_error(export, "rename", err);
    export->finished = true;
    close(export->fd);
    export->fd = -1;
    sha256_end(export->sha, export->totals.sha256);
    export->sha = NULL;
    return sync_directory(export, err);
}

/* Changes
 * ------------------------------------------------------------------------------------------- */

static bool takes_part(const Export *export, const Described *change)
{
    char key[256];
    int len = snprintf(key, sizeof key, "%s%c%s", change->schema, '\0', change->table);
    return len >= (int)sizeof key || map_get(&export->others, key, (size_t)len) == NULL;
}

static void count_change(Export *export, const Described *change)
{
    ExportTotals *totals = &export->totals;
    totals->changes++;
    if (export->any && export->counted == change->xid &&
        export->counted_us == change->commit_time_us)
        return;
    export->any = true;
    export->counted = change->xid;
    export->counted_us = change->commit_time_us;
    totals->transactions++;
    if (totals->first_us == 0)
        totals->first_us = change->commit_time_us;
    totals->last_us = change->commit_time_us;
}

static bool on_change(void *arg, const Described *change, Error *err)
{
    Export *export = arg;
    char at[40];
    Buf *out = &export->out;
    LsnText lsn = lsn_text(export->row_lsn);
    if (strcmp(change->schema, OUR_SCHEMA) == 0)
        return true;
    /* A table that takes no part by its present name may have been one of the task's: it is written
     * down as well, and not counted. */
    bool counts = takes_part(export, change);
    if (counts)
        count_change(export, change);
    if (export->fd < 0)
        return true;
    buf_printf(out, "{\"xid\":%u,\"lsn\":\"%s\",\"commit_time\":", change->xid, lsn.text);
    if (change->commit_time_us == 0)
        buf_puts(out, "null");
    else
        buf_printf(out, "\"%s\"", clock_format_wall(change->commit_time_us, at, sizeof at));
    buf_printf(out, ",\"operation\":\"%s\",\"schema\":", change->operation);
    describe_put_string(out, change->schema, strlen(change->schema));
    buf_puts(out, ",\"table\":");
    describe_put_string(out, change->table, strlen(change->table));
    if (change->identity != NULL) {
        buf_puts(out, ",\"identity\":");
        buf_puts(out, change->identity);
    }
    if (change->columns != NULL) {
        buf_puts(out, ",\"columns\":");
        buf_puts(out, change->columns);
    }
    buf_puts(out, counts ? "}\n" : ",\"task\":false}\n");
    return out->len < FLUSH_BYTES || flush(export, err);
}

/* Reading
 * ------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* A bytea as text, \x and hex digits, becomes its bytes. */
static size_t unhex(char *data, size_t len)
{
    size_t n = 0;
    for (size_t i = 2; i + 1 < len; i += 2)
        data[n++] = (char)(hex_digit(data[i]) << 4 | hex_digit(data[i + 1]));
    return n;
}

static bool read_rows(Export *export, const PgRows *rows, Error *err)
{
    CLEANUP_BUF Buf message = BUF_INIT;
    for (int r = 0; r < pgrows_count(rows); r++) {
        export->row_lsn = pgrows_lsn(rows, r, 0);
        buf_clear(&message);
        buf_put(&message, pgrows_text(rows, r, 1), (size_t)pgrows_length(rows, r, 1));
        size_t len = message.len;
        if (strcmp(export->plugin, "pgoutput") == 0)
            len = unhex(message.data, len);
        if (!describer_read(export->describer, message.data, len, on_change, export, err))
            return false;
    }
    return true;
}

static void put_cursor(const Export *export, SqlText *st)
{
    sqltext_put(st, "BEGIN ISOLATION LEVEL READ COMMITTED;\nDECLARE given_up NO SCROLL CURSOR FOR "
                    "SELECT c.lsn, c.data FROM ");
    if (strcmp(export->plugin, "pgoutput") == 0) {
        CLEANUP_SQLTEXT SqlText name = SQLTEXT_INIT;
        sqltext_ident(&name, export->spec.publication);
        sqltext_put(st, "pg_catalog.pg_logical_slot_get_binary_changes(");
        sqltext_string(st, export->copy);
        sqltext_put(st, ", NULL, NULL, 'proto_version', '1', 'publication_names', ");
        sqltext_string(st, sqltext_sql(&name).text);
    } else {
        sqltext_put(st, "pg_catalog.pg_logical_slot_get_changes(");
        sqltext_string(st, export->copy);
        sqltext_put(st, ", NULL, NULL, 'format-version', '2', 'include-xids', 'true', "
                        "'include-timestamp', 'true', 'include-types', 'false', 'include-pk', "
                        "'false'");
    }
    sqltext_put(st, ") AS c");
}

/* The transaction is ours alone and writes nothing: that it ends is all that counts. */
static void end_cursor(Export *export)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(export->conn) && pgconn_in_transaction(export->conn) &&
        !pgconn_script(export->conn, SQL("ROLLBACK"), &ignored))
        log_debug("export: %s", ignored.message);
}

static bool note_end(Export *export, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(export->conn, SQL("SELECT pg_catalog.pg_current_wal_flush_lsn() AS flushed"),
                      PG_NO_PARAMS, &rows, err))
        return false;
    export->totals.up_to_lsn = pgrows_lsn(rows, 0, 0);
    return true;
}

bool export_read(Export *export, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    put_cursor(export, &st);
    bool ok = note_end(export, err) && pgconn_script(export->conn, sqltext_sql(&st), err);
    for (int count = 1; ok && count > 0;) {
        CLEANUP_PGROWS PgRows *rows = NULL;
        ok = pgconn_query(export->conn, SQL("FETCH FORWARD 50 FROM given_up"), PG_NO_PARAMS, &rows,
                          err);
        count = ok ? pgrows_count(rows) : 0;
        ok = ok && read_rows(export, rows, err);
    }
    if (ok && export->left_out.cls != ERR_NONE) {
        *err = export->left_out;
        ok = false;
    }
    end_cursor(export);
    return (ok && flush(export, err)) ||
           err_context(err, "reading what the %s has and the other side has not",
                       pgconn_side(export->conn));
}

/* ------------------------------------------------------------------------------------------ */

static bool slot_lost(const Export *export, const char *how, Error *err)
{
    ERR(err, ERR_SLOT_LOST, "slot '%s' on the %s %s: what would be given up cannot be read",
        export->spec.slot, export->spec.from.side, how);
    return err_hint(err, "Save what the target has by other means (pg_dump). Then stop its writers "
                         "and run 'bascule cleanup', which gives the source its writes back.");
}

static bool check_slot(Export *export, Error *err)
{
    SlotState slot;
    if (!slot_state(export->conn, export->spec.slot, &slot, err))
        return false;
    if (!slot.exists)
        return slot_lost(export, "is not there", err);
    if (strcmp(slot.wal_status, "lost") == 0)
        return slot_lost(export, "was invalidated (wal_status lost)", err);
    /* Who only counts may have an engine beside it that streams on. */
    if (slot.confirmed_lsn > export->spec.from_lsn && export->spec.directory == NULL)
        export->totals.from_lsn = slot.confirmed_lsn;
    else if (slot.confirmed_lsn > export->spec.from_lsn)
        return slot_lost(export, "stands behind what is applied", err);
    snprintf(export->plugin, sizeof export->plugin, "%s", slot.plugin);
    return strcmp(slot.plugin, "wal2json") == 0 || strcmp(slot.plugin, "pgoutput") == 0 ||
           ERR(err, ERR_SLOT, "slot '%s' belongs to plugin '%s'", export->spec.slot, slot.plugin);
}

/* A row that the plugin has no identity for is not sent; nothing but this notice says so. */
static void on_notice(void *arg, const char *sqlstate, const char *message)
{
    Export *export = arg;
    const Relation *rel = left_out_relation(export->spec.rels, message);
    if (rel == NULL) {
        log_debug("export: notice sqlstate=%s: %s", sqlstate, message);
        return;
    }
    if (export->left_out.cls != ERR_NONE)
        return;
    ERR(&export->left_out, ERR_REPLICA_IDENTITY,
        "changes of table '%s' are in the WAL of the %s without the rows that they changed: it has "
        "no usable replica identity there",
        rel->display, export->spec.from.side);
    err_hint(
        &export->left_out,
        "Save the table by other means (pg_dump -t) and give it a key; nothing was discarded.");
}

/* As the stream was armed with them: what was renamed, made anew or set unlogged since cannot be told. */
static bool check_gaps(Export *export, Error *err)
{
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *tables = NULL;
    CLEANUP_PGROWS PgRows *gaps = NULL;
    bool published = strcmp(export->plugin, "pgoutput") == 0;
    if (!pgconn_query(export->spec.control, SQL_CONTROL_TABLES_READ,
                      PG_PARAMS(PG_TEXT(export->spec.task)), &tables, err))
        return false;
    arrays_begin(&schemas);
    arrays_begin(&names);
    arrays_begin(&oids);
    for (int r = 0; r < pgrows_count(tables); r++) {
        arrays_put_text(&schemas, pgrows_text(tables, r, 0));
        arrays_put_text(&names, pgrows_text(tables, r, 1));
        arrays_put_u32(&oids, (uint32_t)pgrows_i64(tables, r, 2));
    }
    if (!pgconn_query(export->conn, SQL_EXPORT_GAPS,
                      PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names)),
                                PG_TEXT(arrays_end(&oids)),
                                PG_TEXT(published ? export->spec.publication : "")),
                      &gaps, err))
        return false;
    if (pgrows_count(gaps) == 0)
        return true;
    return ERR(err, ERR_SCHEMA_CHANGED,
               "the writes of %d tables of the %s cannot all be told: %s: %s", pgrows_count(gaps),
               export->spec.from.side, pgrows_text(gaps, 0, 0), pgrows_text(gaps, 0, 1));
}

static bool read_others(Export *export, Error *err)
{
    const Relations *rels = export->spec.rels;
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    arrays_begin(&oids);
    for (int i = 0; i < rels->count; i++)
        arrays_put_u32(&oids, rels->all[i]->oid);
    for (int i = 0; i < rels->leaf_count; i++)
        arrays_put_u32(&oids, rels->leaves[i]->oid);
    if (!pgconn_query(export->conn, SQL_EXPORT_OTHERS, PG_PARAMS(PG_TEXT(arrays_end(&oids))), &rows,
                      err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        size_t schema = (size_t)pgrows_length(rows, r, 0),
               table = (size_t)pgrows_length(rows, r, 1);
        char *key = arena_alloc(export->arena, schema + table + 2);
        memcpy(key, pgrows_text(rows, r, 0), schema + 1);
        memcpy(key + schema + 1, pgrows_text(rows, r, 1), table + 1);
        map_put(&export->others, key, schema + 1 + table, key);
    }
    return true;
}

static bool copy_slot(Export *export, Error *err)
{
    LsnText from = lsn_text(export->totals.from_lsn);
    snprintf(export->copy, sizeof export->copy, "bascule_export_%u",
             pgconn_backend_pid(export->conn));
    return pgconn_exec(export->conn, SQL_EXPORT_SLOT,
                       PG_PARAMS(PG_TEXT(export->spec.slot), PG_TEXT(export->copy)), NULL, err) &&
           pgconn_exec(export->conn, SQL_EXPORT_SKIP,
                       PG_PARAMS(PG_TEXT(export->copy), PG_TEXT(from.text)), NULL, err);
}

bool export_open(const ExportSpec *spec, Export **out_export, Error *err)
{
    Export *export = mem_zalloc(sizeof *export);
    export->spec = *spec;
    export->fd = -1;
    export->arena = arena_new(0);
    export->totals.from_lsn = spec->from_lsn;
    export->conn = pgconn_open(&export->spec.from, PG_SESSION_SQL, "export", err);
    if (export->conn == NULL || !check_slot(export, err) || !check_gaps(export, err) ||
        !read_others(export, err) || !copy_slot(export, err) ||
        (spec->directory != NULL && !open_file(export, err))) {
        export_close(export, false);
        return err_context(err, "export");
    }
    pgconn_on_notice(export->conn, on_notice, export);
    export->describer = describer_new(export->plugin);
    *out_export = export;
    return true;
}

void export_set_stop(Export *export, StopToken *stop)
{
    pgconn_set_stop(export->conn, stop);
}

const ExportTotals *export_totals(const Export *export)
{
    return &export->totals;
}

void export_close(Export *export, bool keep)
{
    char path[sizeof export->totals.file + 16];
    if (export == NULL)
        return;
    if (export->fd >= 0)
        close(export->fd);
    partial_path(export, path, sizeof path);
    if (!keep && export->made)
        unlink(export->finished ? export->totals.file : path);
    sha256_end(export->sha, NULL);
    pgconn_close(export->conn);
    describer_free(export->describer);
    map_done(&export->others);
    buf_done(&export->out);
    arena_free(export->arena);
    free(export);
}

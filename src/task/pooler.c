/* pooler - see the header. */
#include "task/pooler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/conninfo.h"
#include "config/expand.h"
#include "sqltext/sqltext.h"

#define FILE_LIMIT ((size_t)4 << 20)
#define MANY       64 /* databases of one pooler */

/* Reading the line --------------------------------------------------------------------------- */

/* Takes "key=value" out of the line; NULL when it is not there. */
static const char *take_word(char *line, const char *key, Arena *arena)
{
    size_t len = strlen(key);
    for (char *p = line; (p = strstr(p, key)) != NULL; p += len) {
        if ((p != line && p[-1] != ' ') || p[len] != '=')
            continue;
        char *value = p + len + 1;
        char *end = value + strcspn(value, " ");
        const char *taken = arena_dup(arena, value, (size_t)(end - value));
        memset(p, ' ', (size_t)(end - p));
        return taken;
    }
    return NULL;
}

static void split_names(const char *names, Arena *arena, Pooler *out)
{
    out->databases = arena_new_array(arena, const char *, MANY);
    for (const char *p = names; *p != '\0' && out->database_count < MANY;) {
        size_t len = strcspn(p, ",");
        if (len > 0)
            out->databases[out->database_count++] = arena_dup(arena, p, len);
        p += len + (p[len] == ',');
    }
}

static bool is_near(const char *host)
{
    return host == NULL || host[0] == '/' || strcmp(host, "localhost") == 0 ||
           strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

bool pooler_parse(const char *line, const char *password, Arena *arena, Pooler *out_pooler,
                  Error *err)
{
    char *rest = arena_strdup(arena, line);
    Conninfo parts;
    *out_pooler = (Pooler){0};
    const char *names = take_word(rest, "databases", arena);
    const char *file = take_word(rest, "file", arena);
    if (names != NULL)
        split_names(names, arena, out_pooler);
    if (out_pooler->database_count == 0) {
        ERR(err, ERR_CONFIG, "traffic.pgbouncer: a line names no databases");
        return err_hint(err, "Write databases=app or databases=app,reports: the names of the "
                             "entries in PgBouncer's [databases].");
    }
    if (!conninfo_parse(arena, rest, &parts, err))
        return err_context(err, "traffic.pgbouncer");
    if (conninfo_has_secret(&parts)) {
        ERR(err, ERR_CONFIG, "traffic.pgbouncer: a line holds a password");
        return err_hint(err, "Use traffic.password, or passfile=PATH in the line.");
    }
    const char *host = conninfo_get(&parts, "host"), *port = conninfo_get(&parts, "port");
    if (conninfo_get(&parts, "dbname") == NULL)
        conninfo_put(arena, &parts, "dbname", "pgbouncer");
    if (port == NULL)
        conninfo_put(arena, &parts, "port", port = "6432");
    if (conninfo_get(&parts, "sslmode") == NULL && !is_near(host))
        conninfo_put(arena, &parts, "sslmode", "verify-full");
    if (password != NULL)
        conninfo_put(arena, &parts, "password", password);
    out_pooler->conninfo = conninfo_text(arena, &parts);
    out_pooler->shown = arena_printf(arena, "%s:%s", host != NULL ? host : "localhost", port);
    out_pooler->file = file != NULL ? expand_path(arena, file, NULL) : NULL;
    return true;
}

/* The console -------------------------------------------------------------------------------- */

static PgConn *open_console(const Pooler *pooler, int64_t deadline_us, StopToken *stop, Error *err)
{
    int64_t left_us = deadline_us - clock_now_us();
    PgEndpoint endpoint = {
        .side = "pooler",
        .conninfo = pooler->conninfo,
        .shown = pooler->shown,
        .task = "",
        .stop = stop,
        .connect_timeout_us = left_us > 1000 ? left_us : 1000,
    };
    PgConn *conn = pgconn_open(&endpoint, PG_SESSION_CONSOLE, "traffic", err);
    if (conn != NULL)
        pgconn_set_deadline(conn, deadline_us);
    return conn;
}

static bool command(PgConn *conn, const char *database, bool pause, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (pause)
        sqltext_put(&st, "PAUSE ");
    else
        sqltext_put(&st, "RESUME ");
    sqltext_ident(&st, database);
    return pgconn_script(conn, sqltext_sql(&st), err) ||
           err_context(err, "%s %s", pause ? "PAUSE" : "RESUME", database);
}

static int column_of(const PgRows *rows, const char *name)
{
    for (int c = 0; c < pgrows_columns(rows); c++)
        if (strcmp(pgrows_column_name(rows, c), name) == 0)
            return c;
    return -1;
}

static void copy_column(const PgRows *rows, int row, const char *name, char *out, size_t size)
{
    int column = column_of(rows, name);
    snprintf(out, size, "%s", column >= 0 ? pgrows_text(rows, row, column) : "");
}

static bool find_entry(PgConn *conn, const char *database, PoolerEntry *out, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out = (PoolerEntry){0};
    if (!pgconn_query(conn, SQL("SHOW DATABASES"), PG_NO_PARAMS, &rows, err))
        return false;
    int name = column_of(rows, "name"), paused = column_of(rows, "paused");
    if (name < 0 || paused < 0)
        return ERR(err, ERR_CONFIG,
                   "SHOW DATABASES has no column for name or paused: this is no "
                   "PgBouncer");
    for (int r = 0; r < pgrows_count(rows); r++) {
        if (strcmp(pgrows_text(rows, r, name), database) != 0)
            continue;
        out->found = true;
        out->paused = pgrows_text(rows, r, paused)[0] != '0';
        copy_column(rows, r, "host", out->host, sizeof out->host);
        copy_column(rows, r, "port", out->port, sizeof out->port);
        copy_column(rows, r, "database", out->database, sizeof out->database);
        copy_column(rows, r, "pool_mode", out->pool_mode, sizeof out->pool_mode);
    }
    return true;
}

/* The pooler's own default where the entry has none. */
static bool find_pool_mode(PgConn *conn, PoolerEntry *entry, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (entry->pool_mode[0] != '\0')
        return true;
    if (!pgconn_query(conn, SQL("SHOW CONFIG"), PG_NO_PARAMS, &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++)
        if (strcmp(pgrows_text(rows, r, 0), "pool_mode") == 0)
            snprintf(entry->pool_mode, sizeof entry->pool_mode, "%s", pgrows_text(rows, r, 1));
    return true;
}

bool pooler_look(const Pooler *pooler, const char *database, int64_t deadline_us,
                 PoolerEntry *out_entry, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = open_console(pooler, deadline_us, NULL, err);
    return conn != NULL && find_entry(conn, database, out_entry, err) &&
           (!out_entry->found || find_pool_mode(conn, out_entry, err));
}

bool pooler_is_paused(const Pooler *pooler, int64_t deadline_us, bool *out_paused, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = open_console(pooler, deadline_us, NULL, err);
    *out_paused = false;
    for (int i = 0; conn != NULL && i < pooler->database_count; i++) {
        PoolerEntry entry;
        if (!find_entry(conn, pooler->databases[i], &entry, err))
            return false;
        *out_paused = *out_paused || entry.paused;
    }
    return conn != NULL;
}

bool pooler_pause(Pooler *pooler, int64_t deadline_us, StopToken *stop, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = open_console(pooler, deadline_us, stop, err);
    for (int i = 0; conn != NULL && i < pooler->database_count; i++) {
        pooler->paused = true; /* before it may be so */
        if (!command(conn, pooler->databases[i], true, err))
            return false;
    }
    return conn != NULL;
}

bool pooler_resume(Pooler *pooler, int64_t deadline_us, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = open_console(pooler, deadline_us, NULL, err);
    for (int i = 0; conn != NULL && i < pooler->database_count; i++) {
        PoolerEntry entry;
        if (!find_entry(conn, pooler->databases[i], &entry, err) ||
            (entry.paused && !command(conn, pooler->databases[i], false, err)))
            return false;
    }
    if (conn != NULL)
        pooler->paused = false;
    return conn != NULL;
}

/* The file ----------------------------------------------------------------------------------- */

/* The text of the file with all entries moved; CONFIG names one that it lacks. */
static bool moved_text(const Pooler *pooler, const PoolerPlace *place, Buf *out, bool *out_changed,
                       Error *err)
{
    char *data = NULL;
    size_t len = 0;
    if (!expand_read_file(pooler->file, FILE_LIMIT, &data, &len, err))
        return false;
    CLEANUP_BUF Buf now = BUF_INIT;
    buf_put(&now, data, len);
    bool found = true;
    for (int i = 0; i < pooler->database_count && found; i++) {
        Buf next = BUF_INIT;
        pooler_entry_move(buf_str(&now), pooler->databases[i], place, &next, &found);
        if (!found)
            ERR(err, ERR_CONFIG, "'%s' has no entry '%s' in [databases]", pooler->file,
                pooler->databases[i]);
        buf_done(&now);
        now = next;
    }
    *out_changed = found && (now.len != len || memcmp(now.data, data, len) != 0);
    if (found)
        buf_put(out, now.data, now.len);
    free(data);
    return found;
}

static bool write_all(int fd, const Buf *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t n = write(fd, text->data + done, text->len - done);
        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0;
}

/* A new file in its place, of the same owner and mode. false: not possible here (a bind mount, a
 * directory that we may not write in), nothing was changed. */
static bool replace_file(const char *path, const Buf *text)
{
    struct stat st;
    CLEANUP_BUF Buf temporary = BUF_INIT;
    buf_printf(&temporary, "%s.bascule", path);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    int fd = open(buf_str(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = fchown(fd, st.st_uid, st.st_gid) == 0 && fchmod(fd, st.st_mode & 07777) == 0 &&
              write_all(fd, text);
    ok = close(fd) == 0 && ok && rename(buf_str(&temporary), path) == 0;
    if (!ok)
        (void)!unlink(buf_str(&temporary));
    return ok;
}

static bool overwrite_file(const char *path, const Buf *text, Error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write_all(fd, text) && ftruncate(fd, (off_t)text->len) == 0;
    if (!ok)
        ERR_OS(err, ERR_IO, "cannot write '%s'", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool pooler_file_fits(const Pooler *pooler, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    bool changed;
    const PoolerPlace nowhere = {"host", "1", "database"};
    if (!moved_text(pooler, &nowhere, &text, &changed, err))
        return false;
    return access(pooler->file, W_OK) == 0 ||
           ERR_OS(err, ERR_IO, "cannot write '%s'", pooler->file);
}

static bool leads_to(const PoolerEntry *entry, const PoolerPlace *place)
{
    return strcmp(entry->host, place->host != NULL ? place->host : "") == 0 &&
           (place->port == NULL || strcmp(entry->port, place->port) == 0) &&
           (place->database == NULL || strcmp(entry->database, place->database) == 0);
}

static bool check_moved(PgConn *conn, const Pooler *pooler, const PoolerPlace *place, Error *err)
{
    for (int i = 0; i < pooler->database_count; i++) {
        PoolerEntry entry;
        if (!find_entry(conn, pooler->databases[i], &entry, err))
            return false;
        if (!leads_to(&entry, place))
            return ERR(err, ERR_CONFIG,
                       "after RELOAD its entry '%s' leads to %s:%s/%s: '%s' is not a file that it "
                       "reads",
                       pooler->databases[i], entry.host, entry.port, entry.database, pooler->file);
    }
    return true;
}

bool pooler_move(const Pooler *pooler, const PoolerPlace *place, int64_t deadline_us, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    bool changed = false;
    if (pooler->file != NULL) {
        if (!moved_text(pooler, place, &text, &changed, err))
            return false;
        if (changed && !replace_file(pooler->file, &text) &&
            !overwrite_file(pooler->file, &text, err))
            return false;
    }
    CLEANUP_PGCONN PgConn *conn = open_console(pooler, deadline_us, NULL, err);
    return conn != NULL && pgconn_script(conn, SQL("RELOAD"), err) &&
           (pooler->file == NULL || check_moved(conn, pooler, place, err));
}

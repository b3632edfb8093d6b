/* tools - see the header. */
#include "schema/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/subprocess.h"
#include "bascule/port/conninfo.h"
#include "bascule/port/pgconn.h"

/* "pg_dump (PostgreSQL) 15.20 (Debian ...)": 15; -1 when it cannot be run. */
static int major_of(const char *program, StopToken *stop)
{
    Error ignored = ERROR_INIT;
    CLEANUP_BUF Buf out = BUF_INIT;
    const char *argv[] = {program, "--version", NULL};
    Subprocess spec = {.argv = argv, .stop = stop};
    if (!subprocess_run(&spec, &out, &ignored))
        return -1;
    const char *number = strstr(buf_str(&out), ") ");
    return number == NULL ? -1 : atoi(number + 2);
}

/* pg_restore 17 sets a parameter at its start that servers before 17 do not know. */
static bool can_restore(int tools_major, int target_major)
{
    return tools_major < 17 || target_major >= 17;
}

/* The server's own major first: what a newer pg_restore writes, an older target may not know. */
bool tools_find(Arena *arena, int source_major, int target_major, StopToken *stop,
                SchemaTools *out_tools, Error *err)
{
    int in_path = major_of("pg_dump", stop);
    for (int major = source_major; major <= source_major + 5; major++) {
        char *dump = arena_printf(arena, "/usr/lib/postgresql/%d/bin/pg_dump", major);
        SchemaTools tools = {.pg_dump = "pg_dump", .pg_restore = "pg_restore", .major = major};
        if (!can_restore(major, target_major))
            break;
        if (in_path != major) {
            if (access(dump, X_OK) != 0 || major_of(dump, stop) != major)
                continue;
            tools.pg_dump = dump;
            tools.pg_restore = arena_printf(arena, "/usr/lib/postgresql/%d/bin/pg_restore", major);
        }
        *out_tools = tools;
        return true;
    }
    if (in_path < 0)
        ERR(err, ERR_UNSUPPORTED, "pg_dump is not installed here, and the source is version %d",
            source_major);
    else
        ERR(err, ERR_UNSUPPORTED,
            "pg_dump is version %d here, which does not fit a source of version %d and a target of "
            "version %d",
            in_path, source_major, target_major);
    return err_hint(err,
                    "Install postgresql-client-%d, or create the schema on the target yourself and "
                    "use target.prepare: nothing.",
                    source_major);
}

/* Connection string without secrets for argv, and the environment that carries them and pins the
 * session. */
typedef struct ToolSession {
    const char *dbname;
    const char *env[8];
} ToolSession;

static bool tool_session(Arena *arena, const PgEndpoint *endpoint, ToolSession *out, Error *err)
{
    Conninfo parts, safe = {0};
    const char *options = getenv("PGOPTIONS");
    int n = 0;
    if (!conninfo_parse(arena, endpoint->conninfo, &parts, err))
        return false;
    for (int i = 0; i < parts.count; i++) {
        const ConninfoPart *p = &parts.parts[i];
        if (strcmp(p->name, "password") == 0)
            out->env[n++] = arena_printf(arena, "PGPASSWORD=%s", p->value);
        else if (strcmp(p->name, "options") == 0)
            options = p->value;
        else if (strcmp(p->name, "sslpassword") != 0 && strcmp(p->name, "client_encoding") != 0)
            conninfo_put(arena, &safe, p->name, p->value);
    }
    /* What roles and databases set must not reach the schema either: a client_encoding would keep
     * names from being dumped, an interval style would change a default on the way in. */
    conninfo_put(arena, &safe, "options",
                 arena_printf(arena, "%s %s", options != NULL ? options : "", pgconn_pins()));
    conninfo_put(arena, &safe, "client_encoding",
                 endpoint->encoding != NULL ? endpoint->encoding : "UTF8");
    out->dbname = arena_printf(arena, "--dbname=%s", conninfo_text(arena, &safe));
    out->env[n++] = arena_printf(arena, "PGAPPNAME=bascule:%s:schema", endpoint->task);
    out->env[n] = NULL;
    return true;
}

static bool run(Arena *arena, const PgEndpoint *endpoint, const char **argv, int dbname_at,
                StopToken *stop, Error *err)
{
    ToolSession session = {0};
    CLEANUP_BUF Buf out = BUF_INIT;
    if (!tool_session(arena, endpoint, &session, err))
        return false;
    argv[dbname_at] = session.dbname;
    Subprocess spec = {.argv = argv, .env = session.env, .stop = stop};
    return subprocess_run(&spec, &out, err);
}

bool tools_dump(const SchemaTools *tools, const PgEndpoint *source, const char *file,
                StopToken *stop, Error *err)
{
    Arena *arena = arena_new(0);
    const char *argv[] = {tools->pg_dump,
                          "--format=custom",
                          "--schema-only",
                          "--no-publications",
                          "--no-subscriptions",
                          "--exclude-schema=bascule",
                          "--no-password",
                          arena_printf(arena, "--file=%s", file),
                          NULL,
                          NULL};
    bool ok = run(arena, source, argv, 8, stop, err);
    arena_free(arena);
    return ok || err_context(err, "dumping the schema of the source");
}

bool tools_backup(const SchemaTools *tools, const PgEndpoint *server, const char *file,
                  const char *snapshot, StopToken *stop, Error *err)
{
    Arena *arena = arena_new(0);
    const char *argv[] = {tools->pg_dump,
                          "--format=custom",
                          "--exclude-schema=bascule",
                          "--no-password",
                          arena_printf(arena, "--snapshot=%s", snapshot),
                          arena_printf(arena, "--file=%s", file),
                          NULL,
                          NULL};
    bool ok = run(arena, server, argv, 6, stop, err);
    arena_free(arena);
    return ok || err_context(err, "dumping the target");
}

bool tools_list(const SchemaTools *tools, const char *file, const char *section, StopToken *stop,
                Buf *out, Error *err)
{
    char filter[32];
    if (section == NULL)
        snprintf(filter, sizeof filter, "--verbose");
    else
        snprintf(filter, sizeof filter, "--section=%s", section);
    const char *argv[] = {tools->pg_restore, "--list", filter, file, NULL};
    Subprocess spec = {.argv = argv, .stop = stop};
    return subprocess_run(&spec, out, err) || err_context(err, "reading the dump");
}

bool tools_restore(const SchemaTools *tools, const PgEndpoint *target, const RestoreSpec *spec,
                   StopToken *stop, Error *err)
{
    Arena *arena = arena_new(0);
    const char *argv[16] = {tools->pg_restore, NULL, "--exit-on-error", "--no-password",
                            arena_printf(arena, "--use-list=%s", spec->list)};
    int n = 5;
    if (spec->one_transaction)
        argv[n++] = "--single-transaction";
    else
        argv[n++] = arena_printf(arena, "--jobs=%d", spec->jobs < 1 ? 1 : spec->jobs);
    if (!spec->keep_owners)
        argv[n++] = "--no-owner";
    if (!spec->keep_grants)
        argv[n++] = "--no-privileges";
    argv[n++] = spec->dump;
    bool ok = run(arena, target, argv, 1, stop, err);
    arena_free(arena);
    return ok || err_context(err, "restoring on the target");
}

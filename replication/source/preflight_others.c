/* preflight_others - what else lives in the databases: subscriptions, event triggers, fences that
 * somebody left, large objects, and objects that are no ordinary tables. */
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

static bool in_scope(const Preflight *p, const char *schema, const char *name)
{
    for (int i = 0; p->rels != NULL && i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (strcmp(rel->target_name, name) == 0 && strcmp(rel->target_schema, schema) == 0)
            return true;
    }
    return false;
}

/* An apply worker fires no ordinary statement triggers: it writes through the fence. On the target
 * it writes what bascule writes. */
static void subscriptions(Preflight *p, PreflightSide *side)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (side->conn == NULL ||
        !PREFLIGHT_ASK(p, side, "subscription", SQL_PREFLIGHT_SUBSCRIPTIONS, &rows))
        return;
    for (int i = 0, n = pgrows_count(rows); i < n;) {
        const char *name = pgrows_text(rows, i, 0);
        bool ours = false;
        for (; i < n && strcmp(pgrows_text(rows, i, 0), name) == 0; i++)
            ours = ours || (!pgrows_null(rows, i, 2) &&
                            in_scope(p, pgrows_text(rows, i, 1), pgrows_text(rows, i, 2)));
        bool target = side == &p->target;
        PREFLIGHT_ADD(
            p, target && ours ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, .code = "subscription",
            .subject = side->name,
            .what = preflight_text(p, "subscription '%s' is enabled%s", name,
                                   ours ? " and writes tables in scope" : ""),
            .why =
                target
                    ? "whatever it writes here collides with what bascule applies"
                    : "its worker writes through the cutover's fence: the cutover will be refused "
                      "while it is enabled",
            .remedy = preflight_text(p, "ALTER SUBSCRIPTION %s DISABLE;  -- on the %s%s",
                                     preflight_ident(p, name), side->name,
                                     target ? "" : ", at the latest before the cutover"));
    }
}

static void event_triggers(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (p->target.conn == NULL ||
        !PREFLIGHT_ASK(p, &p->target, "event-trigger", SQL_PREFLIGHT_OBJECTS, &rows))
        return;
    for (int i = 0; i < pgrows_count(rows); i++)
        if (strcmp(pgrows_text(rows, i, 0), "event-trigger") == 0)
            PREFLIGHT_ADD(
                p, PREFLIGHT_WARNING, .code = "event-trigger", .subject = "target",
                .what = preflight_text(p, "event trigger '%s' is enabled", pgrows_text(rows, i, 1)),
                .why = "it fires for the tables, indexes and keys that bascule makes",
                .remedy = preflight_text(p, "%s  -- on the target, until the cutover",
                                         pgrows_text(rows, i, 2)));
}

static const char *listed(Preflight *p, const PgRows *rows, const char *kind, int *out_count)
{
    CLEANUP_BUF Buf names = BUF_INIT;
    *out_count = 0;
    for (int i = 0; i < pgrows_count(rows); i++) {
        if (strcmp(pgrows_text(rows, i, 0), kind) != 0)
            continue;
        if ((*out_count)++ < 10)
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", pgrows_text(rows, i, 1));
    }
    if (*out_count > 10)
        buf_printf(&names, " and %d more", *out_count - 10);
    return preflight_text(p, "%s", buf_str(&names));
}

/* A server built without lz4 refuses such a column's table. */
static void compression(Preflight *p, const PgRows *rows)
{
    const char *known = preflight_fact(&p->target, "toast_compressions");
    CLEANUP_BUF Buf remedy = BUF_INIT;
    int n;
    const char *names = listed(p, rows, "lz4-column", &n);
    if (n == 0 || known == NULL || strstr(known, "lz4") != NULL)
        return;
    for (int i = 0; i < pgrows_count(rows); i++)
        if (strcmp(pgrows_text(rows, i, 0), "lz4-column") == 0)
            buf_printf(&remedy, "%s%s", remedy.len > 0 ? "\n" : "", pgrows_text(rows, i, 2));
    PREFLIGHT_ADD(
        p, PREFLIGHT_BLOCKER, .code = "compression", .subject = "target",
        .what = preflight_text(p, "the server cannot compress with lz4, as columns do: %s", names),
        .why = "it refuses to create these tables",
        .remedy = preflight_text(p, "%s  -- on the source; or a target built with lz4",
                                 buf_str(&remedy)));
}

static bool makes_schema(const Preflight *p)
{
    return p->loads && p->spec->prepare == PREFLIGHT_CREATE && !p->resumed &&
           p->target.conn != NULL;
}

static void objects(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    int n;
    if (!PREFLIGHT_ASK(p, &p->source, "objects", SQL_PREFLIGHT_OBJECTS, &rows))
        return;
    if (makes_schema(p))
        compression(p, rows);
    const char *names = listed(p, rows, "foreign-table", &n);
    if (n > 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "foreign-table", .subject = "source",
            .what = preflight_text(p, "foreign tables: %s", names),
            .why = "their rows live elsewhere and are not moved; the target must reach the same "
                   "server",
            .remedy =
                "Check CREATE SERVER and CREATE USER MAPPING on the target; passwords are not in a "
                "dump.");
    names = listed(p, rows, "materialized-view", &n);
    if (n > 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "materialized-view", .subject = "source",
                      .what = preflight_text(p, "materialized views: %s", names),
                      .why = "not replicated: filled on the target when the load ends, and "
                             "refreshed once the cutover has opened it (cutover.refresh_timeout)");
    names = listed(p, rows, "extension-table", &n);
    if (n > 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "extension-table", .subject = "source",
            .what = preflight_text(p, "tables of extensions hold rows of their own: %s", names),
            .why = "tables that belong to an extension are not replicated",
            .remedy =
                "Copy what was changed in them by hand: pg_dump --data-only --table=... (after the "
                "freeze).");
    names = listed(p, rows, "event-trigger", &n);
    if (n > 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "event-trigger", .subject = "source",
            .what = preflight_text(p, "event triggers: %s", names),
            .why = "they are not restored on the target (only a superuser may, and they would fire "
                   "for what bascule makes there); on the source they fire for its publication and "
                   "fence",
            .remedy =
                "pg_dump --schema-only ... | grep -A3 'CREATE EVENT TRIGGER'  -- run these on "
                "the target after the cutover; their functions move");
}

static void large_objects(Preflight *p)
{
    int64_t n;
    if (!preflight_fact_i64(&p->source, "large_objects", &n) || n == 0)
        return;
    PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "large-objects", .subject = "source",
                  .what = preflight_text(p, "%lld large object%s", (long long)n, n == 1 ? "" : "s"),
                  .why = "large objects are not in the stream and are not moved: after the cutover "
                         "a column that names one points to nothing",
                  .remedy = "pg_dump --large-objects --format=custom --file=lo.dump; pg_restore "
                            "--dbname=... lo.dump  "
                            "-- with the source frozen, or keep them as bytea");
}

#define SUPERUSER_SHOWN 10

/* What the dump holds and the target's role may not create, and what needs a file on its server. */
static void superuser_objects(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf names = BUF_INIT, libraries = BUF_INIT;
    if (!PREFLIGHT_ASK(p, &p->source, "superuser-object", SQL_PREFLIGHT_SUPERUSER, &rows))
        return;
    int n = pgrows_count(rows);
    for (int i = 0; i < n; i++) {
        if (i < SUPERUSER_SHOWN)
            buf_printf(&names, "%s%s %s", i > 0 ? ", " : "", pgrows_text(rows, i, 0),
                       pgrows_text(rows, i, 1));
        if (!pgrows_null(rows, i, 2) &&
            strstr(buf_str(&libraries), pgrows_text(rows, i, 2)) == NULL)
            buf_printf(&libraries, "%s%s", libraries.len > 0 ? ", " : "", pgrows_text(rows, i, 2));
    }
    if (n > SUPERUSER_SHOWN)
        buf_printf(&names, " and %d more", n - SUPERUSER_SHOWN);
    if (n > 0 && !p->target.superuser)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "superuser-object", .subject = "target",
            .what = preflight_text(p, "only a superuser may create: %s", buf_str(&names)),
            .why = preflight_text(p, "role %s makes the schema there and is none",
                                  preflight_role(p, &p->target)),
            .remedy = "Connect to the target as a superuser, or let one create the schema there "
                      "and use target.prepare: nothing");
    if (libraries.len > 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "library", .subject = "target",
            .what = preflight_text(p, "functions in C live in %s", buf_str(&libraries)),
            .why = "they belong to no extension: the target's server needs these files, built for "
                   "its version",
            .remedy = "Install the libraries on the target's server under the same names");
}

/* A fence of another task is nothing to us on tables that we leave alone. */
static bool fence_in_scope(const Preflight *p, const PreflightSide *side, const char *schema,
                           const char *table)
{
    bool ours = side == &p->source;
    if (p->rels == NULL)
        return true;
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (strcmp(ours ? rel->schema : rel->target_schema, schema) == 0 &&
            strcmp(ours ? rel->name : rel->target_name, table) == 0)
            return true;
    }
    return false;
}

/* Nobody's any more: no trigger works by it, and no task is written there. Unknown is somebody's. */
static bool left_by_all(Preflight *p, PreflightSide *side)
{
    CLEANUP_PGROWS PgRows *used = NULL;
    CLEANUP_PGROWS PgRows *tasks = NULL;
    if (!PREFLIGHT_ASK(p, side, "left-over", SQL_PREFLIGHT_LEFT_OVER, &used) ||
        pgrows_bool(used, 0, 0))
        return false;
    if (!pgrows_bool(used, 0, 1))
        return true;
    return PREFLIGHT_ASK(p, side, "left-over", SQL("SELECT EXISTS (SELECT FROM bascule.task)"),
                         &tasks) &&
           !pgrows_bool(tasks, 0, 0);
}

/* A fence refuses writes: the application's on the source, anybody's on the target. */
static void fences(Preflight *p, PreflightSide *side)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (side->conn == NULL || p->resumed || !preflight_fact_true(side, "bascule_schema") ||
        !PREFLIGHT_ASK(p, side, "left-over", SQL_PREFLIGHT_FENCES, &rows))
        return;
    int count = 0, first = 0;
    for (int i = pgrows_count(rows) - 1; i >= 0; i--) {
        if (fence_in_scope(p, side, pgrows_text(rows, i, 0), pgrows_text(rows, i, 1))) {
            first = i;
            count++;
        }
    }
    if (count > 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "left-over", .subject = side->name,
            .what =
                preflight_text(p,
                               "%d tables are fenced by an earlier task of bascule ('%s.%s' among "
                               "them)",
                               count, pgrows_text(rows, first, 0), pgrows_text(rows, first, 1)),
            .why = "they refuse every write",
            .remedy =
                "bascule cleanup  -- with the configuration of that task; it lists, then removes");
    else if (side == &p->source && pgrows_count(rows) == 0 && left_by_all(p, side))
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "left-over", .subject = side->name,
                      .what = "a schema 'bascule' of an earlier task is there",
                      .why = "nothing is fenced by it now",
                      .remedy = "bascule cleanup  -- with the configuration of that task\nDROP "
                                "SCHEMA bascule CASCADE;");
}

void preflight_others(Preflight *p)
{
    if (p->streams) {
        subscriptions(p, &p->source);
        subscriptions(p, &p->target);
    } else {
        subscriptions(p, &p->target);
    }
    event_triggers(p);
    objects(p);
    large_objects(p);
    if (makes_schema(p))
        superuser_objects(p);
    fences(p, &p->source);
    fences(p, &p->target);
}

/* preflight_connection - are both sides there, what are they, and are they what they should be? */
#include <stdio.h>
#include <string.h>

#include "source/catalog.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

#define SQLSTATE_PROTOCOL "08P01" /* how poolers refuse startup parameters */

enum { OLDEST_TESTED = 15, NEWEST_TESTED = 18, OLDEST_POSSIBLE = 10 };

/* Reaching ------------------------------------------------------------------------------------- */

static void unreachable(Preflight *p, PreflightSide *side, const Error *err)
{
    bool pooler = strcmp(err->sqlstate, SQLSTATE_PROTOCOL) == 0;
    PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = err_slug(err->cls), .subject = side->name,
                  .what = preflight_text(p, "%s", err->message),
                  .why = "nothing of this side could be looked at",
                  .remedy = pooler
                                ? "Connect to the server itself, not through a connection pooler."
                                : preflight_text(p, "%s", err_hint_of(err)));
}

static void read_facts(Preflight *p, PreflightSide *side)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Error ignored = ERROR_INIT;
    SourceIdentity id;
    side->version = pgconn_server_version(side->conn);
    if (PREFLIGHT_ASK(p, side, "facts", SQL_PREFLIGHT_FACTS, &rows)) {
        for (int i = 0; i < pgrows_count(rows); i++) {
            if (pgrows_null(rows, i, 1))
                continue;
            const char *name = arena_strdup(p->arena, pgrows_text(rows, i, 0));
            map_put(&side->facts, name, strlen(name),
                    arena_strdup(p->arena, pgrows_text(rows, i, 1)));
        }
    }
    side->superuser = preflight_fact_true(side, "superuser");
    if (source_identify(side->conn, &id, &ignored))
        snprintf(side->system_id, sizeof side->system_id, "%s", id.system_id);
}

bool preflight_reach(Preflight *p, PreflightSide *side, Error *err)
{
    Error failed = ERROR_INIT;
    side->conn = pgconn_open(side->endpoint, PG_SESSION_SQL, "check", &failed);
    if (side->conn != NULL) {
        read_facts(p, side);
        return true;
    }
    if (failed.cls == ERR_STOPPED) {
        *err = failed;
        return false;
    }
    unreachable(p, side, &failed);
    return true;
}

/* The connection itself ------------------------------------------------------------------------ */

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void encryption(Preflight *p, PreflightSide *side)
{
    const char *address = preflight_fact(side, "client_address");
    const char *tls = preflight_fact(side, "ssl_version");
    if (preflight_fact_true(side, "ssl"))
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "tls", .subject = side->name,
                      .what = preflight_text(p, "encrypted: %s", tls == NULL ? "TLS" : tls));
    else if (preflight_fact_true(side, "gss_encrypted"))
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "tls", .subject = side->name,
                      .what = "encrypted: GSSAPI");
    else if (address == NULL || is_loopback(address))
        PREFLIGHT_ADD(
            p, PREFLIGHT_OK, .code = "tls", .subject = side->name,
            .what = preflight_text(p, "not encrypted, over %s",
                                   address == NULL ? "a unix socket" : "the loopback interface"));
    else
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "tls", .subject = side->name,
                      .what = "the connection is not encrypted",
                      .why = "every row and the password's exchange can be read on the way",
                      .remedy = preflight_text(p, "Set %s.sslmode: verify-full and %s.sslrootcert.",
                                               side->name, side->name));
}

/* A pooler hands our statements to a server session whose process is not the one it named at the
 * start. */
static void pooler(Preflight *p, PreflightSide *side)
{
    int64_t pid;
    if (!preflight_fact_i64(side, "backend_pid", &pid) ||
        pid == (int64_t)pgconn_backend_pid(side->conn))
        return;
    PREFLIGHT_ADD(
        p, side == &p->source && p->streams ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING,
        .code = "pooler", .subject = side->name,
        .what = "a connection pooler stands between us and the server",
        .why =
            side == &p->source
                ? "replication connections do not go through a pooler, and a session's settings, "
                  "locks and snapshots must stay its own"
                : "a session's settings and locks must stay its own; that holds only in session "
                  "mode",
        .remedy = preflight_text(p, "Point %s.host and %s.port at the server itself.", side->name,
                                 side->name));
}

static void version(Preflight *p, PreflightSide *side)
{
    int major = side->version / 10000;
    const char *what = preflight_text(p, "PostgreSQL %d.%d", major, side->version % 10000);
    if (side == &p->source && major < OLDEST_POSSIBLE)
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "unsupported", .subject = side->name,
                      .what = what,
                      .why = "there is no logical replication protocol before PostgreSQL 10",
                      .remedy = "Upgrade the source to PostgreSQL 15 or newer first.");
    else if (major < OLDEST_TESTED || major > NEWEST_TESTED)
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "version", .subject = side->name, .what = what,
                      .why = preflight_text(p, "bascule is tested with PostgreSQL %d to %d",
                                            OLDEST_TESTED, NEWEST_TESTED),
                      .remedy = "Rehearse the whole move on copies of both sides first.");
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "version", .subject = side->name, .what = what);
}

static void recovery(Preflight *p, PreflightSide *side)
{
    if (!preflight_fact_true(side, "in_recovery"))
        return;
    bool source = side == &p->source;
    PREFLIGHT_ADD(
        p, PREFLIGHT_BLOCKER, .code = "in-recovery", .subject = side->name,
        .what = "the server is a standby (in recovery)",
        .why = source ? "slots, snapshots, publications and the write freeze need the primary"
                      : "a standby cannot be written",
        .remedy =
            source ? "Point source.host at the primary; SELECT * FROM pg_stat_wal_receiver; on the "
                     "standby names it."
                   : "Point target.host at a primary, or promote: SELECT pg_promote();");
}

void preflight_connection(Preflight *p, PreflightSide *side)
{
    if (side->conn == NULL)
        return;
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "connection", .subject = side->name,
                  .what = preflight_text(p, "reached: %s", side->endpoint->shown));
    encryption(p, side);
    pooler(p, side);
    version(p, side);
    recovery(p, side);
}

/* Both together -------------------------------------------------------------------------------- */

static bool same_fact(const Preflight *p, const char *name)
{
    const char *a = preflight_fact(&p->source, name), *b = preflight_fact(&p->target, name);
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void one_or_two_databases(Preflight *p)
{
    /* A physical copy has the source's system identifier and oids, but was started by itself. */
    bool same_server =
        same_fact(p, "started_at") && strcmp(p->source.system_id, p->target.system_id) == 0;
    if (same_server && same_fact(p, "database_oid") && same_fact(p, "database"))
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "source-is-target", .subject = "both sides",
                      .what = preflight_text(p, "source and target are the same database '%s'",
                                             preflight_fact(&p->source, "database")),
                      .why = "rows would be copied onto themselves",
                      .remedy = "Point source or target elsewhere: source.dsn, target.dsn.");
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "source-is-target", .subject = "both sides",
                      .what = same_server ? "two databases of one server" : "two servers");
}

static void newer_to_older(Preflight *p)
{
    int from = p->source.version / 10000, to = p->target.version / 10000;
    if (to >= from)
        return;
    PREFLIGHT_ADD(
        p, PREFLIGHT_WARNING, .code = "version", .subject = "both sides",
        .what = preflight_text(p, "the target (%d) is older than the source (%d)", to, from),
        .why = "types, functions and settings of the newer version may be unknown to the older one",
        .remedy =
            preflight_text(p,
                           "Use a target of PostgreSQL %d or newer, or create the schema by hand "
                           "(target.prepare: nothing).",
                           from));
}

/* A task that the target knows goes on: its slot, its rows and its tables are there by right. */
static void known_task(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Error ignored = ERROR_INIT;
    if (p->target.conn == NULL || !preflight_fact_true(&p->target, "bascule_schema"))
        return;
    if (!pgconn_query(p->target.conn, SQL_PREFLIGHT_TASK, PG_PARAMS(PG_TEXT(p->spec->task)), &rows,
                      &ignored)) {
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "left-over", .subject = "target",
            .what = "a schema 'bascule' is there that cannot be read",
            .why = preflight_text(p, "%s", ignored.message),
            .remedy =
                "Run 'bascule cleanup' as the role that made it, or: DROP SCHEMA bascule CASCADE;");
        return;
    }
    if (pgrows_count(rows) == 0) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "task", .subject = "target",
                      .what = preflight_text(
                          p,
                          "task '%s' is new here; the schema 'bascule' holds other tasks or "
                          "none",
                          p->spec->task));
        return;
    }
    p->resumed = true;
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "task", .subject = "target",
                  .what =
                      preflight_text(p, "task '%s' is known (state '%s') and goes on from there",
                                     p->spec->task, pgrows_text(rows, 0, 0)));
}

void preflight_identity(Preflight *p)
{
    if (p->source.conn != NULL && p->target.conn != NULL) {
        one_or_two_databases(p);
        newer_to_older(p);
    }
    known_task(p);
}

/*
 * preflight_server - what both servers must have room for, and in what their databases differ:
 * connections, locks, encodings, collations, extensions, programs for the schema.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/subprocess.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

/* Sessions besides the copiers. Source: catalog, guard, snapshot holder, walsender, ticker,
 * cutover's lock and barrier; target: control, applier, schema work, cutover. */
enum { SOURCE_SESSIONS = 6, TARGET_SESSIONS = 4 };

/* Connections
 * -------------------------------------------------------------------------------------- */

static void connection_limit(Preflight *p, PreflightSide *side, const char *limit_fact,
                             const char *used_fact, const char *whose, const char *remedy,
                             int64_t needed)
{
    int64_t limit, used;
    if (!preflight_fact_i64(side, limit_fact, &limit) ||
        !preflight_fact_i64(side, used_fact, &used) || limit < 0 || side->superuser ||
        limit - used >= needed)
        return;
    PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "connections", .subject = side->name,
                  .what = preflight_text(p, "the %s may have %lld connections, %lld are in use",
                                         whose, (long long)limit, (long long)used),
                  .why = preflight_text(p, "a run with load.jobs %d opens up to %lld",
                                        p->spec->jobs, (long long)needed),
                  .remedy = remedy);
}

static void connections(Preflight *p, PreflightSide *side)
{
    int64_t max, used, superuser = 0, reserved = 0;
    int64_t needed =
        (p->loads ? p->spec->jobs : 0) + (side == &p->source ? SOURCE_SESSIONS : TARGET_SESSIONS);
    if (!preflight_fact_i64(side, "max_connections", &max) ||
        !preflight_fact_i64(side, "sessions", &used))
        return;
    if (!side->superuser) {
        (void)preflight_fact_i64(side, "superuser_reserved", &superuser);
        (void)preflight_fact_i64(side, "reserved", &reserved);
    }
    int64_t free = max - superuser - reserved - used;
    const char *what =
        preflight_text(p, "connections: %lld of %lld in use", (long long)used, (long long)max);
    if (free < needed)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "connections", .subject = side->name, .what = what,
            .why =
                preflight_text(p, "a run with load.jobs %d opens up to %lld, %lld are free for us",
                               p->spec->jobs, (long long)needed, (long long)(free > 0 ? free : 0)),
            .remedy =
                preflight_text(p,
                               "ALTER SYSTEM SET max_connections = %lld;  -- then restart the "
                               "%s's server\nload.jobs: 1  -- needs fewer",
                               (long long)(max + needed), side->name));
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "connections", .subject = side->name, .what = what);
    connection_limit(
        p, side, "role_connections", "role_sessions", "role",
        preflight_text(p, "ALTER ROLE %s CONNECTION LIMIT -1;", preflight_role(p, side)), needed);
    const char *database = preflight_fact(side, "database");
    connection_limit(p, side, "database_connections", "database_sessions", "database",
                     preflight_text(p, "ALTER DATABASE %s CONNECTION LIMIT -1;",
                                    preflight_ident(p, database == NULL ? "" : database)),
                     needed);
}

/* Locks
 * ---------------------------------------------------------------------------------------------- */

/* Guard, pg_dump and the fence each hold a lock on every table in one transaction; on the target a
 * restore in one transaction locks tables, their indexes and what belongs to them. */
static void locks(Preflight *p, PreflightSide *side)
{
    int64_t per_session, slots;
    if (p->rels == NULL || !preflight_fact_i64(side, "max_locks", &per_session) ||
        !preflight_fact_i64(side, "lock_slots", &slots) || slots <= 0)
        return;
    bool dumps = p->loads && p->spec->prepare == PREFLIGHT_CREATE;
    int64_t capacity = per_session * slots;
    int64_t needed = (int64_t)p->rels->count * (side == &p->target ? (dumps ? 5 : 2)
                                                : dumps            ? 2
                                                                   : 1);
    const char *what =
        preflight_text(p, "the lock table has room for about %lld locks, about %lld are needed",
                       (long long)capacity, (long long)needed);
    const char *remedy = preflight_text(
        p, "ALTER SYSTEM SET max_locks_per_transaction = %lld;  -- then restart the %s's server",
        (long long)(needed * 2 / slots + 64), side->name);
    /* Shared memory has some room beyond: measured, 1.6 times as much on an idle server. */
    if (needed > capacity + capacity / 2)
        PREFLIGHT_ADD(p, side == &p->source ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING,
                      .code = "locks", .subject = side->name, .what = what,
                      .why = "every table in scope is locked in one transaction: 'out of shared "
                             "memory' would end "
                             "it, and other sessions with it",
                      .remedy = remedy);
    else if (needed > capacity / 2)
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "locks", .subject = side->name, .what = what,
                      .why = "the application's locks share the same table", .remedy = remedy);
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "locks", .subject = side->name, .what = what);
}

void preflight_resources(Preflight *p, PreflightSide *side)
{
    if (side->conn == NULL)
        return;
    connections(p, side);
    locks(p, side);
    if (p->streams && !preflight_fact_true(side, "plpgsql") && preflight_fact(side, "role") != NULL)
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "plpgsql", .subject = side->name,
                      .what = "the language plpgsql is not installed",
                      .why = "the cutover's write fence is a trigger function in it: the cutover "
                             "will be refused",
                      .remedy = "CREATE EXTENSION plpgsql;");
}

/* Encoding and collation
 * ------------------------------------------------------------------------------ */

static bool differs(const Preflight *p, const char *name, const char **a, const char **b)
{
    *a = preflight_fact(&p->source, name);
    *b = preflight_fact(&p->target, name);
    if (*a == NULL && *b == NULL)
        return false;
    return *a == NULL || *b == NULL || strcmp(*a, *b) != 0;
}

static const char *or_none(const char *text)
{
    return text == NULL ? "none" : text;
}

static const char *create_database(Preflight *p)
{
    const PreflightSide *s = &p->source;
    const char *database = preflight_fact(&p->target, "database");
    return preflight_text(
        p,
        "CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s;  -- the "
        "target anew",
        preflight_ident(p, or_none(database)),
        preflight_string(p, or_none(preflight_fact(s, "encoding"))),
        preflight_string(p, or_none(preflight_fact(s, "collate"))),
        preflight_string(p, or_none(preflight_fact(s, "ctype"))));
}

/* True when it is not known: the target's sessions will say it then. */
static bool converts(Preflight *p, const char *from)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    return from == NULL ||
           !preflight_ask(p, &p->target, "encoding", SQL_PREFLIGHT_CONVERSION,
                          PG_PARAMS(PG_TEXT(from)), &rows) ||
           pgrows_count(rows) == 0 || pgrows_null(rows, 0, 0) || pgrows_bool(rows, 0, 0);
}

static void encoding(Preflight *p)
{
    const char *from, *to;
    if (!differs(p, "encoding", &from, &to)) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "encoding", .subject = "both sides",
                      .what = preflight_text(p, "encoding %s", or_none(from)));
        return;
    }
    if (!converts(p, from)) {
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "encoding", .subject = "both sides",
                      .what = preflight_text(p, "encoding %s on the source, %s on the target",
                                             or_none(from), or_none(to)),
                      .why = "the target's server has no conversion between the two",
                      .remedy = create_database(p));
        return;
    }
    const char *why =
        "characters that the target's encoding lacks are refused, and the run stops there";
    if (from != NULL && strcmp(from, "SQL_ASCII") == 0)
        why = "the source never checked its bytes: rows whose bytes are not valid in the target's "
              "encoding are "
              "refused, and the run stops there";
    else if (to != NULL && strcmp(to, "UTF8") == 0)
        why = "text is converted on the way; its length in bytes changes";
    PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "encoding", .subject = "both sides",
                  .what = preflight_text(p, "encoding %s on the source, %s on the target",
                                         or_none(from), or_none(to)),
                  .why = why, .remedy = create_database(p));
}

static void collation(Preflight *p)
{
    static const struct {
        const char *fact, *what, *why;
    } FACTS[] = {
        {"collate", "LC_COLLATE",
         "text sorts and compares otherwise: ORDER BY, ranges of partitions, unique results"},
        {"ctype", "LC_CTYPE", "upper(), lower(), ILIKE and regular expressions behave otherwise"},
        {"locale_provider", "locale provider (c libc, i ICU, b builtin)",
         "text sorts and compares otherwise"},
        {"icu_locale", "ICU or builtin locale", "text sorts and compares otherwise"},
        {"collation_version", "version of the collation",
         "the two servers sort some text otherwise; indexes are built anew on the target, but "
         "merges of sorted "
         "results and range partitions may differ"},
    };
    int different = 0;
    for (size_t i = 0; i < sizeof FACTS / sizeof *FACTS; i++) {
        const char *from, *to;
        bool only_one_version =
            i == 2 && (p->source.version < 150000 || p->target.version < 150000);
        if (only_one_version || !differs(p, FACTS[i].fact, &from, &to))
            continue;
        /* libc's versions are known from 15 on */
        if (i == 4 && (from == NULL || to == NULL))
            continue;
        different++;
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "collation", .subject = "both sides",
            .what = preflight_text(p, "%s: %s on the source, %s on the target", FACTS[i].what,
                                   or_none(from), or_none(to)),
            .why = FACTS[i].why,
            .remedy =
                i == 4 ? "Use the same operating system release (glibc, ICU) on both sides where "
                         "sorting matters."
                       : create_database(p));
    }
    if (different == 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "collation", .subject = "both sides",
                      .what = preflight_text(p, "collation %s",
                                             or_none(preflight_fact(&p->source, "collate"))));
}

/* The library changed under the source: its indexes on text may be wrong already. */
static void collation_drift(Preflight *p, PreflightSide *side)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (side->conn == NULL || side->version < 150000 ||
        !PREFLIGHT_ASK(p, side, "collation", SQL_PREFLIGHT_COLLATION, &rows) ||
        pgrows_count(rows) == 0 || pgrows_null(rows, 0, 0) || pgrows_null(rows, 0, 1) ||
        strcmp(pgrows_text(rows, 0, 0), pgrows_text(rows, 0, 1)) == 0)
        return;
    const char *database = preflight_ident(p, or_none(preflight_fact(side, "database")));
    PREFLIGHT_ADD(
        p, PREFLIGHT_WARNING, .code = "collation", .subject = side->name,
        .what =
            preflight_text(p, "the database was made with collation version %s, the library has %s",
                           pgrows_text(rows, 0, 0), pgrows_text(rows, 0, 1)),
        .why = "indexes on text may be out of order: rows are not found, duplicates get in",
        .remedy =
            preflight_text(p, "REINDEX DATABASE %s;\nALTER DATABASE %s REFRESH COLLATION VERSION;",
                           database, database));
}

void preflight_databases(Preflight *p)
{
    if (p->source.conn != NULL && p->target.conn != NULL) {
        encoding(p);
        collation(p);
    }
    collation_drift(p, &p->source);
    collation_drift(p, &p->target);
}

/* Extensions
 * ---------------------------------------------------------------------------------------------- */

/* <0, 0, >0 by the numbers in both, as 1.10 > 1.9; what is no number compares as text. */
static int compare_versions(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        char *end_a, *end_b;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);
        if (end_a == a || end_b == b)
            return strcmp(a, b);
        if (x != y)
            return x < y ? -1 : 1;
        a = end_a + (*end_a == '.');
        b = end_b + (*end_b == '.');
    }
    return 0;
}

static void extension(Preflight *p, const char *name, const char *version, const PgRows *target,
                      int row)
{
    const char *installed = pgrows_null(target, row, 1) ? NULL : pgrows_text(target, row, 1);
    const char *available = pgrows_null(target, row, 2) ? NULL : pgrows_text(target, row, 2);
    const char *ident = preflight_ident(p, name), *have = installed != NULL ? installed : available;
    const char *subject = preflight_text(p, "extension %s", name);
    bool creates = p->spec->prepare == PREFLIGHT_CREATE && p->loads;
    if (have == NULL)
        PREFLIGHT_ADD(p, creates ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, .code = "extension",
                      .subject = subject,
                      .what = preflight_text(
                          p, "the source has %s, the target's server does not know it", version),
                      .why = "types, functions and columns of it cannot be made there",
                      .remedy = preflight_text(
                          p,
                          "Install the package of '%s' on the target's host, then: CREATE "
                          "EXTENSION %s;",
                          name, ident));
    else if (installed == NULL && creates && !pgrows_bool(target, row, 3) &&
             !preflight_fact_true(&p->target, "managed_superuser"))
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "extension", .subject = subject,
                      .what = "not installed on the target, and our role may not create it",
                      .why = "types, functions and columns of it cannot be made there",
                      .remedy = preflight_text(
                          p, "CREATE EXTENSION %s;  -- on the target, as a superuser", ident));
    else if (installed == NULL && !creates)
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "extension", .subject = subject,
                      .what = "the source has it, the target database does not",
                      .why =
                          "columns or functions that use it behave otherwise there, or are missing",
                      .remedy = preflight_text(p, "CREATE EXTENSION %s;  -- on the target", ident));
    else if (compare_versions(have, version) < 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "extension", .subject = subject,
            .what = preflight_text(p, "version %s on the source, %s on the target", version, have),
            .why = "values and functions of the newer version may be unknown to the older one",
            .remedy = preflight_text(p,
                                     "Install the newer package on the target's host, then: ALTER "
                                     "EXTENSION %s UPDATE;",
                                     ident));
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "extension", .subject = subject,
                      .what =
                          preflight_text(p, "%s on the source, %s on the target", version, have));
}

void preflight_extensions(Preflight *p)
{
    CLEANUP_PGROWS PgRows *source = NULL, *target = NULL;
    CLEANUP_BUF Buf names = BUF_INIT;
    if (p->target.conn == NULL ||
        !PREFLIGHT_ASK(p, &p->source, "extension", SQL_PREFLIGHT_EXTENSIONS, &source))
        return;
    preflight_array_begin(&names);
    for (int i = 0; i < pgrows_count(source); i++)
        preflight_array_put(&names, pgrows_text(source, i, 0));
    if (!preflight_ask(p, &p->target, "extension", SQL_PREFLIGHT_EXTENSIONS_TARGET,
                       PG_PARAMS(PG_TEXT(preflight_array_end(&names))), &target))
        return;
    for (int i = 0; i < pgrows_count(source); i++)
        for (int t = 0; t < pgrows_count(target); t++)
            if (strcmp(pgrows_text(source, i, 0), pgrows_text(target, t, 0)) == 0)
                extension(p, pgrows_text(source, i, 0), pgrows_text(source, i, 1), target, t);
}

/* pg_dump
 * --------------------------------------------------------------------------------------------------
 */

/* "pg_dump (PostgreSQL) 15.20 (Debian ...)": 15; -1 when it cannot be run. */
static int program_major(Preflight *p, const char *program)
{
    Error ignored = ERROR_INIT;
    CLEANUP_BUF Buf out = BUF_INIT;
    const char *argv[] = {program, "--version", NULL};
    Subprocess run = {.argv = argv, .timeout_us = 10000000, .stop = p->spec->source.stop};
    if (!subprocess_run(&run, &out, &ignored))
        return -1;
    const char *number = strstr(buf_str(&out), ") ");
    return number == NULL ? -1 : atoi(number + 2);
}

/* In PATH, else where Debian puts each major version. */
static int best_major(Preflight *p, const char *program, int wanted)
{
    int best = program_major(p, program);
    for (int major = wanted; best < wanted && major <= wanted + 5; major++) {
        int found =
            program_major(p, preflight_text(p, "/usr/lib/postgresql/%d/bin/%s", major, program));
        best = found > best ? found : best;
    }
    return best;
}

void preflight_tools(Preflight *p)
{
    static const char *const PROGRAMS[] = {"pg_dump", "pg_restore"};
    if (!p->loads || p->spec->prepare != PREFLIGHT_CREATE || p->source.conn == NULL)
        return;
    int wanted = p->source.version / 10000;
    for (int i = 0; i < 2; i++) {
        int major = best_major(p, PROGRAMS[i], wanted);
        const char *remedy = preflight_text(
            p,
            "apt-get install postgresql-client-%d\ntarget.prepare: nothing  -- and create the "
            "schema yourself",
            wanted);
        if (major < 0)
            PREFLIGHT_ADD(
                p, PREFLIGHT_BLOCKER, .code = "unsupported", .subject = "here",
                .what = preflight_text(p, "%s is not installed on this machine", PROGRAMS[i]),
                .why = "target.prepare: create takes the schema over with it", .remedy = remedy);
        else if (major < wanted)
            PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "unsupported", .subject = "here",
                          .what = preflight_text(p, "%s is version %d, the source is %d",
                                                 PROGRAMS[i], major, wanted),
                          .why = "it refuses servers newer than itself", .remedy = remedy);
        else
            PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "pg-dump", .subject = "here",
                          .what = preflight_text(p, "%s %d", PROGRAMS[i], major));
    }
}

/* preflight_rights - what our roles may do on both sides, with the grants that are missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

#define SEQUENCE_VALUES_LEFT 1000

/* Source
 * ------------------------------------------------------------------------------------------- */

static void replication_attribute(Preflight *p)
{
    const char *role = preflight_role(p, &p->source);
    if (preflight_fact(&p->source, "role") == NULL)
        return;
    if (preflight_fact_true(&p->source, "replication") ||
        preflight_fact_true(&p->source, "rds_replication")) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "privilege", .subject = "source",
                      .what = preflight_text(p, "role %s may replicate", role));
        return;
    }
    PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "privilege", .subject = "source",
                  .what = preflight_text(p, "role %s may not replicate", role),
                  .why = "creating and reading a replication slot needs the REPLICATION attribute",
                  .remedy = preflight_fact_true(&p->source, "rds")
                                ? preflight_text(p, "GRANT rds_replication TO %s;", role)
                                : preflight_text(p, "ALTER ROLE %s REPLICATION;", role));
}

static void may_read(Preflight *p, const PgRows *tables)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "privilege", "its rows cannot be copied");
    const char *role = preflight_role(p, &p->source);
    for (int i = 0; i < pgrows_count(tables); i++) {
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(tables, i, PT_OID));
        bool select = pgrows_bool(tables, i, PT_SELECT), schema = pgrows_bool(tables, i, PT_SCHEMA);
        if (select && schema)
            continue;
        CLEANUP_BUF Buf remedy = BUF_INIT;
        if (!schema)
            buf_printf(&remedy, "GRANT USAGE ON SCHEMA %s TO %s;", preflight_ident(p, rel->schema),
                       role);
        if (!select)
            buf_printf(&remedy, "%sGRANT SELECT ON %s TO %s;", remedy.len > 0 ? "\n" : "",
                       preflight_qualified(p, rel->schema, rel->name), role);
        preflight_group_add(&group, rel->display,
                            preflight_text(p, "role %s may not read the table", role),
                            preflight_text(p, "%s", buf_str(&remedy)));
    }
    preflight_group_end(&group);
    if (group.count == 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "privilege", .subject = "source",
                      .what = preflight_text(p, "role %s may read all %d tables in scope", role,
                                             pgrows_count(tables)));
}

static void row_security(Preflight *p, const PgRows *tables)
{
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_BLOCKER, "row-security",
        "policies would hide rows from the copy; bascule reads with row_security = off, so the "
        "server refuses instead");
    for (int i = 0; i < pgrows_count(tables); i++) {
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(tables, i, PT_OID));
        if (pgrows_bool(tables, i, PT_RLS))
            preflight_group_add(&group, rel->display,
                                preflight_text(p, "row-level security holds for role %s",
                                               preflight_role(p, &p->source)),
                                preflight_text(p, "ALTER ROLE %s BYPASSRLS;  -- on the source",
                                               preflight_role(p, &p->source)));
    }
    preflight_group_end(&group);
}

/* Who takes pgoutput, by choice or because auto does, makes a publication. */
static bool makes_publication(const Preflight *p)
{
    return !p->resumed &&
           (p->spec->plugin == PLUGIN_PGOUTPUT || strcmp(p->report->plugin, "pgoutput") == 0);
}

/* Membership in the owner, but never in a superuser: then the tables are handed over, one by one.
 */
static const char *ownership_remedy(Preflight *p, const PgRows *tables, int row, const char *role)
{
    const char *owner = pgrows_text(tables, row, PT_OWNER);
    if (!pgrows_bool(tables, row, PT_OWNER_SUPER))
        return preflight_text(p, "GRANT %s TO %s;", preflight_ident(p, owner), role);
    CLEANUP_BUF Buf all = BUF_INIT;
    for (int i = row; i < pgrows_count(tables); i++) {
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(tables, i, PT_OID));
        if (strcmp(pgrows_text(tables, i, PT_OWNER), owner) == 0)
            buf_printf(&all, "%sALTER TABLE %s OWNER TO %s;", all.len > 0 ? "\n" : "",
                       preflight_qualified(p, rel->schema, rel->name), role);
    }
    return preflight_text(p, "%s", buf_str(&all));
}

/* Whoever owns the tables can publish them and arm the cutover's fence. */
static void ownership(Preflight *p, const PgRows *tables)
{
    Map owners = MAP_INIT;
    bool publishes = makes_publication(p);
    const char *role = preflight_role(p, &p->source);
    for (int i = 0; p->streams && i < pgrows_count(tables); i++) {
        const char *owner = pgrows_text(tables, i, PT_OWNER);
        if (pgrows_bool(tables, i, PT_AS_OWNER) ||
            map_put(&owners, owner, strlen(owner), (void *)(uintptr_t)owner) != NULL)
            continue;
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(tables, i, PT_OID));
        PREFLIGHT_ADD(
            p, publishes ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, .code = "ownership",
            .subject = "source",
            .what = preflight_text(p, "role %s is no member of %s, the owner of %s", role,
                                   preflight_ident(p, owner), rel->display),
            .why = publishes ? "a publication (plugin pgoutput) is made by the owner of its "
                               "tables, as are the cutover's fence triggers"
                             : "a publication (plugin pgoutput) and the cutover's fence triggers "
                               "need the owner: the load works, the cutover will be refused",
            .remedy = ownership_remedy(p, tables, i, role));
    }
    map_done(&owners);
}

static void create_on_source(Preflight *p)
{
    if (!p->streams || preflight_fact(&p->source, "create_on_database") == NULL ||
        preflight_fact_true(&p->source, "create_on_database"))
        return;
    bool publishes = makes_publication(p);
    PREFLIGHT_ADD(
        p, publishes ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, .code = "privilege",
        .subject = "source",
        .what = preflight_text(p, "role %s may not create in the database",
                               preflight_role(p, &p->source)),
        .why = "a publication (plugin pgoutput) and the schema of the cutover's fence need it",
        .remedy = preflight_text(p, "GRANT CREATE ON DATABASE %s TO %s;",
                                 preflight_ident(p, preflight_fact(&p->source, "database")),
                                 preflight_role(p, &p->source)));
}

/* Few values left: the application is about to fail on either side, whoever is blamed. */
static void sequence_ends(Preflight *p, const PgRows *rows)
{
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "sequence-end",
                                           "nextval fails at the end, before or after the cutover");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 0), *name = pgrows_text(rows, i, 1);
        if (pgrows_null(rows, i, 3) || pgrows_i64(rows, i, 3) >= SEQUENCE_VALUES_LEFT)
            continue;
        bool widest = strcmp(pgrows_text(rows, i, 4), "bigint") == 0;
        preflight_group_add(
            &group, preflight_text(p, "%s.%s", schema, name),
            preflight_text(p, "the sequence (%s) has %lld values left", pgrows_text(rows, i, 4),
                           (long long)pgrows_i64(rows, i, 3)),
            widest ? preflight_text(p, "ALTER SEQUENCE %s NO MAXVALUE NO MINVALUE;  -- or CYCLE",
                                    preflight_qualified(p, schema, name))
                   : preflight_text(p,
                                    "ALTER SEQUENCE %s AS bigint;  -- and the columns that take "
                                    "its values: ALTER TABLE ... TYPE bigint",
                                    preflight_qualified(p, schema, name)));
    }
    preflight_group_end(&group);
}

static void sequences(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!p->streams || !PREFLIGHT_ASK(p, &p->source, "sequences", SQL_PREFLIGHT_SEQUENCES, &rows))
        return;
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "privilege",
                                           "its value cannot be carried over at the cutover");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 0), *name = pgrows_text(rows, i, 1);
        if (!pgrows_bool(rows, i, 2))
            preflight_group_add(
                &group, preflight_text(p, "%s.%s", schema, name),
                preflight_text(p, "role %s may not read the sequence",
                               preflight_role(p, &p->source)),
                preflight_text(
                    p, "GRANT USAGE ON SCHEMA %s TO %s;\nGRANT SELECT ON SEQUENCE %s TO %s;",
                    preflight_ident(p, schema), preflight_role(p, &p->source),
                    preflight_qualified(p, schema, name), preflight_role(p, &p->source)));
    }
    preflight_group_end(&group);
    sequence_ends(p, rows);
    if (group.count == 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "sequences", .subject = "source",
                      .what = preflight_text(p, "%d sequences", pgrows_count(rows)));
}

/* pg_dump takes the whole schema, so it locks tables that are not in scope, too. */
static void dump_rights(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!p->loads || p->spec->prepare != PREFLIGHT_CREATE || p->resumed ||
        !PREFLIGHT_ASK(p, &p->source, "privilege", SQL_PREFLIGHT_DUMP_RIGHTS, &rows))
        return;
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_BLOCKER, "privilege",
        "target.prepare: create dumps the whole schema, and pg_dump locks every table for reading");
    const char *role = preflight_role(p, &p->source);
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 0), *name = pgrows_text(rows, i, 1);
        CLEANUP_BUF Buf key = BUF_INIT;
        buf_put(&key, schema, strlen(schema) + 1);
        buf_puts(&key, name);
        if (relations_by_name(p->rels, key.data, key.len) != NULL)
            continue; /* said already */
        preflight_group_add(
            &group, preflight_text(p, "%s.%s", schema, name),
            preflight_text(p, "not in scope, but role %s may not lock it", role),
            preflight_text(p, "GRANT USAGE ON SCHEMA %s TO %s;\nGRANT SELECT ON %s TO %s;",
                           preflight_ident(p, schema), role, preflight_qualified(p, schema, name),
                           role));
    }
    preflight_group_end(&group);
}

void preflight_source_rights(Preflight *p, const PgRows *tables)
{
    may_read(p, tables);
    row_security(p, tables);
    if (p->streams)
        replication_attribute(p);
    ownership(p, tables);
    create_on_source(p);
    sequences(p);
    dump_rights(p);
}

/* Target
 * ------------------------------------------------------------------------------------------- */

static void create_on_target(Preflight *p)
{
    if (preflight_fact(&p->target, "create_on_database") == NULL ||
        preflight_fact_true(&p->target, "create_on_database") || p->resumed)
        return;
    PREFLIGHT_ADD(
        p, PREFLIGHT_BLOCKER, .code = "privilege", .subject = "target",
        .what = preflight_text(p, "role %s may not create schemas", preflight_role(p, &p->target)),
        .why = "the resume position and the state of the load live in a schema 'bascule' of the "
               "target",
        .remedy = preflight_text(p, "GRANT CREATE ON DATABASE %s TO %s;",
                                 preflight_ident(p, preflight_fact(&p->target, "database")),
                                 preflight_role(p, &p->target)));
}

/* prepare: create makes tables in these schemas. */
static void schemas_on_target(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf names = BUF_INIT;
    Map seen = MAP_INIT;
    preflight_array_begin(&names);
    for (int i = 0; i < p->rels->count; i++) {
        const char *schema = p->rels->all[i]->target_schema;
        if (map_put(&seen, schema, strlen(schema), p->rels->all[i]) == NULL)
            preflight_array_put(&names, schema);
    }
    map_done(&seen);
    if (!preflight_ask(p, &p->target, "privilege", SQL_PREFLIGHT_TARGET_SCHEMAS,
                       PG_PARAMS(PG_TEXT(preflight_array_end(&names))), &rows))
        return;
    PreflightGroup group = preflight_group(p, PREFLIGHT_BLOCKER, "privilege",
                                           "target.prepare: create makes the tables there");
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *schema = pgrows_text(rows, i, 0);
        if (pgrows_bool(rows, i, 1) && !pgrows_bool(rows, i, 2))
            preflight_group_add(
                &group, preflight_text(p, "schema %s", schema),
                preflight_text(p, "role %s may not create tables in it",
                               preflight_role(p, &p->target)),
                preflight_text(p, "GRANT CREATE, USAGE ON SCHEMA %s TO %s;  -- on the target",
                               preflight_ident(p, schema), preflight_role(p, &p->target)));
    }
    preflight_group_end(&group);
}

/* The oids of the tables in scope, as an array. */
static const char *scope_oids(Preflight *p, Buf *out)
{
    preflight_array_begin(out);
    for (int i = 0; i < p->rels->count; i++)
        preflight_array_put(out, preflight_text(p, "%u", p->rels->all[i]->oid));
    return preflight_array_end(out);
}

/* The policy of a table could not be restored without its role: it would end the load at its end.
 */
static void policy_role(Preflight *p, const char *role, const char *tables)
{
    PREFLIGHT_ADD(
        p, PREFLIGHT_BLOCKER, .code = "roles", .subject = "target",
        .what = preflight_text(p, "role %s is missing, policies of %s name it",
                               preflight_ident(p, role), tables),
        .why = "row-level security cannot be restored without it",
        .remedy = preflight_text(p, "CREATE ROLE %s;  -- on the target", preflight_ident(p, role)));
}

static bool among(const PgRows *rows, const char *name)
{
    for (int i = 0; i < pgrows_count(rows); i++)
        if (strcmp(pgrows_text(rows, i, 0), name) == 0)
            return true;
    return false;
}

/* Who owns things on the source, or may use them. */
static void roles_on_target(Preflight *p)
{
    CLEANUP_PGROWS PgRows *roles = NULL, *missing = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT, names = BUF_INIT, create = BUF_INIT, list = BUF_INIT;
    bool owns = false;
    if (!preflight_ask(p, &p->source, "roles", SQL_SCHEMA_ROLES,
                       PG_PARAMS(PG_TEXT(scope_oids(p, &oids))), &roles))
        return;
    preflight_array_begin(&names);
    for (int i = 0; i < pgrows_count(roles); i++)
        preflight_array_put(&names, pgrows_text(roles, i, 0));
    if (!preflight_ask(p, &p->target, "roles", SQL_PREFLIGHT_ROLES,
                       PG_PARAMS(PG_TEXT(preflight_array_end(&names))), &missing))
        return;
    for (int i = 0; i < pgrows_count(roles); i++) {
        const char *role = pgrows_text(roles, i, 0), *policies = pgrows_text(roles, i, 2);
        if (!among(missing, role))
            continue;
        if (*policies != '\0')
            policy_role(p, role, policies);
        owns = owns || pgrows_bool(roles, i, 1);
        buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", role);
        buf_printf(&create, "%sCREATE ROLE %s;", create.len > 0 ? "\n" : "",
                   preflight_ident(p, role));
    }
    if (list.len == 0)
        return;
    PREFLIGHT_ADD(
        p, PREFLIGHT_WARNING, .code = "roles", .subject = "target",
        .what = preflight_text(p, "roles that own or may use things on the source are missing: %s",
                               buf_str(&list)),
        .why = owns ? "ownership and grants cannot be taken over; our role will own everything"
                    : "grants cannot be taken over, not even those to other roles",
        .remedy = preflight_text(p, "%s  -- on the target", buf_str(&create)));
}

/* Without it the target's ordinary triggers are disabled one by one and foreign keys stay live. */
static void silence(Preflight *p)
{
    Error refused = ERROR_INIT;
    p->may_silence_known = true;
    p->may_silence =
        pgconn_script(p->target.conn, SQL("SET session_replication_role = replica"), &refused) &&
        pgconn_script(p->target.conn, SQL("RESET session_replication_role"), &refused);
    if (p->may_silence) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "session-replication-role", .subject = "target",
                      .what = preflight_text(p, "role %s may set session_replication_role",
                                             preflight_role(p, &p->target)));
        return;
    }
    PREFLIGHT_ADD(
        p, PREFLIGHT_WARNING, .code = "session-replication-role", .subject = "target",
        .what = preflight_text(p, "role %s may not set session_replication_role",
                               preflight_role(p, &p->target)),
        .why = "triggers must be disabled table by table (by their owner) and foreign keys are "
               "checked for "
               "every row that is applied: slower, and cycles cannot be loaded",
        .remedy =
            p->target.version >= 150000
                ? preflight_text(p,
                                 "GRANT SET ON PARAMETER session_replication_role TO %s;  -- on "
                                 "the target, as a superuser",
                                 preflight_role(p, &p->target))
                : "Connect to the target as a superuser (before PostgreSQL 15 the right cannot be "
                  "granted).");
}

void preflight_target_rights(Preflight *p)
{
    if (p->target.conn == NULL)
        return;
    create_on_target(p);
    if (p->loads && p->spec->prepare == PREFLIGHT_CREATE && !p->resumed) {
        schemas_on_target(p);
        roles_on_target(p);
    }
    silence(p);
}

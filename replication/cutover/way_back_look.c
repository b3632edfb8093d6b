/*
 * way_back_look - what stands against a stream in the other direction: a part of the preflight that
 * changes nothing. Where the way back is required each finding is a blocker, else a warning.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply/target_catalog.h"
#include "cutover/findings.h"
#include "source/catalog.h"
#include "source/mapped.h"
#include "sql_files.h"

typedef struct Looking {
    Findings *findings;
    Cutover *cut;
    int count;
    const char *side; /* of the target */
} Looking;

static void found(Looking *look, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void found(Looking *look, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CutoverReport *report = look->cut->report;
    if (look->count++ == 0)
        report->no_way_back = arena_strdup(look->cut->arena, text);
    if (look->cut->spec->way_back == WAY_BACK_REQUIRED)
        finding_block(look->findings, ERR_BLOCKED, "no way back after the opening: %s", text);
    else
        finding_warn(look->findings, "no way back after the opening: %s", text);
}

/* An error that a person must mend is a finding; what may pass by itself is an error. */
static bool as_finding(Looking *look, const char *what, Error *err)
{
    bool locked = err->cls == ERR_LOCK_TIMEOUT; /* by somebody; nothing is frozen yet */
    if (!locked && (err_action(err->cls) != ERR_ACTION_STOP || err->cls == ERR_STOPPED))
        return false;
    found(look, "%s: %s%s%s", what, err->message, err->hint[0] != '\0' ? "; " : "", err->hint);
    err_clear(err);
    return true;
}

/* Servers
 * ------------------------------------------------------------------------------------------ */

static bool look_at_server(Looking *look, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const char *side = look->side;
    if (!pgconn_query(look->cut->target, SQL_BACK_FACTS, PG_NO_PARAMS, &rows, err))
        return false;
    if (strcmp(pgrows_text(rows, 0, 0), "logical") != 0)
        found(look,
              "wal_level is %s on the %s: ALTER SYSTEM SET wal_level = logical; and restart that "
              "server",
              pgrows_text(rows, 0, 0), side);
    if (!pgrows_bool(rows, 0, 1))
        found(look, "role %s may not stream from the %s: ALTER ROLE %s REPLICATION",
              pgrows_text(rows, 0, 4), side, pgrows_text(rows, 0, 4));
    if (pgrows_i64(rows, 0, 2) < 1)
        found(look, "no replication slot is free on the %s: raise max_replication_slots", side);
    if (pgrows_i64(rows, 0, 3) < 1)
        found(look, "no walsender is free on the %s: raise max_wal_senders", side);
    return true;
}

static bool look_at_owners(Looking *look, Error *err)
{
    FenceSet set;
    if (!fence_set_read(look->cut->target, look->cut->arena, look->cut->spec->rels, FENCE_TARGET,
                        &set, err))
        return false;
    for (int i = 0; i < set.count; i++) {
        if (set.all[i].owned)
            continue;
        found(look, "our role on the %s may not fence table %s.%s: GRANT \"%s\" TO it", look->side,
              set.all[i].schema, set.all[i].name, set.all[i].owner);
        break;
    }
    return true;
}

/* Tables
 * ------------------------------------------------------------------------------------------- */

static const Relation *moved_as(const Relations *rels, const Relation *there)
{
    for (int i = 0; i < rels->count; i++) {
        if (strcmp(rels->all[i]->target_name, there->name) == 0 &&
            strcmp(rels->all[i]->target_schema, there->schema) == 0)
            return rels->all[i];
    }
    return NULL;
}

static bool read_tables(Looking *look, Error *err)
{
    Cutover *cut = look->cut;
    WayBack *way = &cut->way_back;
    Relations *all = NULL;
    Rules *rules = NULL;
    Rules exact = mapped_turned_rules(cut->arena, cut->spec->rels);
    Rules schemas = mapped_schemas(cut->arena, cut->spec->rels, true);
    /* The rules speak of the names on the side that the way forward leaves. */
    bool theirs = cut->spec->back || !rules_map_anything(cut->spec->rules);
    if (cut->spec->back && cut->spec->rules != NULL) {
        exact.twins = NULL;
        exact.twin_count = 0;
        exact.renames = cut->spec->rules->renames;
        exact.rename_count = cut->spec->rules->rename_count;
        exact.columns = cut->spec->rules->columns;
        exact.column_count = cut->spec->rules->column_count;
        exact.filters = cut->spec->rules->filters;
        exact.filter_count = cut->spec->rules->filter_count;
    }
    if (!cutover_rules(cut, &rules, err) || !catalog_read(cut->target, cut->source, cut->spec->task,
                                                          theirs ? rules : &schemas, &all, err))
        return false;
    way->extra = arena_new_array(cut->arena, const char *, all->count + 1);
    way->extra_count = 0;
    for (int i = 0; i < all->count; i++) {
        if (moved_as(cut->spec->rels, all->all[i]) == NULL)
            way->extra[way->extra_count++] = arena_strdup(cut->arena, all->all[i]->display);
    }
    relations_free(all);
    relations_free(way->rels);
    way->rels = NULL;
    return catalog_read(cut->target, cut->source, cut->spec->task, &exact, &way->rels, err);
}

/* What the target has for itself could not come back: its later changes would find no row. */
static void look_at_kept(Looking *look)
{
    const Relations *rels = look->cut->spec->rels;
    for (int i = 0; i < rels->count; i++)
        if (rels->all[i]->keep_extra) {
            found(look,
                  "a rule keeps rows that only the %s has in table '%s' (keep-extra), and what is "
                  "done to them there has no place to come back to: cutover.reverse: off, or bring "
                  "them to the source and take keep-extra off the rule",
                  look->side, rels->all[i]->display);
            break;
        }
}

static void look_at_identities(Looking *look)
{
    const Relations *rels = look->cut->way_back.rels;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (rel->replica_identity == 'f' || rel->key_count > 0)
            continue;
        found(look,
              "table '%s' has no replica identity on the %s, so its updates and deletes could not "
              "come back: give it a primary key there, or ALTER TABLE %s REPLICA IDENTITY FULL",
              rel->display, look->side, rel->display);
    }
}

/* What the other side must be able to take: columns, types, an index on each key. */
static bool look_at_match(Looking *look, Error *err)
{
    return target_catalog_match(look->cut->source, look->cut->way_back.rels, MATCH_STREAM, err) ||
           as_finding(look,
                      "the tables do not match in the other direction (source and target "
                      "exchanged)",
                      err);
}

/* A rule of the old primary is the application's own and stays; but it would change what comes back. */
static bool look_at_rules(Looking *look, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgConn *conn = look->cut->source;
    Error refused = ERROR_INIT;
    bool silenced = pgconn_script(conn, SQL("SET session_replication_role = replica"), &refused) &&
                    pgconn_script(conn, SQL("RESET session_replication_role"), &refused);
    if (!pgconn_query(conn, SQL_SYNC_FIRING_RULES, PG_PARAMS(PG_TEXT(silenced ? "t" : "f")), &rows,
                      err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *schema = pgrows_text(rows, r, 1), *table = pgrows_text(rows, r, 2);
        for (int i = 0; i < look->cut->spec->rels->count; i++) {
            const Relation *rel = look->cut->spec->rels->all[i];
            if (strcmp(rel->schema, schema) == 0 && strcmp(rel->name, table) == 0)
                found(look,
                      "rule '%s' of table '%s' on the %s would change what comes back: let the "
                      "role set session_replication_role there, or drop the rule",
                      pgrows_text(rows, r, 3), rel->display, pgconn_side(conn));
        }
    }
    return true;
}

static bool look_at_plugin(Looking *look, Error *err)
{
    WayBack *way = &look->cut->way_back;
    const CutoverSpec *spec = look->cut->spec;
    const char *plugin = NULL;
    char why[512];
    if (!slot_choose_plugin(&spec->target, spec->back_plugin, way->rels, &plugin, why, sizeof why,
                            err))
        return as_finding(look, "the changes there cannot be read", err);
    snprintf(way->plugin, sizeof way->plugin, "%s", plugin);
    return true;
}

static bool look_at_all(Looking *look, Error *err)
{
    if (!look_at_server(look, err))
        return false;
    if (!look_at_owners(look, err) || !read_tables(look, err))
        return as_finding(look, "the tables there", err);
    look_at_kept(look);
    look_at_identities(look);
    if (!look_at_match(look, err) || !look_at_rules(look, err))
        return false;
    /* The plugin is tried with a temporary slot: only where slots can be had at all. */
    return look->count > 0 || look_at_plugin(look, err);
}

bool preflight_way_back(Findings *f, Error *err)
{
    Cutover *cut = f->cut;
    WayBack *way = &cut->way_back;
    Looking look = {.findings = f, .cut = cut, .side = TO_SIDE(cut)};
    way->possible = false;
    if (cut->spec->way_back == WAY_BACK_OFF) {
        cut->report->no_way_back = "cutover.reverse is off";
        finding_warn(f, "cutover.reverse is off: once the %s is open, rollback is not possible",
                     look.side);
        return true;
    }
    if (f->blockers.len > 0 && !cut->spec->dry_run)
        return true; /* it ends here anyway: nobody waits for the other side's locks */
    if (!look_at_all(&look, err))
        return err_context(err, "looking at the way back");
    way->possible = look.count == 0;
    if (way->possible && way->extra_count > 0)
        finding_warn(f, "%d tables that only the %s has will not come back (%s%s)",
                     way->extra_count, look.side, way->extra[0],
                     way->extra_count > 1 ? ", ..." : "");
    else if (way->possible)
        finding_fine(f, "%d tables can stream back with %s", way->rels->count, way->plugin);
    return true;
}

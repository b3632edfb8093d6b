/*
 * preflight - the frame: reaches both sides, calls each subject, counts. What all subjects use
 * stands in preflight_find.c.
 */
#include "source/preflight.h"

#include <string.h>

#include "source/catalog.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

const char *preflight_result_name(PreflightResult result)
{
    switch (result) {
    case PREFLIGHT_OK:
        return "ok";
    case PREFLIGHT_WARNING:
        return "warning";
    case PREFLIGHT_BLOCKER:
        return "blocker";
    case PREFLIGHT_UNKNOWN:
        break;
    }
    return "unknown";
}

/* The tables in scope. A rule that names none is a finding like others. */
static void read_catalog(Preflight *p)
{
    Error err = ERROR_INIT;
    if (p->source.conn == NULL)
        return;
    /* Of a task that is under way, what a rule does not fit is that table's trouble. */
    bool living = p->spec->only_dual && p->target.conn != NULL;
    if (!(living ? catalog_read_living : catalog_read)(
            p->source.conn, p->target.conn, p->spec->task, p->spec->rules, &p->rels, &err)) {
        bool rule = err.cls == ERR_CONFIG;
        PREFLIGHT_ADD(p, rule ? PREFLIGHT_BLOCKER : PREFLIGHT_UNKNOWN, .code = err_slug(err.cls),
                      .subject = "source", .what = preflight_text(p, "%s", err.message),
                      .why = "the tables in scope are not known, so they were not looked at",
                      .remedy = preflight_text(p, "%s", err_hint_of(&err)));
        return;
    }
    p->report->tables = p->rels->count;
    if (living)
        return;
    preflight_rules(p);
    if (p->rels->count == 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "config", .subject = "source",
            .what = "no table of the source is in scope", .why = "there is nothing to move",
            .remedy = "Change tables.include and tables.exclude; 'bascule plan' shows what each "
                      "pattern matches.");
}

/* One row a relation, in their order; NULL when it cannot be had. */
static PgRows *read_tables(Preflight *p)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    PgRows *rows = NULL;
    buf_putc(&oids, '{');
    for (int i = 0; i < p->rels->count; i++)
        buf_printf(&oids, "%s%u", i > 0 ? "," : "", p->rels->all[i]->oid);
    buf_putc(&oids, '}');
    if (!preflight_ask(p, &p->source, "tables", SQL_PREFLIGHT_TABLES,
                       PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows))
        return NULL;
    return rows;
}

static void look_at_tables(Preflight *p)
{
    if (p->rels == NULL || p->rels->count == 0)
        return;
    CLEANUP_PGROWS PgRows *tables = read_tables(p);
    preflight_plugin(p); /* first: pgoutput needs rights that wal2json does not */
    if (tables != NULL) {
        preflight_source_rights(p, tables);
        preflight_tables(p, tables);
    }
    preflight_tasks(p);
    preflight_target_rights(p);
    preflight_graph(p);
    preflight_target_tables(p);
    preflight_target_triggers(p);
    preflight_refusals(p);
    preflight_dual(p);
    preflight_back(p);
    if (tables != NULL)
        preflight_sizes(p, tables);
}

static void look(Preflight *p)
{
    if (p->spec->only_dual) {
        p->resumed = true;
        if (p->rels != NULL)
            preflight_dual(p);
        return;
    }
    preflight_identity(p);
    preflight_connection(p, &p->source);
    preflight_connection(p, &p->target);
    preflight_replication(p);
    preflight_resources(p, &p->source);
    preflight_resources(p, &p->target);
    preflight_databases(p);
    preflight_extensions(p);
    preflight_tools(p);
    preflight_transactions(p);
    preflight_others(p);
    preflight_capture(p);
    look_at_tables(p);
}

static void side_done(PreflightSide *side)
{
    pgconn_close(side->conn);
    map_done(&side->facts);
}

bool preflight_run(const PreflightSpec *spec, Arena *arena, PreflightReport *out_report, Error *err)
{
    PreflightReport report = {.plugin = "", .tables = -1, .bytes = -1, .estimated_us = -1};
    Preflight p = {
        .spec = spec,
        .arena = arena,
        .report = &report,
        .source = {.endpoint = &spec->source, .name = "source"},
        .target = {.endpoint = &spec->target, .name = "target"},
        .streams = spec->mode != PREFLIGHT_LOAD,
        .loads = spec->mode != PREFLIGHT_CDC,
    };
    bool ok = preflight_reach(&p, &p.source, err) && preflight_reach(&p, &p.target, err);
    if (ok) {
        read_catalog(&p);
        look(&p);
        StopToken *stop = spec->source.stop;
        if (stop != NULL && stop_requested(stop))
            ok = ERR(err, ERR_STOPPED, "stopped");
    }
    side_done(&p.source);
    side_done(&p.target);
    relations_free(p.rels);
    if (ok)
        *out_report = report;
    return ok;
}

/* preflight_plugin - which output plugin the stream can use: the server is asked by a temporary
 * slot. */
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

#define REMEDY_LIBRARIES                                                                           \
    "ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, wal2json;\n"              \
    "SELECT pg_reload_conf();  -- the names unquoted; no restart is needed"

/* A list of libraries that we may read says it even where no slot can be made to try. */
static bool list_refuses(const Preflight *p, const char *plugin)
{
    const char *list = preflight_fact(&p->source, "output_plugin_libraries");
    if (list == NULL)
        return false;
    size_t len = strlen(plugin);
    for (const char *at = list; (at = strstr(at, plugin)) != NULL; at += len) {
        char before = at == list ? ',' : at[-1], after = at[len];
        if (strchr(", \"", before) != NULL && (after == '\0' || strchr(", \"", after) != NULL))
            return false;
    }
    return true;
}

static bool can_probe(Preflight *p, const char **out_why)
{
    const char *level = preflight_fact(&p->source, "wal_level");
    int64_t max, used;
    *out_why = NULL;
    if (level != NULL && strcmp(level, "logical") != 0)
        *out_why = "wal_level is not logical";
    else if (!preflight_fact_true(&p->source, "replication") &&
             !preflight_fact_true(&p->source, "rds_replication"))
        *out_why = "the role may not replicate";
    else if (preflight_fact_true(&p->source, "in_recovery"))
        *out_why = "the source is a standby";
    else if (preflight_fact_i64(&p->source, "max_replication_slots", &max) &&
             preflight_fact_i64(&p->source, "slots", &used) && used >= max)
        *out_why = "no slot is free to try it with";
    else if (preflight_fact_i64(&p->source, "max_wal_senders", &max) &&
             preflight_fact_i64(&p->source, "wal_senders", &used) && used >= max)
        *out_why = "no walsender is free to try it with";
    return *out_why == NULL;
}

/* What the probe failed with: final, or a moment's trouble that leaves the question open. */
static void refused(Preflight *p, const char *plugin, const Error *err)
{
    bool final = err_action(err->cls) == ERR_ACTION_STOP;
    bool library = strcmp(plugin, "pgoutput") != 0 && err->cls == ERR_PLUGIN &&
                   (list_refuses(p, plugin) || strcmp(err->sqlstate, "42501") == 0);
    PREFLIGHT_ADD(p, final ? PREFLIGHT_BLOCKER : PREFLIGHT_UNKNOWN, .code = err_slug(err->cls),
                  .subject = "source", .what = preflight_text(p, "%s", err->message),
                  .why = final ? "without a slot there is no stream"
                               : "whether a slot can be made was not seen",
                  .remedy = library ? REMEDY_LIBRARIES
                                "\nplugin: pgoutput  -- or use the server's own plugin"
                                    : preflight_text(p, "%s", err_hint_of(err)));
}

/* float4, float8, numeric: their NaN and Infinity come out of wal2json 2.5 as null. */
static bool is_lossy(const Column *column)
{
    return column->type_oid == 700 || column->type_oid == 701 || column->type_oid == 1700;
}

static void lossy_tables(Preflight *p)
{
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_BLOCKER, "plugin-refused",
        "wal2json sends NaN and Infinity of float and numeric columns as null, without a word");
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        CLEANUP_BUF Buf names = BUF_INIT;
        for (int c = 0; c < rel->column_count; c++)
            if (is_lossy(&rel->columns[c]))
                buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", rel->columns[c].name);
        if (names.len > 0)
            preflight_group_add(
                &group, rel->display,
                preflight_text(p, "wal2json cannot carry every value of: %s", buf_str(&names)),
                "plugin: auto  -- or plugin: pgoutput; both move every value exactly");
    }
    preflight_group_end(&group);
}

static void not_probed(Preflight *p, const char *why)
{
    if (p->spec->plugin == PLUGIN_WAL2JSON && list_refuses(p, "wal2json")) {
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "plugin-refused", .subject = "source",
                      .what = "output_plugin_libraries does not name wal2json",
                      .why = "the server refuses slots with plugins that are not in the list",
                      .remedy = REMEDY_LIBRARIES);
        return;
    }
    PREFLIGHT_ADD(p, PREFLIGHT_UNKNOWN, .code = "plugin", .subject = "source",
                  .what = "whether the output plugin may be used",
                  .why = preflight_text(p, "not tried: %s", why),
                  .remedy = "Mend that first, then check again.");
}

static void probe_wal2json(Preflight *p)
{
    Error err = ERROR_INIT;
    if (!slot_probe_plugin(&p->spec->source, "wal2json", &err))
        refused(p, "wal2json", &err);
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "plugin", .subject = "source",
                      .what = "wal2json may be used");
    lossy_tables(p);
    p->report->plugin = "wal2json";
}

static void choose(Preflight *p)
{
    Error err = ERROR_INIT;
    char why[512] = "";
    const char *plugin = "";
    if (!slot_choose_plugin(&p->spec->source, p->spec->plugin, p->rels, &plugin, why, sizeof why,
                            &err)) {
        refused(p, "pgoutput", &err);
        return;
    }
    p->report->plugin = plugin;
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "plugin", .subject = "source",
                  .what = preflight_text(p, "plugin %s: %s", plugin, why));
    /* auto fell back although wal2json would have done: the operator may want to know how to allow
     * it. */
    if (p->spec->plugin == PLUGIN_AUTO && strcmp(plugin, "pgoutput") == 0 &&
        list_refuses(p, "wal2json")) {
        for (int i = 0; i < p->rels->count; i++)
            for (int c = 0; c < p->rels->all[i]->column_count; c++)
                if (is_lossy(&p->rels->all[i]->columns[c]))
                    return;
        p->report->findings[p->report->count - 1].remedy =
            REMEDY_LIBRARIES "  -- only if you want wal2json";
    }
}

/* A publication is made by who owns its tables; one that is there must publish just these. */
static void publication(Preflight *p)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    const char *name = p->spec->publication;
    if (name == NULL || strcmp(p->report->plugin, "pgoutput") != 0 || p->resumed)
        return;
    preflight_array_begin(&oids);
    for (int i = 0; i < p->rels->count; i++)
        preflight_array_put(&oids, preflight_text(p, "%u", p->rels->all[i]->oid));
    if (!preflight_ask(p, &p->source, "publication", SQL_SOURCE_PUBLICATION_STATE,
                       PG_PARAMS(PG_TEXT(name), PG_TEXT(preflight_array_end(&oids))), &rows) ||
        pgrows_count(rows) == 0)
        return;
    bool fits = pgrows_bool(rows, 0, 0) && !pgrows_bool(rows, 0, 1) &&
                pgrows_i64(rows, 0, 2) == 0 && pgrows_i64(rows, 0, 3) == 0 &&
                !pgrows_bool(rows, 0, 4);
    if (fits)
        PREFLIGHT_ADD(
            p, PREFLIGHT_OK, .code = "publication", .subject = "source",
            .what = preflight_text(p, "publication '%s' exists and publishes these tables", name));
    else
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "slot", .subject = "source",
                      .what = preflight_text(
                          p,
                          "publication '%s' exists and does not publish exactly the tables in "
                          "scope, whole and with every operation",
                          name),
                      .why = "changes would be missing from the stream",
                      .remedy = preflight_text(p,
                                               "DROP PUBLICATION %s;  -- if it is left over\n"
                                               "publication.name: another_name",
                                               preflight_ident(p, name)));
}

void preflight_plugin(Preflight *p)
{
    const char *why;
    if (!p->streams || p->source.conn == NULL)
        return;
    if (!can_probe(p, &why)) {
        not_probed(p, why);
        if (p->spec->plugin == PLUGIN_WAL2JSON)
            lossy_tables(p);
        return;
    }
    if (p->spec->plugin == PLUGIN_WAL2JSON)
        probe_wal2json(p);
    else
        choose(p);
    publication(p);
}

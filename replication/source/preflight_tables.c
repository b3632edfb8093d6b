/* preflight_tables - the tables in scope: what identifies their rows, what of them does not travel,
 * sizes. */
#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

#define BIGGEST_SHOWN 5
/* What one session copies, and what building indexes and constraints adds: an assumption, told as
 * one. */
#define ASSUMED_BYTES_PER_SECOND ((int64_t)40 << 20)

/* Replica identity
 * ---------------------------------------------------------------------------------- */

/* Why nothing identifies the table's rows, and the least that mends it. */
static void no_identity(Preflight *p, PreflightGroup *group, const Relation *rel,
                        const PgRows *tables, int row)
{
    const char *table = preflight_qualified(p, rel->schema, rel->name);
    const char *what, *remedy;
    if (rel->identity_trouble != NULL) {
        preflight_group_add(group, rel->display, rel->identity_trouble, rel->identity_remedy);
        return;
    }
    bool pk = !pgrows_null(tables, row, PT_PK);
    if (pk && pgrows_bool(tables, row, PT_PK_DEFERRABLE))
        what = preflight_text(p, "its primary key '%s' is DEFERRABLE, which cannot identify rows",
                              pgrows_text(tables, row, PT_PK));
    else if (rel->replica_identity == 'n')
        what = "REPLICA IDENTITY NOTHING is set";
    else if (rel->replica_identity == 'i' && pgrows_null(tables, row, PT_IDENTITY_INDEX))
        what = "the index of its REPLICA IDENTITY was dropped";
    else if (rel->replica_identity == 'i')
        what = preflight_text(p, "the index '%s' of its REPLICA IDENTITY is not usable",
                              pgrows_text(tables, row, PT_IDENTITY_INDEX));
    else if (!pk && !pgrows_null(tables, row, PT_NULLABLE) &&
             pgrows_null(tables, row, PT_CANDIDATE))
        what = preflight_text(p, "no primary key; its unique index '%s' allows NULL",
                              pgrows_text(tables, row, PT_NULLABLE));
    else
        what = pk ? "its primary key cannot identify rows in the stream"
                  : "no primary key and no replica identity";
    if (pk && rel->replica_identity != 'd' && !pgrows_bool(tables, row, PT_PK_DEFERRABLE))
        remedy = preflight_text(p, "ALTER TABLE %s REPLICA IDENTITY DEFAULT;", table);
    else if (!pgrows_null(tables, row, PT_CANDIDATE))
        remedy = preflight_text(p, "ALTER TABLE %s REPLICA IDENTITY USING INDEX %s;", table,
                                preflight_ident(p, pgrows_text(tables, row, PT_CANDIDATE)));
    else
        remedy = preflight_text(p, "ALTER TABLE %s REPLICA IDENTITY FULL;  -- or add a primary key",
                                table);
    preflight_group_add(group, rel->display, what, remedy);
}

static void identities(Preflight *p, const PgRows *tables)
{
    PreflightGroup none = preflight_group(p, PREFLIGHT_BLOCKER, "replica-identity",
                                          "its updates and deletes would be lost");
    PreflightGroup full = preflight_group(p, PREFLIGHT_WARNING, "replica-identity-full",
                                          "moved exactly, but each batch of updates and deletes "
                                          "reads the whole table on the target");
    for (int i = 0; i < pgrows_count(tables); i++) {
        const Relation *rel = relations_by_oid(p->rels, pgrows_u32(tables, i, PT_OID));
        if (rel->replica_identity == 'f' && rel->key_count == 0)
            preflight_group_add(
                &full, rel->display, "REPLICA IDENTITY FULL and no primary key",
                preflight_text(p, "ALTER TABLE %s ADD PRIMARY KEY (...);  -- when rows are many",
                               preflight_qualified(p, rel->schema, rel->name)));
        else if (rel->replica_identity != 'f' && rel->key_count == 0)
            no_identity(p, &none, rel, tables, i);
    }
    preflight_group_end(&none);
    preflight_group_end(&full);
    if (none.count == 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "replica-identity", .subject = "source",
                      .what = preflight_text(p, "the rows of all %d tables can be identified",
                                             pgrows_count(tables)));
}

/* What does not travel
 * ------------------------------------------------------------------------------ */

static void unlogged(Preflight *p)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_WARNING, "unlogged",
                        "its rows are copied, but later changes leave no trace in the WAL: the "
                        "cutover's comparison will find them missing");
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->persistence == 'u')
            preflight_group_add(
                &group, rel->display, "the table is UNLOGGED",
                preflight_text(p, "ALTER TABLE %s SET LOGGED;  -- or leave it out: tables.exclude",
                               preflight_qualified(p, rel->schema, rel->name)));
    }
    preflight_group_end(&group);
}

static bool one_of(uint32_t oid, const uint32_t *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (oid == known[i])
            return true;
    return false;
}

static bool is_reg(const Column *column)
{
    static const uint32_t REG[] = {24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191};
    return one_of(column->base_type_oid, REG, sizeof REG / sizeof *REG);
}

static bool is_oid(const Column *column)
{
    return column->base_type_oid == 26;
}

static bool is_xml(const Column *column)
{
    return column->base_type_oid == 142;
}

/* Types of the server's own catalogs and of index keys: they have no input, as text or binary. */
static bool has_no_input(const Column *column)
{
    static const uint32_t OIDS[] = {194 /* pg_node_tree */,
                                    3361 /* pg_ndistinct */,
                                    3402 /* pg_dependencies */,
                                    3642 /* gtsvector */,
                                    4600 /* pg_brin_bloom_summary */,
                                    4601 /* ..minmax_multi.. */,
                                    5017 /* pg_mcv_list */};
    static const char *const NAMES[] = {"ghstore",     "gtrgm",        "intbig_gkey", "ltree_gist",
                                        "gbtreekey2",  "gbtreekey4",   "gbtreekey8",  "gbtreekey16",
                                        "gbtreekey32", "gbtreekey_var"};
    if (one_of(column->base_type_oid, OIDS, sizeof OIDS / sizeof *OIDS))
        return true;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(column->type_name, NAMES[i]) == 0)
            return true;
    return false;
}

static void types_of(Preflight *p, PreflightResult result, const char *code,
                     bool (*is)(const Column *column), const char *what, const char *why,
                     const char *remedy)
{
    PreflightGroup group = preflight_group(p, result, code, why);
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        CLEANUP_BUF Buf names = BUF_INIT;
        for (int c = 0; c < rel->column_count; c++)
            if (is(&rel->columns[c]))
                buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", rel->columns[c].name);
        if (names.len > 0)
            preflight_group_add(&group, rel->display,
                                preflight_text(p, "%s: %s", what, buf_str(&names)), remedy);
    }
    preflight_group_end(&group);
}

static void types(Preflight *p)
{
    types_of(p, PREFLIGHT_BLOCKER, "type-no-input", has_no_input,
             "columns of a type that only the server itself can write",
             "no server takes a value of it back, neither as text nor in binary form",
             "Keep the value as text, drop the column, or leave the table out: tables.exclude");
    types_of(p, PREFLIGHT_WARNING, "type-oid", is_oid, "columns of type oid",
             "the number is moved as it is, but what it points to (a large object, a catalog row) "
             "is not",
             "Keep the value as bytea or text, or leave the table out: tables.exclude");
    types_of(p, PREFLIGHT_WARNING, "type-reg", is_reg, "columns that name objects of the database",
             "they travel by name; a row whose object the target lacks is refused",
             "Create those objects on the target first, or store the names as text");
    types_of(p, PREFLIGHT_OK, "type-xml", is_xml, "xml columns",
             "an XML declaration in front of a value is dropped by the server's own output; "
             "nothing else differs",
             NULL);
}

static void shapes(Preflight *p)
{
    int partitions = 0, inherited = 0, generated = 0;
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        partitions += rel->is_partition;
        inherited += rel->has_children || (!rel->is_partition && rel->parent_oid != 0);
        generated += rel->generated_count > 0;
    }
    if (partitions + inherited + generated > 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "shapes", .subject = "source",
                      .what = preflight_text(
                          p,
                          "%d partitions (moved leaf by leaf), %d tables in inheritance, %d with "
                          "generated columns (computed by the target)",
                          partitions, inherited, generated));
}

void preflight_tables(Preflight *p, const PgRows *tables)
{
    if (p->streams) {
        identities(p, tables);
        unlogged(p);
    }
    types(p);
    shapes(p);
}

/* Sizes
 * ---------------------------------------------------------------------------------------------- */

static const char *size_text(Preflight *p, int64_t bytes)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    return preflight_text(p, unit == 0 ? "%.0f %s" : "%.1f %s", value, UNITS[unit]);
}

/* "a.b 1.2 GB, c.d 3.4 MB": the biggest few. */
static const char *biggest(Preflight *p)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    const Relation *shown[BIGGEST_SHOWN] = {NULL};
    for (int n = 0; n < BIGGEST_SHOWN && n < p->rels->count; n++) {
        for (int i = 0; i < p->rels->count; i++) {
            const Relation *rel = p->rels->all[i];
            bool before = n == 0 || rel->bytes < shown[n - 1]->bytes ||
                          (rel->bytes == shown[n - 1]->bytes && rel->id > shown[n - 1]->id);
            if (before && (shown[n] == NULL || rel->bytes > shown[n]->bytes))
                shown[n] = rel;
        }
        buf_printf(&text, "%s%s %s", n > 0 ? ", " : "", shown[n]->display,
                   size_text(p, shown[n]->bytes));
    }
    return preflight_text(p, "%s", buf_str(&text));
}

void preflight_sizes(Preflight *p, const PgRows *tables)
{
    int64_t bytes = 0, total = 0;
    char duration[64];
    int jobs = p->spec->jobs > 0 ? p->spec->jobs : 1;
    for (int i = 0; i < p->rels->count; i++)
        bytes += p->rels->all[i]->bytes;
    for (int i = 0; i < pgrows_count(tables); i++)
        total += pgrows_i64(tables, i, PT_TOTAL_BYTES);
    p->report->bytes = bytes;
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "size", .subject = "source",
                  .what = preflight_text(p, "%d tables, %s, with indexes %s; the biggest: %s",
                                         p->rels->count, size_text(p, bytes), size_text(p, total),
                                         biggest(p)));
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "disk", .subject = "target",
                  .what = preflight_text(
                      p,
                      "the target needs about %s of disk, and for the load as much again as the "
                      "largest table for WAL and sorting; its free space is unknown (no server "
                      "tells it by SQL)",
                      size_text(p, total)));
    if (!p->loads)
        return;
    p->report->estimated_us =
        (int64_t)((double)total / (double)(ASSUMED_BYTES_PER_SECOND * jobs) * 1e6);
    if (p->report->estimated_us < 1000000)
        snprintf(duration, sizeof duration, "a second");
    else
        clock_format_duration(p->report->estimated_us, duration, sizeof duration);
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "estimate", .subject = "both sides",
                  .what = preflight_text(
                      p,
                      "the load takes about %s, assuming %s a second for each of %d sessions; "
                      "'bascule status' measures it",
                      duration, size_text(p, ASSUMED_BYTES_PER_SECOND), jobs));
}

/* names - see the header */
#include "sync/names.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/shape.h"
#include "sql_files.h"

#define COMMIT_LOOK_US 5000 /* a decoded transaction may not be visible yet */

/* One table as the last look saw it. */
typedef struct Known {
    bool known;
    uint32_t class_xmin, space_xmin;
    bool suspect;          /* written between looks */
    bool renamed;          /* called otherwise now, or gone */
    uint32_t from, before; /* suspect for these transactions */
    bool from_ever;        /* `from` is not known: since the table was copied */
} Known;

struct Names {
    PgEndpoint source;
    const Relations *rels;
    StopToken *stop;
    PgConn *conn;
    Known *tables;  /* by relation id; leaves behind the relations */
    char *snapshot; /* of the last look; NULL: none yet */
};

Names *names_new(const PgEndpoint *source, const Relations *rels, StopToken *stop)
{
    Names *names = mem_zalloc(sizeof *names);
    names->source = *source;
    names->source.stop = stop;
    names->rels = rels;
    names->stop = stop;
    names->tables =
        mem_zalloc(sizeof *names->tables * ((size_t)rels->count + (size_t)rels->leaf_count + 1));
    for (int i = 0; i < rels->count + rels->leaf_count; i++) {
        const Relation *rel = i < rels->count ? rels->all[i] : rels->leaves[i - rels->count];
        Known *k = &names->tables[i];
        k->known = shape_writers(rel->shape, &k->class_xmin, &k->space_xmin);
    }
    return names;
}

void names_reset(Names *names)
{
    pgconn_close(names->conn);
    names->conn = NULL;
}

void names_free(Names *names)
{
    if (names == NULL)
        return;
    names_reset(names);
    free(names->tables);
    free(names->snapshot);
    free(names);
}

/* Transaction ids are compared in a circle. */
static bool precedes(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint32_t snapshot_part(const char *snapshot, int part)
{
    for (; part > 0; part--) {
        const char *colon = strchr(snapshot, ':');
        if (colon == NULL)
            return 0;
        snapshot = colon + 1;
    }
    return (uint32_t)strtoull(snapshot, NULL, 10);
}

bool names_snapshot_sees(const char *snapshot, uint32_t xid)
{
    if (!precedes(xid, snapshot_part(snapshot, 1)))
        return false;
    if (precedes(xid, snapshot_part(snapshot, 0)))
        return true;
    const char *running = strrchr(snapshot, ':') + 1;
    for (char *end; *running != '\0'; running = *end == ',' ? end + 1 : end) {
        if ((uint32_t)strtoull(running, &end, 10) == xid)
            return false;
        if (end == running)
            break;
    }
    return true;
}

/* What one look saw of one table, against the look before. */
static void compare(const Names *names, const Relation *rel, const char *snapshot,
                    const PgRows *rows, int row)
{
    Known *k = &names->tables[rel->id];
    uint32_t class_xmin = pgrows_u32(rows, row, 5), space_xmin = pgrows_u32(rows, row, 6);
    k->renamed = strcmp(pgrows_text(rows, row, 3), rel->schema) != 0 ||
                 strcmp(pgrows_text(rows, row, 4), rel->name) != 0;
    bool written = k->known && (k->class_xmin != class_xmin || k->space_xmin != space_xmin);
    if (written || k->renamed) {
        if (!k->suspect) {
            k->from_ever = names->snapshot == NULL;
            k->from = k->from_ever ? 0 : snapshot_part(names->snapshot, 0);
        }
        k->suspect = true;
        k->before = snapshot_part(snapshot, 1);
    }
    k->known = true;
    k->class_xmin = class_xmin;
    k->space_xmin = space_xmin;
}

static void take(Names *names, const PgRows *rows)
{
    const char *snapshot = pgrows_text(rows, 0, 0);
    int count = names->rels->count + names->rels->leaf_count;
    bool *seen = mem_zalloc((size_t)count + 1);
    for (int row = 0; row < pgrows_count(rows); row++) {
        uint32_t oid = pgrows_null(rows, row, 2) ? 0 : pgrows_u32(rows, row, 2);
        const Relation *rel = relations_by_oid(names->rels, oid);
        if (rel == NULL)
            rel = map_get(&names->rels->leaf_by_oid, &oid, sizeof oid);
        if (rel == NULL)
            continue;
        seen[rel->id] = true;
        compare(names, rel, snapshot, rows, row);
    }
    for (int i = 0; i < count; i++) {
        Known *k = &names->tables[i];
        if (seen[i])
            continue;
        k->suspect = k->renamed = k->from_ever = true; /* dropped: whatever it was called before */
        k->before = snapshot_part(snapshot, 1);
    }
    free(seen);
    free(names->snapshot);
    names->snapshot = mem_strdup(snapshot);
}

static bool open_session(Names *names, Error *err)
{
    if (names->conn != NULL && pgconn_usable(names->conn))
        return true;
    names_reset(names);
    names->conn = pgconn_open(&names->source, PG_SESSION_SQL, "names", err);
    return names->conn != NULL;
}

static bool look(Names *names, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!open_session(names, err))
        return false;
    buf_putc(&oids, '{');
    for (int i = 0; i < names->rels->count; i++)
        buf_printf(&oids, "%s%u", i > 0 ? "," : "", names->rels->all[i]->oid);
    for (int i = 0; i < names->rels->leaf_count; i++)
        buf_printf(&oids, ",%u", names->rels->leaves[i]->oid);
    buf_putc(&oids, '}');
    if (!pgconn_query(names->conn, SQL_SOURCE_NAMES, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows,
                      err))
        return err_context(err, "asking the source what its tables are called");
    take(names, rows);
    return true;
}

/* {"name":"<column>" stands in the message. Names that JSON escapes are taken as fitting. */
static bool mentions(const Decoder *decoder, const char *column)
{
    char text[160];
    for (const char *p = column; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
            return true;
    int len = snprintf(text, sizeof text, "{\"name\":\"%s\"", column);
    return memmem(decoder->foreign_rest, decoder->foreign_rest_len, text, (size_t)len) != NULL;
}

/* Could the row be one of this table? An INSERT shows all columns, the others the key's. */
static bool fits(const Decoder *decoder, const Relation *rel)
{
    if (decoder->foreign_action == 'T')
        return true;
    for (int i = 0; decoder->foreign_action == 'I' && i < relation_sent(rel); i++)
        if (!mentions(decoder, rel->columns[i].name))
            return false;
    for (int k = 0; k < rel->key_count; k++)
        if (!mentions(decoder, rel->columns[rel->key[k]].name))
            return false;
    return true;
}

static bool suspected(const Known *k, uint32_t xid)
{
    if (!k->suspect || (!k->from_ever && precedes(xid, k->from)))
        return false;
    return k->renamed || precedes(xid, k->before);
}

/* Rows of a root come under its leaves' names. */
static bool is_suspect(const Names *names, const Relation *rel, uint32_t xid)
{
    for (int i = 0; i < rel->leaf_count; i++)
        if (suspected(&names->tables[rel->leaves[i]->id], xid))
            return true;
    return !rel->is_root && suspected(&names->tables[rel->id], xid);
}

/* A TRUNCATE names the partitioned tables above as well; they hold no rows, and none of ours is one. */
static bool is_partitioned(Names *names, const Decoder *decoder, bool *out_is, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf schema = BUF_INIT;
    CLEANUP_BUF Buf table = BUF_INIT;
    buf_put(&schema, decoder->foreign_schema, decoder->foreign_schema_len);
    buf_put(&table, decoder->foreign_table, decoder->foreign_table_len);
    if (!open_session(names, err) ||
        !pgconn_query(names->conn, SQL_SOURCE_IS_PARTITIONED,
                      PG_PARAMS(PG_TEXT(buf_str(&schema)), PG_TEXT(buf_str(&table))), &rows, err))
        return err_context(err, "asking the source for a table that it truncated");
    *out_is = pgrows_bool(rows, 0, 0);
    return true;
}

bool names_foreign_row(void *arg, const Decoder *decoder, uint32_t xid, Relation **out_rel,
                       Error *err)
{
    Names *names = arg;
    *out_rel = NULL;
    /* Our own rows are in no table of an application, whatever it looks like without a key. */
    if (decoder->foreign_schema_len == strlen("bascule") &&
        memcmp(decoder->foreign_schema, "bascule", strlen("bascule")) == 0)
        return true;
    while (names->snapshot == NULL || !names_snapshot_sees(names->snapshot, xid)) {
        if (!look(names, err))
            return false;
        if (!names_snapshot_sees(names->snapshot, xid) && stop_wait(names->stop, COMMIT_LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped");
    }
    for (int i = 0; i < names->rels->count && *out_rel == NULL; i++) {
        Relation *rel = names->rels->all[i];
        if (!rel->unread && is_suspect(names, rel, xid) && fits(decoder, rel))
            *out_rel = rel;
    }
    bool partitioned = false;
    if (*out_rel != NULL && decoder->foreign_action == 'T' &&
        !is_partitioned(names, decoder, &partitioned, err))
        return false;
    if (partitioned)
        *out_rel = NULL;
    return true;
}

/* objects - see the header. */
#include "schema/objects.h"

#include <string.h>

#include "bascule/base/log.h"
#include "sql_files.h"

bool schema_objects_read(PgConn *conn, Arena *arena, SchemaObjects *out, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_SCHEMA_OBJECTS, PG_NO_PARAMS, &rows, err))
        return false;
    int n = pgrows_count(rows);
    SchemaObject *all = arena_new_array(arena, SchemaObject, n + 1);
    for (int r = 0; r < n; r++) {
        SchemaObject *o = &all[r];
        o->id[0] = pgrows_u32(rows, r, 0);
        o->id[1] = pgrows_u32(rows, r, 1);
        o->table = pgrows_u32(rows, r, 2);
        o->key = arena_strdup(arena, pgrows_text(rows, r, 3));
        map_put(&out->by_key, o->key, strlen(o->key), o);
        if (o->id[0] != 0)
            map_put(&out->by_id, o->id, sizeof o->id, o);
        if (!pgrows_null(rows, r, 4)) {
            const char *words = arena_strdup(arena, pgrows_text(rows, r, 4));
            map_put(&out->by_words, words, strlen(words), o);
        }
    }
    return true;
}

void schema_objects_done(SchemaObjects *objects)
{
    map_done(&objects->by_id);
    map_done(&objects->by_key);
    map_done(&objects->by_words);
}

/* Names may hold blanks, and the owner follows behind one more: the shortest that is known. */
const SchemaObject *schema_objects_named(const SchemaObjects *objects, const char *words)
{
    for (const char *end = strchr(words, ' '); end != NULL; end = strchr(end + 1, ' ')) {
        const SchemaObject *o = map_get(&objects->by_words, words, (size_t)(end - words));
        if (o != NULL)
            return o;
    }
    return NULL;
}

const SchemaObject *schema_objects_get(const SchemaObjects *objects, uint32_t catalog, uint32_t oid)
{
    uint32_t id[2] = {catalog, oid};
    return map_get(&objects->by_id, id, sizeof id);
}

bool schema_objects_has_key(const SchemaObjects *objects, const char *key)
{
    return map_get(&objects->by_key, key, strlen(key)) != NULL;
}

/* Outside ---------------------------------------------------------------------------------------
 */

static void put_oids(Buf *out, const Relations *rels)
{
    buf_putc(out, '{');
    for (int i = 0; i < rels->count; i++)
        buf_printf(out, "%s%u", i > 0 ? "," : "", rels->all[i]->oid);
    buf_putc(out, '}');
}

static const TocEntry *by_dump_id(const Toc *toc, int dump_id)
{
    for (int i = 0; i < toc->count; i++)
        if (toc->entries[i].dump_id == dump_id)
            return &toc->entries[i];
    return NULL;
}

/* The entry that gives a sequence to its table knows the sequence only. */
static void mark_ownership(const Toc *toc, const Map *outside)
{
    static const char OWNED[] = "SEQUENCE OWNED BY ";
    for (int i = 0; i < toc->count; i++) {
        TocEntry *entry = &toc->entries[i];
        if (strncmp(entry->words, OWNED, sizeof OWNED - 1) != 0)
            continue;
        for (int d = 0; d < entry->depend_count; d++) {
            const TocEntry *sequence = by_dump_id(toc, entry->depends[d]);
            uint32_t id[2] = {0, sequence != NULL ? sequence->oid : 0};
            entry->outside = entry->outside || map_get(outside, id, sizeof id) != NULL;
        }
    }
}

bool schema_outside_mark(PgConn *source, const Relations *rels, Toc *const *tocs, int toc_count,
                         Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT;
    put_oids(&oids, rels);
    if (!pgconn_query(source, SQL_SCHEMA_OUTSIDE, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows, err))
        return false;
    Arena *arena = arena_new(0);
    Map outside = MAP_INIT;
    int n = pgrows_count(rows);
    bool disowned = false;
    uint32_t(*ids)[2] = arena_zalloc(arena, sizeof *ids * (size_t)(n + 1));
    for (int r = 0; r < n; r++) {
        ids[r][0] = pgrows_u32(rows, r, 0);
        ids[r][1] = pgrows_u32(rows, r, 1);
        map_put(&outside, ids[r], sizeof ids[r], ids[r]);
        disowned = disowned || ids[r][0] == 0;
    }
    for (int t = 0; t < toc_count; t++) {
        for (int i = 0; i < tocs[t]->count; i++) {
            TocEntry *entry = &tocs[t]->entries[i];
            uint32_t id[2] = {entry->catalog, entry->oid};
            entry->outside = entry->catalog != 0 && map_get(&outside, id, sizeof id) != NULL;
        }
        if (disowned)
            mark_ownership(tocs[t], &outside);
    }
    toc_spread_outside(tocs, toc_count);
    map_done(&outside);
    arena_free(arena);
    return true;
}

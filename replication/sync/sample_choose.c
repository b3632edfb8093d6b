/* sample_choose - see sample.h: random pages, both ends, and every row that these need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/catalog.h"
#include "sql_files.h"
#include "sqltext/reading.h"
#include "sync/sample_internal.h"
#include "verify/verify_references.h"

/* Below this many blocks all of it is looked through: a sample of pages would be of a few. */
#define SMALL_BLOCKS 512
#define PAGES_LEAST  4

/* Rows ------------------------------------------------------------------------------------------- */

void tids_done(Tids *tids)
{
    free(tids->all);
    *tids = (Tids){0};
}

void tids_add(Tids *tids, uint64_t tid)
{
    if (tids->count == tids->capacity) {
        tids->capacity = tids->capacity > 0 ? tids->capacity * 2 : 64;
        tids->all = mem_grow(tids->all, sizeof *tids->all * (size_t)tids->capacity);
    }
    tids->all[tids->count++] = tid;
}

uint64_t tid_parse(const char *text)
{
    unsigned int block = 0, item = 0;
    return sscanf(text, "(%u,%u)", &block, &item) == 2 ? (uint64_t)block << 16 | item : 0;
}

const char *tid_text(Arena *arena, uint64_t tid)
{
    return arena_printf(arena, "(%u,%u)", (unsigned int)(tid >> 16), (unsigned int)(tid & 0xffff));
}

void tids_put(SqlText *st, const uint64_t *tids, int count)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    buf_puts(&text, "{");
    for (int i = 0; i < count; i++)
        buf_printf(&text, "%s\"(%u,%u)\"", i > 0 ? "," : "", (unsigned int)(tids[i] >> 16),
                   (unsigned int)(tids[i] & 0xffff));
    buf_puts(&text, "}");
    sqltext_string(st, buf_str(&text));
    sqltext_put(st, "::pg_catalog.tid[]");
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort(Tids *tids)
{
    int kept = 0;
    if (tids->count > 1)
        qsort(tids->all, (size_t)tids->count, sizeof *tids->all, by_value);
    for (int i = 0; i < tids->count; i++)
        if (i == 0 || tids->all[i] != tids->all[i - 1])
            tids->all[kept++] = tids->all[i];
    tids->count = kept;
}

/* What of `fresh` is taken for the first time, which it then is. */
static Tids take_fresh(Heap *heap)
{
    Tids first = {0};
    sort(&heap->fresh);
    for (int i = 0; i < heap->fresh.count; i++)
        if (heap->taken.count == 0 ||
            bsearch(&heap->fresh.all[i], heap->taken.all, (size_t)heap->taken.count,
                    sizeof *heap->taken.all, by_value) == NULL)
            tids_add(&first, heap->fresh.all[i]);
    for (int i = 0; i < first.count; i++)
        tids_add(&heap->taken, first.all[i]);
    sort(&heap->taken);
    tids_done(&heap->fresh);
    return first;
}

/* By chance -------------------------------------------------------------------------------------- */

static bool take_rows(Sample *s, Heap *heap, SqlText *st, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(s->source, sqltext_sql(st), PG_NO_PARAMS, &rows, err))
        return err_context(err, "choosing rows of '%s.%s'", heap->schema, heap->name);
    for (int r = 0; r < pgrows_count(rows); r++)
        tids_add(&heap->fresh, tid_parse(pgrows_text(rows, r, 0)));
    return true;
}

/* Rows of random pages; which of them, by chance too, so that the first pages are not preferred. */
static void put_random(SqlText *st, const Heap *heap, int64_t rows, double percent)
{
    char text[32];
    sqltext_put(st, "SELECT s.ctid FROM (SELECT t.ctid FROM ONLY ");
    sqltext_qualified(st, heap->schema, heap->name);
    sqltext_put(st, " AS t");
    if (percent < 100) {
        snprintf(text, sizeof text, "%.6f", percent);
        sqltext_put(st, " TABLESAMPLE pg_catalog.system (");
        sqltext_number(st, text);
        sqltext_put(st, ")");
    }
    reading_where(st, heap->rel, true, "t");
    sqltext_put(st, ") AS s ORDER BY pg_catalog.random() LIMIT ");
    sqltext_i64(st, rows);
}

static double first_percent(const Heap *heap, int64_t rows)
{
    double per_block = heap->rel->estimated_rows > 0 && heap->rel->heap_blocks > 0
                           ? (double)heap->rel->estimated_rows / (double)heap->rel->heap_blocks
                           : 1;
    double blocks = 2.0 * (double)rows / (per_block > 1 ? per_block : 1);
    if (blocks < PAGES_LEAST)
        blocks = PAGES_LEAST;
    return heap->blocks <= SMALL_BLOCKS ? 100 : 100.0 * blocks / (double)heap->blocks;
}

static bool choose_random(Sample *s, Heap *heap, int64_t rows, Error *err)
{
    for (double percent = first_percent(heap, rows);; percent *= 8) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        put_random(&st, heap, rows, percent);
        if (!take_rows(s, heap, &st, err))
            return false;
        if (heap->fresh.count >= rows || percent >= 100)
            return true;
        tids_done(&heap->fresh);
    }
}

static bool choose_end(Sample *s, Heap *heap, bool last, Error *err)
{
    const Relation *rel = heap->rel;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (rel->key_count == 0 || !rel->key_unique)
        return true;
    sqltext_put(&st, "SELECT t.ctid FROM ONLY ");
    sqltext_qualified(&st, heap->schema, heap->name);
    sqltext_put(&st, " AS t");
    reading_where(&st, rel, true, "t");
    sqltext_put(&st, " ORDER BY ");
    for (int i = 0; i < rel->key_count; i++) {
        if (i > 0)
            sqltext_put(&st, ", ");
        sqltext_put(&st, "t.");
        sqltext_ident(&st, rel->columns[rel->key[i]].name);
        if (last)
            sqltext_put(&st, " DESC");
    }
    sqltext_put(&st, " LIMIT 1");
    return take_rows(s, heap, &st, err);
}

/* Its share of what is wanted of the whole relation, by size. */
static int64_t share_of(const Sample *s, const Heap *heap)
{
    int64_t blocks = 0, wanted = s->spec->rows;
    if (!heap->rel->is_root)
        return wanted;
    for (int i = 0; i < s->heap_count; i++)
        if (s->heaps[i].rel == heap->rel)
            blocks += s->heaps[i].blocks;
    int64_t share = blocks > 0 ? wanted * heap->blocks / blocks : 0;
    return share > 0 ? share : 1;
}

static bool selected(const SampleSpec *spec, const RulePattern *patterns, const Relation *rel)
{
    for (int i = 0; i < spec->table_count; i++)
        if (rules_glob_match(patterns[i].schema, rel->schema) &&
            rules_glob_match(patterns[i].table, rel->name))
            return true;
    return spec->table_count == 0;
}

static bool choose_first(Sample *s, Error *err)
{
    const SampleSpec *spec = s->spec;
    RulePattern *patterns = arena_new_array(s->arena, RulePattern, spec->table_count + 1);
    int matched = 0;
    for (int i = 0; i < spec->table_count; i++)
        if (!rules_parse_pattern(s->arena, spec->tables[i], false, &patterns[i], err))
            return false;
    for (int i = 0; i < s->heap_count; i++) {
        Heap *heap = &s->heaps[i];
        if (!selected(spec, patterns, heap->rel))
            continue;
        matched++;
        if (!choose_random(s, heap, share_of(s, heap), err) || !choose_end(s, heap, false, err) ||
            !choose_end(s, heap, true, err))
            return false;
        sort(&heap->fresh);
        heap->chosen = heap->fresh.count;
    }
    if (matched == 0)
        return ERR(err, ERR_USAGE, "no table that moves has such a name");
    return true;
}

/* What they need --------------------------------------------------------------------------------- */

static void add_edge(Sample *s, const Edge *edge, int capacity)
{
    ASSERT(s->edge_count < capacity);
    s->edges[s->edge_count++] = *edge;
}

static bool read_edges(Sample *s, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    VerifyReference *references = NULL;
    int count = 0;
    relations_oid_array(s->rels, &oids);
    if (!verify_references_read(s->spec->references, s->spec->reference_count, s->rels, s->arena,
                                &references, &count, err) ||
        !pgconn_query(s->source, SQL_SAMPLE_EDGES, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows, err))
        return false;
    int capacity = pgrows_count(rows) + count;
    s->edges = arena_new_array(s->arena, Edge, capacity + 1);
    for (int r = 0; r < pgrows_count(rows); r++) {
        Edge edge = {
            .child = relations_by_oid(s->rels, pgrows_u32(rows, r, 0)),
            .schema = arena_strdup(s->arena, pgrows_text(rows, r, 2)),
            .name = arena_strdup(s->arena, pgrows_text(rows, r, 3)),
            .root = pgrows_bool(rows, r, 4),
            .condition = arena_strdup(s->arena, pgrows_text(rows, r, 6)),
        };
        if (edge.child != NULL)
            add_edge(s, &edge, capacity);
    }
    for (int i = 0; i < count; i++)
        if (references[i].parent != NULL)
            add_edge(s,
                     &(Edge){.child = references[i].child,
                             .schema = references[i].parent->schema,
                             .name = references[i].parent->name,
                             .root = references[i].parent->is_root,
                             .reference = &references[i]},
                     capacity);
    return true;
}

static void put_condition(SqlText *st, const Edge *edge)
{
    if (edge->condition != NULL) {
        sqltext_deparsed(st, edge->condition);
        return;
    }
    for (int i = 0; i < edge->reference->columns; i++) {
        if (i > 0)
            sqltext_put(st, " AND ");
        sqltext_put(st, "c.");
        sqltext_ident(st, edge->reference->from[i]);
        sqltext_put(st, " = p.");
        sqltext_ident(st, edge->reference->to[i]);
    }
}

/* Rows of tables that do not move are passed over: the target has its own, or no such key. */
static bool follow(Sample *s, const Heap *child, const Edge *edge, const Tids *rows, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *parents = NULL;
    sqltext_put(&st, "SELECT DISTINCT p.tableoid, p.ctid FROM ONLY ");
    sqltext_qualified(&st, child->schema, child->name);
    sqltext_put(&st, " AS c JOIN ");
    if (!edge->root)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, edge->schema, edge->name);
    sqltext_put(&st, " AS p ON ");
    put_condition(&st, edge);
    sqltext_put(&st, " WHERE c.ctid = ANY (");
    tids_put(&st, rows->all, rows->count);
    sqltext_put(&st, ")");
    if (!pgconn_query(s->source, sqltext_sql(&st), PG_NO_PARAMS, &parents, err))
        return err_context(err, "looking for rows of '%s.%s' that '%s' refers to", edge->schema,
                           edge->name, child->rel->display);
    for (int r = 0; r < pgrows_count(parents); r++) {
        uint32_t oid = pgrows_u32(parents, r, 0);
        Heap *heap = map_get(&s->by_oid, &oid, sizeof oid);
        if (heap != NULL)
            tids_add(&heap->fresh, tid_parse(pgrows_text(parents, r, 1)));
    }
    return true;
}

/* What others refer to may stay behind by a rule: then the sample has it no more than the load would. */
static bool keep_passing(Sample *s, Heap *heap, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    bool first = false;
    if (!relation_filtered(heap->rel) || heap->fresh.count == 0)
        return true;
    sqltext_put(&st, "SELECT t.ctid FROM ONLY ");
    sqltext_qualified(&st, heap->schema, heap->name);
    sqltext_put(&st, " AS t WHERE t.ctid = ANY (");
    tids_put(&st, heap->fresh.all, heap->fresh.count);
    sqltext_put(&st, ")");
    reading_filter(&st, heap->rel, true, "t", &first);
    tids_done(&heap->fresh);
    return take_rows(s, heap, &st, err);
}

static bool expand(Sample *s, Heap *heap, Error *err)
{
    if (!keep_passing(s, heap, err))
        return false;
    Tids rows = take_fresh(heap);
    bool ok = true;
    for (int i = 0; ok && rows.count > 0 && i < s->edge_count; i++)
        if (s->edges[i].child == heap->rel)
            ok = follow(s, heap, &s->edges[i], &rows, err);
    tids_done(&rows);
    return ok;
}

bool sample_choose(Sample *s, Error *err)
{
    if (!choose_first(s, err) || !read_edges(s, err))
        return false;
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < s->heap_count; i++) {
            if (s->heaps[i].fresh.count == 0)
                continue;
            more = true;
            if (!expand(s, &s->heaps[i], err))
                return false;
        }
    }
    return true;
}

/* sample - see the header: the course of it. */
#include "sync/sample.h"

#include <string.h>

#include "apply/target_catalog.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "source/advisory.h"
#include "source/catalog.h"
#include "sync/sample_internal.h"

/* The source, once its encoding is known: both sides speak it, as in a load. */
static bool open_both(Sample *s, PgEndpoint ends[2], Error *err)
{
    ends[0] = s->spec->source;
    ends[1] = s->spec->target;
    CLEANUP_PGCONN PgConn *probe = pgconn_open(&ends[0], PG_SESSION_SQL, "sample", err);
    if (probe == NULL)
        return false;
    ends[0].encoding = ends[1].encoding =
        arena_strdup(s->arena, pgconn_parameter(probe, "server_encoding"));
    s->source = pgconn_open(&ends[0], PG_SESSION_SQL, "sample", err);
    s->target = s->source == NULL ? NULL : pgconn_open(&ends[1], PG_SESSION_SQL, "sample", err);
    return s->target != NULL;
}

static bool take_lock(Sample *s, Error *err)
{
    bool taken = false;
    AdvisoryHolder holder;
    const char *name = arena_printf(s->arena, "bascule:sample:%s", s->spec->scratch);
    if (!advisory_try_lock(s->target, name, &taken, &holder, err))
        return false;
    return taken ||
           ERR(err, ERR_ALREADY_RUNNING, "another sample is being taken in '%s'", s->spec->scratch);
}

/* A catalog is read in a transaction of its own; with a scratch database nothing is on the target. */
static bool read_catalog(Sample *s, const PgEndpoint *source_at, Error *err)
{
    const SampleSpec *spec = s->spec;
    CLEANUP_PGCONN PgConn *source = pgconn_open(source_at, PG_SESSION_SQL, "sample", err);
    return source != NULL &&
           catalog_read(source, spec->schema != NULL ? NULL : s->target, spec->task, spec->rules,
                        &s->rels, err) &&
           (spec->schema == NULL || spec->schema->pre_data(spec->schema->self, s->rels, err)) &&
           target_catalog_match(s->target, s->rels, MATCH_LOAD, err);
}

static void list_heaps(Sample *s)
{
    int capacity = s->rels->count + s->rels->leaf_count;
    s->heaps = arena_new_array(s->arena, Heap, capacity + 1);
    for (int i = 0; i < s->rels->count; i++) {
        Relation *rel = s->rels->all[i];
        for (int l = 0; l < (rel->is_root ? rel->leaf_count : 1); l++) {
            const Relation *table = rel->is_root ? rel->leaves[l] : rel;
            s->heaps[s->heap_count++] = (Heap){.rel = rel,
                                               .schema = table->schema,
                                               .name = table->name,
                                               .oid = table->oid,
                                               .blocks = table->heap_blocks};
        }
    }
    for (int i = 0; i < s->heap_count; i++)
        map_put(&s->by_oid, &s->heaps[i].oid, sizeof s->heaps[i].oid, &s->heaps[i]);
}

static bool choose(Sample *s, bool *wanted, Error *err)
{
    if (!pgconn_script(s->source, SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), err) ||
        !sample_choose(s, err))
        return false;
    for (int i = 0; i < s->heap_count; i++)
        wanted[s->heaps[i].rel->id] |= s->heaps[i].taken.count > 0;
    return true;
}

static bool copy_all(Sample *s, const bool *wanted, Error *err)
{
    SampleReport *report = s->report;
    report->tables = arena_new_array(s->arena, SampleTable, s->rels->count + 1);
    for (int i = 0; i < s->rels->count; i++)
        if (wanted[i] &&
            !sample_copy(s, s->rels->all[i], &report->tables[report->table_count++], err))
            return false;
    return true;
}

/* Of a part of the tables nothing is said about the load. */
static void foretell(Sample *s)
{
    SampleReport *report = s->report;
    bool all = s->spec->table_count == 0;
    for (int i = 0; i < report->table_count; i++) {
        const SampleTable *t = &report->tables[i];
        if (t->about_us == PROGRESS_UNKNOWN || t->about_bytes == PROGRESS_UNKNOWN)
            all = false;
        report->about_us += t->about_us;
        report->about_bytes += t->about_bytes;
    }
    report->about_us =
        all ? report->about_us / (s->spec->jobs > 0 ? s->spec->jobs : 1) : PROGRESS_UNKNOWN;
    if (!all)
        report->about_bytes = PROGRESS_UNKNOWN;
}

static bool run(Sample *s, Error *err)
{
    PgEndpoint ends[2];
    if (!open_both(s, ends, err) || !take_lock(s, err) || !read_catalog(s, &ends[0], err))
        return false;
    bool *wanted = arena_new_array(s->arena, bool, s->rels->count + 1);
    list_heaps(s);
    if (!choose(s, wanted, err) || !sample_make_place(s, wanted, err) ||
        !copy_all(s, wanted, err) || !sample_finish_place(s, wanted, err))
        return false;
    foretell(s);
    return true;
}

bool sample_run(const SampleSpec *spec, Arena *arena, SampleReport *out, Error *err)
{
    int64_t begin_us = clock_now_us();
    *out = (SampleReport){.place = arena_printf(arena, "%s %s",
                                                spec->schema != NULL ? "database" : "schema",
                                                spec->scratch)};
    Sample s = {.spec = spec, .arena = arena, .report = out, .by_oid = MAP_INIT};
    bool ok = run(&s, err);
    for (int i = 0; i < s.heap_count; i++) {
        tids_done(&s.heaps[i].taken);
        tids_done(&s.heaps[i].fresh);
    }
    map_done(&s.by_oid);
    pgconn_close(s.source);
    pgconn_close(s.target);
    relations_free(s.rels);
    out->us = clock_now_us() - begin_us;
    return ok;
}

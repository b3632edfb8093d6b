/* sample_copy - see sample.h: the rows that were chosen, through the rules, to the scratch place, and
 * the comparison of both. */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/hash.h"
#include "bascule/base/mem.h"
#include "sqltext/reading.h"
#include "sync/sample_internal.h"

/* So many refused rows of a table are looked for one by one. */
#define REFUSED_MOST 20

/* What is done with a relation's rows. */
typedef struct Copying {
    Sample *sample;
    Relation *rel;
    const Heap *heap;
    SampleTable *out;
    Tids *loaded; /* of this heap */
} Copying;

/* One COPY from source to target ----------------------------------------------------------------- */

static void put_target_columns(SqlText *st, const Relation *rel)
{
    for (int i = 0; i < rel->column_count; i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        sqltext_ident(st, rel->columns[i].target_name);
    }
}

static void put_from(SqlText *st, const Heap *heap, const uint64_t *tids, int count)
{
    sqltext_put(st, " FROM ONLY ");
    sqltext_qualified(st, heap->schema, heap->name);
    sqltext_put(st, " WHERE ctid = ANY (");
    tids_put(st, tids, count);
    sqltext_put(st, ")) TO STDOUT");
}

static void put_copy_out(SqlText *st, const Copying *c, const uint64_t *tids, int count)
{
    sqltext_put(st, "COPY (SELECT ");
    for (int i = 0; i < c->rel->column_count; i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        reading_copied(st, &c->rel->columns[i], c->rel);
    }
    put_from(st, c->heap, tids, count);
}

static void put_copy_in(SqlText *st, const Relation *rel)
{
    sqltext_put(st, "COPY ");
    sqltext_qualified(st, rel->target_schema, rel->target_name);
    if (rel->column_count > 0) {
        sqltext_put(st, " (");
        put_target_columns(st, rel);
        sqltext_put(st, ")");
    }
    sqltext_put(st, " FROM STDIN");
}

/* Whatever the target says, the source's answer is read to its end: the session goes on. */
static bool pump(PgConn *source, PgConn *target, int64_t *bytes, Error *err)
{
    bool ok = true;
    for (;;) {
        char *data;
        int len;
        Error unread = ERROR_INIT;
        PgRead read = pgconn_copy_get(source, &data, &len, ok ? err : &unread);
        if (read == PG_READ_CLOSED)
            return ok;
        if (read != PG_READ_MESSAGE) {
            if (ok)
                pgconn_copy_fail(target, "the source's rows have not come");
            return false;
        }
        *bytes += len;
        ok = ok && pgconn_copy_put(target, data, len, err);
        pgconn_copy_free(data);
    }
}

static bool pipe_rows(const Copying *c, const uint64_t *tids, int count, Error *err)
{
    CLEANUP_SQLTEXT SqlText out = SQLTEXT_INIT;
    CLEANUP_SQLTEXT SqlText in = SQLTEXT_INIT;
    Sample *s = c->sample;
    int64_t bytes = 0, taken = 0, begin_us = clock_now_us();
    put_copy_out(&out, c, tids, count);
    put_copy_in(&in, c->rel);
    /* The target first: what it refuses at once leaves nothing to be read. */
    if (!pgconn_copy_in(s->target, sqltext_sql(&in), err))
        return false;
    if (!pgconn_copy_out(s->source, sqltext_sql(&out), err)) {
        pgconn_copy_fail(s->target, "the source's rows have not come");
        return false;
    }
    if (!pump(s->source, s->target, &bytes, err) || !pgconn_copy_end(s->target, &taken, err))
        return false;
    c->out->bytes += bytes;
    c->out->copy_us += clock_now_us() - begin_us;
    return taken == count || ERR(err, ERR_PROTOCOL, "%d rows were chosen, the target took %lld",
                                 count, (long long)taken);
}

/* Both sessions stand in transactions that an error must not end. */
static bool try_rows(const Copying *c, const uint64_t *tids, int count, bool *out_refused,
                     Error *err)
{
    Sample *s = c->sample;
    Error back = ERROR_INIT;
    *out_refused = false;
    if (!pgconn_script(s->source, SQL("SAVEPOINT part"), err) ||
        !pgconn_script(s->target, SQL("SAVEPOINT part"), err))
        return false;
    if (pipe_rows(c, tids, count, err))
        return pgconn_script(s->source, SQL("RELEASE part"), err) &&
               pgconn_script(s->target, SQL("RELEASE part"), err);
    if (!sample_is_problem(s, err))
        return false;
    *out_refused = true;
    if (pgconn_script(s->source, SQL("ROLLBACK TO part"), &back) &&
        pgconn_script(s->target, SQL("ROLLBACK TO part"), &back))
        return true;
    *err = back;
    return false;
}

/* Halves, until each row that is refused stands alone. */
static bool copy_rows(const Copying *c, const uint64_t *tids, int count, Error *err)
{
    bool refused = false;
    if (count == 0 || c->out->refused >= REFUSED_MOST)
        return true;
    if (!try_rows(c, tids, count, &refused, err))
        return false;
    if (!refused) {
        for (int i = 0; i < count; i++)
            tids_add(c->loaded, tids[i]);
        return true;
    }
    if (count == 1) {
        sample_problem(c->sample, c->rel->display, err, tid_text(c->sample->arena, tids[0]));
        c->out->refused++;
        err_clear(err);
        return true;
    }
    err_clear(err);
    return copy_rows(c, tids, count / 2, err) &&
           copy_rows(c, tids + count / 2, count - count / 2, err);
}

/* Comparing --------------------------------------------------------------------------------------- */

typedef struct RowSum {
    uint64_t hi, lo;
} RowSum;

typedef struct RowSums {
    RowSum *all;
    int count, capacity;
} RowSums;

static int by_sum(const void *a, const void *b)
{
    const RowSum *x = a, *y = b;
    if (x->hi != y->hi)
        return x->hi < y->hi ? -1 : 1;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void sums_add(RowSums *sums, const char *row, size_t len)
{
    RowsHash hash = {0};
    rows_hash_add(&hash, row, len);
    if (sums->count == sums->capacity) {
        sums->capacity = sums->capacity > 0 ? sums->capacity * 2 : 256;
        sums->all = mem_grow(sums->all, sizeof *sums->all * (size_t)sums->capacity);
    }
    sums->all[sums->count++] = (RowSum){.hi = hash.hi, .lo = hash.lo};
}

/* A line a row: both servers print values of a type the same way in sessions of ours. */
static bool read_sums(PgConn *conn, SqlText *st, RowSums *sums, Error *err)
{
    if (!pgconn_copy_out(conn, sqltext_sql(st), err))
        return false;
    for (;;) {
        char *data;
        int len;
        PgRead read = pgconn_copy_get(conn, &data, &len, err);
        if (read == PG_READ_CLOSED)
            return true;
        if (read != PG_READ_MESSAGE)
            return false;
        sums_add(sums, data, (size_t)len);
        pgconn_copy_free(data);
    }
}

static void put_read(SqlText *st, const Relation *rel, bool on_source)
{
    sqltext_put(st, "COPY (SELECT ");
    for (int i = 0; i < rel->column_count; i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        reading_column(st, &rel->columns[i], rel, on_source, NULL);
    }
}

static bool read_source(Sample *s, const Heap *heap, const Tids *loaded, RowSums *sums, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (loaded->count == 0)
        return true;
    put_read(&st, heap->rel, true);
    put_from(&st, heap, loaded->all, loaded->count);
    return read_sums(s->source, &st, sums, err);
}

static bool read_target(Sample *s, const Relation *rel, RowSums *sums, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    put_read(&st, rel, false);
    sqltext_put(&st, " FROM ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    sqltext_put(&st, ") TO STDOUT");
    return read_sums(s->target, &st, sums, err);
}

static void sort(RowSums *sums)
{
    if (sums->count > 1)
        qsort(sums->all, (size_t)sums->count, sizeof *sums->all, by_sum);
}

/* Rows of one side that the other has not. */
static int64_t differing(RowSums *source, RowSums *target)
{
    int64_t only_source = 0, only_target = 0;
    int i = 0, j = 0;
    sort(source);
    sort(target);
    while (i < source->count || j < target->count) {
        int order = i == source->count   ? 1
                    : j == target->count ? -1
                                         : by_sum(&source->all[i], &target->all[j]);
        only_source += order < 0;
        only_target += order > 0;
        i += order <= 0;
        j += order >= 0;
    }
    return only_source > only_target ? only_source : only_target;
}

/* A relation -------------------------------------------------------------------------------------- */

static bool copy_heaps(Sample *s, Relation *rel, SampleTable *out, RowSums *source, Error *err)
{
    for (int i = 0; i < s->heap_count; i++) {
        Heap *heap = &s->heaps[i];
        Tids loaded = {0};
        if (heap->rel != rel)
            continue;
        Copying c = {.sample = s, .rel = rel, .heap = heap, .out = out, .loaded = &loaded};
        out->chosen += heap->chosen;
        out->parents += heap->taken.count - heap->chosen;
        bool ok = copy_rows(&c, heap->taken.all, heap->taken.count, err) &&
                  read_source(s, heap, &loaded, source, err);
        out->loaded += loaded.count;
        tids_done(&loaded);
        if (!ok)
            return false;
    }
    return true;
}

static void foretell(const Relation *rel, SampleTable *out)
{
    int64_t rows = rel->estimated_rows < 0 ? PROGRESS_UNKNOWN : rel->estimated_rows;
    bool known = rows == 0 || (rows > 0 && out->loaded > 0);
    double times = rows > 0 && out->loaded > 0 ? (double)rows / (double)out->loaded : 0;
    /* The catalog's figure is old: of a table that is smaller than what was copied, this is all. */
    if (rows > 0 && times < 1)
        times = 1;
    out->rows_estimated = rows;
    out->about_us = known ? (int64_t)((double)out->copy_us * times) : PROGRESS_UNKNOWN;
    out->about_bytes = known ? (int64_t)((double)out->bytes * times) : PROGRESS_UNKNOWN;
}

bool sample_copy(Sample *s, Relation *rel, SampleTable *out, Error *err)
{
    RowSums source = {0}, target = {0};
    out->table = arena_strdup(s->arena, rel->display);
    out->target = arena_printf(s->arena, "%s.%s", rel->target_schema, rel->target_name);
    bool ok = pgconn_script(s->target, SQL("BEGIN"), err) &&
              copy_heaps(s, rel, out, &source, err) && read_target(s, rel, &target, err) &&
              pgconn_exec(s->target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
    if (ok)
        out->different = differing(&source, &target);
    free(source.all);
    free(target.all);
    foretell(rel, out);
    return ok || err_context(err, "table '%s'", rel->display);
}

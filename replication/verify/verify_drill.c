/*
 * verify_drill - from buckets that differ to rows that differ.
 *
 * The second reading kept the rows of those buckets. They are sorted by key (by content when there
 * is no key) and walked side by side; keys whose rows differ are then read once more by key, which
 * gives the columns and the values.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"
#include "verify/verify_internal.h"

/* true: some rows of it are other ones. With rows of the target's own the sums do not say. */
static bool bucket_differs(const Group *group, size_t b, const uint32_t *lacking)
{
    return lacking != NULL
               ? lacking[b] > 0
               : !rows_hash_equal(&group->buckets[SIDE_SOURCE][b], &group->buckets[SIDE_TARGET][b]);
}

static int mark(Group *group, int64_t max_rows, const uint32_t *lacking)
{
    size_t buckets = (size_t)1 << group->bucket_bits;
    int differing = 0;
    int64_t rows = 0;
    free(group->wanted);
    group->wanted = mem_zalloc(buckets);
    for (size_t b = 0; b < buckets; b++) {
        const RowsHash *x = &group->buckets[SIDE_SOURCE][b], *y = &group->buckets[SIDE_TARGET][b];
        if (!bucket_differs(group, b, lacking))
            continue;
        differing++;
        if (rows > max_rows) {
            group->left_out = true;
            continue;
        }
        rows += (int64_t)(x->rows > y->rows ? x->rows : y->rows);
        group->wanted[b] = 1;
    }
    return differing;
}

bool verify_drill_mark(Group *group, int64_t max_rows, int *out_differing, Error *err)
{
    *out_differing = mark(group, max_rows, NULL);
    if (*out_differing == 0 || group->subset == NULL)
        return true;
    SubsetResult result;
    uint32_t *lacking = mem_zalloc(sizeof *lacking << group->bucket_bits);
    bool ok = subset_judge(group->subset, CLOCK_NEVER, lacking, &result, err);
    group->left_out = false;
    group->lacking = ok ? result.lacking : 0;
    if (ok)
        *out_differing = mark(group, max_rows, lacking);
    free(lacking);
    /* What it holds is no more needed, and was much. */
    subset_free(group->subset);
    group->subset = NULL;
    return ok || err_context(err, "looking for the source's rows of table '%s' on the target",
                             group->table->rel->display);
}

static int compare_bytes(const char *a, size_t la, const char *b, size_t lb)
{
    int order = memcmp(a, b, la < lb ? la : lb);
    return order != 0 ? order : la < lb ? -1 : la > lb ? 1 : 0;
}

static int by_key(const void *a, const void *b)
{
    const KeptRow *x = a, *y = b;
    int order = compare_bytes(x->data, x->key_len, y->data, y->key_len);
    return order != 0 ? order : compare_bytes(x->data, x->len, y->data, y->len);
}

/* Key texts ---------------------------------------------------------------------------------------- */

static uint32_t read_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* Fields [first, first + count) of a binary row, whose lengths the reading has checked as far as
 * the key goes; what does not fit ends the row. */
static void binary_fields(const KeptRow *row, int first, int count, Arena *arena, const char **out)
{
    size_t at = 0;
    for (int f = 0; f < first + count && at + 4 <= row->len; f++) {
        uint32_t len = read_u32(row->data + at);
        at += 4;
        if (len == UINT32_MAX)
            continue;
        if (len > row->len - at)
            return;
        if (f >= first)
            out[f - first] = arena_dup(arena, row->data + at, len);
        at += len;
    }
}

static char unescaped(char c)
{
    static const char FROM[] = "bfnrtv", TO[] = "\b\f\n\r\t\v";
    const char *p = strchr(FROM, c);
    return p != NULL && c != '\0' ? TO[p - FROM] : c;
}

/* The first `count` fields of a row of COPY's text form; NULL is \N. */
static void text_fields(const KeptRow *row, int count, Arena *arena, const char **out)
{
    CLEANUP_BUF Buf field = BUF_INIT;
    size_t at = 0, end = row->len;
    if (end > 0 && row->data[end - 1] == '\n')
        end--;
    for (int f = 0; f < count && at <= end; f++) {
        buf_clear(&field);
        bool null = at + 2 <= end && row->data[at] == '\\' && row->data[at + 1] == 'N';
        for (; at < end && row->data[at] != '\t'; at++) {
            if (row->data[at] == '\\' && at + 1 < end)
                buf_putc(&field, unescaped(row->data[++at]));
            else
                buf_putc(&field, row->data[at]);
        }
        at++;
        out[f] = null ? NULL : arena_dup(arena, buf_str(&field), field.len);
    }
}

static const char **key_texts(const TablePlan *table, const KeptRow *row, Arena *arena)
{
    const Relation *rel = table->rel;
    const char **out = arena_new_array(arena, const char *, rel->key_count);
    if (table->binary)
        binary_fields(row, rel->column_count, rel->key_count, arena, out);
    else
        text_fields(row, rel->key_count, arena, out);
    for (int k = 0; k < rel->key_count; k++)
        if (out[k] == NULL)
            out[k] = "";
    return out;
}

/* Walking ------------------------------------------------------------------------------------------ */

typedef struct Drill {
    VerifyRun *run;
    Group *group;
    TablePlan *table;
    Arena *arena;
    const char *const **keys; /* of rows that differ, to be read by key */
    KeyDiffKind *kinds;
    int key_count, key_capacity;
    bool full; /* enough are named */
} Drill;

static bool may_name(Drill *d)
{
    const VerifyReport *report = d->run->report;
    bool may = d->table->named + d->key_count < VERIFY_NAMED_TABLE &&
               report->failure_count + d->key_count < VERIFY_NAMED_ALL;
    d->full = d->full || !may;
    return may;
}

static void count_kind(TablePlan *table, KeyDiffKind kind, int64_t n)
{
    VerifyTable *out = table->out;
    out->missing += kind == KEYDIFF_MISSING ? n : 0;
    out->extra += kind == KEYDIFF_EXTRA ? n : 0;
    out->different += kind == KEYDIFF_DIFFERENT ? n : 0;
    out->representation += kind == KEYDIFF_REPRESENTATION ? n : 0;
}

static VerifyFailure *new_failure(Drill *d)
{
    d->table->named++;
    return &d->run->report->failures[d->run->report->failure_count++];
}

static void note_key(Drill *d, KeyDiffKind kind, const KeptRow *row)
{
    if (!may_name(d)) {
        count_kind(d->table, kind, 1);
        return;
    }
    if (d->key_count == d->key_capacity) {
        d->key_capacity = d->key_capacity > 0 ? 2 * d->key_capacity : 64;
        d->keys = realloc(d->keys, sizeof *d->keys * (size_t)d->key_capacity);
        d->kinds = realloc(d->kinds, sizeof *d->kinds * (size_t)d->key_capacity);
        ASSERT(d->keys != NULL && d->kinds != NULL);
    }
    d->keys[d->key_count] = (const char *const *)key_texts(d->table, row, d->arena);
    d->kinds[d->key_count++] = kind;
}

/* One key, ns rows on the source and nt on the target (more than one: a side lacks the unique
 * index). */
static void judge_key(Drill *d, const KeptRow *s, int64_t ns, const KeptRow *t, int64_t nt)
{
    bool same = ns == nt;
    for (int64_t i = 0; same && i < ns; i++)
        same = s[i].lo == t[i].lo && s[i].hi == t[i].hi;
    if (same || (ns == 0 && verify_keeps(d->table)))
        return;
    KeyDiffKind kind = ns > nt ? KEYDIFF_MISSING : nt > ns ? KEYDIFF_EXTRA : KEYDIFF_DIFFERENT;
    if (ns <= 1 && nt <= 1) {
        note_key(d, kind, ns > 0 ? s : t);
        return;
    }
    count_kind(d->table, kind, ns == nt ? ns : llabs(ns - nt));
    if (!may_name(d))
        return;
    const char **key = key_texts(d->table, ns > 0 ? s : t, d->arena);
    *new_failure(d) = (VerifyFailure){
        .rel = d->table->rel,
        .kind = kind,
        .key = verify_name_key(d->run->arena, d->table->rel, key),
        .details = arena_printf(d->run->arena,
                                "[{\"note\":\"%lld rows with this key on the source, %lld on the "
                                "target\"}]",
                                (long long)ns, (long long)nt),
        .lsn = twin_lsn(d->run->twin)};
}

/* Without a key: the row itself, ns times here and nt times there. */
static void judge_row(Drill *d, const KeptRow *s, int64_t ns, const KeptRow *t, int64_t nt)
{
    if (ns == nt)
        return;
    KeyDiffKind kind = ns > nt ? KEYDIFF_MISSING : KEYDIFF_EXTRA;
    const KeptRow *row = ns > 0 ? s : t;
    count_kind(d->table, kind, llabs(ns - nt));
    if (!may_name(d))
        return;
    const Relation *rel = d->table->rel;
    const char **values = arena_new_array(d->arena, const char *, rel->column_count + 1);
    text_fields(row, rel->column_count, d->arena, values);
    verify_name_keyless(d->run, rel, kind, row, values, llabs(ns - nt), new_failure(d));
}

static int64_t run_of(const KeptRows *rows, int64_t from)
{
    int64_t n = 1;
    const KeptRow *first = &rows->rows[from];
    while (from + n < rows->count &&
           compare_bytes(first->data, first->key_len, rows->rows[from + n].data,
                         rows->rows[from + n].key_len) == 0)
        n++;
    return n;
}

static void walk(Drill *d)
{
    KeptRows *s = &d->group->kept[SIDE_SOURCE], *t = &d->group->kept[SIDE_TARGET];
    if (s->count > 0)
        qsort(s->rows, (size_t)s->count, sizeof *s->rows, by_key);
    if (t->count > 0)
        qsort(t->rows, (size_t)t->count, sizeof *t->rows, by_key);
    for (int64_t i = 0, j = 0; i < s->count || j < t->count;) {
        const KeptRow *x = i < s->count ? &s->rows[i] : NULL;
        const KeptRow *y = j < t->count ? &t->rows[j] : NULL;
        int order = x == NULL   ? 1
                    : y == NULL ? -1
                                : compare_bytes(x->data, x->key_len, y->data, y->key_len);
        int64_t ns = order <= 0 ? run_of(s, i) : 0, nt = order >= 0 ? run_of(t, j) : 0;
        if (d->table->keyed)
            judge_key(d, x, ns, y, nt);
        else
            judge_row(d, x, ns, y, nt);
        i += ns;
        j += nt;
    }
}

/* Naming ------------------------------------------------------------------------------------------- */

static void name_one(Drill *d, KeyDiff *diff, KeyDiffKind seen, const RowOrigin *origin)
{
    /* One side had kept it, the other had no room for it. */
    const Group *group = d->group;
    if (diff->kind == KEYDIFF_EQUAL && seen != KEYDIFF_DIFFERENT &&
        (group->kept[SIDE_SOURCE].full || group->kept[SIDE_TARGET].full))
        return;
    /* The same texts, other bytes: only the binary form tells them apart. */
    if (diff->kind == KEYDIFF_EQUAL)
        diff->kind = seen == KEYDIFF_DIFFERENT ? KEYDIFF_REPRESENTATION : seen;
    count_kind(d->table, diff->kind, 1);
    VerifyFailure *failure = new_failure(d);
    verify_name_keyed(d->run, d->table->rel, diff, failure);
    failure->origin = *origin;
    failure->origin.replication_origin = arena_strdup(d->run->arena, origin->replication_origin);
    d->table->out->by_others += origin->others;
}

static bool ask(Drill *d, int first, int count, Error *err)
{
    VerifyRun *run = d->run;
    KeyDiff *diffs = arena_new_array(d->arena, KeyDiff, count);
    RowOrigin *origins = arena_new_array(d->arena, RowOrigin, count);
    PgConn *source = run->probe[SIDE_SOURCE], *target = run->probe[SIDE_TARGET];
    bool same[SIDE_COUNT] = {true, true};
    if (!twin_begin(run->twin, source, true, err) || !twin_begin(run->twin, target, false, err) ||
        !keydiff_read(source, target, d->table->rel, d->keys + first, count, d->arena, diffs,
                      err) ||
        !origin_read(target, run->spec.twin.task, d->table->rel, d->keys + first, count, d->arena,
                     origins, err) ||
        !twin_same_file(source, d->table->rel, true, &same[SIDE_SOURCE], err) ||
        !twin_same_file(target, d->table->rel, false, &same[SIDE_TARGET], err) ||
        !pgconn_exec(source, SQL("COMMIT"), PG_NO_PARAMS, NULL, err) ||
        !pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err))
        return false;
    if (!same[SIDE_SOURCE] || !same[SIDE_TARGET]) {
        d->group->moved = true;
        return true;
    }
    for (int i = 0; i < count; i++)
        name_one(d, &diffs[i], d->kinds[first + i], &origins[i]);
    return true;
}

bool verify_drill(VerifyRun *run, Group *group, Error *err)
{
    Drill d = {.run = run, .group = group, .table = group->table, .arena = arena_new(0)};
    VerifyTable *out = group->table->out;
    int64_t found = verify_differences(out) + out->moving + out->unsettled;
    bool ok = true;
    walk(&d);
    if (run->spec.settle_us > 0 && d.key_count > 0)
        ok = verify_drop_moving(run, out, d.keys, d.kinds, &d.key_count, err);
    for (int first = 0; ok && !group->moved && first < d.key_count; first += VERIFY_ASK_KEYS)
        ok =
            ask(&d, first,
                d.key_count - first < VERIFY_ASK_KEYS ? d.key_count - first : VERIFY_ASK_KEYS, err);
    bool none = verify_differences(out) + out->moving + out->unsettled == found;
    if (group->left_out || group->kept[SIDE_SOURCE].full || group->kept[SIDE_TARGET].full ||
        (group->lacking > 0 && none))
        out->at_least = true;
    free(d.keys);
    free(d.kinds);
    arena_free(d.arena);
    return ok;
}

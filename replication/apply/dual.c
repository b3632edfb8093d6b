/* dual - see the header. */
#include "apply/dual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/plan.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/map.h"
#include "bascule/base/mem.h"
#include "sql_files.h"

struct Dual {
    const char *task;
    int64_t settle_us;
    Progress *progress;
    DualPending **all; /* the oldest first */
    int count, room;
    Map by_key;
    DualCounts now;
    int64_t stop_id; /* waits for a person; 0 none */
    Buf key;
};

Dual *dual_new(const char *task, int64_t settle_us, Progress *progress)
{
    Dual *dual = mem_zalloc(sizeof *dual);
    dual->task = task;
    dual->settle_us = settle_us;
    dual->progress = progress;
    return dual;
}

static void forget_all(Dual *dual)
{
    for (int i = 0; i < dual->count; i++)
        free(dual->all[i]);
    dual->count = 0;
    map_clear(&dual->by_key);
    dual->now = (DualCounts){0};
    dual->stop_id = 0;
}

void dual_free(Dual *dual)
{
    if (dual == NULL)
        return;
    forget_all(dual);
    map_done(&dual->by_key);
    buf_done(&dual->key);
    free(dual->all);
    free(dual);
}

const char *dual_task(const Dual *dual)
{
    return dual->task;
}

DualCounts *dual_counts(Dual *dual)
{
    return &dual->now;
}

/* Keys ------------------------------------------------------------------------------------------- */

static void put_key_part(Buf *out, const char *data, uint32_t len)
{
    buf_put_u32(out, len);
    if (len > 0)
        buf_put(out, data, len);
}

/* False: a key column is missing or NULL. */
static bool make_key(Dual *dual, const Relation *rel, const Value *key)
{
    buf_clear(&dual->key);
    buf_put_u32(&dual->key, rel->id);
    for (int k = 0; k < rel->key_count; k++) {
        const Value *value = &key[rel->key[k]];
        if (value->kind < VALUE_TEXT)
            return false;
        put_key_part(&dual->key, value->data, value->len);
    }
    return true;
}

/* Of several of one row the newest is found, and by it the older ones. */
static void index_one(Dual *dual, DualPending *p)
{
    bool found;
    MapEntry *entry = map_slot(&dual->by_key, p->key, p->key_len, &found);
    p->older = found ? entry->value : NULL;
    entry->key = p->key;
    entry->value = p;
}

static void index_again(Dual *dual)
{
    map_clear(&dual->by_key);
    for (int i = 0; i < dual->count; i++)
        index_one(dual, dual->all[i]);
}

/* It is not found any more; its own `older` stays, for whoever walks. */
static void unlink_one(Dual *dual, const DualPending *p)
{
    DualPending *newest = map_get(&dual->by_key, p->key, p->key_len);
    if (newest == p && p->older == NULL) {
        map_remove(&dual->by_key, p->key, p->key_len);
    } else if (newest == p) {
        map_put(&dual->by_key, p->older->key, p->older->key_len, p->older);
    } else {
        while (newest != NULL && newest->older != p)
            newest = newest->older;
        if (newest != NULL)
            newest->older = p->older;
    }
}

DualPending *dual_find(Dual *dual, const Relation *rel, const Value *key)
{
    if (dual->count == 0 || !make_key(dual, rel, key))
        return NULL;
    return map_get(&dual->by_key, dual->key.data, dual->key.len);
}

static DualPending *append(Dual *dual, const DualPending *like, uint32_t rel_id)
{
    DualPending *p = mem_zalloc(sizeof *p + dual->key.len);
    *p = *like;
    p->rel_id = rel_id;
    p->found_us = clock_now_us();
    p->until_lsn = LSN_UNKNOWN;
    p->key_len = dual->key.len;
    memcpy(p->key, dual->key.data, dual->key.len);
    if (dual->count == dual->room) {
        dual->room = dual->room > 0 ? dual->room * 2 : 64;
        dual->all = mem_grow(dual->all, sizeof *dual->all * (size_t)dual->room);
    }
    dual->all[dual->count++] = p;
    index_one(dual, p);
    return p;
}

void dual_add(Dual *dual, const Relation *rel, const Value *key, const DualPending *like)
{
    if (make_key(dual, rel, key))
        append(dual, like, rel->id)->added = true;
}

void dual_forget(Dual *dual, DualPending *pending)
{
    pending->taken = true;
    unlink_one(dual, pending);
}

void dual_take_back(Dual *dual, DualPending *pending)
{
    dual_forget(dual, pending);
    dual->now.ahead++;
    dual->now.recorded--;
    if (pending->held)
        dual->now.waiting--;
}

bool dual_touches(Dual *dual, const Flow *flow)
{
    if (dual == NULL || dual->count == 0)
        return false;
    for (const Change *change = flow->first; change != NULL; change = change->next) {
        const Value *key;
        if (change->kind > CHANGE_DELETE || !plan_applies(change->rel, flow))
            continue;
        if (change->new_values != NULL && dual_find(dual, change->rel, change->new_values) != NULL)
            return true;
        if (change->kind == CHANGE_INSERT)
            continue;
        if (plan_key(change, &key) != PLAN_KEY_UNKNOWN && dual_find(dual, change->rel, key) != NULL)
            return true;
    }
    return false;
}

/* Settling --------------------------------------------------------------------------------------- */

static bool is_due(const Dual *dual, DualPending *p)
{
    const Progress *progress = dual->progress;
    Lsn received;
    if (p->until_lsn == LSN_UNKNOWN) {
        /* A look that began after the time: before it the source may have written more. */
        if (atomic_load(&progress->ticked_us) < p->found_us + dual->settle_us)
            return false;
        p->until_lsn = atomic_load(&progress->ticked_lsn);
    }
    return p->until_lsn != LSN_UNKNOWN && progress_reached_lsn(progress, &received) >= p->until_lsn;
}

/* The next from place *i on that is due; NULL: none. They become due in their order. */
static DualPending *next_due(const Dual *dual, int *i)
{
    for (; *i < dual->count; (*i)++) {
        DualPending *p = dual->all[*i];
        if (p->taken || p->settled || p->stays)
            continue;
        return is_due(dual, p) ? p : NULL;
    }
    return NULL;
}

bool dual_due(Dual *dual)
{
    int i = 0;
    return dual != NULL && next_due(dual, &i) != NULL;
}

bool dual_settle(Dual *dual, PgConn *target, Error *err)
{
    int i = 0;
    for (DualPending *p; dual != NULL && (p = next_due(dual, &i)) != NULL;) {
        CLEANUP_PGROWS PgRows *rows = NULL;
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)p->id);
        if (!pgconn_query(target, SQL_CONFLICT_SETTLE, PG_PARAMS(PG_TEXT(id)), &rows, err))
            return err_context(err, "recording that conflict %s has settled", id);
        p->settled = true;
        /* A person may have decided it meanwhile. */
        p->held = p->held && pgrows_count(rows) == 1 && pgrows_bool(rows, 0, 0);
        p->stops = p->stops && p->held;
        if (!p->held)
            unlink_one(dual, p);
    }
    return true;
}

static bool remove_where(Dual *dual, bool (*gone)(const DualPending *))
{
    int kept = 0, before = dual->count;
    for (int i = 0; i < before; i++) {
        if (gone(dual->all[i]))
            free(dual->all[i]);
        else
            dual->all[kept++] = dual->all[i];
    }
    dual->count = kept;
    return kept != before;
}

static bool is_over(const DualPending *p)
{
    return p->taken || p->settled;
}

static bool is_added(const DualPending *p)
{
    return p->added;
}

void dual_committed(Dual *dual)
{
    if (dual == NULL)
        return;
    Progress *progress = dual->progress;
    for (int i = 0; i < dual->count; i++) {
        DualPending *p = dual->all[i];
        p->added = false;
        if (!p->settled || p->taken || !p->held)
            continue;
        p->stays = true;
        p->settled = false;
        if (p->stops && dual->stop_id == 0)
            dual->stop_id = p->id;
    }
    remove_where(dual, is_over);
    atomic_fetch_add(&progress->conflicts_already, dual->now.already);
    atomic_fetch_add(&progress->conflicts_ahead, dual->now.ahead);
    atomic_fetch_add(&progress->conflicts_gone, dual->now.gone);
    atomic_fetch_add(&progress->conflicts_recorded, dual->now.recorded);
    dual->now = (DualCounts){0};
}

void dual_rolled_back(Dual *dual)
{
    if (dual == NULL)
        return;
    bool undone = remove_where(dual, is_added);
    for (int i = 0; i < dual->count; i++) {
        undone = undone || dual->all[i]->taken || dual->all[i]->settled;
        dual->all[i]->taken = dual->all[i]->settled = false;
    }
    if (undone)
        index_again(dual);
    dual->now = (DualCounts){0};
}

bool dual_go_on(const Dual *dual, Error *err)
{
    if (dual == NULL || dual->stop_id == 0)
        return true;
    ERR(err, ERR_CONFLICT, "conflict %lld waits for a decision: the row differs on both sides",
        (long long)dual->stop_id);
    return err_hint(err,
                    "Look at it with 'bascule conflicts show %lld', decide with 'bascule conflicts "
                    "resolve %lld --take source' (or target, or nothing), then run again.",
                    (long long)dual->stop_id, (long long)dual->stop_id);
}

/* What the target knows --------------------------------------------------------------------------- */

static const Relation *relation_of(const Relations *rels, const PgRows *rows, int row)
{
    CLEANUP_BUF Buf name = BUF_INIT;
    buf_puts(&name, pgrows_text(rows, row, 1));
    buf_putc(&name, '\0');
    buf_puts(&name, pgrows_text(rows, row, 2));
    return relations_by_name(rels, name.data, name.len);
}

/* The rows [first, end) are the key columns of one conflict. */
static void load_one(Dual *dual, const Relations *rels, const PgRows *rows, int first, int end)
{
    const Relation *rel = relation_of(rels, rows, first);
    bool settled = pgrows_bool(rows, first, 5), waits = pgrows_bool(rows, first, 6);
    bool stops = waits && strcmp(pgrows_text(rows, first, 4), "error") == 0;
    DualPending like = {.id = pgrows_i64(rows, first, 0),
                        .missing = pgrows_bool(rows, first, 8),
                        .held = waits,
                        .stops = stops,
                        .stays = settled};
    if (settled && stops && dual->stop_id == 0)
        dual->stop_id = like.id;
    if ((settled && !waits) || rel == NULL || end - first != rel->key_count)
        return;
    buf_clear(&dual->key);
    buf_put_u32(&dual->key, rel->id);
    for (int row = first; row < end; row++)
        put_key_part(&dual->key, pgrows_text(rows, row, 7), (uint32_t)pgrows_length(rows, row, 7));
    append(dual, &like, rel->id);
}

bool dual_make_table(PgConn *target, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL;
    return pgconn_query(target, SQL_CONFLICT_EXISTS, PG_NO_PARAMS, &there, err) &&
           (pgrows_bool(there, 0, 0) || pgconn_script(target, SQL_CONFLICT_SCHEMA, err));
}

bool dual_load(Dual *dual, PgConn *target, const Relations *rels, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_PGROWS PgRows *counts = NULL;
    forget_all(dual);
    if (!dual_make_table(target, err) ||
        !pgconn_query(target, SQL_CONFLICT_OPEN, PG_PARAMS(PG_TEXT(dual->task)), &rows, err) ||
        !pgconn_query(target, SQL_CONFLICT_COUNTS, PG_PARAMS(PG_TEXT(dual->task)), &counts, err))
        return err_context(err, "reading the conflicts");
    for (int first = 0, count = pgrows_count(rows); first < count;) {
        int end = first + 1;
        while (end < count && pgrows_i64(rows, end, 0) == pgrows_i64(rows, first, 0))
            end++;
        load_one(dual, rels, rows, first, end);
        first = end;
    }
    atomic_store(&dual->progress->conflicts_recorded, pgrows_i64(counts, 0, 0));
    atomic_store(&dual->progress->conflicts_gone, pgrows_i64(counts, 0, 2));
    return true;
}

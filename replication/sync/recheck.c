/*
 * recheck - changed keys are read again while the stream runs, so that few are open at the freeze.
 *
 * A pass cuts the log of changed keys, reads the source's end of WAL and waits until the target has
 * it. A key that was noted before the cut and not after it has had its last change by then, on both
 * sides: rows that are equal are done with. Rows that differ are held against what was noted since
 * the cut, up to an end of WAL read after them: a key that is there was in motion and stays open;
 * one that is not has really differed, without any doubt, and is told. No snapshot, no lock, no
 * waiting applier.
 *
 * A commit that waits for a synchronous standby of the source is in the WAL, and soon on the target, but
 * nobody sees it on the source. So rows that differ are read once more when what was under way at that
 * end of WAL is no longer; until then they are not told and stay open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "sql_files.h"
#include "sync/internal.h"
#include "verify/compare.h"
#include "verify/keydiff.h"

#define BATCH_ROWS    500
#define BATCH_BYTES   ((int64_t)2 << 20)
#define REACH_US      60000000 /* a target that is further behind: another time */
#define LOOK_US       20000
#define SETTLE_US     10000000
#define SUSPECTS_MOST 1000

typedef struct Suspect {
    const Relation *rel;
    const char *key; /* as noted */
    size_t len;
    bool moved; /* noted again since */
    char text[160];
} Suspect;

typedef struct RecheckBatch {
    const Relation *rel;
    Arena *arena;
    const char ***keys;
    Value *noted; /* data, len: as noted */
    int count, room;
} RecheckBatch;

typedef struct Pass {
    Sync *sync;
    Keylog *log;
    const Relations *rels;
    PgConn *source, *target;
    int64_t segment;
    bool *wanted;
    RecheckBatch **open;
    Arena *arena; /* of suspects */
    Suspect *suspects;
    int suspect_count;
    int64_t keys, next_us;
    const char *under_way; /* on the source, when its end of WAL had been read; NULL: nothing */
} Pass;

/* Positions
 * ---------------------------------------------------------------------------------------- */

/* The target has everything that the source had written before this was called. */
static bool reach_now(Pass *pass, bool *out_reached, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Sync *sync = pass->sync;
    int64_t deadline_us = clock_now_us() + REACH_US;
    *out_reached = false;
    if (!pgconn_query(pass->source, SQL_VERIFY_SOURCE_END, PG_NO_PARAMS, &rows, err))
        return false;
    Lsn end_lsn = pgrows_lsn(rows, 0, 0);
    while (atomic_load(&sync->progress.applied_lsn) < end_lsn) {
        if (clock_now_us() >= deadline_us)
            return true;
        if (stop_wait(sync->stream_stop, LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped");
    }
    *out_reached = true;
    return true;
}

/* Reading
 * ------------------------------------------------------------------------------------------ */

static void batch_free(RecheckBatch *batch)
{
    if (batch != NULL)
        arena_free(batch->arena);
}

static RecheckBatch *batch_new(const Relation *rel)
{
    Arena *arena = arena_new(0);
    RecheckBatch *batch = arena_new_object(arena, RecheckBatch);
    int64_t row = rel->estimated_rows > 0 ? rel->bytes / rel->estimated_rows : 1024;
    int64_t room = BATCH_BYTES / (row > 0 ? row : 1);
    *batch = (RecheckBatch){.arena = arena, .rel = rel};
    batch->room = room > BATCH_ROWS ? BATCH_ROWS : room < 1 ? 1 : (int)room;
    batch->keys = arena_new_array(arena, const char **, batch->room);
    batch->noted = arena_new_array(arena, Value, batch->room);
    return batch;
}

static void suspect(Pass *pass, const RecheckBatch *batch, int i, const KeyDiff *diff)
{
    const Relation *rel = batch->rel;
    if (pass->suspect_count == SUSPECTS_MOST) {
        keylog_put_back(pass->log, rel, batch->noted[i].data, batch->noted[i].len);
        return;
    }
    Suspect *s = &pass->suspects[pass->suspect_count++];
    *s = (Suspect){.rel = rel,
                   .key = arena_dup(pass->arena, batch->noted[i].data, batch->noted[i].len),
                   .len = batch->noted[i].len};
    keydiff_describe(rel, diff, s->text, sizeof s->text);
}

/* Both servers are spared: so many keys a second and no more. */
static bool keep_rate(Pass *pass, int keys, Error *err)
{
    int64_t now_us = clock_now_us(), rate = pass->sync->spec.recheck_rate;
    if (pass->next_us > now_us && stop_wait(pass->sync->stream_stop, pass->next_us - now_us))
        return ERR(err, ERR_STOPPED, "stopped");
    if (atomic_load(&pass->sync->state) != TASK_STREAMING)
        return ERR(err, ERR_STOPPED, "a cutover began");
    now_us = clock_now_us();
    pass->next_us = (pass->next_us > now_us ? pass->next_us : now_us) + keys * 1000000LL / rate;
    return true;
}

static bool read_batch(Pass *pass, RecheckBatch *batch, Error *err)
{
    KeyDiff *diffs = arena_new_array(batch->arena, KeyDiff, batch->count);
    bool ok =
        keep_rate(pass, batch->count, err) && keydiff_read(pass->source, pass->target, batch->rel,
                                                           (const char *const *const *)batch->keys,
                                                           batch->count, batch->arena, diffs, err);
    for (int i = 0; ok && i < batch->count; i++)
        if (diffs[i].kind != KEYDIFF_EQUAL)
            suspect(pass, batch, i, &diffs[i]);
    pass->keys += batch->count;
    batch_free(batch);
    return ok;
}

static bool take_key(void *arg, uint32_t oid, const char *key, size_t len, Error *err)
{
    Pass *pass = arg;
    const Relation *rel = relations_by_oid(pass->rels, oid);
    if (rel == NULL || !pass->wanted[rel->id])
        return true;
    RecheckBatch *batch = pass->open[rel->id];
    if (batch == NULL)
        batch = pass->open[rel->id] = batch_new(rel);
    Value *values = arena_new_array(batch->arena, Value, rel->key_count);
    if (!keylog_key_values(rel, key, len, values, err))
        return false;
    const char **texts = arena_new_array(batch->arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count; k++)
        texts[k] = arena_dup(batch->arena, values[k].data, values[k].len);
    batch->keys[batch->count] = texts;
    batch->noted[batch->count++] = (Value){
        .data = arena_dup(batch->arena, key, len), .len = (uint32_t)len, .kind = VALUE_TEXT};
    if (batch->count < batch->room)
        return true;
    pass->open[rel->id] = NULL;
    return read_batch(pass, batch, err);
}

static bool read_keys(Pass *pass, Error *err)
{
    bool ok = keylog_read(pass->log, 0, pass->segment, take_key, pass, err);
    for (int i = 0; i < pass->rels->count; i++) {
        RecheckBatch *batch = pass->open[i];
        pass->open[i] = NULL;
        if (batch != NULL && ok)
            ok = read_batch(pass, batch, err);
        else
            batch_free(batch);
    }
    return ok;
}

/* Transactions that nobody sees
 * -------------------------------------------------------------------- */

/* After the end of WAL was read: who committed before it and is not visible is among these. */
static bool note_under_way(Pass *pass, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(pass->source, SQL_RECHECK_UNDER_WAY, PG_NO_PARAMS, &rows, err))
        return false;
    if (!pgrows_null(rows, 0, 0))
        pass->under_way = arena_strdup(pass->arena, pgrows_text(rows, 0, 0));
    return true;
}

static bool settle(Pass *pass, bool *out_settled, Error *err)
{
    int64_t deadline_us = clock_now_us() + SETTLE_US;
    for (;;) {
        CLEANUP_PGROWS PgRows *rows = NULL;
        if (!pgconn_query(pass->source, SQL_RECHECK_SETTLED, PG_PARAMS(PG_TEXT(pass->under_way)),
                          &rows, err))
            return false;
        *out_settled = pgrows_bool(rows, 0, 0);
        if (*out_settled || clock_now_us() >= deadline_us)
            return true;
        if (stop_wait(pass->sync->stream_stop, LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped");
    }
}

/* The suspects of one table from `first` on, BATCH_ROWS at most; each is looked at once. */
static bool read_suspects(Pass *pass, int first, bool *seen, Error *err)
{
    const Relation *rel = pass->suspects[first].rel;
    Arena *arena = arena_new(0);
    const char *const **keys = arena_new_array(arena, const char *const *, BATCH_ROWS);
    int *places = arena_new_array(arena, int, BATCH_ROWS);
    int count = 0;
    bool ok = true;
    for (int i = first; ok && i < pass->suspect_count && count < BATCH_ROWS; i++) {
        Suspect *s = &pass->suspects[i];
        if (seen[i] || s->rel != rel)
            continue;
        Value *values = arena_new_array(arena, Value, rel->key_count);
        const char **texts = arena_new_array(arena, const char *, rel->key_count);
        ok = keylog_key_values(rel, s->key, s->len, values, err);
        for (int k = 0; ok && k < rel->key_count; k++)
            texts[k] = arena_dup(arena, values[k].data, values[k].len);
        keys[count] = (const char *const *)texts;
        places[count++] = i;
        seen[i] = true;
    }
    KeyDiff *diffs = arena_new_array(arena, KeyDiff, count);
    ok = ok && keep_rate(pass, count, err) &&
         keydiff_read(pass->source, pass->target, rel, keys, count, arena, diffs, err);
    for (int i = 0; ok && i < count; i++)
        pass->suspects[places[i]].moved = diffs[i].kind == KEYDIFF_EQUAL;
    arena_free(arena);
    return ok;
}

static bool look_again(Pass *pass, Error *err)
{
    bool settled = true, ok = true;
    bool dual = pass->sync->spec.dual_write;
    if (pass->suspect_count == 0 || (pass->under_way == NULL && !dual))
        return true;
    /* The application may have written to the target first. */
    if (dual && stop_wait(pass->sync->stream_stop, pass->sync->spec.settle_us))
        return ERR(err, ERR_STOPPED, "stopped");
    if (pass->under_way != NULL && !settle(pass, &settled, err))
        return false;
    if (!settled) {
        for (int i = 0; i < pass->suspect_count; i++)
            pass->suspects[i].moved = true;
        log_debug("rows differ while transactions of the source that may have changed them are "
                  "under way rows=%d",
                  pass->suspect_count);
        return true;
    }
    bool *seen = arena_new_array(pass->arena, bool, pass->suspect_count);
    for (int i = 0; ok && i < pass->suspect_count; i++)
        ok = seen[i] || read_suspects(pass, i, seen, err);
    return ok;
}

/* Verdict
 * ------------------------------------------------------------------------------------------ */

static bool note_moved(void *arg, uint32_t oid, const char *key, size_t len, Error *err)
{
    Pass *pass = arg;
    (void)err;
    for (int i = 0; i < pass->suspect_count; i++) {
        Suspect *s = &pass->suspects[i];
        if (s->rel->oid == oid && s->len == len && memcmp(s->key, key, len) == 0)
            s->moved = true;
    }
    return true;
}

static void tell(Pass *pass)
{
    Sync *sync = pass->sync;
    Recheck *found = mem_zalloc(sizeof *found * (size_t)(pass->rels->count + 1));
    for (int i = 0; i < pass->suspect_count; i++) {
        const Suspect *s = &pass->suspects[i];
        KeylogTable table;
        keylog_put_back(pass->log, s->rel, s->key, s->len);
        keylog_table(pass->log, s->rel, &table);
        if (s->moved || table.whole) /* marked meanwhile: its keys were not noted */
            continue;
        Recheck *r = &found[s->rel->id];
        if (r->differing++ == 0) {
            snprintf(r->first, sizeof r->first, "%s", s->text);
            log_warn("source and target differ in table '%s': %s", s->rel->display, s->text);
        }
    }
    pthread_mutex_lock(&sync->lock);
    Recheck *before = sync->recheck;
    sync->recheck = found;
    sync->recheck_of = pass->rels;
    pthread_mutex_unlock(&sync->lock);
    free(before);
}

/* *out_done false: the target is too far behind; nothing has changed. */
static bool run_pass(Pass *pass, bool *out_done, Error *err)
{
    if (!reach_now(pass, out_done, err))
        return false;
    if (!*out_done)
        return true;
    if (!note_under_way(pass, err) || !read_keys(pass, err) || !look_again(pass, err) ||
        !reach_now(pass, out_done, err))
        return false;
    if (!*out_done)
        return true;
    if (pass->suspect_count > 0 &&
        !keylog_read_since(pass->log, pass->segment, note_moved, pass, err))
        return false;
    tell(pass);
    for (int i = 0; i < pass->rels->count; i++)
        if (pass->wanted[i])
            keylog_floor(pass->log, pass->rels->all[i]->oid, pass->segment);
    return true;
}

static bool choose(Pass *pass)
{
    bool any = false;
    for (int i = 0; i < pass->rels->count; i++) {
        const Relation *rel = pass->rels->all[i];
        KeylogTable table;
        keylog_table(pass->log, rel, &table);
        pass->wanted[i] =
            !table.whole && table.open_keys > 0 && !rel->suspended && compare_keys_possible(rel);
        any = any || pass->wanted[i];
    }
    return any;
}

static bool open_sessions(Pass *pass, Error *err)
{
    PgEndpoint source = pass->sync->spec.source, target = pass->sync->spec.target;
    source.stop = target.stop = pass->sync->stream_stop;
    pass->source = pgconn_open(&source, PG_SESSION_SQL, "recheck", err);
    pass->target =
        pass->source == NULL ? NULL : pgconn_open(&target, PG_SESSION_SQL, "recheck", err);
    return pass->target != NULL;
}

static bool recheck(Sync *sync, Error *err)
{
    const Relations *rels = sync_relations(sync);
    size_t tables = (size_t)rels->count + 1;
    Pass pass = {.sync = sync,
                 .log = atomic_load(&sync->keylog),
                 .rels = rels,
                 .wanted = mem_zalloc(sizeof(bool) * tables),
                 .open = mem_zalloc(sizeof(RecheckBatch *) * tables),
                 .arena = arena_new(0)};
    bool ok = true, done = false;
    if (choose(&pass)) {
        pass.suspects = arena_new_array(pass.arena, Suspect, SUSPECTS_MOST);
        ok = open_sessions(&pass, err);
        /* The cut comes before the position that is waited for. */
        if (ok)
            keylog_cut(pass.log, false, &pass.segment);
        ok = ok && run_pass(&pass, &done, err);
    }
    if (ok && done)
        log_debug("changed keys read again keys=%lld differing=%d", (long long)pass.keys,
                  pass.suspect_count);
    pgconn_close(pass.source);
    pgconn_close(pass.target);
    arena_free(pass.arena);
    free(pass.wanted);
    free(pass.open);
    return ok;
}

StepResult sync_recheck_step(void *self, Error *err)
{
    Sync *sync = self;
    if (stop_wait(sync->stream_stop, sync->spec.recheck_interval_us))
        return STEP_IDLE;
    TaskState state = (TaskState)atomic_load(&sync->state);
    if (state != TASK_STREAMING && state != TASK_REVERSING)
        return STEP_IDLE;
    /* Whatever goes wrong here, the stream is worth more: the keys stay open. */
    if (!recheck(sync, err) && err->cls != ERR_STOPPED)
        log_error_value(LOG_WARN, err, "changed keys could not be read again");
    err_clear(err);
    return STEP_IDLE;
}

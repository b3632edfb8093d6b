/*
 * compare_keys - the rows that changed, read again by their keys; see compare.h.
 *
 * The caller's thread reads the log and fills batches, one a table; a pair of lanes (a session on
 * each side) takes a batch and holds its rows against each other. Index look-ups are the only plan
 * that is allowed: the time then grows with the keys, not with the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"
#include "bascule/base/queue.h"
#include "verify/compare_internal.h"
#include "verify/keydiff.h"

#define BATCH_MOST   4000
#define BATCH_LEAST  16
#define BATCH_BYTES  ((int64_t)4 << 20) /* of rows, judged by the table's average */
#define LOOK_US      50000
#define JOIN_LOOK_US 1000

typedef struct Batch {
    Arena *arena;
    const Relation *rel;
    const char ***keys;
    int count, room;
} Batch;

typedef struct Pair {
    struct Keys *keys;
    PgConn *source, *target;
    char name[32];
    Worker *worker;
} Pair;

typedef struct Keys {
    Compare *compare;
    const bool *wanted;
    CompareTable *out;
    int64_t deadline_us;
    Batch **open; /* by relation id: being filled */
    Queue *queue;
    StopToken *stop; /* the lanes end */
    Pair *pairs;
    int pair_count;
    pthread_mutex_t lock; /* guards out, failed, failure */
    bool failed;
    Error failure;
} Keys;

bool compare_keys_possible(const Relation *rel)
{
    return rel->key_unique && rel->target_has_key && keydiff_by_index(rel);
}

/* Batches
 * ------------------------------------------------------------------------------------------ */

static void batch_free(void *item)
{
    Batch *batch = item;
    if (batch != NULL)
        arena_free(batch->arena);
}

static Batch *batch_new(const Relation *rel)
{
    Arena *arena = arena_new(0);
    Batch *batch = arena_new_object(arena, Batch);
    int64_t row = rel->estimated_rows > 0 ? rel->bytes / rel->estimated_rows : 1024;
    int64_t room = BATCH_BYTES / (row > 0 ? row : 1);
    *batch = (Batch){.arena = arena, .rel = rel};
    batch->room = room > BATCH_MOST ? BATCH_MOST : room < BATCH_LEAST ? BATCH_LEAST : (int)room;
    batch->keys = arena_new_array(arena, const char **, batch->room);
    return batch;
}

static bool failed(Keys *keys, Error *err)
{
    pthread_mutex_lock(&keys->lock);
    bool yes = keys->failed;
    if (yes)
        *err = keys->failure;
    pthread_mutex_unlock(&keys->lock);
    return yes;
}

static bool send(Keys *keys, Batch *batch, Error *err)
{
    for (;;) {
        if (failed(keys, err) ||
            (clock_now_us() >= keys->deadline_us && !ERR(err, ERR_DEADLINE, "the time ran out"))) {
            batch_free(batch);
            return false;
        }
        if (queue_put(keys->queue, batch, 1, clock_now_us() + LOOK_US) == QUEUE_OK)
            return true;
    }
}

static bool take_key(void *arg, uint32_t oid, const char *key, size_t len, Error *err)
{
    Keys *keys = arg;
    const Relation *rel = relations_by_oid(keys->compare->spec.rels, oid);
    Value values[64];
    if (rel == NULL || !keys->wanted[rel->id])
        return true;
    ASSERT(rel->key_count <= 64);
    Batch *batch = keys->open[rel->id];
    if (batch == NULL)
        batch = keys->open[rel->id] = batch_new(rel);
    if (!keylog_key_values(rel, key, len, values, err))
        return false;
    const char **texts = arena_new_array(batch->arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count; k++)
        texts[k] = arena_dup(batch->arena, values[k].data, values[k].len);
    batch->keys[batch->count++] = texts;
    if (batch->count < batch->room)
        return true;
    keys->open[rel->id] = NULL;
    return send(keys, batch, err);
}

static bool send_rest(Keys *keys, Error *err)
{
    bool ok = true;
    for (int i = 0; i < keys->compare->spec.rels->count; i++) {
        Batch *batch = keys->open[i];
        keys->open[i] = NULL;
        if (batch != NULL && ok)
            ok = send(keys, batch, err);
        else
            batch_free(batch);
    }
    return ok;
}

/* Lanes
 * -------------------------------------------------------------------------------------------- */

static bool compare_batch(Pair *pair, const Batch *batch, Error *err)
{
    Keys *keys = pair->keys;
    KeyDiff *diffs = arena_new_array(batch->arena, KeyDiff, batch->count);
    if (!keydiff_read(pair->source, pair->target, batch->rel,
                      (const char *const *const *)batch->keys, batch->count, batch->arena, diffs,
                      err))
        return false;
    pthread_mutex_lock(&keys->lock);
    CompareTable *out = &keys->out[batch->rel->id];
    out->keys += batch->count;
    for (int i = 0; i < batch->count; i++) {
        if (diffs[i].kind == KEYDIFF_EQUAL)
            continue;
        if (out->different++ == 0)
            keydiff_describe(batch->rel, &diffs[i], out->why, sizeof out->why);
    }
    pthread_mutex_unlock(&keys->lock);
    return true;
}

static StepResult pair_step(void *self, Error *err)
{
    Pair *pair = self;
    Keys *keys = pair->keys;
    void *item = NULL;
    QueueResult got = queue_take(keys->queue, &item, clock_now_us() + LOOK_US);
    if (got == QUEUE_CLOSED)
        return STEP_DONE;
    if (got != QUEUE_OK)
        return STEP_IDLE;
    bool ok = compare_batch(pair, item, err);
    batch_free(item);
    if (ok)
        return STEP_AGAIN;
    pthread_mutex_lock(&keys->lock);
    if (!keys->failed) {
        keys->failed = true;
        keys->failure = *err;
    }
    pthread_mutex_unlock(&keys->lock);
    return STEP_DONE;
}

static bool by_index_only(const Keys *keys, bool on, Error *err)
{
    for (int i = 0; i < keys->compare->lane_count; i++)
        if (!pgconn_script(keys->compare->lanes[i].conn,
                           on ? SQL("SET enable_seqscan = off; SET enable_hashjoin = off; "
                                    "SET enable_mergejoin = off; SET enable_material = off")
                              : SQL("RESET enable_seqscan; RESET enable_hashjoin; "
                                    "RESET enable_mergejoin; RESET enable_material"),
                           err))
            return false;
    return true;
}

static bool start_pairs(Keys *keys, Error *err)
{
    Compare *compare = keys->compare;
    for (int i = 0; i < compare->lane_count / SIDE_COUNT; i++) {
        Pair *pair = &keys->pairs[i];
        pair->keys = keys;
        pair->source = compare->lanes[SIDE_COUNT * i + SIDE_SOURCE].conn;
        pair->target = compare->lanes[SIDE_COUNT * i + SIDE_TARGET].conn;
        snprintf(pair->name, sizeof pair->name, "keys-%d", i + 1);
        WorkerSpec spec = {.name = pair->name, .self = pair, .step = pair_step};
        pair->worker = worker_start(&spec, keys->stop, err);
        if (pair->worker == NULL)
            return false;
        keys->pair_count++;
    }
    return true;
}

static bool pairs_ended(const Keys *keys)
{
    for (int i = 0; i < keys->pair_count; i++)
        if (!worker_ended(keys->pairs[i].worker))
            return false;
    return true;
}

/* What waits is worked off first, unless something failed or takes too long: then the statements
 * that run are cancelled, and these sessions are of no more use. */
static bool join_pairs(Keys *keys, bool ok, Error *err)
{
    StopToken *asked = keys->compare->spec.stop;
    queue_close(keys->queue);
    while (ok && !pairs_ended(keys)) {
        if (asked != NULL ? stop_wait(asked, JOIN_LOOK_US) : stop_wait(keys->stop, JOIN_LOOK_US))
            ok = ERR(err, ERR_STOPPED, "stopped while comparing");
        else if (clock_now_us() >= keys->deadline_us)
            ok = ERR(err, ERR_DEADLINE, "the time ran out while changed rows were read");
    }
    if (!ok) {
        stop_request(keys->stop);
        stop_request(keys->compare->halt);
    }
    for (int i = 0; i < keys->pair_count; i++)
        worker_join(keys->pairs[i].worker, NULL);
    return ok;
}

bool compare_keys(Compare *compare, Keylog *log, const bool *wanted, int64_t deadline_us,
                  CompareTable *out_tables, Error *err)
{
    int64_t before = 0;
    size_t tables = (size_t)compare->spec.rels->count + 1;
    Keys keys = {
        .compare = compare,
        .wanted = wanted,
        .out = out_tables,
        .deadline_us = deadline_us,
        .open = mem_zalloc(sizeof *keys.open * tables),
        .queue = queue_new(8, 8),
        .stop = stop_new(),
        .pairs = mem_zalloc(sizeof *keys.pairs * (size_t)compare->lane_count),
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    keylog_cut(log, false, &before);
    bool ok = by_index_only(&keys, true, err) && start_pairs(&keys, err) &&
              keylog_read(log, 0, before, take_key, &keys, err) && send_rest(&keys, err);
    ok = join_pairs(&keys, ok, err);
    Error late = ERROR_INIT;
    if (ok && failed(&keys, &late)) {
        *err = late;
        ok = false;
    }
    ok = ok && by_index_only(&keys, false, err);
    for (size_t i = 0; i < tables; i++)
        batch_free(keys.open[i]);
    queue_free(keys.queue, batch_free);
    stop_free(keys.stop);
    pthread_mutex_destroy(&keys.lock);
    free(keys.open);
    free(keys.pairs);
    return ok;
}

/*
 * verify_motion - with dual writes: rows that differ because the application is between its two writes.
 *
 * The snapshots of both sides show one position of the stream, but what the application writes to the
 * target itself has none. So rows that differ are read again as they are now, some times, each time after
 * the application had time for its second write and the stream has come to what the source had written
 * before. A row that is equal then was in motion; one that stands still on both sides and differs has
 * really differed; one that keeps changing is in motion as well.
 */
#include <string.h>

#include "bascule/base/clock.h"
#include "sql_files.h"
#include "verify/verify_internal.h"

#define LOOKS_MOST 6
#define REACH_US   60000000
#define LOOK_US    20000

typedef struct Motion {
    VerifyRun *run;
    const Relation *rel;
    PgConn *source, *target;
    Arena *arena;
    KeyDiff *before; /* of the look before; key NULL: none yet */
} Motion;

/* The application and the stream have had their time. */
static bool wait_a_while(Motion *m, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const TwinEngine *engine = &m->run->spec.twin.engine;
    StopToken *stop = m->run->spec.stop;
    if (!pgconn_query(m->source, SQL_VERIFY_SOURCE_END, PG_NO_PARAMS, &rows, err))
        return false;
    Lsn end_lsn = pgrows_lsn(rows, 0, 0);
    int64_t deadline_us = clock_now_us() + REACH_US;
    if (stop_wait(stop, m->run->spec.settle_us))
        return ERR(err, ERR_STOPPED, "stopped");
    while (engine->self != NULL && engine->applied_lsn(engine->self) < end_lsn) {
        if (clock_now_us() > deadline_us)
            return ERR(err, ERR_LAG,
                       "the target does not come to what the source has written, so "
                       "that nobody can tell rows in motion from rows that differ");
        if (stop_wait(stop, LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped");
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_row(const Relation *rel, const char **a, const char **b)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (int i = 0; i < rel->column_count; i++)
        if (!same_text(a[i], b[i]))
            return false;
    return true;
}

/* Puts keys that stand still to the front: [0, *stand); the undecided behind them, up to *count. */
static void judge(Motion *m, const char *const **keys, KeyDiffKind *kinds, const KeyDiff *now,
                  int first, int *stand, int *count)
{
    int open = *stand;
    KeyDiff *kept = arena_new_array(m->arena, KeyDiff, *count + 1);
    for (int i = first; i < *count; i++) {
        const KeyDiff *was = &m->before[i], *is = &now[i - first];
        if (is->kind == KEYDIFF_EQUAL)
            continue;
        const char *const *key = keys[i];
        KeyDiffKind kind = kinds[i];
        bool still = was->key != NULL && same_row(m->rel, was->source, is->source) &&
                     same_row(m->rel, was->target, is->target);
        if (still) {
            keys[open] = keys[*stand];
            kinds[open] = kinds[*stand];
            kept[open] = kept[*stand];
            keys[*stand] = key;
            kinds[(*stand)++] = kind;
        } else {
            keys[open] = key;
            kinds[open] = kind;
            kept[open] = *is;
        }
        open++;
    }
    m->before = kept;
    *count = open;
}

static bool look(Motion *m, const char *const **keys, KeyDiffKind *kinds, int *stand, int *count,
                 Error *err)
{
    int first = *stand;
    KeyDiff *now = arena_new_array(m->arena, KeyDiff, *count - first + 1);
    for (int at = first; at < *count; at += VERIFY_ASK_KEYS) {
        int n = *count - at < VERIFY_ASK_KEYS ? *count - at : VERIFY_ASK_KEYS;
        if (!keydiff_read(m->source, m->target, m->rel, keys + at, n, m->arena, now + at - first,
                          err))
            return false;
    }
    judge(m, keys, kinds, now, first, stand, count);
    return true;
}

bool verify_drop_moving(VerifyRun *run, const Relation *rel, const char *const **keys,
                        KeyDiffKind *kinds, int *count, int64_t *out_moving, Error *err)
{
    int before = *count, stand = 0;
    PgEndpoint source = run->spec.twin.source, target = run->spec.twin.target;
    Motion m = {.run = run, .rel = rel, .arena = arena_new(0)};
    m.before = arena_new_array(m.arena, KeyDiff, *count + 1);
    m.source = pgconn_open(&source, PG_SESSION_SQL, "verify", err);
    m.target = m.source == NULL ? NULL : pgconn_open(&target, PG_SESSION_SQL, "verify", err);
    bool ok = m.target != NULL;
    for (int i = 0; ok && i < LOOKS_MOST && stand < *count; i++)
        ok = wait_a_while(&m, err) && look(&m, keys, kinds, &stand, count, err);
    pgconn_close(m.source);
    pgconn_close(m.target);
    arena_free(m.arena);
    *count = stand;
    *out_moving += before - stand;
    return ok || err_context(err, "looking at rows of table '%s' again", rel->display);
}

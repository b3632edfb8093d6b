/*
 * verify_motion - with dual writes: rows that differ because the application is between its two writes.
 *
 * The snapshots of both sides show one position of the stream, but what the application writes to the
 * target itself has none. So rows that differ are read again as they are now, some times, each time after
 * the application had time for its second write and the stream has come to what the source had written
 * before. A row that is equal then was in motion; one that stands still on both sides and differs has
 * really differed, as has one with a column that shows the same two different values at every look, whatever
 * becomes of the rest. Of one that keeps changing otherwise nobody knows.
 */
#include <string.h>

#include "bascule/base/clock.h"
#include "sql_files.h"
#include "verify/verify_internal.h"

#define LOOKS_MOST 6
#define REACH_US   60000000
#define LOOK_US    20000

/* A row at the look before, and what all looks so far have in common. */
typedef struct Seen {
    KeyDiff diff;  /* key NULL: there was no look yet */
    bool *steady;  /* by column: the same two values, which differ */
    bool one_side; /* the row was on the same one side alone */
} Seen;

typedef struct Motion {
    VerifyRun *run;
    const Relation *rel;
    PgConn *source, *target;
    Arena *arena;
    Seen *before;
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

static Seen see(Motion *m, const Seen *was, const KeyDiff *is)
{
    bool first = was->diff.key == NULL, both = is->source != NULL && is->target != NULL;
    Seen now = {.diff = *is, .steady = arena_new_array(m->arena, bool, m->rel->column_count + 1)};
    now.one_side =
        !both && (first || (was->one_side && (was->diff.source == NULL) == (is->source == NULL)));
    for (int i = 0; both && i < m->rel->column_count; i++)
        now.steady[i] =
            !same_text(is->source[i], is->target[i]) &&
            (first || (was->steady[i] && same_text(was->diff.source[i], is->source[i]) &&
                       same_text(was->diff.target[i], is->target[i])));
    return now;
}

static bool differs_steadily(const Motion *m, const Seen *seen)
{
    bool any = seen->one_side;
    for (int i = 0; i < m->rel->column_count; i++)
        any = any || seen->steady[i];
    return any;
}

/* Puts keys that stand still to the front: [0, *stand); the undecided behind them, up to *count. */
static void judge(Motion *m, const char *const **keys, KeyDiffKind *kinds, const KeyDiff *now,
                  bool last, int *stand, int *count)
{
    int first = *stand, open = *stand;
    Seen *kept = arena_new_array(m->arena, Seen, *count + 1);
    for (int i = first; i < *count; i++) {
        const Seen *was = &m->before[i];
        const KeyDiff *is = &now[i - first];
        if (is->kind == KEYDIFF_EQUAL)
            continue;
        const char *const *key = keys[i];
        KeyDiffKind kind = kinds[i];
        Seen seen = see(m, was, is);
        bool still = was->diff.key != NULL && same_row(m->rel, was->diff.source, is->source) &&
                     same_row(m->rel, was->diff.target, is->target);
        if (still || (last && differs_steadily(m, &seen))) {
            keys[open] = keys[*stand];
            kinds[open] = kinds[*stand];
            kept[open] = kept[*stand];
            keys[*stand] = key;
            kinds[(*stand)++] = kind;
        } else {
            keys[open] = key;
            kinds[open] = kind;
            kept[open] = seen;
        }
        open++;
    }
    m->before = kept;
    *count = open;
}

static bool look(Motion *m, const char *const **keys, KeyDiffKind *kinds, bool last, int *stand,
                 int *count, Error *err)
{
    int first = *stand;
    KeyDiff *now = arena_new_array(m->arena, KeyDiff, *count - first + 1);
    for (int at = first; at < *count; at += VERIFY_ASK_KEYS) {
        int n = *count - at < VERIFY_ASK_KEYS ? *count - at : VERIFY_ASK_KEYS;
        if (!keydiff_read(m->source, m->target, m->rel, keys + at, n, m->arena, now + at - first,
                          err))
            return false;
        /* The source has it no more: from now on it is the target's own. */
        for (int i = at - first; m->rel->keep_extra && i < at - first + n; i++)
            if (now[i].kind == KEYDIFF_EXTRA)
                now[i].kind = KEYDIFF_EQUAL;
    }
    judge(m, keys, kinds, now, last, stand, count);
    return true;
}

bool verify_drop_moving(VerifyRun *run, VerifyTable *table, const char *const **keys,
                        KeyDiffKind *kinds, int *count, Error *err)
{
    int before = *count, stand = 0;
    PgEndpoint source = run->spec.twin.source, target = run->spec.twin.target;
    Motion m = {.run = run, .rel = table->rel, .arena = arena_new(0)};
    m.before = arena_new_array(m.arena, Seen, *count + 1);
    m.source = pgconn_open(&source, PG_SESSION_SQL, "verify", err);
    m.target = m.source == NULL ? NULL : pgconn_open(&target, PG_SESSION_SQL, "verify", err);
    bool ok = m.target != NULL;
    for (int i = 0; ok && i < LOOKS_MOST && stand < *count; i++)
        ok =
            wait_a_while(&m, err) && look(&m, keys, kinds, i == LOOKS_MOST - 1, &stand, count, err);
    pgconn_close(m.source);
    pgconn_close(m.target);
    arena_free(m.arena);
    table->moving += before - *count;
    table->unsettled += *count - stand;
    *count = stand;
    return ok || err_context(err, "looking at rows of table '%s' again", table->rel->display);
}

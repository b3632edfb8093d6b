/*
 * watch - the conductor's looks at the source's catalog while the stream runs.
 *
 * A table whose shape changed is suspended: at once, wherever the stream is, because what is left out
 * comes with the copy (relation.h, SuspendState). While tables are suspended, what they lack on the
 * target is worked out every few seconds, shown, and with `ddl: apply` done; those that fit are copied
 * again (rejoin.c). Trouble with the source or the target is the stream's to report: a look that fails
 * is tried again later.
 */
#include <stdlib.h>
#include <string.h>

#include "apply/suspension.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/capture.h"
#include "source/mapped.h"
#include "source/shape.h"
#include "sql_files.h"
#include "sync/internal.h"
#include "sync/remedy.h"

#define LOOK_US       2000000
#define LOOK_SHARE    20 /* a look may take that part of the time */
#define JUDGE_US      2000000
#define JUDGE_MOST_US 300000000
#define REFRESH_US    5000000

/* Asking for a suspension ------------------------------------------------------------------------ */

static bool is_asked(const Sync *sync, const Relation *rel)
{
    for (const SuspendRequest *r = sync->suspend_requests; r != NULL; r = r->next)
        if (r->rel == rel)
            return true;
    return false;
}

/* The applier does it between two batches. */
static bool ask(Sync *sync, Relation *rel, const char *why, Error *err)
{
    if (!sync->may_suspend) {
        ERR(err, ERR_SCHEMA_CHANGED, "table '%s': %s", rel->display, why);
        return err_hint(err,
                        "One table cannot be left out while the target checks foreign keys: GRANT "
                        "SET ON PARAMETER session_replication_role TO the role, or make the same "
                        "change on the target and start again.");
    }
    pthread_mutex_lock(&sync->lock);
    if (!is_asked(sync, rel)) {
        SuspendRequest *request = mem_zalloc(sizeof *request);
        request->rel = rel;
        snprintf(request->why, sizeof request->why, "%s", why);
        request->next = sync->suspend_requests;
        sync->suspend_requests = request;
    }
    pthread_mutex_unlock(&sync->lock);
    flow_queue_wake(sync->queue);
    return true;
}

/* Looking ---------------------------------------------------------------------------------------- */

static bool run_on_target(Sync *sync, Sql sql, Error *err)
{
    if (!pgconn_script(sync->control, SQL("BEGIN; SET LOCAL lock_timeout = '5s'"), err))
        return false;
    if (pgconn_script(sync->control, sql, err) && pgconn_script(sync->control, SQL("COMMIT"), err))
        return true;
    sync_roll_back(sync);
    return false;
}

/* A new label alone changes no row: with `ddl: apply` the table goes on. *out_done false: suspend. */
static bool add_labels(Sync *sync, Relation *rel, const char *shape, bool *out_done, Error *err)
{
    CLEANUP_REMEDY Remedy remedy = REMEDY_INIT;
    *out_done = false;
    if (sync->spec.ddl != DDL_APPLY || !sync->may_suspend)
        return true;
    if (!remedy_find_labels(sync->watch_conn, sync->control, rel, &remedy, err))
        return false;
    if (remedy.by_hand.len > 0)
        return true;
    if (remedy.sql.buf.len > 0) {
        Sql sql = sqltext_sql(&remedy.sql);
        if (!control_journal(sync->control, sync->spec.task, sync->row.epoch, "ddl", sql.text, err))
            return false;
        Error refused = ERROR_INIT;
        if (!run_on_target(sync, sql, &refused)) {
            log_warn("the target refused a label of an enum table=%s: %s", rel->display,
                     refused.message);
            return true;
        }
        log_info("carried to the target: %s", sql.text);
    }
    if (!pgconn_exec(sync->control, SQL_CONTROL_SHAPE,
                     PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(rel->schema), PG_TEXT(rel->name),
                               PG_TEXT(shape)),
                     NULL, err))
        return false;
    rel->shape = arena_strdup(sync->watch.arena, shape);
    *out_done = true;
    return true;
}

/* Why the table can no longer be followed as it was read; NULL: it can. now NULL: it is not there. */
static const char *misfit(const Sync *sync, const Relation *rel, const TableShape *now, char *buf,
                          size_t size)
{
    if (now == NULL)
        return "the source has no such table any more";
    if (strcmp(now->schema, rel->schema) != 0 || strcmp(now->name, rel->name) != 0) {
        snprintf(buf, size, "it was renamed to '%s.%s'", now->schema, now->name);
        return buf;
    }
    switch (shape_compare(rel->shape, now->text)) {
    case SHAPE_OTHER:
        return "its columns, types, replica identity or partitions changed";
    case SHAPE_REWRITTEN:
        return "an ALTER TABLE rewrote its values";
    case SHAPE_RENAMED:
        return sync_names_count(sync) ? SYNC_RENAMED : NULL;
    case SHAPE_LABELS:
    case SHAPE_TOUCHED:
    case SHAPE_SAME:
        break;
    }
    return NULL;
}

bool sync_table_changed(void *arg, const Relation *rel, char *out_why, size_t size)
{
    Sync *sync = arg;
    Error err = ERROR_INIT;
    Relation *all[] = {(Relation *)rel};
    Relations one = {.count = 1, .all = all};
    TableShapes shapes = {0};
    char buf[SUSPEND_REASON_SIZE];
    PgEndpoint source = sync->spec.source;
    source.stop = sync->stream_stop;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&source, PG_SESSION_SQL, "shape", &err);
    Arena *scratch = arena_new(0);
    const char *why = NULL;
    if (conn != NULL && shape_look(conn, &one, scratch, &shapes, &err))
        why = misfit(sync, rel, shapes.count > 0 ? &shapes.all[0] : NULL, buf, sizeof buf);
    else
        log_debug("whether table %s changed is not known: %s", rel->display, err.message);
    if (why != NULL)
        snprintf(out_why, size, "%s", why);
    arena_free(scratch);
    return why != NULL;
}

static bool look_at(Sync *sync, Relation *rel, const TableShape *now, Error *err)
{
    char buf[SUSPEND_REASON_SIZE];
    bool done = false;
    const char *why = misfit(sync, rel, now, buf, sizeof buf);
    if (why != NULL)
        return ask(sync, rel, why, err);
    if (shape_compare(rel->shape, now->text) != SHAPE_LABELS)
        return true;
    return add_labels(sync, rel, now->text, &done, err) &&
           (done || ask(sync, rel, "an enum of its columns has other labels", err));
}

static bool look_at_shapes(Sync *sync, Arena *scratch, Error *err)
{
    Relations *rels = sync_relations(sync);
    TableShapes shapes;
    if (!shape_look(sync->watch_conn, rels, scratch, &shapes, err))
        return false;
    bool *seen = arena_new_array(scratch, bool, rels->count + 1);
    for (int i = 0; i < shapes.count; i++) {
        Relation *rel = relations_by_oid(rels, shapes.all[i].oid);
        seen[rel->id] = true;
        if (atomic_load(&rel->suspended) == SUSPEND_NOT && !look_at(sync, rel, &shapes.all[i], err))
            return false;
    }
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (!seen[i] && atomic_load(&rel->suspended) == SUSPEND_NOT &&
            !look_at(sync, rel, NULL, err))
            return false;
    }
    return true;
}

static bool restart_with_new_catalog(Sync *sync, Error *err)
{
    bool proceed = false;
    if (!reshape_begin(sync, &proceed, err) || !proceed)
        return err->cls == ERR_NONE;
    bool ok = sync_refresh(sync, err) && sync_stream_start(sync, err);
    reshape_end(sync);
    sync->watch.next_refresh_us = clock_now_us() + REFRESH_US;
    sync->watch.next_judge_us = 0;
    return ok;
}

/* Seen twice, so that a table that is made and dropped for a moment does not stop the stream. */
static bool look_for_newcomers(Sync *sync, bool *out_new, Error *err)
{
    int count = 0;
    uint32_t hash = 0;
    *out_new = false;
    if (!sync->may_suspend)
        return true; /* the cutover refuses */
    if (!catalog_newcomers(sync->watch_conn, sync->spec.rules, sync_relations(sync), &count, &hash,
                           err))
        return false;
    *out_new = count > 0 && hash == sync->watch.newcomers && sync->rejoin == NULL &&
               clock_now_us() >= sync->watch.next_refresh_us;
    sync->watch.newcomers = count > 0 ? hash : 0;
    return true;
}

bool sync_watch_source(Sync *sync, Error *err)
{
    if (sync->watch_conn != NULL && pgconn_usable(sync->watch_conn))
        return true;
    pgconn_close(sync->watch_conn);
    sync->watch_conn = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "watch", err);
    return sync->watch_conn != NULL;
}

/* What the source told of since the last look. */
static bool read_heard(Sync *sync, Error *err)
{
    HeardList *list = NULL;
    bool noted = atomic_exchange(&sync->ddl_noted, false);
    if (sync->watch.heard && !noted)
        return true;
    Arena *arena = arena_new(0);
    sync->watch.heard = sync_keep_control(sync, err) &&
                        heard_prune(sync->control, sync->spec.task, err) &&
                        heard_read(sync->control, sync->spec.task, arena, &list, err);
    if (sync->watch.heard) {
        pthread_mutex_lock(&sync->lock);
        Arena *before = sync->heard_arena;
        sync->heard_arena = arena;
        sync->heard = list;
        pthread_mutex_unlock(&sync->lock);
        arena = before;
    }
    arena_free(arena);
    return sync->watch.heard;
}

/* Somebody may have dropped or disabled it: what comes then is seen in the catalog only. */
static bool look_at_capture(Sync *sync, Error *err)
{
    bool works = true;
    if (!sync->captures)
        return true;
    if (!capture_works(sync->watch_conn, sync->spec.task, &works, err))
        return false;
    if (!works)
        log_warn("the event triggers that told of the source's DDL are gone or disabled; the next "
                 "start of 'run' makes them again");
    sync->captures = works;
    return true;
}

static bool look(Sync *sync, bool *out_new, Error *err)
{
    int64_t begun_us = clock_now_us();
    Arena *scratch = arena_new(0);
    bool ok = sync_watch_source(sync, err) && look_at_shapes(sync, scratch, err) &&
              look_for_newcomers(sync, out_new, err) && look_at_capture(sync, err) &&
              read_heard(sync, err);
    arena_free(scratch);
    int64_t wait_us = LOOK_SHARE * (clock_now_us() - begun_us);
    sync->watch.next_look_us = clock_now_us() + (wait_us > LOOK_US ? wait_us : LOOK_US);
    return ok;
}

/* Judging ---------------------------------------------------------------------------------------- */

static bool show_remedy(Sync *sync, Relation *rel, const char *text, Error *err)
{
    const char *shown = atomic_load(&rel->remedy);
    if (shown != NULL && strcmp(shown, text) == 0)
        return true;
    atomic_store(&rel->remedy, arena_strdup(sync->watch.arena, text));
    if (text[0] != '\0')
        log_warn("table %s is suspended (%s); to make the target fit: %s", rel->display,
                 rel->suspend_reason, text);
    return suspension_write(sync->control, sync->spec.task, rel, text, err);
}

/* With `ddl: apply`. What the target refuses stays for the operator. */
static bool carry(Sync *sync, Remedy *remedy, Relation *rel, char *out_refused, size_t size,
                  Error *err)
{
    Sql sql = sqltext_sql(&remedy->sql);
    Error refused = ERROR_INIT;
    out_refused[0] = '\0';
    if (!control_journal(sync->control, sync->spec.task, sync->row.epoch, "ddl", sql.text, err))
        return false;
    if (run_on_target(sync, sql, &refused)) {
        log_info("carried to the target table=%s: %s", rel->display, sql.text);
        sync->watch.next_judge_us = 0;
        return true;
    }
    if (!pgconn_usable(sync->control)) {
        *err = refused;
        return false;
    }
    snprintf(out_refused, size, "%s", refused.message);
    return true;
}

/* Copying a table again empties it: not where rows were merged with those of the target, or are kept. */
static bool may_empty(Sync *sync, const Relation *rel, bool *out_may, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out_may = true;
    if (strcmp(sync->row.prepare, sync_prepare_name(PREPARE_MERGE)) != 0 && !rel->keep_extra)
        return true;
    sqltext_put(&st, "SELECT EXISTS (SELECT FROM ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    sqltext_put(&st, ")");
    if (!pgconn_query(sync->control, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    *out_may = !pgrows_bool(rows, 0, 0);
    return true;
}

/* creates: only tables that the target has not at all are looked at, else only the others. */
static bool judge_table(Sync *sync, Relations *now, Relation *rel, bool creates,
                        uint32_t *out_ready, Error *err)
{
    CLEANUP_REMEDY Remedy remedy = REMEDY_INIT;
    Relation *found = relations_by_oid(now, rel->oid);
    char key[256], refused[sizeof err->message] = "";
    *out_ready = 0;
    if (found == NULL) {
        int len = snprintf(key, sizeof key, "%s%c%s", rel->schema, '\0', rel->name);
        found = relations_by_name(now, key, (size_t)len);
    }
    if (found == NULL) {
        sync->watch.refresh = true; /* it is gone: its row says so then */
        return true;
    }
    found->copied_shape = rel->copied_shape;
    if (mapped_misses_filter(now, found))
        return show_remedy(sync, rel,
                           "other partitions have a condition (rules.rows), and no rule says which "
                           "rows of this one move: leave it out (tables.exclude)",
                           err);
    const Relation *before = rel->former != NULL ? rel->former : rel;
    found->row_schema = rel->row_schema;
    found->row_name = rel->row_name;
    if (!remedy_find(sync->watch_conn, sync->control, found, before, &remedy, err))
        return false;
    bool fits = remedy_fits(&remedy);
    if (remedy.creates != creates)
        return true;
    /* What is added to a new table later is told only by the capture: without it, it would be missed. */
    bool ours = remedy.by_hand.len == 0 && !remedy.drops_own &&
                (!remedy.creates || remedy.partition || (remedy.whole && sync->captures));
    if (!fits && sync->spec.ddl == DDL_APPLY && ours &&
        !carry(sync, &remedy, rel, refused, sizeof refused, err))
        return false;
    const char *text = remedy_text(&remedy, now->arena);
    if (refused[0] != '\0')
        text = arena_printf(now->arena, "%s (refused by the target: %s)", text, refused);
    bool may = false;
    if (fits && !may_empty(sync, found, &may, err))
        return false;
    if (fits && !may)
        text = "it may hold rows of the target's own, which a copy would remove (target.prepare: "
               "merge, keep-extra): empty it on the target (TRUNCATE) to have it copied again";
    if (fits && may)
        *out_ready = found->oid;
    return show_remedy(sync, rel, text, err);
}

/* A table that the source has no more is done with when the target has it no more. */
static bool judge_gone(Sync *sync, Arena *scratch, const GoneTable *gone, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL;
    const char *schema, *name;
    if (!rules_name_table(sync->spec.rules, scratch, gone->schema, gone->name, &schema, &name,
                          err) ||
        !pgconn_query(sync->control, SQL_REMEDY_TABLE_EXISTS,
                      PG_PARAMS(PG_TEXT(schema), PG_TEXT(name)), &there, err))
        return false;
    if (pgrows_bool(there, 0, 0))
        return true;
    log_info("a table that the source dropped is gone from the target table=%s", gone->display);
    sync->watch.refresh = true;
    return pgconn_exec(
        sync->control, SQL_CONTROL_TABLE_CANCEL,
        PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(gone->schema), PG_TEXT(gone->name)), NULL, err);
}

/* A paused one comes back when its operator says so. */
static bool wants_back(const Relation *rel)
{
    return atomic_load(&rel->suspended) == SUSPENDED && atomic_load(&rel->paused) == PAUSE_NOT;
}

static bool judge(Sync *sync, Error *err)
{
    Relations *rels = sync_relations(sync), *now = NULL;
    int count = 0;
    sync->watch.next_judge_us = clock_now_us() + sync->watch.judge_wait_us;
    /* Only what was suspended before the catalog is read: what comes later may have changed since. */
    Arena *scratch = arena_new(0);
    bool *suspended = arena_new_array(scratch, bool, rels->count + 1);
    for (int i = 0; i < rels->count; i++)
        suspended[i] = wants_back(rels->all[i]);
    if (!sync_watch_source(sync, err) || !sync_keep_control(sync, err) ||
        !catalog_read_living(sync->watch_conn, sync->control, sync->spec.task, sync->spec.rules,
                             &now, err)) {
        arena_free(scratch);
        return false;
    }
    uint32_t *ready = arena_new_array(now->arena, uint32_t, 2 * rels->count + 1);
    bool ok = true;
    /* Renamed tables first: then nothing is made that is there under another name. */
    for (int i = 0; ok && i < 2 * rels->count; i++) {
        Relation *rel = rels->all[i % rels->count];
        if (!suspended[i % rels->count] || atomic_load(&rel->suspended) != SUSPENDED)
            continue;
        ok = judge_table(sync, now, rel, i >= rels->count, &ready[count], err);
        count += ready[count] != 0;
    }
    for (int i = 0; ok && i < rels->gone_count; i++)
        ok = judge_gone(sync, scratch, &rels->gone[i], err);
    if (ok && count > 0) {
        /* Failing again and again it is tried less often. */
        int64_t wait_us = sync->watch.judge_wait_us;
        sync->watch.judge_wait_us = wait_us * 2 < JUDGE_MOST_US ? wait_us * 2 : JUDGE_MOST_US;
        ok = rejoin_begin(sync, ready, count, err);
    }
    relations_free(now);
    arena_free(scratch);
    return ok;
}

static bool needs_judging(const Sync *sync)
{
    const Relations *rels = atomic_load(&sync->rels);
    for (int i = 0; i < rels->count; i++)
        if (wants_back(rels->all[i]))
            return true;
    return rels->gone_count > 0;
}

/* A step ----------------------------------------------------------------------------------------- */

/* Trouble of a connection is not ours to report; a change that cannot be carried is. */
static bool forgive(Sync *sync, Error *err)
{
    if (err->cls == ERR_SCHEMA_CHANGED || err->cls == ERR_STOPPED || err->cls == ERR_BUG ||
        !sync->streaming)
        return false;
    log_error_value(LOG_WARN, err, "looking for changes of the tables failed, trying again");
    err_clear(err);
    sync->watch.next_look_us = sync->watch.next_judge_us = clock_now_us() + JUDGE_US;
    return true;
}

static bool step(Sync *sync, Error *err)
{
    int64_t now_us = clock_now_us();
    bool over = false, newcomers = false;
    int back = 0;
    if (sync->rejoin != NULL) {
        if (!rejoin_look(sync, &over, &back, err))
            return false;
        if (back > 0) {
            sync->watch.judge_wait_us = JUDGE_US;
            sync->watch.heard = false; /* the copy covers some */
        }
        if (over)
            sync->watch.next_judge_us = now_us + sync->watch.judge_wait_us;
    }
    if (!tables_look(sync, err))
        return false;
    bool told = atomic_load(&sync->ddl_noted);
    if ((now_us >= sync->watch.next_look_us || told) && !look(sync, &newcomers, err))
        return false;
    sync->watch.refresh = sync->watch.refresh || newcomers;
    if (sync->rejoin == NULL && now_us >= sync->watch.next_judge_us && needs_judging(sync) &&
        !judge(sync, err))
        return false;
    if (sync->watch.refresh && sync->rejoin == NULL && now_us >= sync->watch.next_refresh_us) {
        sync->watch.refresh = false;
        return restart_with_new_catalog(sync, err);
    }
    return true;
}

bool sync_watch(Sync *sync, Error *err)
{
    if (!tables_answer(sync, err))
        return forgive(sync, err);
    TaskState state = (TaskState)atomic_load(&sync->state);
    if (state != TASK_CATCHING_UP && state != TASK_STREAMING && state != TASK_REVERSING)
        return true;
    if (sync->watch.arena == NULL)
        sync->watch.arena = arena_new(0);
    if (sync->watch.judge_wait_us == 0)
        sync->watch.judge_wait_us = JUDGE_US;
    return step(sync, err) || forgive(sync, err);
}

void sync_watch_done(Sync *sync)
{
    tables_refuse(sync);
    rejoin_abandon(sync);
    pgconn_close(sync->watch_conn);
    sync->watch_conn = NULL;
    sync->watch.next_look_us = sync->watch.next_judge_us = 0;
    sync->watch.heard = false;
}

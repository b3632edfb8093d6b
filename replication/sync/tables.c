/*
 * tables - see the header.
 *
 * Pausing needs a position: the stream is stopped, and what the resume row says then is what the table has.
 * Resuming is the handing over of a copied table (rejoin.c) without a copy: the stream is turned back to that
 * position, and the others skip what they have. Reloading is a suspension like any other.
 */
#include "sync/tables.h"

#include <string.h>

#include "apply/added.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "source/others.h"
#include "sql_files.h"
#include "sync/internal.h"

static const char *const ACTIONS[TABLES_ACTION_COUNT] = {"add", "reload", "pause", "resume"};
#define OPEN_WAIT_US ((int64_t)15000000)
#define COPY_WAIT_US ((int64_t)30000000)

static const char PAUSED[] = "its operator wants it left out";

/* One request, of the thread that asks for it to the conductor. */
struct TablesRequest {
    TablesAsk *ask;
    int64_t asked_us;
    Error err;
    bool done, ok;
};

const char *tables_action_name(TablesAction action)
{
    return ACTIONS[action];
}

bool tables_action_parse(const char *word, TablesAction *out_action)
{
    for (int i = 0; i < TABLES_ACTION_COUNT; i++) {
        if (strcmp(word, ACTIONS[i]) != 0)
            continue;
        *out_action = (TablesAction)i;
        return true;
    }
    return false;
}

/* What the slot keeps ------------------------------------------------------------------------------ */

static void set_pin(Sync *sync)
{
    Lsn copy = sync->copy_pin_lsn, pause = sync->pause_pin_lsn;
    bool pause_wins = copy == LSN_UNKNOWN || (pause != LSN_UNKNOWN && pause < copy);
    atomic_store(&sync->progress.pin_lsn, pause_wins ? pause : copy);
}

void sync_pin_copy(Sync *sync, Lsn lsn)
{
    sync->copy_pin_lsn = lsn;
    set_pin(sync);
}

static void pin_paused(Sync *sync)
{
    const Relations *rels = sync_relations(sync);
    sync->pause_pin_lsn = LSN_UNKNOWN;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (atomic_load(&rel->paused) == PAUSE_KEPT &&
            (sync->pause_pin_lsn == LSN_UNKNOWN || rel->suspended_lsn < sync->pause_pin_lsn))
            sync->pause_pin_lsn = rel->suspended_lsn;
    }
    set_pin(sync);
}

static const char *row_schema(const Relation *rel)
{
    return rel->row_schema != NULL ? rel->row_schema : rel->schema;
}

static const char *row_name(const Relation *rel)
{
    return rel->row_name != NULL ? rel->row_name : rel->name;
}

/* Durable before the slot is told more. */
static bool let_go(Sync *sync, Relation *rel, const char *why, Error *err)
{
    if (!sync_keep_control(sync, err) ||
        !pgconn_exec(sync->control, SQL_TABLES_LOST,
                     PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(row_schema(rel)),
                               PG_TEXT(row_name(rel)), PG_TEXT(why)),
                     NULL, err))
        return err_context(err, "recording that changes of '%s' are not kept", rel->display);
    FAULT(TABLES_LET_GO);
    atomic_store(&rel->paused, PAUSE_LOST);
    log_warn("the changes of a paused table are not kept any more, it is copied again when it is "
             "resumed table=%s: %s",
             rel->display, why);
    return true;
}

bool tables_recalled(Sync *sync, Lsn confirmed_lsn, Error *err)
{
    Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (atomic_load(&rel->paused) == PAUSE_KEPT && confirmed_lsn != LSN_UNKNOWN &&
            confirmed_lsn > rel->suspended_lsn &&
            !let_go(sync, rel, "the slot has forgotten them", err))
            return false;
    }
    pin_paused(sync);
    return true;
}

/* The slot itself is worth more than a copy: without it the whole task would have to load again. */
static const char *too_much(const Sync *sync, Lsn since_lsn)
{
    const Progress *p = &sync->progress;
    int64_t left = atomic_load(&p->wal_left_bytes), kept_most = atomic_load(&p->wal_retained_bytes);
    Lsn end = atomic_load(&p->source_end_lsn);
    if (end > since_lsn && (int64_t)(end - since_lsn) > sync->spec.pause_limit_bytes)
        return "the source keeps more than tables.pause_limit for it";
    if (left != PROGRESS_UNKNOWN && kept_most != PROGRESS_UNKNOWN && left < kept_most / 4)
        return "the source's max_slot_wal_keep_size is nearly used up";
    return NULL;
}

bool tables_look(Sync *sync, Error *err)
{
    Relations *rels = sync_relations(sync);
    bool any = false;
    if (sync->pause_pin_lsn == LSN_UNKNOWN)
        return true;
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (atomic_load(&rel->paused) != PAUSE_KEPT)
            continue;
        const char *why = too_much(sync, rel->suspended_lsn);
        if (why != NULL && !let_go(sync, rel, why, err))
            return false;
        any = any || why != NULL;
    }
    if (any)
        pin_paused(sync);
    return true;
}

/* What is asked ------------------------------------------------------------------------------------ */

static bool matches(const RulePattern *pattern, const Relation *rel)
{
    return rules_glob_match(pattern->schema, rel->schema) &&
           rules_glob_match(pattern->table, rel->name);
}

/* The tables meant, as a mark for each relation. */
static bool find_meant(Sync *sync, const TablesAsk *ask, bool *meant, Error *err)
{
    const Relations *rels = sync_relations(sync);
    for (int p = 0; p < ask->count; p++) {
        RulePattern pattern;
        bool found = false;
        if (!rules_parse_pattern(ask->arena, ask->patterns[p], false, &pattern, err)) {
            err->cls = ERR_USAGE;
            return false;
        }
        for (int i = 0; i < rels->count; i++) {
            bool here = matches(&pattern, rels->all[i]);
            meant[i] = meant[i] || here;
            found = found || here;
        }
        if (found)
            continue;
        ERR(err, ERR_USAGE, "'%s' names no table of this task", ask->patterns[p]);
        return err_hint(err,
                        "Names are case-sensitive and as on the source; 'bascule status' lists "
                        "the tables, 'bascule tables add' takes another one in.");
    }
    return true;
}

static bool is_paused(const Relation *rel)
{
    return atomic_load(&rel->paused) != PAUSE_NOT;
}

static bool is_suspended(const Relation *rel)
{
    return atomic_load(&rel->suspended) != SUSPEND_NOT;
}

/* Is there anything to be done with it? What stands in the way is an error. */
static bool concerns(TablesAction action, const Relation *rel, bool *out_concerned, Error *err)
{
    *out_concerned = action == TABLES_RESUME  ? is_paused(rel)
                     : action == TABLES_PAUSE ? !is_paused(rel)
                                              : is_paused(rel) || !is_suspended(rel);
    if (action != TABLES_PAUSE || !*out_concerned || !is_suspended(rel))
        return true;
    ERR(err, ERR_WRONG_STATE, "table '%s' is suspended: %s", rel->display, rel->suspend_reason);
    return err_hint(err, "It is left out already, and comes back by a copy.");
}

static bool choose(TablesAction action, const Relations *rels, bool *meant, int *out_count,
                   Error *err)
{
    *out_count = 0;
    for (int i = 0; i < rels->count; i++) {
        if (meant[i] && !concerns(action, rels->all[i], &meant[i], err))
            return false;
        *out_count += meant[i];
    }
    return true;
}

static TablesDone *answer(TablesAsk *ask, const Relation *rel, const char *result)
{
    TablesDone *done = &ask->tables[ask->table_count++];
    *done = (TablesDone){arena_strdup(ask->arena, rel->display), result, ""};
    return done;
}

/* Foreign keys are not checked while we apply: what that means for who reads the target. */
static const char *neighbours(const Relations *rels, const Relation *rel, Arena *arena)
{
    for (int i = 0; i < rels->foreign_key_count; i++) {
        const ForeignKey *fk = &rels->foreign_keys[i];
        if (fk->from_id < 0 || fk->to_id < 0 || fk->from_id == fk->to_id ||
            (fk->from_id != (int)rel->id && fk->to_id != (int)rel->id))
            continue;
        const Relation *other = rels->all[fk->from_id == (int)rel->id ? fk->to_id : fk->from_id];
        if (!is_suspended(other))
            return arena_printf(arena,
                                "foreign keys between it and %s may point nowhere on the target "
                                "until it is back",
                                other->display);
    }
    return "";
}

/* Writing it down ---------------------------------------------------------------------------------- */

typedef struct Doing {
    Sync *sync;
    TablesAsk *ask;
    bool *meant; /* by relation id, of the catalog before */
    const char *pattern;
} Doing;

static bool journal(Doing *d, const char *what, Error *err)
{
    Sync *sync = d->sync;
    const char *detail =
        arena_printf(d->ask->arena, "%s %s", tables_action_name(d->ask->action), what);
    return control_journal(sync->control, sync->spec.task, sync->row.epoch, "tables", detail, err);
}

static bool lock_position(Sync *sync, Lsn *out_lsn, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(sync->control, SQL_TABLES_LOCK, PG_PARAMS(PG_TEXT(sync->spec.task)), &rows,
                      err))
        return false;
    if (pgrows_count(rows) == 0)
        return ERR(err, ERR_TARGET_STATE, "the target has no resume position for task '%s'",
                   sync->spec.task);
    *out_lsn = pgrows_lsn(rows, 0, 0);
    return true;
}

static bool write_reload(Doing *d, const Relation *rel, Lsn lsn, const char *why, Error *err)
{
    LsnText text = lsn_text(lsn);
    return pgconn_exec(d->sync->control, SQL_TABLES_RELOAD,
                       PG_PARAMS(PG_TEXT(d->sync->spec.task), PG_TEXT(row_schema(rel)),
                                 PG_TEXT(row_name(rel)), PG_TEXT(text.text), PG_TEXT(why)),
                       NULL, err);
}

static bool write_pause(Doing *d, const Relation *rel, Lsn lsn, Error *err)
{
    LsnText text = lsn_text(lsn);
    int64_t affected = 0;
    if (!pgconn_exec(d->sync->control, SQL_TABLES_PAUSE,
                     PG_PARAMS(PG_TEXT(d->sync->spec.task), PG_TEXT(row_schema(rel)),
                               PG_TEXT(row_name(rel)), PG_TEXT(text.text), PG_TEXT(PAUSED)),
                     &affected, err))
        return false;
    if (affected == 1)
        return true;
    ERR(err, ERR_WRONG_STATE, "table '%s' was suspended just now", rel->display);
    return err_hint(err, "'bascule status' says why; it comes back by a copy.");
}

static bool write_resume(Doing *d, const Relation *rel, Lsn lsn, Error *err)
{
    if (atomic_load(&rel->paused) == PAUSE_LOST)
        return write_reload(d, rel, lsn, "its changes were not kept while it was paused", err);
    return pgconn_exec(
        d->sync->control, SQL_TABLES_RESUME,
        PG_PARAMS(PG_TEXT(d->sync->spec.task), PG_TEXT(row_schema(rel)), PG_TEXT(row_name(rel))),
        NULL, err);
}

static bool write_table(Doing *d, const Relation *rel, Lsn lsn, Error *err)
{
    bool ok = false;
    switch (d->ask->action) {
    case TABLES_RELOAD:
        ok = write_reload(d, rel, lsn, "its operator wants it copied again", err);
        break;
    case TABLES_PAUSE:
        ok = write_pause(d, rel, lsn, err);
        break;
    case TABLES_RESUME:
        ok = write_resume(d, rel, lsn, err);
        break;
    case TABLES_ADD:
    case TABLES_ACTION_COUNT:
        return ERR(err, ERR_BUG, "no table is written by '%s'", ACTIONS[d->ask->action]);
    }
    return (ok || err_context(err, "table '%s'", rel->display)) && journal(d, rel->display, err);
}

/* Where the stream has to go back to; LSN_UNKNOWN: nowhere. */
static Lsn back_to(const Doing *d)
{
    const Relations *rels = sync_relations(d->sync);
    Lsn lsn = LSN_UNKNOWN;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (d->meant[i] && d->ask->action == TABLES_RESUME &&
            atomic_load(&rel->paused) == PAUSE_KEPT &&
            (lsn == LSN_UNKNOWN || rel->suspended_lsn < lsn))
            lsn = rel->suspended_lsn;
    }
    return lsn;
}

/* The tables that went on skip what they have. */
static bool turn_back(Sync *sync, Sql sql, Lsn lsn, Error *err)
{
    LsnText text = lsn_text(lsn);
    return lsn == LSN_UNKNOWN ||
           pgconn_exec(sync->control, sql, PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(text.text)),
                       NULL, err);
}

static bool write_tables(Doing *d, Error *err)
{
    Sync *sync = d->sync;
    const Relations *rels = sync_relations(sync);
    Lsn lsn = LSN_UNKNOWN, back = back_to(d);
    if (!lock_position(sync, &lsn, err) || !turn_back(sync, SQL_REJOIN_OTHERS, back, err))
        return false;
    for (int i = 0; i < rels->count; i++)
        if (d->meant[i] && !write_table(d, rels->all[i], lsn, err))
            return false;
    return turn_back(sync, SQL_REJOIN_BACK, back, err);
}

static bool write_added(Doing *d, Error *err)
{
    for (int i = 0; i < d->ask->count; i++)
        if (!pgconn_exec(d->sync->control, SQL_TABLES_ADDED_WRITE,
                         PG_PARAMS(PG_TEXT(d->sync->spec.task), PG_TEXT(d->ask->patterns[i])), NULL,
                         err) ||
            !journal(d, d->ask->patterns[i], err))
            return false;
    return true;
}

static bool in_transaction(Doing *d, bool (*write)(Doing *, Error *), Error *err)
{
    Sync *sync = d->sync;
    if (sync_keep_control(sync, err) && pgconn_script(sync->control, SQL("BEGIN"), err) &&
        write(d, err) && !FAULT_ERROR(TABLES_WRITTEN, err) &&
        pgconn_script(sync->control, SQL("COMMIT"), err))
        return true;
    sync_roll_back(sync);
    return err_context(err, "%s", tables_action_name(d->ask->action));
}

/* Doing it ----------------------------------------------------------------------------------------- */

/* *out_answer: what the asker is told; false with *err: the stream does not go on. */
static bool with_stream_stopped(Doing *d, bool (*write)(Doing *, Error *), Error *out_answer,
                                Error *err)
{
    Sync *sync = d->sync;
    bool proceed = false;
    if (!reshape_begin(sync, &proceed, err)) {
        *out_answer = *err;
        return false;
    }
    if (!proceed) {
        ERR(out_answer, ERR_WRONG_STATE, "a cutover is running");
        return true;
    }
    (void)in_transaction(d, write, out_answer);
    FAULT(TABLES_DONE);
    bool ok = sync_refresh(sync, err) && sync_stream_start(sync, err);
    reshape_end(sync);
    if (!ok && out_answer->cls == ERR_NONE)
        *out_answer = *err;
    sync->watch.next_judge_us = 0;
    return ok;
}

static const Relation *again(const Relations *rels, const Relation *rel)
{
    for (int i = 0; i < rels->count; i++)
        if (strcmp(rels->all[i]->name, rel->name) == 0 &&
            strcmp(rels->all[i]->schema, rel->schema) == 0)
            return rels->all[i];
    return NULL;
}

static void tell(Doing *d, const Relations *before, const bool *asked)
{
    const Relations *now = sync_relations(d->sync);
    TablesAsk *ask = d->ask;
    ask->tables = arena_new_array(ask->arena, TablesDone, before->count + 1);
    for (int i = 0; i < before->count; i++) {
        if (!asked[i])
            continue;
        const Relation *rel = again(now, before->all[i]);
        if (!d->meant[i] || rel == NULL) {
            answer(ask, before->all[i], "unchanged");
        } else if (is_paused(rel)) {
            answer(ask, rel, "paused")->note = neighbours(now, rel, ask->arena);
        } else if (is_suspended(rel)) {
            answer(ask, rel, "copied again")->note = arena_strdup(ask->arena, rel->suspend_reason);
        } else {
            answer(ask, rel, "resumed");
        }
    }
}

static bool do_tables(Doing *d, Error *out_answer, Error *err)
{
    const Relations *before = sync_relations(d->sync);
    bool *asked = arena_new_array(d->ask->arena, bool, before->count + 1);
    int count = 0;
    d->meant = arena_new_array(d->ask->arena, bool, before->count + 1);
    if (!find_meant(d->sync, d->ask, asked, out_answer))
        return true;
    memcpy(d->meant, asked, sizeof *asked * (size_t)before->count);
    if (!choose(d->ask->action, before, d->meant, &count, out_answer))
        return true;
    if (count > 0 && !with_stream_stopped(d, write_tables, out_answer, err))
        return false;
    if (out_answer->cls == ERR_NONE)
        tell(d, before, asked);
    return true;
}

/* What these rules select, under the names that it has on the target, is no other task's. */
static bool free_for_us(Sync *sync, Rules *rules, Error *err)
{
    Relations *with = NULL;
    bool ok =
        sync_keep_control(sync, err) &&
        catalog_read_living(sync->watch_conn, sync->control, sync->spec.task, rules, &with, err) &&
        others_check(sync->control, sync->spec.task, with, NULL, err);
    relations_free(with);
    return ok;
}

/* Each pattern must name something that does not move yet, or nothing would have been added. */
static bool look_at_added(Sync *sync, const TablesAsk *ask, Error *err)
{
    if (!added_has_includes(sync->base_rules)) {
        ERR(err, ERR_USAGE, "every table of the source is in scope: tables.include is empty");
        return err_hint(err, "A table that tables.exclude leaves out comes in by changing that.");
    }
    for (int i = 0; i < ask->count; i++) {
        Rules rules = *sync->spec.rules;
        int count = 0;
        uint32_t hash = 0;
        rules.patterns = arena_new_array(ask->arena, RulePattern, rules.count + 1);
        memcpy(rules.patterns, sync->spec.rules->patterns,
               sizeof *rules.patterns * (size_t)rules.count);
        if (!rules_parse_pattern(ask->arena, ask->patterns[i], false,
                                 &rules.patterns[rules.count++], err)) {
            err->cls = ERR_USAGE;
            return false;
        }
        if (!sync_watch_source(sync, err) ||
            !catalog_newcomers(sync->watch_conn, &rules, sync_relations(sync), &count, &hash, err))
            return false;
        if (count > 0) {
            if (!free_for_us(sync, &rules, err))
                return false;
            continue;
        }
        ERR(err, ERR_USAGE, "'%s' names no table of the source that is not moved already",
            ask->patterns[i]);
        return err_hint(err,
                        "Names are case-sensitive; a table that tables.exclude names stays out.");
    }
    return true;
}

static bool do_add(Doing *d, Error *out_answer, Error *err)
{
    Sync *sync = d->sync;
    const Relations *before = sync_relations(sync);
    if (!look_at_added(sync, d->ask, out_answer))
        return true;
    if (!with_stream_stopped(d, write_added, out_answer, err))
        return false;
    if (out_answer->cls != ERR_NONE)
        return true;
    const Relations *now = sync_relations(sync);
    d->ask->tables = arena_new_array(d->ask->arena, TablesDone, now->count + 1);
    for (int i = 0; i < now->count; i++)
        if (again(before, now->all[i]) == NULL)
            answer(d->ask, now->all[i], "added")->note =
                "copied as soon as the target has it in the same shape; 'bascule status' says what "
                "is missing";
    return true;
}

static bool may_act(Sync *sync, Error *err)
{
    TaskState state = (TaskState)atomic_load(&sync->state);
    if (state != TASK_CATCHING_UP && state != TASK_STREAMING) {
        ERR(err, ERR_WRONG_STATE, "the task is %s, not streaming to its target",
            task_state_name(state));
        return err_hint(err,
                        "Single tables are added, copied again and paused while 'run' streams, "
                        "before the cutover.");
    }
    if (!sync->may_suspend) {
        ERR(err, ERR_WRONG_STATE,
            "one table cannot be left out while the target checks foreign keys");
        return err_hint(err, "GRANT SET ON PARAMETER session_replication_role TO the role on the "
                             "target, then start 'run' again.");
    }
    if (sync->rejoin != NULL) {
        ERR(err, ERR_WRONG_STATE, "a table is being copied again just now");
        return err_hint(err,
                        "Ask again when it is back: 'bascule status' shows it as 'Full load'.");
    }
    return true;
}

/* The conductor ------------------------------------------------------------------------------------ */

static void finish_request(Sync *sync, TablesRequest *request)
{
    pthread_mutex_lock(&sync->lock);
    request->ok = request->err.cls == ERR_NONE;
    request->done = true;
    sync->tables_request = NULL;
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
}

/* A short copy is waited for, a long one is told of. */
static bool waits_for_copy(const Sync *sync, const TablesRequest *request)
{
    return sync->rejoin != NULL && clock_now_us() < request->asked_us + COPY_WAIT_US;
}

bool tables_answer(Sync *sync, Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&sync->lock);
    TablesRequest *request = sync->tables_request;
    sync->tables_open = true;
    pthread_mutex_unlock(&sync->lock);
    if (request == NULL || waits_for_copy(sync, request))
        return true;
    Doing doing = {.sync = sync, .ask = request->ask};
    if (may_act(sync, &request->err))
        ok = request->ask->action == TABLES_ADD ? do_add(&doing, &request->err, err)
                                                : do_tables(&doing, &request->err, err);
    for (int i = 0; i < request->ask->table_count; i++)
        log_info("tables %s table=%s result=%s", tables_action_name(request->ask->action),
                 request->ask->tables[i].table, request->ask->tables[i].result);
    finish_request(sync, request);
    return ok;
}

void tables_refuse(Sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    TablesRequest *request = sync->tables_request;
    sync->tables_open = false;
    pthread_mutex_unlock(&sync->lock);
    if (request == NULL)
        return;
    ERR(&request->err, ERR_CONN_LOST, "the stream ended before it was done");
    finish_request(sync, request);
}

bool sync_scope(Sync *sync, Error *err)
{
    Rules *rules = NULL;
    if (sync->spec.reverse)
        return true;
    if (!added_read(sync->control, sync->spec.task, sync->base_rules, sync->arena, &rules, err))
        return false;
    sync->spec.rules = rules;
    return true;
}

/* Who asks ----------------------------------------------------------------------------------------- */

/* An engine that has just begun, or begins anew, is a moment away from its stream. */
static void wait_for_conductor(Sync *sync)
{
    int64_t until_us = clock_now_us() + OPEN_WAIT_US;
    for (;;) {
        TaskState state = sync_state(sync);
        pthread_mutex_lock(&sync->lock);
        bool open = sync->tables_open;
        pthread_mutex_unlock(&sync->lock);
        if (open || (state != TASK_CATCHING_UP && state != TASK_STREAMING) ||
            clock_now_us() >= until_us || stop_wait(sync->spec.stop, 20000))
            return;
    }
}

bool sync_tables(Sync *sync, TablesAsk *ask, Error *err)
{
    TablesRequest request = {.ask = ask, .asked_us = clock_now_us()};
    ask->tables = NULL;
    ask->table_count = 0;
    wait_for_conductor(sync);
    pthread_mutex_lock(&sync->lock);
    if (!sync->tables_open || sync->tables_request != NULL) {
        bool busy = sync->tables_open;
        pthread_mutex_unlock(&sync->lock);
        if (busy)
            return ERR(err, ERR_WRONG_STATE, "another request about tables is being done");
        ERR(err, ERR_WRONG_STATE, "the task is %s, not streaming",
            task_state_name(sync_state(sync)));
        return err_hint(err, "Wait until 'bascule status' says 'streaming'.");
    }
    sync->tables_request = &request;
    while (!request.done)
        pthread_cond_wait(&sync->changed, &sync->lock);
    pthread_mutex_unlock(&sync->lock);
    if (!request.ok)
        *err = request.err;
    return request.ok;
}

/* task_verify - see the header. */
#include "task/task_verify.h"

#include <string.h>

#include "audit/audit.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "sync/gate.h"
#include "sync/offline.h"
#include "sync/proofs.h"

#define BEGIN_WAIT_US ((int64_t)10000000)
#define LOOK_US       20000

static int64_t chosen(int64_t asked, int64_t configured)
{
    return asked != TASK_VERIFY_DEFAULT ? asked : configured;
}

static bool names_a_table(const RulePattern *pattern, const Relations *rels)
{
    Rules one = {.patterns = (RulePattern[]){*pattern}, .count = 1};
    for (int i = 0; i < rels->count; i++)
        if (rules_select(&one, rels->all[i]->schema, rels->all[i]->name))
            return true;
    return false;
}

bool task_table_patterns(const char *const *texts, int count, const Relations *rels, Arena *arena,
                         Rules *out_rules, Error *err)
{
    *out_rules = (Rules){.patterns = arena_new_array(arena, RulePattern, count + 1)};
    for (int i = 0; i < count; i++) {
        RulePattern *pattern = &out_rules->patterns[out_rules->count];
        if (!rules_parse_pattern(arena, texts[i], false, pattern, err)) {
            err->cls = ERR_USAGE;
            return err_context(err, "--tables");
        }
        if (!names_a_table(pattern, rels)) {
            ERR(err, ERR_USAGE, "--tables: '%s' names no table of this task", texts[i]);
            return err_hint(err, "Names are case-sensitive and as on the source; 'bascule status' "
                                 "lists the tables.");
        }
        out_rules->count++;
    }
    return true;
}

static bool fill(const Config *c, const SyncSpec *s, const TaskVerify *options,
                 const Relations *rels, Arena *arena, Rules *rules, VerifySpec *out, Error *err)
{
    VerifyReference *references = NULL;
    int reference_count = 0;
    if (!task_table_patterns(options->tables, options->table_count, rels, arena, rules, err) ||
        !verify_references_read(options->references, options->reference_count, rels, arena,
                                &references, &reference_count, err))
        return false;
    *out = (VerifySpec){
        .twin = {.source = s->source,
                 .target = s->target,
                 .task = s->task,
                 .slot_name = s->slot_name,
                 .hold_us = chosen(options->hold_us, config_duration_us(c, OPT_VERIFY_MAX_HOLD))},
        .only = rules->count > 0 ? rules : NULL,
        .what = options->what,
        .since_us = options->since_at_us > 0 ? options->since_at_us
                    : options->since_us > 0  ? clock_wall_us() - options->since_us
                                             : 0,
        .since_column = options->since_column,
        .spot_rows = options->spot_rows,
        .references = references,
        .reference_count = reference_count,
        .names = s->rules,
        .rels = options->rels != NULL ? options->rels : rels,
        .jobs = (int)chosen(options->jobs, config_i64(c, OPT_VERIFY_JOBS)),
        .max_rate_bytes =
            chosen(options->max_rate_bytes, config_size_bytes(c, OPT_VERIFY_MAX_RATE)),
        .max_snapshot_us =
            chosen(options->max_snapshot_us, config_duration_us(c, OPT_VERIFY_MAX_SNAPSHOT_AGE)),
        .spill_dir = s->spill_dir,
        .show_values = options->show_values,
        .mask_keys = options->mask_keys,
        .restart = options->restart,
        .settle_us = s->dual_write ? s->settle_us : 0,
        .stop = options->stop,
        .on_progress = options->on_progress,
        .progress_arg = options->progress_arg,
    };
    return true;
}

/* A restarted engine knows its tables after a moment. */
static bool wait_begun(Task *task, StopToken *stop, Error *err)
{
    int64_t deadline_us = clock_now_us() + BEGIN_WAIT_US;
    for (;;) {
        Sync *sync = task_sync(task);
        if (sync != NULL && sync_relations(sync) != NULL && sync_state(sync) != TASK_NEW)
            return true;
        if (clock_now_us() > deadline_us)
            return ERR(err, ERR_WRONG_STATE, "the engine is still starting");
        if (stop_wait(stop, LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped before it began");
    }
}

bool task_wait_stream(Task *task, StopToken *stop, Sync **out_sync, const SyncSpec **out_way,
                      Error *err)
{
    if (!wait_begun(task, stop, err))
        return false;
    *out_sync = task_running(task, out_way);
    TaskState state = sync_state(*out_sync);
    return state == TASK_CATCHING_UP || state == TASK_STREAMING || state == TASK_REVERSING ||
           ERR(err, ERR_WRONG_STATE,
               "the task is %s: nothing can be compared or repaired while the applier cannot be "
               "held",
               task_state_name(state));
}

/* What was found counts from now on, together with the keys changed since. A table whose first chunks
 * were decided by an earlier process began before this cut: its keys of that time may be gone. */
static bool keep_proofs(const SyncSpec *way, Sync *sync, const ProofCut *cut, Lsn cut_lsn,
                        const VerifyReport *report, Error *err)
{
    char digest[33];
    bool counts = true;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&way->target, PG_SESSION_SQL, "proofs", err);
    if (target == NULL)
        return false;
    for (int i = 0; i < report->table_count; i++) {
        const VerifyTable *t = &report->tables[i];
        if (t->verdict == VERIFY_MISMATCH) {
            if (!proofs_void(sync, target, t->rel, t->last_lsn, err))
                return false;
        } else if ((t->verdict == VERIFY_PROVEN || t->verdict == VERIFY_CONTAINED) && !t->resumed &&
                   t->first_lsn > cut_lsn) {
            if (!proofs_put(sync, target, t->rel, cut, t->first_lsn, t->rows[0], t->kept,
                            rows_hash_text(&t->hash[0], digest), &counts, err))
                return false;
        }
    }
    return true;
}

static const Relation *as_it_is_now(void *arg, const Relation *rel)
{
    return relations_by_oid(sync_relations(arg), rel->oid);
}

/* The position belongs to the verdict: the command's own record does not know it. */
static void record(const SyncSpec *way, const VerifyReport *report)
{
    AuditNote note = {.action = "verify",
                      .event = "note",
                      .result = verify_verdict_name(report->verdict),
                      .lazy = true};
    note.source_lsn = way->reverse ? report->target_lsn : report->source_lsn;
    note.target_lsn = way->reverse ? report->source_lsn : report->target_lsn;
    audit_note(&note);
}

static bool fill_for(Task *task, Sync *sync, const SyncSpec *way, const TaskVerify *options,
                     Arena *arena, Rules *rules, VerifySpec *out, Error *err)
{
    if (!fill(task_config(task), way, options, sync_relations(sync), arena, rules, out, err))
        return false;
    out->twin.source.encoding = out->twin.target.encoding = sync_encoding(sync);
    out->twin.engine = gate_twin_engine(sync);
    out->current = as_it_is_now;
    out->current_arg = sync;
    return true;
}

static bool compare_and_keep(Sync *sync, const SyncSpec *way, const VerifySpec *spec, Arena *arena,
                             VerifyReport *out_report, Error *err)
{
    ProofCut cut;
    /* Before the first snapshot: what is noted from here on is a superset of what it lacks. */
    proofs_cut(sync, &cut);
    Lsn cut_lsn = atomic_load(&sync_progress(sync)->applied_lsn);
    bool ok = verify_run(spec, arena, out_report, err);
    if (out_report->exact && cut.log_id[0] != '\0') {
        Error failed = ERROR_INIT;
        if (!keep_proofs(way, sync, &cut, cut_lsn, out_report, &failed))
            log_error_value(LOG_WARN, &failed, "what was verified is not kept for the cutover");
    }
    if (ok)
        record(way, out_report);
    return ok;
}

bool task_verify(Task *task, const TaskVerify *options, Arena *arena, VerifyReport *out_report,
                 Error *err)
{
    VerifySpec spec;
    Rules rules;
    *out_report = (VerifyReport){.what = verify_what_name(options->what)};
    Sync *sync = NULL;
    const SyncSpec *way = NULL; /* after the cutover the stream may go the other way */
    if (!task_wait_stream(task, options->stop, &sync, &way, err) ||
        !fill_for(task, sync, way, options, arena, &rules, &spec, err) ||
        !task_verify_begin(task, options->stop, err))
        return false;
    bool ok = compare_and_keep(sync, way, &spec, arena, out_report, err);
    task_verify_end(task);
    return ok;
}

/* The first of the tables that differ, as the cutover's own comparison names them. */
static bool refuse_different(const VerifyReport *report, Error *err)
{
    CLEANUP_BUF Buf different = BUF_INIT;
    for (int i = 0; i < report->table_count; i++) {
        const VerifyTable *t = &report->tables[i];
        if (t->verdict == VERIFY_MISMATCH)
            buf_printf(&different, "%s%s (%s%lld rows)", different.len > 0 ? ", " : "",
                       t->rel->display, t->at_least ? "at least " : "",
                       (long long)(t->missing + t->extra + t->different + t->representation));
    }
    if (different.len == 0)
        return true;
    ERR(err, ERR_DIFFERENT, "source and target differ: %s", buf_str(&different));
    return err_hint(err, "Nothing was frozen. 'bascule verify' names the rows, 'bascule repair' "
                         "mends them.");
}

bool task_verify_first(Task *task, const Relations *rels, const bool *tables, StopToken *stop,
                       void (*on_progress)(void *arg, const VerifyProgress *progress),
                       void *progress_arg, Error *err)
{
    const SyncSpec *way = NULL;
    Sync *sync = NULL;
    if (!task_wait_stream(task, stop, &sync, &way, err))
        return false;
    if (sync_relations(sync) != rels)
        return ERR(err, ERR_WRONG_STATE, "the catalog was read again");
    Arena *arena = arena_new(0);
    Relations *some = arena_new_object(arena, Relations);
    VerifyReport *report = arena_new_object(arena, VerifyReport);
    VerifySpec spec;
    Rules rules;
    some->all = arena_new_array(arena, Relation *, rels->count + 1);
    for (int i = 0; i < rels->count; i++)
        if (tables[i])
            some->all[some->count++] = rels->all[i];
    TaskVerify options = {.what = VERIFY_ROWS,
                          .rels = some,
                          .jobs = TASK_VERIFY_DEFAULT,
                          .max_rate_bytes = TASK_VERIFY_DEFAULT,
                          .max_snapshot_us = TASK_VERIFY_DEFAULT,
                          .hold_us = TASK_VERIFY_DEFAULT,
                          .mask_keys = true,
                          .stop = stop,
                          .on_progress = on_progress,
                          .progress_arg = progress_arg};
    bool ok = fill_for(task, sync, way, &options, arena, &rules, &spec, err);
    spec.aside = true;
    ok = ok && compare_and_keep(sync, way, &spec, arena, report, err);
    ok = refuse_different(report, err) && ok;
    arena_free(arena);
    return ok;
}

static const char *why_not_exact(Task *task, const SyncOffline *offline, Arena *arena)
{
    if (task_situation(task).forward == DECISION_OPENED)
        return "the target is open since the cutover: rows that applications wrote there are "
               "expected to differ";
    return arena_printf(arena,
                        "no engine is running: the target stands at " LSN_FMT
                        " and the source may have gone on (start 'bascule run' and verify again)",
                        LSN_ARGS(offline->resume_lsn));
}

bool task_verify_offline(Task *task, const TaskVerify *options, Arena *arena,
                         VerifyReport *out_report, Relations **out_rels, Error *err)
{
    SyncOffline offline;
    VerifySpec spec;
    Rules rules;
    bool found = false;
    *out_rels = NULL;
    *out_report = (VerifyReport){.what = verify_what_name(options->what)};
    if (!sync_offline_read(task_sync_spec(task), &offline, &found, err))
        return false;
    if (!found) {
        ERR(err, ERR_WRONG_STATE, "no engine is running, and the target knows no task '%s'",
            task_name(task));
        return err_hint(err, "'bascule run' begins it; after 'bascule cleanup' nothing is left to "
                             "compare by.");
    }
    bool ok = fill(task_config(task), task_sync_spec(task), options, offline.rels, arena, &rules,
                   &spec, err);
    if (ok) {
        spec.twin.source.encoding = spec.twin.target.encoding = offline.encoding;
        spec.not_exact_why = why_not_exact(task, &offline, arena);
        ok = verify_run(&spec, arena, out_report, err);
    }
    *out_rels = offline.rels;
    return ok;
}

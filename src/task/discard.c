/* discard - see the header. */
#include "task/discard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "bascule/base/directory.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/base/sha256.h"
#include "source/catalog.h"
#include "source/slot.h"
#include "sync/reverse.h"
#include "task/task_internal.h"

struct TaskDiscard {
    Task *task;
    bool dry_run;
    Arena *arena;
    PgConn *source, *target; /* the first holds the task's lock */
    Situation now;
    Relations *rels; /* of the target */
    Export *export;
    bool keep; /* the file says what was discarded */
    char hash[CUTOVER_PLAN_HASH];
    Progress progress; /* nothing streams: all unknown */
};

/* Opening
 * ------------------------------------------------------------------------------------------ */

static bool connect_both(TaskDiscard *d, Error *err)
{
    const SyncSpec *spec = &d->task->spec;
    d->source = pgconn_open(&spec->source, PG_SESSION_SQL, "discard", err);
    if (d->source == NULL)
        return err_context(err, "source");
    d->target = pgconn_open(&spec->target, PG_SESSION_SQL, "discard", err);
    if (d->target == NULL)
        return err_context(err, "target");
    return (d->dry_run || control_lock(d->source, spec->task, err)) &&
           way_read_on(d->source, d->target, spec->task, &d->now, err);
}

static bool check_state(const TaskDiscard *d, Error *err)
{
    const Situation *now = &d->now;
    if (now->forward == DECISION_OPENED && now->back == DECISION_NONE && now->way == WAY_BACK &&
        strcmp(now->back_state, "reversing") == 0)
        return true;
    if (task_discard_half_done(d))
        return true;
    if (now->forward != DECISION_OPENED)
        return ERR(err, ERR_WRONG_STATE, "the target is not open: nothing there can be discarded");
    if (now->back != DECISION_NONE) {
        ERR(err, ERR_WRONG_STATE, "a rollback stopped between fence and opening");
        return err_hint(err,
                        "It brought everything along: 'bascule rollback' finishes it, 'bascule "
                        "abort' takes it back.");
    }
    ERR(err, ERR_WRONG_STATE,
        "nothing streams back from the target (%s): what it has taken cannot be told from the rest",
        now->back_state[0] != '\0' ? now->back_state : "never armed");
    return err_hint(err, "Save what the target has by other means (pg_dump). Then stop its writers "
                         "and run 'bascule cleanup', which gives the source its writes back.");
}

bool task_discard_half_done(const TaskDiscard *d)
{
    return d->now.back == DECISION_FENCED && strcmp(d->now.forward_state, "rolled-back") == 0;
}

static bool read_tables(TaskDiscard *d, Error *err)
{
    ReverseSpec spec = {.arena = d->arena,
                        .control = d->source,
                        .source = d->target,
                        .task = d->task->spec.task,
                        .rules = d->task->spec.rules,
                        .only_existing = true};
    return reverse_relations(&spec, &d->rels, err);
}

static void put_identity(Buf *out, const SourceIdentity *side)
{
    buf_printf(out, "%s %s\n", side->system_id, side->database);
}

static bool make_hash(TaskDiscard *d, const char *directory, Error *err)
{
    SourceIdentity source, target;
    char hex[SHA256_HEX_SIZE];
    CLEANUP_BUF Buf text = BUF_INIT;
    if (!source_identify(d->source, &source, err) || !source_identify(d->target, &target, err))
        return false;
    buf_printf(&text, "discard-target-writes\n%s\n%lld\n%s\n", d->task->spec.task,
               (long long)d->now.forward_epoch, directory);
    put_identity(&text, &source);
    put_identity(&text, &target);
    sha256_hex(text.data, text.len, hex);
    memcpy(d->hash, hex, sizeof d->hash - 1);
    return true;
}

static bool open_export(TaskDiscard *d, Error *err)
{
    const char *directory = config_text(d->task->config, OPT_CUTOVER_DISCARD_DIR);
    ControlTask row;
    bool found = false;
    if (!make_hash(d, directory, err) || !read_tables(d, err) ||
        !control_read(d->source, d->task->spec.task, &row, &found, err))
        return false;
    if (!found || row.resume_lsn == LSN_UNKNOWN)
        return ERR(err, ERR_TARGET_STATE, "the source holds no position of the stream back");
    if (!d->dry_run && !directory_make(directory, err))
        return false;
    ExportSpec spec = {.from = d->task->spec.target,
                       .task = d->task->spec.task,
                       .slot = d->task->back.slot_name,
                       .publication = d->task->back.publication,
                       .from_lsn = row.resume_lsn,
                       .control = d->source,
                       .rels = d->rels,
                       .directory = d->dry_run ? NULL : directory};
    return export_open(&spec, &d->export, err);
}

bool task_discard_open(Task *task, bool dry_run, TaskDiscard **out_discard, Error *err)
{
    TaskDiscard *d = mem_zalloc(sizeof *d);
    d->task = task;
    d->dry_run = dry_run;
    d->arena = arena_new(0);
    if (!connect_both(d, err) || !check_state(d, err) ||
        (!task_discard_half_done(d) && !open_export(d, err)) ||
        (task_discard_half_done(d) && !read_tables(d, err))) {
        task_discard_close(d);
        return false;
    }
    *out_discard = d;
    return true;
}

const char *task_discard_hash(const TaskDiscard *discard)
{
    return discard->hash;
}

bool task_discard_count(TaskDiscard *discard, const ExportTotals **out_totals, Error *err)
{
    if (!export_read(discard->export, err))
        return false;
    *out_totals = export_totals(discard->export);
    return true;
}

/* The rollback
 * -------------------------------------------------------------------------------------- */

static bool written(void *arg, const ExportTotals *totals, int64_t epoch, Error *err)
{
    TaskDiscard *d = arg;
    char detail[1024];
    snprintf(detail, sizeof detail, "%lld transactions, %lld changes: %s sha256 %s",
             (long long)totals->transactions, (long long)totals->changes, totals->file,
             totals->sha256);
    AuditNote note = {.action = "rollback",
                      .event = "decision",
                      .result = "discarding",
                      .detail = detail,
                      .plan = d->hash,
                      .epoch = epoch,
                      .target_lsn = totals->up_to_lsn};
    return audit_note_now(&note, err) ||
           err_context(err, "what is discarded could not be recorded");
}

static bool nothing_to_ask(void *engine, Error *err)
{
    (void)engine;
    (void)err;
    return true;
}

/* A slot that nobody reads keeps WAL for ever. */
static void drop_slot(const TaskDiscard *d)
{
    Error err = ERROR_INIT;
    if (!slot_drop(d->target, d->task->back.slot_name, &err))
        log_warn("slot '%s' is still on the target, 'bascule cleanup' drops it: %s",
                 d->task->back.slot_name, err.message);
}

bool task_discard_run(TaskDiscard *d, const TaskCutover *options, Arena *arena,
                      CutoverReport *out_report, Error *err)
{
    Task *task = d->task;
    CutoverDiscard discard = {
        .export = d->export, .plan_hash = d->hash, .written = written, .written_arg = d};
    TaskCutover wish = *options;
    wish.back = true;
    wish.dry_run = d->dry_run;
    wish.peer = (AuditPeer){getuid(), getpid()};
    CutoverSpec spec = task_switch_spec(task, &wish, arena);
    spec.discard = d->export != NULL ? &discard : NULL;
    spec.way_back = WAY_BACK_OFF;
    spec.slot_name = NULL;
    spec.rels = d->rels;
    spec.progress = &d->progress;
    spec.ready = spec.stop_apply = nothing_to_ask;
    task_switch_audit(task, &wish, &spec);
    bool ok = cutover_run(&spec, arena, out_report, err);
    d->keep = !d->dry_run && (ok || err->cls == ERR_UNDECIDED);
    if (!d->keep && !d->dry_run)
        out_report->given_up = NULL;
    moments_report(&task->moments, out_report);
    if (!d->dry_run)
        decisions_end(&task->decisions, out_report, ok ? NULL : err);
    if (ok && !d->dry_run)
        drop_slot(d);
    return ok;
}

void task_discard_close(TaskDiscard *d)
{
    if (d == NULL)
        return;
    export_close(d->export, d->keep);
    if (d->rels != NULL)
        relations_free(d->rels);
    pgconn_close(d->source);
    pgconn_close(d->target);
    arena_free(d->arena);
    free(d);
}

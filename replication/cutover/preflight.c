/*
 * preflight - what stands between now and a cutover, and what it would cost. The same checks run in
 * front of the real thing and in the dry run; they change nothing.
 *
 * Every blocker is collected before the refusal, so that the operator mends all of them at once.
 * What is not known (a lag nobody has measured, a server that may not be read) refuses too: unknown
 * is not zero.
 */
#include <stdio.h>
#include <string.h>

#include "apply/added.h"
#include "cutover/findings.h"
#include "source/catalog.h"
#include "source/mapped.h"
#include "source/slot.h"
#include "sql_files.h"
#include "verify/arrays.h"

#define block    finding_block
#define STALE_US 5000000 /* a lag measured longer ago is not known */

/* Lag
 * ---------------------------------------------------------------------------------------------- */

static void check_lag(Findings *f)
{
    const CutoverSpec *spec = f->cut->spec;
    CutoverReport *report = f->cut->report;
    char shown[32], limit[32];
    int64_t measured_us = atomic_load(&spec->progress->measured_at_us);
    bool stale = measured_us == PROGRESS_UNKNOWN || clock_now_us() - measured_us > STALE_US;
    report->lag_bytes_before = stale ? PROGRESS_UNKNOWN : atomic_load(&spec->progress->lag_bytes);
    report->lag_us_before = stale ? PROGRESS_UNKNOWN : atomic_load(&spec->progress->apply_lag_us);
    if (report->lag_bytes_before == PROGRESS_UNKNOWN || report->lag_us_before == PROGRESS_UNKNOWN) {
        block(f, ERR_LAG, "the lag is not known%s", stale ? ": nobody has measured it lately" : "");
        return;
    }
    if (report->lag_us_before <= spec->max_lag_us &&
        report->lag_bytes_before <= spec->max_lag_bytes)
        finding_fine(f, "the %s is %s and %lld bytes of WAL behind", TO_SIDE(f->cut),
                     clock_format_duration(report->lag_us_before, shown, sizeof shown),
                     (long long)report->lag_bytes_before);
    if (report->lag_us_before > spec->max_lag_us)
        block(f, ERR_LAG, "the %s is %s behind, the limit is %s", TO_SIDE(f->cut),
              clock_format_duration(report->lag_us_before, shown, sizeof shown),
              clock_format_duration(spec->max_lag_us, limit, sizeof limit));
    if (report->lag_bytes_before > spec->max_lag_bytes)
        block(f, ERR_LAG, "the %s is %lld bytes of WAL behind, the limit is %lld", TO_SIDE(f->cut),
              (long long)report->lag_bytes_before, (long long)spec->max_lag_bytes);
}

/* Source
 * ------------------------------------------------------------------------------------------- */

static bool check_source_facts(Findings *f, Error *err)
{
    const Relations *rels = f->cut->spec->rels;
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf oids = BUF_INIT;
    arrays_begin(&oids);
    for (int i = 0; i < rels->count; i++)
        arrays_put_u32(&oids, rels->all[i]->oid);
    if (!pgconn_query(f->cut->source, SQL_CUTOVER_SOURCE_FACTS,
                      PG_PARAMS(PG_TEXT(arrays_end(&oids))), &rows, err))
        return false;
    if (pgrows_bool(rows, 0, 0))
        block(f, ERR_BLOCKED, "the %s is a standby: writes cannot be fenced there",
              FROM_SIDE(f->cut));
    if (!pgrows_null(rows, 0, 1))
        finding_block(f, ERR_BLOCKED,
                      "prepared transactions are open on the %s (%s): COMMIT PREPARED or ROLLBACK "
                      "PREPARED them",
                      FROM_SIDE(f->cut), pgrows_text(rows, 0, 1));
    if (!pgrows_null(rows, 0, 2))
        finding_block(
            f, ERR_BLOCKED,
            "a subscription writes to tables in scope (%s), and its worker passes statement "
            "triggers by: ALTER "
            "SUBSCRIPTION ... DISABLE",
            pgrows_text(rows, 0, 2));
    if (!pgrows_bool(rows, 0, 3))
        block(f, ERR_BLOCKED,
              "the %s lacks plpgsql, in which the fence is written: CREATE EXTENSION plpgsql",
              FROM_SIDE(f->cut));
    if (!pgrows_bool(rows, 0, 4))
        finding_block(
            f, ERR_PRIVILEGE,
            "role %s may not create schema bascule on the %s: GRANT CREATE ON DATABASE %s TO %s",
            pgrows_text(rows, 0, 5), FROM_SIDE(f->cut), pgrows_text(rows, 0, 6),
            pgrows_text(rows, 0, 5));
    f->cut->server_deadlock_us = pgrows_i64(rows, 0, 7);
    return true;
}

static bool check_other_fences(Findings *f, Error *err)
{
    FenceSet *set = &f->cut->fences;
    char text[400];
    if (f->cut->spec->back)
        return true;
    if (!fence_read_others(f->cut->source, f->cut->arena, f->cut->spec->task, set, err))
        return false;
    for (int i = 0; i < set->count; i++) {
        if (set->all[i].taken_by == NULL)
            continue;
        fence_taken_text(&set->all[i], text, sizeof text);
        block(f, ERR_BLOCKED, "%s", text);
    }
    return true;
}

static bool check_ownership(Findings *f, Error *err)
{
    int foreign = 0;
    const Fence *first = NULL;
    if (!fence_set_read(f->cut->source, f->cut->arena, f->cut->spec->rels, FENCE_SOURCE,
                        &f->cut->fences, err))
        return false;
    for (int i = 0; i < f->cut->fences.count; i++) {
        if (f->cut->fences.all[i].owned)
            continue;
        if (foreign++ == 0)
            first = &f->cut->fences.all[i];
    }
    if (foreign > 0)
        finding_block(f, ERR_PRIVILEGE,
                      "our role on the %s may not fence %d tables (%s.%s%s): GRANT \"%s\" TO it",
                      FROM_SIDE(f->cut), foreign, first->schema, first->name,
                      foreign > 1 ? ", ..." : "", first->owner);
    return true;
}

static bool check_holders(Findings *f, Error *err)
{
    CLEANUP_BUF Buf hopeless = BUF_INIT;
    CLEANUP_BUF Buf slow = BUF_INIT;
    if (!blockers_judge(f->cut->source, &f->cut->fences, &hopeless, &slow, err))
        return false;
    if (hopeless.len > 0)
        block(f, ERR_BLOCKED, "idle transactions hold tables in scope: %s", buf_str(&hopeless));
    if (slow.len > 0)
        finding_warn(f, "long transactions may delay the freeze: %s", buf_str(&slow));
    return true;
}

/* Slot
 * --------------------------------------------------------------------------------------------- */

#define WAL_LIMIT_PERCENT 70 /* of what the slot may retain */

static void check_slot_room(Findings *f, const SlotState *slot)
{
    int64_t limit = slot->retained_bytes + slot->safe_wal_bytes;
    if (slot->retained_bytes == PROGRESS_UNKNOWN || slot->safe_wal_bytes == PROGRESS_UNKNOWN)
        return; /* no max_slot_wal_keep_size */
    if (slot->retained_bytes > limit / 100 * WAL_LIMIT_PERCENT)
        block(f, ERR_BLOCKED,
              "slot '%s' retains %lld MB of WAL, more than %d %% of what "
              "max_slot_wal_keep_size allows: raise it, or let the other side catch up",
              f->cut->spec->slot_name, (long long)(slot->retained_bytes >> 20), WAL_LIMIT_PERCENT);
}

static bool check_slot(Findings *f, Error *err)
{
    SlotState slot;
    if (f->cut->spec->slot_name == NULL)
        return true;
    if (!slot_state(f->cut->source, f->cut->spec->slot_name, &slot, err))
        return false;
    if (!slot.exists)
        block(f, ERR_SLOT_LOST, "slot '%s' is not there any more", f->cut->spec->slot_name);
    else if (strcmp(slot.wal_status, "lost") == 0 || strcmp(slot.wal_status, "unreserved") == 0)
        block(f, ERR_SLOT_LOST, "slot '%s' is losing its WAL: wal_status is %s",
              f->cut->spec->slot_name, slot.wal_status);
    else if (!slot.active)
        block(f, ERR_BLOCKED, "nobody reads slot '%s' at the moment: see 'bascule status'",
              f->cut->spec->slot_name);
    else
        check_slot_room(f, &slot);
    return true;
}

/* Shape: what was loaded is what is there
 * ------------------------------------------------------------ */

static bool same_column(const Column *a, const Column *b)
{
    return a->attnum == b->attnum && a->type_oid == b->type_oid && a->typmod == b->typmod &&
           strcmp(a->name, b->name) == 0;
}

/* On the way back the catalog is read without the rules: it shows columns that do not go back. */
static bool same_columns(const Relation *then, const Relation *now)
{
    int matched = 0, sent = relation_sent(then);
    for (int i = 0; i < relation_sent(now); i++) {
        if (relation_leaves_out(then, now->columns[i].name))
            continue;
        if (matched == sent || !same_column(&then->columns[matched++], &now->columns[i]))
            return false;
    }
    return matched == sent;
}

static void check_relation(Findings *f, const Relation *then, const Relation *now)
{
    if (now == NULL)
        block(f, ERR_SCHEMA_CHANGED, "table '%s' was dropped or renamed since it was loaded",
              then->display);
    else if (!same_columns(then, now))
        block(f, ERR_SCHEMA_CHANGED, "table '%s' changed its columns since it was loaded",
              then->display);
    else if (now->key_count < then->key_count ||
             (now->replica_identity != then->replica_identity && now->replica_identity != 'f'))
        block(f, ERR_REPLICA_IDENTITY,
              "table '%s' lost its replica identity: its updates and "
              "deletes may be missing from the stream",
              then->display);
}

/* A table that only this side had when it was opened: it never took part in this direction. */
static bool known_extra(Findings *f, const Relation *rel, bool *out_known, Error *err)
{
    return control_step_done(f->cut->target, f->cut->spec->task,
                             arena_printf(f->cut->arena, "extra %s", rel->display), out_known, err);
}

static bool check_new(Findings *f, const Relations *now, Error *err)
{
    for (int i = 0; i < now->count; i++) {
        bool known = false;
        if (relations_by_oid(f->cut->spec->rels, now->all[i]->oid) != NULL)
            continue;
        if (!known_extra(f, now->all[i], &known, err))
            return false;
        if (!known)
            finding_block(f, ERR_SCHEMA_CHANGED,
                          "table '%s' is new since the task began: exclude it, or load it first",
                          now->all[i]->display);
    }
    return true;
}

bool cutover_rules(const Cutover *cut, Rules **out, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    *out = spec->rules;
    return spec->rules == NULL || added_read(spec->back ? cut->source : cut->target, spec->task,
                                             spec->rules, cut->arena, out, err);
}

static bool check_shape(Findings *f, Error *err)
{
    bool ok = true;
    const CutoverSpec *spec = f->cut->spec;
    Relations *now = NULL;
    Rules *rules = NULL;
    if (!cutover_rules(f->cut, &rules, err))
        return false;
    if (rules != NULL) {
        /* On the way back the rules' names are those of the other side. */
        Rules schemas = mapped_schemas(f->cut->arena, spec->rels, false);
        bool ours = !spec->back || !rules_map_anything(spec->rules);
        if (!catalog_read(f->cut->source, f->cut->target, spec->task, ours ? rules : &schemas, &now,
                          err))
            return false;
        for (int i = 0; i < spec->rels->count; i++)
            check_relation(f, spec->rels->all[i], relations_by_oid(now, spec->rels->all[i]->oid));
        ok = check_new(f, now, err);
        relations_free(now);
    }
    return ok && catalog_fingerprint(f->cut->source, spec->rels, f->cut->fingerprint, err);
}

static void check_unlogged(Findings *f)
{
    const Relations *rels = f->cut->spec->rels;
    for (int i = 0; i < rels->count; i++) {
        if (rels->all[i]->persistence == 'u')
            finding_warn(
                f,
                "table '%s' is unlogged: changes since its load are not in the stream, and the "
                "cutover is refused if there are any; ALTER TABLE ... SET LOGGED on the %s "
                "has it copied again, and followed",
                rels->all[i]->display, pgconn_side(f->cut->source));
    }
}

/* Target
 * ------------------------------------------------------------------------------------------- */

static bool check_target(Findings *f, Error *err)
{
    SourceIdentity source, target;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(f->cut->target, SQL_CUTOVER_TARGET_FACTS, PG_NO_PARAMS, &rows, err))
        return false;
    if (pgrows_bool(rows, 0, 0))
        block(f, ERR_BLOCKED, "the %s is a standby", TO_SIDE(f->cut));
    if (!pgrows_bool(rows, 0, 1))
        block(f, ERR_TARGET_STATE, "the %s has no control schema: nothing was loaded there",
              TO_SIDE(f->cut));
    if (!source_identify(f->cut->source, &source, err) ||
        !source_identify(f->cut->target, &target, err))
        return false;
    if (source_is_same(&source, &target))
        block(f, ERR_SAME_SERVER, "source and target are the same database");
    return true;
}

static void block_text(void *self, const char *text)
{
    finding_block(self, ERR_BLOCKED, "%s", text);
}

static void warn_text(void *self, const char *text)
{
    finding_warn(self, "%s", text);
}

static void fine_text(void *self, const char *text)
{
    finding_fine(self, "%s", text);
}

/* What the program is to do at the moments of the walk. */
static bool check_more(Findings *f, Error *err)
{
    const CutoverFindings findings = {f, block_text, warn_text, fine_text};
    return f->cut->spec->check_more == NULL ||
           f->cut->spec->check_more(f->cut->spec->traffic_arg, &findings, err);
}

/* Whoever decided nothing has not said which row is right. */
static bool check_conflicts(Findings *f, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!f->cut->spec->dual_write)
        return true;
    if (f->cut->spec->verify == CUTOVER_VERIFY_COUNT)
        finding_block(f, ERR_BLOCKED,
                      "the application wrote both sides, and numbers of rows do not say that they "
                      "hold the same: --verify auto or full");
    if (!pgconn_query(f->cut->target, SQL_CONFLICT_EXISTS, PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0))
        return true;
    if (!pgconn_query(f->cut->target, SQL_CONFLICT_COUNTS, PG_PARAMS(PG_TEXT(f->cut->spec->task)),
                      &rows, err))
        return false;
    if (pgrows_i64(rows, 0, 1) > 0)
        finding_block(f, ERR_CONFLICT,
                      "%lld conflicts wait for a decision: bascule conflicts list --unresolved",
                      (long long)pgrows_i64(rows, 0, 1));
    else
        finding_fine(f, "%lld conflicts, all of them decided", (long long)pgrows_i64(rows, 0, 0));
    return true;
}

typedef struct PreflightCheck {
    const char *name;
    bool (*run)(Findings *f, Error *err);
} PreflightCheck;

static bool check_lag_limit(Findings *f, Error *err)
{
    (void)err;
    check_lag(f);
    return true;
}

static bool check_persistence(Findings *f, Error *err)
{
    (void)err;
    check_unlogged(f);
    return true;
}

static bool run_list(Findings *f, const PreflightCheck *checks, size_t count, Error *err)
{
    if (f->cut->spec->rels == NULL || f->cut->spec->rels->count == 0)
        return ERR(err, ERR_WRONG_STATE, "no table is in scope");
    if (!f->cut->spec->ready(f->cut->spec->engine, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        finding_check(f, checks[i].name);
        if (!checks[i].run(f, err))
            return false;
    }
    return true;
}

bool preflight_discard(Findings *f, Error *err)
{
    static const PreflightCheck CHECKS[] = {
        {"source", check_source_facts}, {"target", check_target}, {"ownership", check_ownership},
        {"holders", check_holders},     {"traffic", check_more},
    };
    bool ok = run_list(f, CHECKS, sizeof CHECKS / sizeof *CHECKS, err);
    finding_check(f, NULL);
    return ok;
}

static bool run_checks(Findings *f, Error *err)
{
    static const PreflightCheck CHECKS[] = {
        {"lag", check_lag_limit},
        {"source", check_source_facts},
        {"slot", check_slot},
        {"target", check_target},
        {"shape", check_shape},
        {"ownership", check_ownership},
        {"other tasks", check_other_fences},
        {"holders", check_holders},
        {"unlogged tables", check_persistence},
        {"conflicts", check_conflicts},
        {"way back", preflight_way_back},
        {"row filters", preflight_row_filters},
        {"traffic", check_more},
    };
    if (!run_list(f, CHECKS, sizeof CHECKS / sizeof *CHECKS, err))
        return false;
    if (!preflight_sides(f, err))
        return false;
    finding_check(f, "last minute");
    preflight_rates(f);
    finding_check(f, "verification");
    preflight_verified(f);
    finding_check(f, "disk");
    if (!preflight_room(f, err))
        return false;
    finding_check(f, "prediction");
    if ((f->blockers.len == 0 || f->cut->spec->dry_run) && !preflight_prediction(f, err))
        return false;
    finding_check(f, NULL);
    return true;
}

static bool check_rehearsal(Findings *f, Error *err)
{
    bool rehearsed = true;
    if (f->cut->spec->rehearse)
        return true;
    finding_check(f, "rehearsal");
    if (!plan_rehearsed(f->cut, &rehearsed, err))
        return false;
    if (!rehearsed)
        finding_warn(f, "plan %s was not rehearsed yet: --rehearse does all but the switch",
                     f->cut->report->plan_hash);
    finding_check(f, NULL);
    return true;
}

CutoverFsmEvent cutover_check(Cutover *cut, Error *err)
{
    Findings f = {.cut = cut};
    cut->step_us = clock_now_us();
    bool ok = run_checks(&f, err) && plan_make(cut, err) && check_rehearsal(&f, err);
    if (ok && f.blockers.len > 0)
        ok = ERR(err, f.cls, "%s", buf_str(&f.blockers));
    buf_done(&f.blockers);
    if (!ok || !plan_confirmed(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "preflight");
    cutover_tell(cut, "preflight", false, "nothing stands in the way%s",
                 f.warnings > 0 ? ", but see the warnings" : "");
    return CUT_EV_DONE;
}

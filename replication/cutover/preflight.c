/*
 * preflight - what stands between now and a cutover, and what it would cost. The same checks run in
 * front of the real thing and in the dry run; they change nothing.
 *
 * Every blocker is collected before the refusal, so that the operator mends all of them at once.
 * What is not known (a lag nobody has measured, a server that may not be read) refuses too: unknown
 * is not zero.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cutover/internal.h"
#include "source/catalog.h"
#include "source/slot.h"
#include "sql_files.h"
#include "verify/arrays.h"

#define STALE_US 5000000 /* a lag measured longer ago is not known */
#define PREDICT_FROM                                                                               \
    ((int64_t)32 << 20)    /* smaller databases need no sample before a real cutover */
#define PER_TABLE_US 200   /* lock, trigger, catalog work a table, measured with 500 tables */
#define FIXED_US     20000 /* round trips and two synchronous commits */

typedef struct Findings {
    Cutover *cut;
    ErrorClass cls; /* of the first blocker */
    Buf blockers;
} Findings;

static void block(Findings *f, ErrorClass cls, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void block(Findings *f, ErrorClass cls, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cutover_tell(f->cut, "preflight", true, "%s", text);
    if (f->blockers.len > 0)
        buf_puts(&f->blockers, "; ");
    else
        f->cls = cls;
    buf_puts(&f->blockers, text);
}

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
    if (report->lag_us_before > spec->max_lag_us)
        block(f, ERR_LAG, "the target is %s behind, the limit is %s",
              clock_format_duration(report->lag_us_before, shown, sizeof shown),
              clock_format_duration(spec->max_lag_us, limit, sizeof limit));
    if (report->lag_bytes_before > spec->max_lag_bytes)
        block(f, ERR_LAG, "the target is %lld bytes of WAL behind, the limit is %lld",
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
        block(f, ERR_BLOCKED, "the source is a standby: writes cannot be fenced there");
    if (!pgrows_null(rows, 0, 1))
        block(f, ERR_BLOCKED,
              "prepared transactions are open on the source (%s): COMMIT PREPARED or ROLLBACK "
              "PREPARED them",
              pgrows_text(rows, 0, 1));
    if (!pgrows_null(rows, 0, 2))
        block(f, ERR_BLOCKED,
              "a subscription writes to tables in scope (%s), and its worker passes statement "
              "triggers by: ALTER "
              "SUBSCRIPTION ... DISABLE",
              pgrows_text(rows, 0, 2));
    if (!pgrows_bool(rows, 0, 3))
        block(f, ERR_BLOCKED,
              "the source lacks plpgsql, in which the fence is written: CREATE "
              "EXTENSION plpgsql");
    if (!pgrows_bool(rows, 0, 4))
        block(f, ERR_PRIVILEGE,
              "role %s may not create schema bascule on the source: GRANT CREATE ON DATABASE %s TO "
              "%s",
              pgrows_text(rows, 0, 5), pgrows_text(rows, 0, 6), pgrows_text(rows, 0, 5));
    f->cut->server_deadlock_us = pgrows_i64(rows, 0, 7);
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
        block(f, ERR_PRIVILEGE,
              "our role on the source may not fence %d tables (%s.%s%s): GRANT \"%s\" TO it",
              foreign, first->schema, first->name, foreign > 1 ? ", ..." : "", first->owner);
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
        cutover_tell(f->cut, "preflight", false, "long transactions may delay the freeze: %s",
                     buf_str(&slow));
    return true;
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
    return true;
}

/* Shape: what was loaded is what is there
 * ------------------------------------------------------------ */

static bool same_columns(const Relation *a, const Relation *b)
{
    if (a->column_count != b->column_count)
        return false;
    for (int i = 0; i < a->column_count; i++) {
        const Column *x = &a->columns[i], *y = &b->columns[i];
        if (x->attnum != y->attnum || x->type_oid != y->type_oid || x->typmod != y->typmod ||
            strcmp(x->name, y->name) != 0)
            return false;
    }
    return true;
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

static bool check_shape(Findings *f, Error *err)
{
    const CutoverSpec *spec = f->cut->spec;
    Relations *now = NULL;
    if (spec->rules != NULL) {
        if (!catalog_read(f->cut->source, spec->rules, &now, err))
            return false;
        for (int i = 0; i < spec->rels->count; i++)
            check_relation(f, spec->rels->all[i], relations_by_oid(now, spec->rels->all[i]->oid));
        for (int i = 0; i < now->count; i++) {
            if (relations_by_oid(spec->rels, now->all[i]->oid) == NULL)
                block(f, ERR_SCHEMA_CHANGED,
                      "table '%s' is new since the task began: exclude it, or load it first",
                      now->all[i]->display);
        }
        relations_free(now);
    }
    return catalog_fingerprint(f->cut->source, spec->rels, f->cut->fingerprint, err);
}

static void tell_unlogged(Cutover *cut)
{
    for (int i = 0; i < cut->spec->rels->count; i++) {
        if (cut->spec->rels->all[i]->persistence == 'u')
            cutover_tell(cut, "preflight", false,
                         "table '%s' is unlogged: changes since its load are not in the stream",
                         cut->spec->rels->all[i]->display);
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
        block(f, ERR_BLOCKED, "the target is a standby");
    if (!pgrows_bool(rows, 0, 1))
        block(f, ERR_TARGET_STATE, "the target has no control schema: nothing was loaded there");
    if (!source_identify(f->cut->source, &source, err) ||
        !source_identify(f->cut->target, &target, err))
        return false;
    if (source_is_same(&source, &target))
        block(f, ERR_SAME_SERVER, "source and target are the same database");
    return true;
}

/* Prediction
 * --------------------------------------------------------------------------------------- */

typedef struct Prediction {
    int64_t lock_us, drain_us, compare_us, compare_bytes, total_us;
} Prediction;

static int64_t total_bytes(const Relations *rels)
{
    int64_t bytes = 0;
    for (int i = 0; i < rels->count; i++)
        bytes += rels->all[i]->bytes > 0 ? rels->all[i]->bytes : 0;
    return bytes;
}

static bool predict(Cutover *cut, Prediction *out, Error *err)
{
    CompareSpec spec = {
        .source = cut->spec->source,
        .target = cut->spec->target,
        .rels = cut->spec->rels,
        .jobs = cut->spec->jobs,
        .count_only = cut->spec->verify == CUTOVER_VERIFY_COUNT,
        .stop = cut->give_up,
    };
    *out = (Prediction){
        .lock_us = FIXED_US + (int64_t)cut->fences.count * PER_TABLE_US,
        .drain_us = cut->report->lag_us_before,
    };
    if (cut->compare == NULL && !compare_open(&spec, &cut->compare, err))
        return false;
    if (!compare_predict(cut->compare, &out->compare_bytes, &out->compare_us, err))
        return err_context(err, "measuring how fast tables can be compared");
    out->total_us = out->lock_us + out->drain_us + out->compare_us;
    return true;
}

/* A freeze that cannot end in time would be given up after hurting everybody. */
static bool check_prediction(Findings *f, Error *err)
{
    Prediction p;
    char compare[32], budget[32];
    const CutoverSpec *spec = f->cut->spec;
    if (total_bytes(spec->rels) < PREDICT_FROM)
        return true;
    if (!predict(f->cut, &p, err))
        return false;
    clock_format_duration(p.compare_us, compare, sizeof compare);
    clock_format_duration(spec->max_downtime_us, budget, sizeof budget);
    if (p.total_us > spec->max_downtime_us)
        block(f, ERR_BLOCKED,
              "comparing %lld MB would take about %s, the downtime budget is %s: raise "
              "--max-downtime, or "
              "--verify count",
              (long long)(p.compare_bytes >> 20), compare, budget);
    else if (p.total_us > spec->max_downtime_us / 2)
        cutover_tell(f->cut, "preflight", false,
                     "comparing will take about %s of the downtime budget of %s", compare, budget);
    return true;
}

static bool run_checks(Findings *f, Error *err)
{
    if (f->cut->spec->rels == NULL || f->cut->spec->rels->count == 0)
        return ERR(err, ERR_WRONG_STATE, "no table is in scope");
    if (!f->cut->spec->ready(f->cut->spec->engine, err))
        return false;
    check_lag(f);
    if (!check_source_facts(f, err) || !check_slot(f, err) || !check_target(f, err) ||
        !check_shape(f, err) || !check_ownership(f, err) || !check_holders(f, err))
        return false;
    tell_unlogged(f->cut);
    return f->blockers.len > 0 || f->cut->spec->dry_run || check_prediction(f, err);
}

CutoverFsmEvent cutover_check(Cutover *cut, Error *err)
{
    Findings f = {.cut = cut};
    cut->step_us = clock_now_us();
    bool ok = run_checks(&f, err);
    if (ok && f.blockers.len > 0)
        ok = ERR(err, f.cls, "%s", buf_str(&f.blockers));
    buf_done(&f.blockers);
    if (!ok)
        return cutover_fail(cut, err);
    cutover_phase(cut, "preflight");
    cutover_tell(cut, "preflight", false, "nothing stands in the way");
    return CUT_EV_DONE;
}

static void tell_part(Cutover *cut, const char *what, int64_t us, const char *from)
{
    char shown[32];
    cutover_tell(cut, "plan", false, "%s: about %s (%s)", what,
                 clock_format_duration(us, shown, sizeof shown), from);
}

CutoverFsmEvent cutover_plan(Cutover *cut, Error *err)
{
    Prediction p;
    char total[32], budget[32], from[96];
    if (!predict(cut, &p, err))
        return cutover_fail(cut, err);
    cutover_tell(cut, "plan", false,
                 "freeze: lock %d tables, at most %d attempts of %lld ms; fence them; budget %s",
                 cut->fences.count, cut->spec->lock_tries,
                 (long long)(cut->spec->lock_timeout_us / 1000),
                 clock_format_duration(cut->spec->max_downtime_us, budget, sizeof budget));
    tell_part(cut, "lock, fence and commit", p.lock_us, "by the number of tables");
    tell_part(cut, "drain", p.drain_us, "the lag now");
    snprintf(from, sizeof from, "%lld MB, by a sample of the largest table on both sides",
             (long long)(p.compare_bytes >> 20));
    tell_part(cut, cut->spec->verify == CUTOVER_VERIFY_COUNT ? "count rows" : "compare every row",
              p.compare_us, from);
    cutover_tell(cut, "plan", p.total_us > cut->spec->max_downtime_us,
                 "writes would wait about %s; the budget is %s%s",
                 clock_format_duration(p.total_us, total, sizeof total), budget,
                 p.total_us > cut->spec->max_downtime_us ? ": the cutover would be refused" : "");
    return CUT_EV_DONE;
}

CutoverFsmEvent cutover_plan_rest(Cutover *cut, Error *err)
{
    (void)err;
    cutover_tell(cut, "plan", false,
                 "an earlier cutover left epoch %lld half done: 'cutover' would finish it",
                 (long long)cut->epoch);
    return CUT_EV_DONE;
}

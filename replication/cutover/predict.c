/*
 * predict - what the freeze would cost, in parts. A freeze that cannot end in time would be given up
 * after it hurt everybody: it is refused before.
 */
#include <stdio.h>

#include "cutover/findings.h"

#define PREDICT_FROM                                                                               \
    ((int64_t)32 << 20)    /* smaller databases need no sample before a real cutover */
#define PER_TABLE_US 200   /* lock, trigger, catalog work a table, measured with 500 tables */
#define FIXED_US     20000 /* round trips and two synchronous commits */

static int64_t total_bytes(const Relations *rels)
{
    int64_t bytes = 0;
    for (int i = 0; i < rels->count; i++)
        bytes += rels->all[i]->bytes > 0 ? rels->all[i]->bytes : 0;
    return bytes;
}

/* What `auto` would read in whole in the freeze, and can be compared before it. */
static void choose_first(Cutover *cut, const CompareTable *tables)
{
    CutoverPrediction *out = &cut->report->prediction;
    int count = cut->spec->rels->count;
    bool *first = arena_new_array(cut->arena, bool, count + 1);
    for (int i = 0; i < count; i++) {
        first[i] = tables[i].how == COMPARE_BY_HASH && !tables[i].too_long &&
                   prove_may_come_first(cut, cut->spec->rels->all[i]);
        out->first_tables += first[i];
        out->first_bytes += first[i] ? compare_table_bytes(cut->compare, i) : 0;
    }
    if (out->first_tables > 0)
        out->first = first;
}

bool cutover_may_compare_first(const CutoverSpec *spec)
{
    return spec->verify == CUTOVER_VERIFY_AUTO && spec->discard == NULL && spec->keylog != NULL &&
           spec->base != NULL && total_bytes(spec->rels) >= PREDICT_FROM;
}

/* What of it has to be read, and how long that takes. */
static void choose(Cutover *cut, Buf *left)
{
    CutoverPrediction *out = &cut->report->prediction;
    int count = cut->spec->rels->count;
    CompareTable *tables = arena_new_array(cut->arena, CompareTable, count + 1);
    int64_t drain_us = out->drain_us == PROGRESS_UNKNOWN ? 0 : out->drain_us;
    int64_t budget_us = cut->spec->max_downtime_us - out->lock_us - drain_us;
    prove_choose(cut, budget_us, tables, &out->prove_us, left);
    if (cut->spec->compares_first && cut->spec->dry_run && cutover_may_compare_first(cut->spec))
        choose_first(cut, tables);
    if (out->first != NULL) {
        buf_clear(left);
        cut->first = out->first;
        prove_choose(cut, budget_us, tables, &out->prove_us, left);
        cut->first = NULL;
    }
    out->prove_bytes = out->prove_keys = out->prove_tables_by_keys = 0;
    for (int i = 0; i < count; i++) {
        if (!tables[i].by_keys)
            out->prove_bytes += compare_table_bytes(cut->compare, i);
        out->prove_keys += tables[i].keys;
        out->prove_tables_by_keys += tables[i].by_keys;
    }
}

static bool predict(Cutover *cut, Buf *left, Error *err)
{
    CutoverPrediction *out = &cut->report->prediction;
    out->lock_us = FIXED_US + (int64_t)cut->fences.count * PER_TABLE_US;
    out->drain_us = cut->report->lag_us_before;
    if (!cutover_open_comparison(cut, err))
        return false;
    if (!compare_predict(cut->compare, &out->prove_bytes, &out->prove_us, err))
        return err_context(err, "measuring how fast tables can be compared");
    if (out->prove_bytes > 0)
        cut->prove_us_per_byte = (double)out->prove_us / (double)out->prove_bytes;
    choose(cut, left);
    if (out->drain_us != PROGRESS_UNKNOWN)
        out->total_us = out->lock_us + out->drain_us + out->prove_us;
    return true;
}

bool preflight_prediction(Findings *f, Error *err)
{
    const CutoverSpec *spec = f->cut->spec;
    const CutoverPrediction *p = &f->cut->report->prediction;
    char total[32], budget[32], prove[32];
    CLEANUP_BUF Buf left = BUF_INIT;
    if (!spec->dry_run && total_bytes(spec->rels) < PREDICT_FROM)
        return true;
    if (!predict(f->cut, &left, err))
        return false;
    if (p->total_us < 0)
        return true; /* the lag is not known: a finding of its own */
    clock_format_duration(p->total_us, total, sizeof total);
    clock_format_duration(p->prove_us, prove, sizeof prove);
    clock_format_duration(spec->max_downtime_us, budget, sizeof budget);
    if (p->total_us > spec->max_downtime_us)
        finding_block(f, ERR_BLOCKED,
                      "writes would wait about %s, %s of it for comparing %lld MB, the downtime "
                      "budget is %s: raise --max-downtime%s%s, or --verify count",
                      total, prove, (long long)(p->prove_bytes >> 20), budget,
                      left.len > 0 ? ", or run 'bascule verify' before, so that only changed rows "
                                     "of these tables have to be read: "
                                   : "",
                      buf_str(&left));
    else if (p->total_us > spec->max_downtime_us / 2)
        finding_warn(f, "writes would wait about %s, more than half of the downtime budget of %s",
                     total, budget);
    else
        finding_fine(f, "writes would wait about %s, the budget is %s", total, budget);
    return true;
}

static void tell_part(Cutover *cut, const char *what, int64_t us, const char *from)
{
    char shown[32];
    cutover_tell(cut, "plan", false, "%s: about %s (%s)", what,
                 clock_format_duration(us, shown, sizeof shown), from);
}

static bool plan_views(Cutover *cut, Error *err)
{
    Views views;
    char limit[32];
    if (!views_read(cut->source, cut->arena, &views, err))
        return false;
    clock_format_duration(cut->spec->refresh_us, limit, sizeof limit);
    if (views.count > 0)
        cutover_tell(cut, "plan", false,
                     "once the target is open: refresh %d materialized views, %s%s", views.count,
                     cut->spec->refresh_us == 0 ? "left to you: cutover.refresh_timeout is "
                                                : "within ",
                     limit);
    return true;
}

CutoverFsmEvent cutover_plan(Cutover *cut, Error *err)
{
    const CutoverPrediction *p = &cut->report->prediction;
    char total[32], budget[32], from[96];
    if (cut->spec->discard != NULL) {
        cutover_tell(cut, "plan", false,
                     "freeze the %s, write down what is discarded, fence it, open the %s; "
                     "--confirm=%s runs exactly this",
                     FROM_SIDE(cut), TO_SIDE(cut), cut->report->plan_hash);
        return CUT_EV_DONE;
    }
    if (!plan_views(cut, err))
        return cutover_fail(cut, err);
    cutover_tell(cut, "plan", false,
                 "freeze: lock %d tables, at most %d attempts of %lld ms; fence them; budget %s",
                 cut->fences.count, cut->spec->lock_tries,
                 (long long)(cut->spec->lock_timeout_us / 1000),
                 clock_format_duration(cut->spec->max_downtime_us, budget, sizeof budget));
    tell_part(cut, "lock, fence and commit", p->lock_us, "by the number of tables");
    tell_part(cut, "drain", p->drain_us, "the lag now");
    snprintf(from, sizeof from, "%lld MB, by a sample of the largest table on both sides",
             (long long)(p->prove_bytes >> 20));
    tell_part(cut, cut->spec->verify == CUTOVER_VERIFY_COUNT ? "count rows" : "compare every row",
              p->prove_us, from);
    if (p->first_tables > 0)
        cutover_tell(cut, "plan", false,
                     "before that, while writers go on: compare %lld tables, %lld MB",
                     (long long)p->first_tables, (long long)(p->first_bytes >> 20));
    if (p->prove_tables_by_keys > 0)
        cutover_tell(
            cut, "plan", false,
            "%lld tables are verified by then: of them only the changed keys are read (now "
            "%lld)",
            (long long)p->prove_tables_by_keys, (long long)p->prove_keys);
    cutover_tell(cut, "plan", false, "writes would wait about %s; the budget is %s",
                 clock_format_duration(p->total_us, total, sizeof total), budget);
    cutover_tell(cut, "plan", false, "plan %s: --confirm=%s runs exactly this one",
                 cut->report->plan_hash, cut->report->plan_hash);
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

/*
 * prove - the frozen point: how each table is proved, and the verdict.
 *
 * A table whose rows were found equal at X while writes flowed needs only the rows whose keys
 * changed since: their number decides the time, not the table's size. Everything else is read in
 * whole. `auto` reads in whole what fits, smallest first, because that assumes nothing; tables that
 * were never verified come before those, because nothing else can prove them. What it would read, the
 * caller compares right before, where that is possible: writers then wait for the keys that changed
 * since, and for what is small enough to be read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "verify/proof.h"

#define RESERVE_PCT 5  /* of the budget, kept from the comparison for commit and opening */
#define AUTO_PCT    40 /* of the budget that `auto` spends on reading in whole what need not be */
#define AGAIN_PCT   1  /* on reading again what was read right before the freeze */
#define US_PER_KEY  20 /* both sides, one pair of sessions */
#define COUNT_SHARE 6  /* counting is that much faster than hashing */

const char *cutover_verify_name(CutoverVerify verify)
{
    static const char *const NAMES[CUTOVER_VERIFY_WORDS] = {"auto", "full", "keys", "count"};
    return NAMES[verify];
}

/* Choice
 * ------------------------------------------------------------------------------------------- */

typedef enum Known { KNOWN_NOT, KNOWN_EARLIER, KNOWN_JUST_NOW } Known;

typedef struct Candidate {
    int table;
    int64_t us;
    Known known;
} Candidate;

static int least_known_then_smallest(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    if (x->known != y->known)
        return x->known < y->known ? -1 : 1;
    return x->us < y->us ? -1 : x->us > y->us;
}

/* What may be spent on reading it in whole when the changed keys would do. */
static int64_t share_us(Known known, int64_t budget_us)
{
    return known == KNOWN_NOT       ? budget_us
           : known == KNOWN_EARLIER ? budget_us * AUTO_PCT / 100
                                    : budget_us * AGAIN_PCT / 100;
}

static void look_at_base(const Cutover *cut, const Relation *rel, CutoverBase *out)
{
    *out = (CutoverBase){.why = "changed keys are not kept"};
    if (cut->spec->keylog == NULL || cut->spec->base == NULL)
        return;
    cut->spec->base(cut->spec->engine, rel, out);
    if (out->proved && !compare_keys_possible(rel)) {
        out->proved = false;
        snprintf(out->why, sizeof out->why, "its key is none that an index finds on both sides");
    }
    /* The application wrote it as well: an earlier fence may still stand while this is asked. */
    if (out->proved && cut->spec->dual_write) {
        out->proved = false;
        snprintf(out->why, sizeof out->why, "the application wrote it on both sides");
    }
    /* The changed keys are those that the stream brought, not what others wrote. */
    if (out->proved && (cut->unguarded == NULL || cut->unguarded[rel->id])) {
        out->proved = false;
        snprintf(out->why, sizeof out->why, "others may write to it on the %s: it is not fenced",
                 TO_SIDE(cut));
    }
}

bool prove_may_come_first(const Cutover *cut, const Relation *rel)
{
    return !cut->spec->dual_write && cut->spec->keylog != NULL && cut->spec->base != NULL &&
           compare_keys_possible(rel) && rel->persistence != 'u' && cut->unguarded != NULL &&
           !cut->unguarded[rel->id];
}

static Known how_known(const Cutover *cut, const Relation *rel, CutoverBase *base)
{
    look_at_base(cut, rel, base);
    if (cut->first != NULL && cut->first[rel->id]) {
        base->proved = true;
        return KNOWN_JUST_NOW;
    }
    int64_t since_us = cut->spec->compared_since_wall_us;
    if (!base->proved)
        return KNOWN_NOT;
    return since_us != 0 && base->at_wall_us >= since_us ? KNOWN_JUST_NOW : KNOWN_EARLIER;
}

static int64_t read_us(const Cutover *cut, int table)
{
    if (cut->compare == NULL)
        return 0;
    return (int64_t)(cut->prove_us_per_byte * (double)compare_table_bytes(cut->compare, table));
}

void prove_choose(const Cutover *cut, int64_t budget_us, CompareTable *tables, int64_t *out_us,
                  Buf *out_left)
{
    CutoverVerify verify = cut->spec->verify;
    int count = cut->spec->rels->count;
    Candidate *order = calloc((size_t)count + 1, sizeof *order);
    ASSERT(order != NULL);
    int64_t total_us = 0, spent_us = 0;
    for (int i = 0; i < count; i++) {
        CutoverBase base = {0};
        order[i] = (Candidate){.table = i, .us = read_us(cut, i)};
        if (verify == CUTOVER_VERIFY_AUTO || verify == CUTOVER_VERIFY_KEYS)
            order[i].known = how_known(cut, cut->spec->rels->all[i], &base);
        /* An unlogged table's changes never came: that as many rows are there says nothing of it. Nor does
         * it where the target has rows of its own. */
        const Relation *rel = cut->spec->rels->all[i];
        bool uncountable = rel->persistence == 'u' || rel->keep_extra;
        tables[i].how =
            verify == CUTOVER_VERIFY_COUNT && !uncountable ? COMPARE_BY_COUNT : COMPARE_BY_HASH;
        tables[i].by_keys = tables[i].too_long = false;
        tables[i].base_lsn = base.proved ? base.lsn : LSN_UNKNOWN;
        tables[i].base_wall_us = base.proved ? base.at_wall_us : 0;
        tables[i].keys = base.proved ? base.open_keys : 0;
    }
    qsort(order, (size_t)count, sizeof *order, least_known_then_smallest);
    for (int n = 0; n < count; n++) {
        CompareTable *t = &tables[order[n].table];
        bool proved = order[n].known != KNOWN_NOT;
        bool fits = spent_us + order[n].us <= share_us(order[n].known, budget_us);
        if (verify == CUTOVER_VERIFY_COUNT || (!proved && fits) || verify == CUTOVER_VERIFY_FULL ||
            (proved && fits && verify == CUTOVER_VERIFY_AUTO)) {
            spent_us += order[n].us;
            total_us += order[n].us;
        } else if (proved) {
            t->by_keys = true;
            t->how = COMPARE_NOT;
            total_us += t->keys * US_PER_KEY / (cut->spec->jobs > 0 ? cut->spec->jobs : 1);
        } else {
            t->too_long = true;
            total_us += order[n].us;
            if (out_left != NULL)
                buf_printf(out_left, "%s%s", out_left->len > 0 ? ", " : "",
                           cut->spec->rels->all[order[n].table]->display);
        }
        if (!t->by_keys)
            t->base_lsn = LSN_UNKNOWN, t->keys = 0;
    }
    /* Rows of the others are counted as well, where that costs little. */
    for (int n = 0; n < count; n++) {
        CompareTable *t = &tables[order[n].table];
        int64_t us = order[n].us / COUNT_SHARE;
        if (!t->by_keys || spent_us + us > share_us(order[n].known, budget_us))
            continue;
        t->how = COMPARE_BY_COUNT;
        spent_us += us;
        total_us += us;
    }
    free(order);
    *out_us = total_us;
}

/* In words
 * ----------------------------------------------------------------------------------------- */

const char *cutover_proof_method(const CompareTable *t)
{
    if (t->verdict == COMPARE_CONTAINED)
        return "contained";
    if (t->verdict != COMPARE_EQUAL)
        return "none";
    return t->by_keys ? "keys" : t->how == COMPARE_BY_HASH ? "full-hash" : "count";
}

void cutover_proof_text(const CutoverReport *report, const CompareTable *t, Buf *out)
{
    LsnText at = lsn_text(report->barrier_lsn), base = lsn_text(t->base_lsn);
    if (t->verdict == COMPARE_CONTAINED)
        buf_printf(out,
                   "every row of the source is there and the same at %s; %lld rows more, which a "
                   "rule keeps",
                   at.text, (long long)t->kept);
    else if (t->verdict != COMPARE_EQUAL)
        buf_puts(out, "not proved");
    else if (t->by_keys)
        buf_printf(out, "verified at %s + %lld keys to %s%s", base.text, (long long)t->keys,
                   at.text, t->read ? ", and as many rows" : "");
    else if (t->how == COMPARE_BY_HASH)
        buf_printf(out, "full hash at %s", at.text);
    else
        buf_printf(out, "as many rows at %s, contents not compared", at.text);
}

/* Verdict
 * ------------------------------------------------------------------------------------------ */

static bool judge_tables(Cutover *cut, Error *err)
{
    CLEANUP_BUF Buf different = BUF_INIT;
    CLEANUP_BUF Buf open = BUF_INIT;
    CutoverReport *report = cut->report;
    for (int i = 0; i < report->table_count; i++) {
        CompareTable *t = &report->tables[i];
        report->rows_compared += (int64_t)t->source.rows;
        report->bytes_compared += t->bytes;
        report->keys_compared += t->keys;
        report->rows_kept += t->kept;
        bool counted_otherwise = t->how == COMPARE_BY_COUNT && t->verdict == COMPARE_DIFFERENT;
        if (t->by_keys && !counted_otherwise)
            t->verdict = t->different > 0 ? COMPARE_DIFFERENT : COMPARE_EQUAL;
        if (t->verdict == COMPARE_CONTAINED ||
            (t->verdict == COMPARE_EQUAL && (t->by_keys || t->base_lsn == LSN_UNKNOWN)))
            continue;
        if (t->verdict == COMPARE_EQUAL)
            t->verdict = COMPARE_NOT_DONE; /* counted only, and its proof is gone */
        Buf *list = t->verdict == COMPARE_DIFFERENT ? &different : &open;
        buf_printf(list, "%s%s", list->len > 0 ? ", " : "", t->rel->display);
        if (t->by_keys && t->different > 0)
            buf_printf(list, " (%lld of %lld changed rows; %s)", (long long)t->different,
                       (long long)t->keys, t->why);
        else if (t->verdict == COMPARE_DIFFERENT && t->rel->keep_extra)
            buf_printf(list, " (%llu rows, %llu on the %s; %s)", (unsigned long long)t->source.rows,
                       (unsigned long long)t->target.rows, TO_SIDE(cut), t->why);
        else if (t->verdict == COMPARE_DIFFERENT)
            buf_printf(list, " (%llu rows, %llu on the %s%s)", (unsigned long long)t->source.rows,
                       (unsigned long long)t->target.rows, TO_SIDE(cut),
                       t->rel->persistence == 'u'
                           ? "; it is unlogged, so its changes are not in the stream: ALTER TABLE "
                             "... SET LOGGED has it copied again"
                           : "");
    }
    if (different.len > 0)
        return ERR(err, ERR_DIFFERENT, "source and target differ: %s", buf_str(&different));
    if (open.len > 0)
        return ERR(err, ERR_DEADLINE, "there was not time enough to compare: %s", buf_str(&open));
    return true;
}

/* A proof that was lost while its keys were read has not been one. */
static void look_again(Cutover *cut)
{
    for (int i = 0; i < cut->report->table_count; i++) {
        CompareTable *t = &cut->report->tables[i];
        CutoverBase base;
        if (!t->by_keys)
            continue;
        look_at_base(cut, t->rel, &base);
        if (base.proved && base.lsn == t->base_lsn)
            continue;
        t->by_keys = false;
        snprintf(t->why, sizeof t->why, "no longer verified: %s", base.why);
    }
}

static bool read_changed(Cutover *cut, int64_t deadline_us, Error *err)
{
    CutoverReport *report = cut->report;
    bool *wanted = arena_new_array(cut->arena, bool, report->table_count + 1);
    bool any = false;
    for (int i = 0; i < report->table_count; i++) {
        wanted[i] = report->tables[i].by_keys;
        any = any || wanted[i];
        report->tables[i].keys = 0;
    }
    if (any &&
        !compare_keys(cut->compare, cut->spec->keylog, wanted, deadline_us, report->tables, err))
        return false;
    look_again(cut);
    if (any) /* by the number of keys, whatever the size: apart from what grows with the tables */
        cutover_phase(cut, "keys");
    return true;
}

static void tell_proof(Cutover *cut)
{
    const CutoverReport *report = cut->report;
    int by_hash = 0, by_keys = 0, contained = 0;
    for (int i = 0; i < report->table_count; i++) {
        contained += report->tables[i].verdict == COMPARE_CONTAINED;
        by_hash += report->tables[i].how == COMPARE_BY_HASH;
        by_keys += report->tables[i].by_keys;
    }
    if (cut->spec->verify == CUTOVER_VERIFY_COUNT)
        cutover_tell(cut, "prove", false,
                     "%d tables equal, %lld rows counted, contents not compared",
                     report->table_count, (long long)report->rows_compared);
    else if (contained > 0) /* then there are dual writes, and nothing goes by keys */
        cutover_tell(cut, "prove", false,
                     "%d tables equal, %d hold every row of the source and %lld more, which rules "
                     "keep; %lld rows",
                     by_hash - contained, contained, (long long)report->rows_kept,
                     (long long)report->rows_compared);
    else if (by_keys == 0)
        cutover_tell(cut, "prove", false, "%d tables equal, %lld rows", by_hash,
                     (long long)report->rows_compared);
    else
        cutover_tell(
            cut, "prove", false,
            "%d tables equal: %d by every row, %d verified before and by %lld changed keys",
            report->table_count, by_hash, by_keys, (long long)report->keys_compared);
}

static bool keep_all(Cutover *cut, Error *err)
{
    const CutoverReport *report = cut->report;
    for (int i = 0; i < report->table_count; i++) {
        const CompareTable *t = &report->tables[i];
        char digest[33];
        Proof proof = {
            .epoch = cut->epoch,
            .lsn = report->barrier_lsn,
            .rows = t->read ? (int64_t)t->source.rows : -1,
            .keys = t->by_keys ? t->keys : -1,
            .segment = -1,
            .base_lsn = t->base_lsn,
            .kept = t->kept,
        };
        snprintf(proof.method, sizeof proof.method, "%s", cutover_proof_method(t));
        if (t->read && t->how == COMPARE_BY_HASH)
            snprintf(proof.digest, sizeof proof.digest, "%s", rows_hash_text(&t->source, digest));
        if (!proof_write(cut->target, cut->spec->task, t->rel, &proof, err))
            return false;
    }
    return true;
}

static void roll_back(PgConn *conn)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(conn) && pgconn_in_transaction(conn) &&
        !pgconn_script(conn, SQL("ROLLBACK"), &ignored))
        log_debug("rolling back: %s", ignored.message);
}

void prove_keep(Cutover *cut)
{
    Error err = ERROR_INIT;
    if (cut->report->table_count == 0)
        return;
    if (pgconn_script(cut->target, SQL("BEGIN"), &err) && keep_all(cut, &err) &&
        pgconn_script(cut->target, SQL("COMMIT"), &err))
        return;
    cutover_tell(cut, "prove", true, "how the tables were proved is not kept: %s", err.message);
    roll_back(cut->target);
}

/* For the other direction
 * -------------------------------------------------------------------------------- */

static const CompareTable *proved_as(const Cutover *cut, const Relation *back)
{
    for (int i = 0; i < cut->report->table_count; i++) {
        const CompareTable *t = &cut->report->tables[i];
        if (strcmp(t->rel->target_name, back->name) == 0 &&
            strcmp(t->rel->target_schema, back->schema) == 0)
            return t;
    }
    return NULL;
}

/* A rule makes something else of its rows: equal in one direction need not be equal in the other. */
static bool reshaped(const Relation *rel)
{
    bool other = rel->column_rule != NULL || rel->added_count > 0 || rel->left_out_count > 0 ||
                 rel->target_left_out_count > 0;
    for (int i = 0; i < rel->column_count && !other; i++)
        other = rel->columns[i].other_types != NULL;
    return other;
}

/* All of it is proved, and nobody but us could write to it on the other side until the slot of the way
 * back stood where that stream begins. */
static bool may_hand_over(const Cutover *cut, const CompareTable *t, const Relation *back)
{
    return t != NULL && t->verdict == COMPARE_EQUAL && (t->by_keys || t->how == COMPARE_BY_HASH) &&
           t->rel->persistence != 'u' && !reshaped(t->rel) && !reshaped(back) &&
           cut->unguarded != NULL && !cut->unguarded[t->rel->id];
}

static bool hand_over(Cutover *cut, Error *err)
{
    const WayBack *way = &cut->way_back;
    for (int i = 0; i < way->rels->count; i++) {
        const Relation *rel = way->rels->all[i];
        const CompareTable *t = proved_as(cut, rel);
        char digest[33];
        if (!may_hand_over(cut, t, rel))
            continue;
        Proof proof = {.method = PROOF_METHOD_ROWS,
                       .lsn = way->lsn,
                       .at_wall_us = t->by_keys ? t->base_wall_us : 0,
                       .rows = t->read ? (int64_t)t->source.rows : -1,
                       .keys = -1,
                       .log_id = PROOF_HANDED_OVER,
                       .segment = 0};
        if (t->read && t->how == COMPARE_BY_HASH)
            snprintf(proof.digest, sizeof proof.digest, "%s", rows_hash_text(&t->source, digest));
        if (!proof_write(cut->source, cut->spec->task, rel, &proof, err))
            return false;
    }
    return true;
}

void prove_hand_over(Cutover *cut)
{
    Error err = ERROR_INIT;
    if (cut->report->table_count == 0 || !cut->way_back.armed || cut->way_back.rels == NULL ||
        cut->way_back.lsn == LSN_UNKNOWN)
        return;
    if (pgconn_script(cut->source, SQL("BEGIN"), &err) && hand_over(cut, &err) &&
        pgconn_script(cut->source, SQL("COMMIT"), &err))
        return;
    log_warn("what was proved does not count in the other direction: %s", err.message);
    roll_back(cut->source);
}

CutoverFsmEvent cutover_prove(Cutover *cut, Error *err)
{
    CutoverReport *report = cut->report;
    int64_t reserve_us = cut->spec->max_downtime_us / 100 * RESERVE_PCT, expected_us = 0;
    int64_t deadline_us = cut->freeze.watchdog_us - reserve_us;
    int count = cut->spec->rels->count;
    cut->step_us = clock_now_us();
    report->tables = arena_new_array(cut->arena, CompareTable, count + 1);
    report->table_count = count;
    CompareHow *how = arena_new_array(cut->arena, CompareHow, count + 1);
    /* Chosen again: a table may have lost its proof since the plan (TRUNCATE). */
    prove_choose(cut, deadline_us - cut->step_us, report->tables, &expected_us, NULL);
    for (int i = 0; i < count; i++) {
        report->tables[i].rel = cut->spec->rels->all[i];
        how[i] = report->tables[i].how;
    }
    compare_choose(cut->compare, how);
    if (!read_changed(cut, deadline_us, err) ||
        !compare_go(cut->compare, deadline_us, report->tables, err) || !judge_tables(cut, err))
        return cutover_fail(cut, err);
    cutover_phase(cut, "prove");
    tell_proof(cut);
    return FAULT_ERROR(CUTOVER_PROVEN, err) ? cutover_fail(cut, err) : CUT_EV_DONE;
}

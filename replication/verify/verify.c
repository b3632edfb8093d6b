/*
 * verify - the coordinator: snapshots, what is read next, what it says, and the verdicts.
 *
 * A round lives as long as one pair of snapshots. It ends when everything is decided, when the
 * snapshots have become too old, or when a session broke; what was not accounted for by then is
 * read again in the next round, under new snapshots.
 */
#include "verify/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "verify/verify_internal.h"

#define LOOK_US         1000
#define TELL_US         500000
#define SAVE_US         1000000
#define CHECK_US        5000000
#define DETAIL_ROWS     50000
#define MAX_MOVES       8
#define MAX_FAILS       6
#define MAX_SNAPSHOT_US ((int64_t)600000000)

const char *verify_verdict_name(VerifyVerdict verdict)
{
    static const char *const NAMES[VERIFY_VERDICT_COUNT] = {
        "undecided", "proven", "equal", "contained", "mismatch", "not-verified"};
    return NAMES[verdict];
}

const char *verify_what_name(VerifyWhat what)
{
    static const char *const NAMES[] = {"rows", "counts", "spot-check", "orphans"};
    return NAMES[what];
}

void verify_not_verified(TablePlan *table, const char *fmt, ...)
{
    va_list ap;
    table->out->verdict = VERIFY_NOT_VERIFIED;
    va_start(ap, fmt);
    vsnprintf(table->out->why, sizeof table->out->why, fmt, ap);
    va_end(ap);
}

/* Accounting ------------------------------------------------------------------------------------- */

int64_t verify_differences(const VerifyTable *t)
{
    return t->missing + t->extra + t->different + t->representation;
}

bool verify_keeps(const TablePlan *table)
{
    return table->rel->keep_extra && table->keyed && table->rel->target_has_key;
}

static void add_group(VerifyRun *run, Group *group)
{
    TablePlan *table = group->table;
    VerifyTable *out = table->out;
    for (int side = 0; side < SIDE_COUNT; side++) {
        RowsHash sum = {0};
        for (size_t b = 0; b < (size_t)1 << group->bucket_bits; b++)
            rows_hash_merge(&sum, &group->buckets[side][b]);
        rows_hash_merge(&out->hash[side], &sum);
        out->rows[side] += (int64_t)sum.rows;
    }
    out->bytes += group->bytes;
    out->chunks++;
    out->elapsed_us += clock_now_us() - group->begin_us;
    if (out->first_lsn == LSN_UNKNOWN)
        out->first_lsn = twin_lsn(run->twin);
    out->last_lsn = twin_lsn(run->twin);
    memcpy(table->file, group->file, sizeof table->file);
    table->weight += group->weight;
    table->accounted_part++;
    if (group->high != NULL) {
        table->accounted_to = arena_new_array(run->arena, const char *, table->rel->key_count);
        for (int k = 0; k < table->rel->key_count; k++)
            table->accounted_to[k] = arena_strdup(run->arena, group->high[k]);
    }
}

/* Rows of the target's own hide as many that it lacks. */
static bool numbers_say_nothing(VerifyRun *run, TablePlan *table)
{
    VerifyTable *out = table->out;
    if (run->spec.what != VERIFY_COUNTS || !verify_keeps(table) || out->extra == 0 ||
        out->missing > 0)
        return false;
    verify_not_verified(table,
                        "the target has %lld rows more, and a rule keeps rows of its own "
                        "(keep-extra): numbers do not tell whether all of the source's are among "
                        "them",
                        (long long)out->extra);
    out->kept = -1;
    out->extra = 0;
    out->at_least = false;
    return true;
}

int64_t verify_count_kept(const VerifyTable *out)
{
    int64_t more = out->rows[SIDE_TARGET] - out->rows[SIDE_SOURCE] + out->missing;
    return out->at_least ? -1 : more > 0 ? more : 0;
}

static void judge_table(VerifyRun *run, TablePlan *table)
{
    VerifyTable *out = table->out;
    if (out->verdict != VERIFY_UNDECIDED || numbers_say_nothing(run, table))
        return;
    bool whole = run->spec.what == VERIFY_ROWS && run->spec.since_us == 0;
    bool keeps = verify_keeps(table) && run->spec.what == VERIFY_ROWS;
    /* The sums are the truth, whatever could be named: a row may be too large to be kept for that. */
    bool motion = out->moving > 0 || out->unsettled > 0; /* then the sums differ by these rows */
    if (verify_differences(out) == 0 &&
        (out->at_least || (!motion && !keeps &&
                           !rows_hash_equal(&out->hash[SIDE_SOURCE], &out->hash[SIDE_TARGET])))) {
        out->different = 1;
        out->at_least = true;
    }
    if (keeps)
        out->kept = verify_count_kept(out);
    if (verify_differences(out) == 0 && out->unsettled > 0)
        verify_not_verified(table,
                            "%lld rows are in motion: they were other ones at every look, so that "
                            "nobody can tell whether they are equal",
                            (long long)out->unsettled);
    else if (verify_differences(out) == 0)
        out->verdict = !whole || out->moving > 0 ? VERIFY_EQUAL
                       : out->kept > 0           ? VERIFY_CONTAINED
                                                 : VERIFY_PROVEN;
    else if (twin_exact(run->twin))
        out->verdict = VERIFY_MISMATCH;
    else
        verify_not_verified(table, "the sides differ, but %s",
                            run->spec.not_exact_why != NULL ? run->spec.not_exact_why
                                                            : "they were not read at one position");
}

/* Otherwise nothing more would be named: a difference is counted as far as the counts say it. */
static bool may_be_named(const VerifyRun *run, const TablePlan *table)
{
    return run->spec.what == VERIFY_ROWS && twin_exact(run->twin) &&
           table->named < VERIFY_NAMED_TABLE && run->report->failure_count < VERIFY_NAMED_ALL;
}

static bool begin_detail(VerifyRun *run, Group *group)
{
    const TablePlan *table = group->table;
    int64_t source = 0, target = 0;
    for (size_t b = 0; b < (size_t)1 << group->bucket_bits; b++) {
        source += (int64_t)group->buckets[SIDE_SOURCE][b].rows;
        target += (int64_t)group->buckets[SIDE_TARGET][b].rows;
    }
    if (!may_be_named(run, table)) {
        VerifyTable *out = table->out;
        bool keeps = verify_keeps(table) && run->spec.what == VERIFY_ROWS;
        out->at_least = true;
        out->missing += !keeps && source > target ? source - target : 0;
        out->extra += !keeps && target > source ? target - source : 0;
        out->different += keeps ? group->lacking : source == target;
        return false;
    }
    group->detail = true;
    verify_plan_queue(run, group);
    return true;
}

static void drop_failures(VerifyReport *report, const TablePlan *table)
{
    int kept = 0;
    for (int i = 0; i < report->failure_count; i++)
        if (report->failures[i].rel != table->rel)
            report->failures[kept++] = report->failures[i];
    report->failure_count = kept;
}

/* What was decided was of rows that are gone by now: nothing of it counts, in this process or any.
 * The new rows may have other columns. */
static bool begin_anew(VerifyRun *run, TablePlan *table, Error *err)
{
    VerifyTable *out = table->out;
    log_info(
        "table was truncated, rewritten or copied again while it was read, and is read from its "
        "beginning table=%s",
        table->rel->display);
    drop_failures(run->report, table);
    *out = (VerifyTable){
        .rel = out->rel, .method = out->method, .guarded = out->guarded, .outside = -1};
    atomic_fetch_sub(&run->done_bytes, table->weight);
    table->weight = 0;
    table->named = table->accounted_part = 0;
    table->accounted_to = NULL;
    memset(table->file, 0, sizeof table->file);
    table->stalled = table->renew = true;
    table->moves++;
    return verify_state_begin_anew(run, table, err);
}

static bool is_of_another_file(const TablePlan *table, const Group *group)
{
    for (int side = 0; side < SIDE_COUNT; side++)
        if (table->file[side][0] != '\0' && strcmp(table->file[side], group->file[side]) != 0)
            return true;
    return false;
}

/* *out_done false: it is being read a second time. */
static bool account(VerifyRun *run, Group *group, bool *out_done, Error *err)
{
    TablePlan *table = group->table;
    *out_done = true;
    if (table->out->verdict != VERIFY_UNDECIDED || table->stalled)
        return true;
    if (group->refused[0] != '\0') {
        verify_not_verified(table, "%s", group->refused);
        return verify_state_save(run, table, run->report->failure_count, err);
    }
    if (!group->moved && is_of_another_file(table, group))
        return begin_anew(run, table, err);
    int first_failure = run->report->failure_count, named = table->named;
    VerifyTable before = *table->out;
    int differing = 0;
    if (!group->moved && !group->detail && !verify_drill_mark(group, DETAIL_ROWS, &differing, err))
        return false;
    if (differing > 0) {
        /* Too much of the table to keep: ranges of it are small enough to name every row. */
        if (group->left_out && may_be_named(run, table) && verify_plan_in_ranges(run, table)) {
            atomic_fetch_sub(&run->done_bytes, group->weight);
            return true;
        }
        if (begin_detail(run, group)) {
            *out_done = false;
            return true;
        }
    }
    if (!group->moved && group->detail && !verify_drill(run, group, err))
        return false;
    if (group->moved) {
        *table->out = before;
        run->report->failure_count = first_failure;
        table->named = named;
        table->stalled = true;
        table->moves++;
        return true;
    }
    add_group(run, group);
    bool last = table->planned_all && group->next == NULL;
    if (last)
        judge_table(run, table);
    if (!last && run->report->failure_count == first_failure && clock_now_us() < table->save_us)
        return true;
    bool same = true;
    if (twin_exact(run->twin) && !verify_state_same_copy(run, table, &same, err))
        return false;
    if (!same)
        return begin_anew(run, table, err);
    table->save_us = clock_now_us() + SAVE_US;
    return verify_state_save(run, table, first_failure, err);
}

static bool group_is_read(VerifyRun *run, const Group *group)
{
    pthread_mutex_lock(&run->lock);
    bool read = group->units_left == 0;
    pthread_mutex_unlock(&run->lock);
    return read;
}

static bool account_all(VerifyRun *run, Error *err)
{
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        while (table->first != NULL && group_is_read(run, table->first)) {
            Group *group = table->first;
            bool done = false;
            if (!account(run, group, &done, err))
                return false;
            if (!done)
                break;
            table->first = group->next;
            if (table->first == NULL)
                table->last = NULL;
            verify_group_free(group);
            run->groups_open--;
        }
    }
    return true;
}

/* Progress --------------------------------------------------------------------------------------- */

static void tell(VerifyRun *run, bool now)
{
    if (run->spec.on_progress == NULL || (!now && clock_now_us() < run->next_tell_us))
        return;
    run->next_tell_us = clock_now_us() + TELL_US;
    VerifyProgress p = {.table = "", .tables_total = run->plan_count, .left_us = -1};
    for (int i = 0; i < run->plan_count; i++) {
        const VerifyTable *out = run->plans[i].out;
        if (out->verdict != VERIFY_UNDECIDED)
            p.tables_done++;
        else if (run->plans[i].first != NULL && p.table[0] == '\0')
            p.table = run->plans[i].rel->display;
        p.rows_done += out->rows[SIDE_SOURCE];
        p.differences += verify_differences(out);
    }
    p.bytes_total = run->bytes_total;
    p.bytes_done = atomic_load(&run->done_bytes);
    if (p.bytes_done > p.bytes_total)
        p.bytes_done = p.bytes_total;
    p.elapsed_us = clock_now_us() - run->begin_us;
    if (p.bytes_done > 0)
        p.left_us = (int64_t)((double)p.elapsed_us * (double)(p.bytes_total - p.bytes_done) /
                              (double)p.bytes_done);
    p.lsn = run->report->source_lsn;
    run->spec.on_progress(run->spec.progress_arg, &p);
}

/* Rounds ----------------------------------------------------------------------------------------- */

static bool lanes_are_fine(VerifyRun *run, Error *err)
{
    pthread_mutex_lock(&run->lock);
    bool fine = !run->broken;
    if (!fine)
        *err = run->failure;
    pthread_mutex_unlock(&run->lock);
    return fine;
}

static int64_t max_age_us(const VerifyRun *run)
{
    return run->spec.max_snapshot_us > 0 ? run->spec.max_snapshot_us : MAX_SNAPSHOT_US;
}

static bool read_round(VerifyRun *run, Error *err)
{
    int ahead = run->spec.jobs * 3;
    int64_t next_check_us = clock_now_us() + CHECK_US;
    for (;;) {
        bool old = twin_exact(run->twin) && twin_age_us(run->twin) > max_age_us(run);
        bool more = run->next_plan < run->plan_count;
        while (more && !old && run->groups_open < ahead)
            if (!verify_plan_next(run, &more, err))
                return false;
        if (!account_all(run, err))
            return false;
        tell(run, false);
        /* Accounting may have planned a table anew. */
        if (run->groups_open == 0 && (run->next_plan >= run->plan_count || old))
            return true;
        if (!lanes_are_fine(run, err))
            return false;
        if (clock_now_us() > next_check_us) {
            if (!twin_check(run->twin, err))
                return false;
            next_check_us = clock_now_us() + CHECK_US;
        }
        if (stop_wait(run->spec.stop, LOOK_US))
            return ERR(err, ERR_STOPPED, "stopped while comparing");
    }
}

static bool take_twin(VerifyRun *run, Error *err)
{
    VerifyReport *report = run->report;
    if (!twin_take(&run->spec.twin, &run->twin, err))
        return false;
    report->snapshots++;
    report->exact = twin_exact(run->twin);
    report->source_lsn = twin_lsn(run->twin);
    report->target_lsn = twin_target_lsn(run->twin);
    if (twin_held_us(run->twin) > report->held_us)
        report->held_us = twin_held_us(run->twin);
    return true;
}

static bool other_work(VerifyRun *run, Error *err)
{
    return run->spec.what == VERIFY_SPOT ? verify_spot_check(run, err) : verify_orphans(run, err);
}

static bool open_probes(VerifyRun *run, Error *err)
{
    for (int side = 0; side < SIDE_COUNT; side++) {
        pgconn_close(run->probe[side]);
        run->probe[side] =
            pgconn_open(side == SIDE_SOURCE ? &run->spec.twin.source : &run->spec.twin.target,
                        PG_SESSION_SQL, "verify", err);
        if (run->probe[side] == NULL)
            return false;
    }
    run->same_major = pgconn_server_version(run->probe[SIDE_SOURCE]) / 10000 ==
                      pgconn_server_version(run->probe[SIDE_TARGET]) / 10000;
    return true;
}

static bool one_round(VerifyRun *run, Error *err)
{
    bool alive = pgconn_usable(run->probe[SIDE_SOURCE]) && pgconn_usable(run->probe[SIDE_TARGET]) &&
                 !pgconn_in_transaction(run->probe[SIDE_SOURCE]) &&
                 !pgconn_in_transaction(run->probe[SIDE_TARGET]);
    if ((!alive && !open_probes(run, err)) || !verify_plan_renew(run, err))
        return false;
    bool ok = take_twin(run, err);
    if (ok && run->spec.what != VERIFY_SPOT && run->spec.what != VERIFY_ORPHANS)
        ok = verify_lanes_start(run, err) && read_round(run, err);
    else if (ok)
        ok = other_work(run, err);
    verify_lanes_stop(run);
    verify_plan_forget(run);
    twin_free(run->twin);
    run->twin = NULL;
    return ok;
}

static bool all_decided(VerifyRun *run)
{
    bool all = true;
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        if (table->out->verdict == VERIFY_UNDECIDED && table->moves >= MAX_MOVES)
            verify_not_verified(table,
                                "the table was truncated, rewritten or copied again in each of %d "
                                "attempts to read it",
                                table->moves);
        all = all && table->out->verdict != VERIFY_UNDECIDED;
    }
    return all;
}

static bool worth_another_round(const Error *err)
{
    ErrorAction action = err_action(err->cls);
    return action == ERR_ACTION_RETRY || action == ERR_ACTION_RECONNECT || err->cls == ERR_LAG ||
           err->cls == ERR_SLOT;
}

static bool read_all(VerifyRun *run, Error *err)
{
    int fails = 0;
    int64_t wait_us = 200000;
    while (!all_decided(run)) {
        int64_t before = atomic_load(&run->done_bytes);
        if (one_round(run, err)) {
            fails = 0;
            continue;
        }
        if (atomic_load(&run->done_bytes) > before)
            fails = 0;
        if (!worth_another_round(err) || ++fails > MAX_FAILS ||
            (run->spec.stop != NULL && stop_requested(run->spec.stop)))
            return false;
        log_error_value(LOG_WARN, err, "the verification is interrupted and goes on");
        err_clear(err);
        if (stop_wait(run->spec.stop, wait_us))
            return ERR(err, ERR_STOPPED, "stopped while comparing");
        wait_us = wait_us < 5000000 ? 2 * wait_us : wait_us;
        /* What was being read counts again. */
        atomic_store(&run->done_bytes, before);
    }
    return true;
}

/* Begin and end ---------------------------------------------------------------------------------- */

static bool is_selected(const VerifySpec *spec, const Relation *rel)
{
    return spec->only == NULL || rules_select(spec->only, rel->schema, rel->name);
}

static void make_plans(VerifyRun *run)
{
    const Relations *rels = run->spec.rels;
    VerifyReport *report = run->report;
    report->tables = arena_new_array(run->arena, VerifyTable, rels->count + 1);
    report->failures = arena_new_array(run->arena, VerifyFailure, VERIFY_NAMED_ALL);
    run->plans = arena_new_array(run->arena, TablePlan, rels->count + 1);
    for (int i = 0; i < rels->count; i++) {
        if (!is_selected(&run->spec, rels->all[i]))
            continue;
        TablePlan *table = &run->plans[run->plan_count];
        table->rel = rels->all[i];
        table->out = &report->tables[run->plan_count++];
        *table->out = (VerifyTable){.rel = table->rel, .method = "", .outside = -1};
    }
    report->table_count = run->plan_count;
}

static void total_bytes(VerifyRun *run)
{
    for (int i = 0; i < run->plan_count; i++) {
        TablePlan *table = &run->plans[i];
        run->bytes_total += table->bytes;
        if (table->out->verdict != VERIFY_UNDECIDED)
            atomic_fetch_add(&run->done_bytes, table->bytes);
    }
}

static void judge_all(VerifyReport *report)
{
    VerifyVerdict worst =
        report->orphan_count > 0 || report->table_count > 0 ? VERIFY_PROVEN : VERIFY_NOT_VERIFIED;
    bool unknown = worst == VERIFY_NOT_VERIFIED, different = false;
    for (int i = 0; i < report->table_count; i++) {
        VerifyTable *t = &report->tables[i];
        if (t->verdict == VERIFY_UNDECIDED && t->why[0] == '\0')
            snprintf(t->why, sizeof t->why, "it was not read to its end");
        unknown = unknown || t->verdict == VERIFY_UNDECIDED || t->verdict == VERIFY_NOT_VERIFIED;
        different = different || t->verdict == VERIFY_MISMATCH;
        if (t->verdict == VERIFY_CONTAINED ||
            (t->verdict == VERIFY_EQUAL && worst != VERIFY_CONTAINED))
            worst = t->verdict;
    }
    report->verdict = different ? VERIFY_MISMATCH : unknown ? VERIFY_NOT_VERIFIED : worst;
}

static void set_since(VerifyRun *run)
{
    int64_t us = run->spec.since_us;
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(run->since, sizeof run->since, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(run->since + len, sizeof run->since - len, ".%06d", (int)(us % 1000000));
}

static bool run_all(VerifyRun *run, Error *err)
{
    return open_probes(run, err) && verify_state_open(run, err) && verify_plan_facts(run, err) &&
           (total_bytes(run), tell(run, true), read_all(run, err));
}

bool verify_run(const VerifySpec *spec, Arena *arena, VerifyReport *out, Error *err)
{
    VerifyRun run = {.spec = *spec, .report = out, .arena = arena, .begin_us = clock_now_us()};
    *out = (VerifyReport){.what = verify_what_name(spec->what),
                          .started_wall_us = clock_wall_us(),
                          .mask_keys = spec->mask_keys};
    if (run.spec.jobs < 1)
        run.spec.jobs = 1;
    run.throttle.rate_bytes = spec->max_rate_bytes;
    run.spec.twin.source.stop = run.spec.twin.target.stop = spec->stop;
    pthread_mutex_init(&run.lock, NULL);
    set_since(&run);
    make_plans(&run);
    bool ok = run_all(&run, err);
    out->complete = ok;
    judge_all(out);
    if (ok)
        verify_outside(&run);
    if (ok)
        ok = verify_state_finish(&run, err);
    tell(&run, true);
    out->elapsed_us = clock_now_us() - run.begin_us;
    verify_state_close(&run);
    for (int side = 0; side < SIDE_COUNT; side++)
        pgconn_close(run.probe[side]);
    pthread_mutex_destroy(&run.lock);
    return ok;
}

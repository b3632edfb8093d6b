/* schedule: what comes next, in loose and strict order, with pieces, failures and tables given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/schedule.h"

typedef struct Fixture {
    Arena *arena;
    Relations rels;
} Fixture;

#define MB INT64_C(1048576)

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new(0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    arena_free(f->arena);
    free(f);
    return 0;
}

/* Tables a, b, c, ... of the given sizes in MB. */
static void tables(Fixture *f, int count, const int *mb)
{
    f->rels.count = count;
    f->rels.all = arena_new_array(f->arena, Relation *, count);
    f->rels.foreign_keys = arena_new_array(f->arena, ForeignKey, 32);
    for (int i = 0; i < count; i++) {
        Relation *rel = arena_new_object(f->arena, Relation);
        rel->id = (uint32_t)i;
        rel->display = arena_printf(f->arena, "%c", 'a' + i);
        rel->bytes = mb[i] * MB;
        rel->heap_blocks = rel->bytes / 8192;
        f->rels.all[i] = rel;
    }
}

static void key(Fixture *f, int from, int to, bool deferrable)
{
    f->rels.foreign_keys[f->rels.foreign_key_count++] =
        (ForeignKey){.from_id = from, .to_id = to, .deferrable = deferrable};
}

static Schedule *start(Fixture *f, ScheduleSpec spec)
{
    Error err = ERROR_INIT;
    spec.rels = &f->rels;
    spec.plan = fk_plan_new(f->arena, &f->rels);
    spec.copy = true;
    Schedule *schedule = schedule_new(&spec, &err);
    assert_non_null(schedule);
    return schedule;
}

/* The next job as text: kind, table, piece. */
static const char *take(Schedule *schedule, Job *job)
{
    static char text[64];
    static const char *const KINDS[] = {"begin", "copy", "finish", "index"};
    switch (schedule_take(schedule, job)) {
    case SCHEDULE_LATER:
        return "later";
    case SCHEDULE_FINISHED:
        return "finished";
    case SCHEDULE_JOB:
        break;
    }
    if (job->kind == JOB_COPY && job->unit->pieces > 1)
        snprintf(text, sizeof text, "copy %s %d", job->rel->display, job->piece);
    else
        snprintf(text, sizeof text, "%s %s", KINDS[job->kind], job->rel->display);
    return text;
}

static void largest_first(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1, 30, 2};
    Job job[3], none;
    tables(f, 3, mb);
    key(f, 1, 0, false); /* loose order: not waited for */
    Schedule *schedule = start(f, (ScheduleSpec){0});
    assert_string_equal(take(schedule, &job[0]), "copy b");
    assert_string_equal(take(schedule, &job[1]), "copy c");
    assert_string_equal(take(schedule, &job[2]), "copy a");
    assert_string_equal(take(schedule, &none), "later");
    for (int i = 0; i < 3; i++)
        schedule_done(schedule, &job[i], 1, 1);
    assert_string_equal(take(schedule, &none), "finished");
    schedule_free(schedule);
}

static void completed_tables_get_indexes_only(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1, 30};
    Job job;
    tables(f, 2, mb);
    atomic_store(&f->rels.all[1]->load_state, TABLE_COMPLETED);
    Schedule *schedule = start(f, (ScheduleSpec){.indexes = true});
    assert_string_equal(take(schedule, &job), "index b");
    schedule_done(schedule, &job, 0, 0);
    assert_string_equal(take(schedule, &job), "copy a");
    assert_false(job.unit->dirty);
    schedule_done(schedule, &job, 5, 5);
    assert_string_equal(take(schedule, &job), "index a");
    schedule_put_back(schedule, &job, false);
    assert_string_equal(take(schedule, &job), "index a");
    schedule_done(schedule, &job, 0, 0);
    assert_string_equal(take(schedule, &job), "finished");
    schedule_free(schedule);
}

static void pieces_cover_the_table(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1000, 1};
    Job job, piece[8], small;
    tables(f, 2, mb);
    Schedule *schedule = start(f, (ScheduleSpec){.chunk_bytes = 256 * MB});
    assert_string_equal(take(schedule, &job), "begin a");
    assert_string_equal(take(schedule, &small), "copy b");
    assert_string_equal(take(schedule, &piece[0]), "later");
    schedule_done(schedule, &job, 0, 0);
    schedule_done(schedule, &small, 1, 1);
    int count = job.unit->pieces;
    assert_int_equal(count, 4);
    int64_t next = 0;
    for (int i = 0; i < count; i++) {
        (void)take(schedule, &piece[i]);
        assert_int_equal(piece[i].first_block, next);
        next = piece[i].end_block;
    }
    assert_int_equal(next, -1); /* open at its end */
    assert_string_equal(take(schedule, &job), "later");
    /* one fails and comes again; only when all are in the table is finished */
    schedule_put_back(schedule, &piece[2], false);
    for (int i = 0; i < count; i++) {
        if (i != 2)
            schedule_done(schedule, &piece[i], 10, 100);
    }
    assert_string_equal(take(schedule, &job), "copy a 2");
    assert_int_equal(job.first_block, piece[2].first_block);
    schedule_done(schedule, &job, 10, 100);
    assert_string_equal(take(schedule, &job), "finish a");
    assert_int_equal(job.unit->rows, 40);
    assert_int_equal(job.unit->bytes, 400);
    assert_false(schedule_give_up(schedule, 0)); /* all rows are in */
    schedule_done(schedule, &job, 0, 0);
    assert_string_equal(take(schedule, &job), "finished");
    schedule_free(schedule);
}

/* Copiers are kept busy: a table that outweighs the rest is cut below the chunk size. */
static void a_lonely_table_is_shared(void **state)
{
    Fixture *f = *state;
    const int mb[] = {400, 1, 1};
    tables(f, 3, mb);
    assert_int_equal(schedule_pieces(&f->rels, f->rels.all[0], 256 * MB, 1), 1);
    assert_int_equal(schedule_pieces(&f->rels, f->rels.all[0], 256 * MB, 2), 4);
    assert_int_equal(schedule_pieces(&f->rels, f->rels.all[0], 256 * MB, 64), 13); /* of 32 MB */
    assert_int_equal(schedule_pieces(&f->rels, f->rels.all[1], 256 * MB, 2), 1);
    const int even[] = {400, 400, 400};
    tables(f, 3, even);
    assert_int_equal(schedule_pieces(&f->rels, f->rels.all[0], 256 * MB, 2), 1);
}

static void what_was_begun_is_dirty(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1, 1000};
    Job job;
    tables(f, 2, mb);
    atomic_store(&f->rels.all[0]->load_state, TABLE_FULL_LOAD);
    atomic_store(&f->rels.all[1]->load_state, TABLE_ERROR);
    Schedule *schedule = start(f, (ScheduleSpec){.chunk_bytes = 256 * MB});
    assert_string_equal(take(schedule, &job), "begin b");
    assert_true(job.unit->dirty);
    schedule_done(schedule, &job, 0, 0);
    assert_false(job.unit->dirty);
    for (int i = 0; i < 4; i++)
        (void)take(schedule, &job);
    assert_string_equal(take(schedule, &job), "copy a");
    assert_true(job.unit->dirty);
    schedule_free(schedule);
}

static void an_unknown_commit_makes_dirty(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1};
    Job job;
    tables(f, 1, mb);
    Schedule *schedule = start(f, (ScheduleSpec){0});
    (void)take(schedule, &job);
    schedule_put_back(schedule, &job, false);
    (void)take(schedule, &job);
    assert_false(job.unit->dirty);
    schedule_put_back(schedule, &job, true);
    (void)take(schedule, &job);
    assert_true(job.unit->dirty);
    schedule_free(schedule);
}

static void strict_order_waits_for_parents(void **state)
{
    Fixture *f = *state;
    const int mb[] = {50, 1, 2, 9};
    Job a, b, c, d, none;
    tables(f, 4, mb);
    key(f, 0, 1, false); /* a -> b -> c; d alone */
    key(f, 1, 2, false);
    key(f, 0, 2, false);
    key(f, 0, 0, false);
    Schedule *schedule = start(f, (ScheduleSpec){.strict = true});
    assert_string_equal(take(schedule, &d), "copy d");
    assert_string_equal(take(schedule, &c), "copy c");
    assert_string_equal(take(schedule, &none), "later");
    schedule_done(schedule, &c, 1, 1);
    assert_string_equal(take(schedule, &b), "copy b");
    assert_string_equal(take(schedule, &none), "later");
    schedule_done(schedule, &b, 1, 1);
    assert_string_equal(take(schedule, &a), "copy a");
    schedule_done(schedule, &a, 1, 1);
    schedule_done(schedule, &d, 1, 1);
    assert_string_equal(take(schedule, &none), "finished");
    schedule_free(schedule);
}

static void strict_order_keeps_self_references_whole(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1000, 1001};
    Job job;
    tables(f, 2, mb);
    key(f, 0, 0, false);
    Schedule *schedule = start(f, (ScheduleSpec){.strict = true, .chunk_bytes = 256 * MB});
    assert_string_equal(take(schedule, &job), "begin b");
    assert_string_equal(take(schedule, &job), "copy a");
    schedule_free(schedule);
}

static void a_deferrable_cycle_is_one_unit(void **state)
{
    Fixture *f = *state;
    const int mb[] = {5, 6, 7};
    Job job;
    tables(f, 3, mb);
    key(f, 0, 1, false); /* a -> b at once, b -> a deferrable, c -> a */
    key(f, 1, 0, true);
    key(f, 2, 0, false);
    Schedule *schedule = start(f, (ScheduleSpec){.strict = true});
    assert_int_equal(schedule_take(schedule, &job), SCHEDULE_JOB);
    assert_int_equal(job.unit->member_count, 2);
    assert_true(job.unit->deferred);
    assert_string_equal(job.unit->members[0]->display, "b");
    assert_string_equal(job.unit->members[1]->display, "a");
    Job none;
    assert_string_equal(take(schedule, &none), "later");
    schedule_done(schedule, &job, 1, 1);
    assert_string_equal(take(schedule, &job), "copy c");
    schedule_free(schedule);
}

static void a_hard_cycle_is_refused(void **state)
{
    Fixture *f = *state;
    const int mb[] = {5, 6};
    Error err = ERROR_INIT;
    tables(f, 2, mb);
    key(f, 0, 1, false);
    key(f, 1, 0, false);
    ScheduleSpec spec = {.rels = &f->rels, .copy = true, .strict = true};
    spec.plan = fk_plan_new(f->arena, &f->rels);
    assert_null(schedule_new(&spec, &err));
    assert_int_equal(err.cls, ERR_BLOCKED);
    assert_non_null(strstr(err.message, "a -> b -> a"));
    spec.strict = false;
    Schedule *schedule = schedule_new(&spec, &err);
    assert_non_null(schedule);
    schedule_free(schedule);
}

static void given_up_takes_children_along(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1, 2, 3};
    Job b, c, none;
    tables(f, 3, mb);
    key(f, 0, 1, false); /* a -> b; c alone */
    Schedule *schedule = start(f, (ScheduleSpec){.strict = true});
    assert_string_equal(take(schedule, &c), "copy c");
    assert_string_equal(take(schedule, &b), "copy b");
    assert_true(schedule_give_up(schedule, 1));
    assert_int_equal(b.unit->state, UNIT_GIVEN_UP);
    schedule_put_back(schedule, &b, false);
    assert_string_equal(take(schedule, &none), "later");
    schedule_done(schedule, &c, 1, 1);
    assert_false(schedule_give_up(schedule, 2));
    assert_string_equal(take(schedule, &none), "finished");
    schedule_free(schedule);
}

/* The rows had been read under the lock when the application came: the copy counts. */
static void committed_after_giving_up_counts(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1};
    Job job, none;
    tables(f, 1, mb);
    Schedule *schedule = start(f, (ScheduleSpec){.indexes = true});
    (void)take(schedule, &job);
    assert_true(schedule_give_up(schedule, 0));
    assert_string_equal(take(schedule, &none), "finished");
    schedule_done(schedule, &job, 1, 1);
    assert_string_equal(take(schedule, &job), "index a");
    schedule_done(schedule, &job, 0, 0);
    assert_string_equal(take(schedule, &none), "finished");
    schedule_free(schedule);
}

static void pieces_of_a_table_given_up_are_thrown_away(void **state)
{
    Fixture *f = *state;
    const int mb[] = {1000};
    Job job, piece;
    tables(f, 1, mb);
    Schedule *schedule = start(f, (ScheduleSpec){.chunk_bytes = 256 * MB});
    (void)take(schedule, &job);
    schedule_done(schedule, &job, 0, 0);
    assert_string_equal(take(schedule, &piece), "copy a 0");
    assert_true(schedule_give_up(schedule, 0));
    schedule_done(schedule, &piece, 1, 1);
    assert_string_equal(take(schedule, &job), "finished");
    schedule_free(schedule);
}

static void many_tables_in_order(void **state)
{
    Fixture *f = *state;
    enum { N = 2000 };
    int *mb = calloc(N, sizeof *mb);
    unsigned seed = 1;
    for (int i = 0; i < N; i++)
        mb[i] = (int)((seed = seed * 1103515245u + 12345u) >> 16) % 100;
    tables(f, N, mb);
    Schedule *schedule = start(f, (ScheduleSpec){0});
    int64_t last = INT64_MAX;
    for (int i = 0; i < N; i++) {
        Job job;
        assert_int_equal(schedule_take(schedule, &job), SCHEDULE_JOB);
        assert_true(job.rel->bytes <= last);
        last = job.rel->bytes;
        schedule_done(schedule, &job, 0, 0);
    }
    Job none;
    assert_string_equal(take(schedule, &none), "finished");
    schedule_free(schedule);
    free(mb);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(largest_first),
        T(completed_tables_get_indexes_only),
        T(pieces_cover_the_table),
        T(a_lonely_table_is_shared),
        T(what_was_begun_is_dirty),
        T(an_unknown_commit_makes_dirty),
        T(strict_order_waits_for_parents),
        T(strict_order_keeps_self_references_whole),
        T(a_deferrable_cycle_is_one_unit),
        T(a_hard_cycle_is_refused),
        T(given_up_takes_children_along),
        T(committed_after_giving_up_counts),
        T(pieces_of_a_table_given_up_are_thrown_away),
        T(many_tables_in_order),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}

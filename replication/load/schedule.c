/*
 * schedule - a heap of ready jobs, the heaviest on top. What became impossible since it was put in
 * (a unit given up) is thrown away when it comes out.
 */
#include "load/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/mem.h"

#define DEFAULT_CHUNK (INT64_C(256) << 20)
/* A table that would keep one copier at work while the others have nothing left. */
#define SHARE_PIECES    2 /* a copier */
#define SHARE_MIN_BYTES (INT64_C(32) << 20)

struct Schedule {
    ScheduleSpec spec;
    Arena *arena;
    Unit *units;
    int unit_count;
    int *unit_of; /* by relation id; -1: not to be copied */
    Job *heap;
    int heap_len, heap_cap;
    int open_units;   /* neither done nor given up */
    int open_indexes; /* handed out or waiting */
};

/* Heap ----------------------------------------------------------------------------------------- */

static int64_t job_weight(const Job *job)
{
    if (job->kind != JOB_INDEX)
        return job->unit->weight;
    /* Building the indexes of a table takes about as long as copying it. */
    return job->rel->bytes;
}

static bool heavier(const Job *a, const Job *b)
{
    int64_t wa = job_weight(a), wb = job_weight(b);
    if (wa != wb)
        return wa > wb;
    uint32_t ia = a->rel->id, ib = b->rel->id;
    if (ia != ib)
        return ia < ib;
    return a->piece < b->piece;
}

static void push(Schedule *s, Job job)
{
    if (s->heap_len == s->heap_cap) {
        s->heap_cap = s->heap_cap > 0 ? s->heap_cap * 2 : 64;
        s->heap = mem_grow(s->heap, sizeof *s->heap * (size_t)s->heap_cap);
    }
    int at = s->heap_len++;
    for (; at > 0 && heavier(&job, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = job;
}

static Job pop(Schedule *s)
{
    Job top = s->heap[0], last = s->heap[--s->heap_len];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child >= s->heap_len)
            break;
        if (child + 1 < s->heap_len && heavier(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!heavier(&s->heap[child], &last))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    if (s->heap_len > 0)
        s->heap[at] = last;
    return top;
}

/* Units ---------------------------------------------------------------------------------------- */

static bool needs_copy(const Relation *rel)
{
    return atomic_load(&rel->load_state) != TABLE_COMPLETED;
}

/* The members of a cycle in an order in which keys that cannot be deferred hold at once. */
static bool order_cycle(Schedule *s, Unit *unit, int cycle, Error *err)
{
    const Relations *rels = s->spec.rels;
    Arena *scratch = arena_new(0);
    Relations hard = {.arena = scratch, .count = rels->count, .all = rels->all};
    hard.foreign_keys = arena_new_array(scratch, ForeignKey, rels->foreign_key_count + 1);
    for (int i = 0; i < rels->foreign_key_count; i++) {
        const ForeignKey *fk = &rels->foreign_keys[i];
        if (fk->to_id >= 0 && fk->to_id != fk->from_id && !fk->deferrable &&
            s->spec.plan->cycle_of[fk->from_id] == cycle &&
            s->spec.plan->cycle_of[fk->to_id] == cycle)
            hard.foreign_keys[hard.foreign_key_count++] = *fk;
    }
    FkPlan *plan = fk_plan_new(scratch, &hard);
    bool fine = plan->cycle_count == 0;
    unit->member_count = 0;
    for (int i = 0; fine && i < rels->count; i++) {
        int id = plan->order[i];
        if (s->spec.plan->cycle_of[id] == cycle && s->unit_of[id] == (int)(unit - s->units))
            unit->members[unit->member_count++] = rels->all[id];
    }
    arena_free(scratch);
    if (fine)
        return true;
    ERR(err, ERR_BLOCKED,
        "the tables reference each other (%s) and the target checks these foreign keys",
        s->spec.plan->cycles[cycle]);
    return err_hint(err,
                    "Make one of them DEFERRABLE on both sides, drop it on the target until the "
                    "load is done, or allow the target's role to SET session_replication_role.");
}

int64_t schedule_pieces(const Relations *rels, const Relation *rel, int64_t chunk_bytes, int jobs)
{
    int64_t piece = chunk_bytes > 0 ? chunk_bytes : DEFAULT_CHUNK, all = 0;
    for (int i = 0; i < rels->count; i++)
        all += rels->all[i]->bytes;
    if (jobs > 1 && rel->bytes > all / jobs) {
        int64_t share = rel->bytes / jobs / SHARE_PIECES;
        share = share < SHARE_MIN_BYTES ? SHARE_MIN_BYTES : share;
        piece = share < piece ? share : piece;
    }
    return rel->bytes <= 2 * piece ? 1 : (rel->bytes + piece - 1) / piece;
}

static void cut(Schedule *s, Unit *unit)
{
    const Relation *rel = unit->members[0];
    unit->pieces = 1;
    if (s->spec.whole || unit->member_count > 1 || rel->heap_blocks <= 0)
        return;
    /* A table that references itself must come in one statement where its key is checked. */
    if (s->spec.strict && s->spec.plan->self_reference[rel->id])
        return;
    int64_t pieces = schedule_pieces(s->spec.rels, rel, s->spec.chunk_bytes, s->spec.jobs);
    if (pieces > rel->heap_blocks)
        pieces = rel->heap_blocks;
    if (pieces < 2)
        return;
    unit->piece_blocks = (rel->heap_blocks + pieces - 1) / pieces;
    unit->pieces = (int)((rel->heap_blocks + unit->piece_blocks - 1) / unit->piece_blocks);
    unit->piece_taken = arena_new_array(s->arena, bool, unit->pieces);
}

static void make_units(Schedule *s)
{
    const Relations *rels = s->spec.rels;
    const FkPlan *plan = s->spec.plan;
    Relation **members = arena_new_array(s->arena, Relation *, rels->count + 1);
    int used = 0, cycle = -1;
    for (int i = 0; i < rels->count; i++)
        s->unit_of[i] = -1;
    for (int i = 0; i < rels->count; i++) {
        int id = plan->order[i];
        Relation *rel = rels->all[id];
        if (!needs_copy(rel))
            continue;
        /* Members of a cycle stand together in the order. */
        bool joins = s->spec.strict && plan->cycle_of[id] >= 0 && plan->cycle_of[id] == cycle;
        cycle = plan->cycle_of[id];
        if (!joins)
            s->units[s->unit_count++] = (Unit){.members = &members[used]};
        Unit *unit = &s->units[s->unit_count - 1];
        members[used++] = rel;
        unit->member_count++;
        s->unit_of[id] = s->unit_count - 1;
        unit->weight += rel->bytes * (s->spec.indexes ? 2 : 1);
        /* Anything but "before" means that an attempt of ours may have left rows. */
        unit->dirty = unit->dirty || atomic_load(&rel->load_state) != TABLE_BEFORE_LOAD;
    }
}

/* Strict order: a unit waits for the units that its tables reference. */
static void make_edges(Schedule *s)
{
    const Relations *rels = s->spec.rels;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < rels->foreign_key_count; i++) {
            const ForeignKey *fk = &rels->foreign_keys[i];
            if (fk->to_id < 0 || s->unit_of[fk->from_id] < 0 || s->unit_of[fk->to_id] < 0 ||
                s->unit_of[fk->from_id] == s->unit_of[fk->to_id])
                continue;
            Unit *parent = &s->units[s->unit_of[fk->to_id]];
            if (pass == 1) {
                parent->children[parent->child_count] = s->unit_of[fk->from_id];
                s->units[s->unit_of[fk->from_id]].parents_left++;
            }
            parent->child_count++;
        }
        for (int u = 0; pass == 0 && u < s->unit_count; u++) {
            s->units[u].children = arena_new_array(s->arena, int, s->units[u].child_count + 1);
            s->units[u].child_count = 0;
        }
    }
}

static void offer(Schedule *s, Unit *unit)
{
    Job job = {.kind = JOB_COPY, .unit = unit, .rel = unit->members[0], .end_block = -1};
    unit->state = UNIT_READY;
    if (unit->pieces > 1)
        job.kind = JOB_BEGIN;
    push(s, job);
}

static void offer_piece(Schedule *s, Unit *unit, int piece)
{
    Job job = {.kind = JOB_COPY, .unit = unit, .rel = unit->members[0], .piece = piece};
    job.first_block = piece * unit->piece_blocks;
    /* The table may have grown since it was measured: the last piece has no end. */
    job.end_block = piece == unit->pieces - 1 ? -1 : job.first_block + unit->piece_blocks;
    push(s, job);
}

static void offer_index(Schedule *s, Relation *rel)
{
    if (!s->spec.indexes)
        return;
    s->open_indexes++;
    push(s, (Job){.kind = JOB_INDEX, .rel = rel});
}

Schedule *schedule_new(const ScheduleSpec *spec, Error *err)
{
    Schedule *s = mem_zalloc(sizeof *s);
    int n = spec->rels->count;
    *s = (Schedule){.spec = *spec, .arena = arena_new(0)};
    s->units = arena_new_array(s->arena, Unit, n + 1);
    s->unit_of = arena_new_array(s->arena, int, n + 1);
    if (!spec->copy) {
        for (int i = 0; i < n; i++)
            offer_index(s, spec->rels->all[i]);
        return s;
    }
    make_units(s);
    for (int u = 0; u < s->unit_count; u++) {
        Unit *unit = &s->units[u];
        int cycle = spec->plan->cycle_of[unit->members[0]->id];
        unit->deferred = spec->strict && cycle >= 0;
        if (unit->deferred && !order_cycle(s, unit, cycle, err)) {
            schedule_free(s);
            return NULL;
        }
        cut(s, unit);
        unit->pieces_left = unit->pieces;
    }
    if (spec->strict)
        make_edges(s);
    s->open_units = s->unit_count;
    for (int u = 0; u < s->unit_count; u++) {
        if (s->units[u].parents_left == 0)
            offer(s, &s->units[u]);
    }
    /* Done in an earlier run, but perhaps not their indexes. */
    for (int i = 0; i < n; i++) {
        if (s->unit_of[i] < 0)
            offer_index(s, spec->rels->all[i]);
    }
    return s;
}

void schedule_free(Schedule *s)
{
    if (s == NULL)
        return;
    free(s->heap);
    arena_free(s->arena);
    free(s);
}

/* Work ----------------------------------------------------------------------------------------- */

ScheduleAnswer schedule_take(Schedule *s, Job *out_job)
{
    while (s->heap_len > 0) {
        Job job = pop(s);
        if (job.kind != JOB_INDEX) {
            if (job.unit->state == UNIT_GIVEN_UP)
                continue;
            job.unit->running++;
            if (job.unit->begun_us == 0)
                job.unit->begun_us = clock_now_us();
            job.unit->state = UNIT_COPYING;
        }
        *out_job = job;
        return SCHEDULE_JOB;
    }
    return s->open_units == 0 && s->open_indexes == 0 ? SCHEDULE_FINISHED : SCHEDULE_LATER;
}

static void unit_done(Schedule *s, Unit *unit)
{
    unit->state = UNIT_DONE;
    s->open_units--;
    for (int i = 0; i < unit->member_count; i++)
        offer_index(s, unit->members[i]);
    for (int i = 0; i < unit->child_count; i++) {
        Unit *child = &s->units[unit->children[i]];
        if (--child->parents_left == 0 && child->state == UNIT_WAITING)
            offer(s, child);
    }
}

void schedule_done(Schedule *s, const Job *job, int64_t rows, int64_t bytes)
{
    Unit *unit = job->unit;
    if (job->kind == JOB_INDEX) {
        s->open_indexes--;
        return;
    }
    if (job->kind == JOB_BEGIN)
        unit->dirty = false;
    unit->running--;
    unit->rows += rows;
    unit->bytes += bytes;
    if (job->kind == JOB_BEGIN) {
        for (int piece = 0; unit->state != UNIT_GIVEN_UP && piece < unit->pieces; piece++)
            offer_piece(s, unit, piece);
        return;
    }
    if (job->kind == JOB_COPY && unit->pieces > 1) {
        if (--unit->pieces_left == 0 && unit->state != UNIT_GIVEN_UP)
            push(s, (Job){.kind = JOB_FINISH, .unit = unit, .rel = unit->members[0]});
        return;
    }
    /* Committed in full: also when the guard gave the table up a moment before, since its rows had
     * been read under the lock. */
    if (unit->state == UNIT_GIVEN_UP)
        s->open_units++;
    unit_done(s, unit);
}

void schedule_put_back(Schedule *s, const Job *job, bool dirty)
{
    if (job->kind == JOB_INDEX) {
        push(s, *job);
        return;
    }
    job->unit->running--;
    job->unit->dirty = job->unit->dirty || dirty;
    if (job->unit->state != UNIT_GIVEN_UP)
        push(s, *job);
}

static void give_up(Schedule *s, Unit *unit)
{
    if (unit->state == UNIT_DONE || unit->state == UNIT_GIVEN_UP)
        return;
    unit->state = UNIT_GIVEN_UP;
    s->open_units--;
    /* What references it cannot be loaded before it. */
    for (int i = 0; i < unit->child_count; i++)
        give_up(s, &s->units[unit->children[i]]);
}

bool schedule_give_up(Schedule *s, uint32_t rel_id)
{
    int u = s->unit_of[rel_id];
    /* All rows are in and only the record is missing: as good as done. */
    if (u < 0 || s->units[u].state == UNIT_DONE || s->units[u].pieces_left == 0)
        return false;
    give_up(s, &s->units[u]);
    return true;
}

/* plan - see the header */
#include "apply/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bag.h"
#include "bascule/base/mem.h"

#define LARGE_ROW_BYTES ((size_t)64 << 20)

typedef struct PlanSet {
    struct PlanSet *next;
    FoldSet set;
} PlanSet;

struct Plan {
    const Shapes *shapes;
    bool live;
    bool others;
    bool odd;
    bool suspends;
    Arena *arena;
    PlanStep *first, **tail;
    PlanMessage *messages, **message_tail;
    PlanSet *sets;  /* all of this plan, for their maps */
    FoldSet **open; /* by relation id */
    int *open_ids;  /* those that are open */
    int open_count;
    PlanTally *tallies; /* by relation id */
    int *tally_ids;
    int tally_count;
    bool *tallied;
};

Plan *plan_new(const Shapes *shapes, bool live)
{
    size_t count = (size_t)shapes->rels->count + 1;
    Plan *plan = mem_zalloc(sizeof *plan);
    plan->shapes = shapes;
    plan->live = live;
    plan->arena = arena_new(64 * 1024);
    plan->tail = &plan->first;
    plan->message_tail = &plan->messages;
    plan->open = mem_zalloc(count * sizeof *plan->open);
    plan->open_ids = mem_zalloc(count * sizeof *plan->open_ids);
    plan->tallies = mem_zalloc(count * sizeof *plan->tallies);
    plan->tally_ids = mem_zalloc(count * sizeof *plan->tally_ids);
    plan->tallied = mem_zalloc(count * sizeof *plan->tallied);
    return plan;
}

void plan_expect_others(Plan *plan, bool others)
{
    plan->others = others;
}

void plan_free(Plan *plan)
{
    if (plan == NULL)
        return;
    plan_clear(plan);
    arena_free(plan->arena);
    free(plan->open);
    free(plan->open_ids);
    free(plan->tallies);
    free(plan->tally_ids);
    free(plan->tallied);
    free(plan);
}

void plan_clear(Plan *plan)
{
    for (PlanSet *set = plan->sets; set != NULL; set = set->next)
        fold_done(&set->set);
    for (int i = 0; i < plan->open_count; i++)
        plan->open[plan->open_ids[i]] = NULL;
    plan->open_count = 0;
    plan->sets = NULL;
    plan->first = NULL;
    plan->tail = &plan->first;
    plan->messages = NULL;
    plan->message_tail = &plan->messages;
    plan->odd = false;
    arena_reset(plan->arena);
}

bool plan_odd(const Plan *plan)
{
    return plan->odd;
}

bool plan_take_suspends(Plan *plan)
{
    bool suspends = plan->suspends;
    plan->suspends = false;
    return suspends;
}

bool plan_applies(const Relation *rel, const Flow *flow)
{
    return atomic_load_explicit(&rel->suspended, memory_order_relaxed) == SUSPEND_NOT &&
           flow->commit_lsn >= relation_begins(rel);
}

PlanKey plan_key(const Change *change, const Value **out_key)
{
    const Relation *rel = change->rel;
    const Value *key = change->old_values != NULL ? change->old_values : change->new_values;
    PlanKey result = PLAN_KEY_SAME;
    *out_key = key;
    for (int k = 0; k < rel->key_count; k++) {
        int i = rel->key[k];
        if (key[i].kind < VALUE_TEXT)
            return PLAN_KEY_UNKNOWN;
        if (change->kind == CHANGE_UPDATE && change->new_values[i].kind != VALUE_UNCHANGED &&
            !value_equal(&key[i], &change->new_values[i]))
            result = PLAN_KEY_CHANGED;
    }
    return result;
}

static PlanStep *add_step(Plan *plan, PlanStepKind kind)
{
    PlanStep *step = arena_new_object(plan->arena, PlanStep);
    step->kind = kind;
    *plan->tail = step;
    plan->tail = &step->next;
    return step;
}

static FoldSet *open_set(Plan *plan, const Relation *rel)
{
    FoldSet *set = plan->open[rel->id];
    if (set != NULL)
        return set;
    PlanSet *made = arena_new_object(plan->arena, PlanSet);
    made->next = plan->sets;
    plan->sets = made;
    fold_init(&made->set, rel, plan->arena);
    made->set.others = plan->others;
    plan->open[rel->id] = &made->set;
    plan->open_ids[plan->open_count++] = (int)rel->id;
    return &made->set;
}

static void close_all(Plan *plan)
{
    if (plan->open_count == 0)
        return;
    PlanStep *step = add_step(plan, PLAN_SET);
    step->sets = arena_new_array(plan->arena, FoldSet *, plan->open_count);
    for (int i = 0; i < plan->open_count; i++) {
        FoldSet *set = plan->open[plan->open_ids[i]];
        int at = step->set_count++;
        /* few tables, or already in order: insertion is good enough */
        for (; at > 0 && plan->shapes->all[step->sets[at - 1]->rel->id].rank >
                             plan->shapes->all[set->rel->id].rank;
             at--)
            step->sets[at] = step->sets[at - 1];
        step->sets[at] = set;
        plan->open[set->rel->id] = NULL;
    }
    plan->open_count = 0;
}

/* Before a change of `rel` that must keep its place. */
static void close_for(Plan *plan, const Relation *rel)
{
    FoldSet *set = plan->open[rel->id];
    if (plan->live) {
        close_all(plan);
        return;
    }
    if (set == NULL)
        return;
    PlanStep *step = add_step(plan, PLAN_SET);
    step->sets = arena_new_array(plan->arena, FoldSet *, 1);
    step->sets[0] = set;
    step->set_count = 1;
    plan->open[rel->id] = NULL;
    for (int i = 0; i < plan->open_count; i++) {
        if (plan->open_ids[i] != (int)rel->id)
            continue;
        plan->open_ids[i] = plan->open_ids[--plan->open_count];
        break;
    }
}

static PlanTally *tally(Plan *plan, const Relation *rel)
{
    if (!plan->tallied[rel->id]) {
        plan->tallied[rel->id] = true;
        plan->tally_ids[plan->tally_count++] = (int)rel->id;
    }
    return &plan->tallies[rel->id];
}

static size_t row_bytes(const Relation *rel, const Value *values)
{
    size_t bytes = 0;
    for (int i = 0; values != NULL && i < rel->column_count; i++)
        bytes += values[i].len;
    return bytes;
}

static void add_row(Plan *plan, const Change *change)
{
    close_for(plan, change->rel);
    add_step(plan, PLAN_ROW)->change = change;
}

static bool fold_keyless(Plan *plan, const Change *change)
{
    if (!bag_takes(change))
        return false;
    FoldSet *set = open_set(plan, change->rel);
    if (change->kind == CHANGE_INSERT)
        bag_insert(set, change->new_values);
    else if (change->kind == CHANGE_UPDATE)
        bag_update(set, change->old_values, change->new_values);
    else
        bag_delete(set, change->old_values);
    return true;
}

/* True when the change was folded. */
static bool fold_change(Plan *plan, const Change *change)
{
    const Shape *shape = &plan->shapes->all[change->rel->id];
    const Value *key;
    if (!shape->keyed)
        return fold_keyless(plan, change);
    if (change->kind == CHANGE_INSERT) {
        for (int k = 0; k < change->rel->key_count; k++)
            if (change->new_values[change->rel->key[k]].kind < VALUE_TEXT)
                return false;
        if (!fold_insert(open_set(plan, change->rel), change->new_values))
            plan->odd = true;
        return true;
    }
    if (plan_key(change, &key) != PLAN_KEY_SAME)
        return false;
    if (change->kind == CHANGE_UPDATE) {
        if (!fold_update(open_set(plan, change->rel), key, change->new_values))
            plan->odd = true;
    } else if (!fold_delete(open_set(plan, change->rel), key)) {
        plan->odd = true;
    }
    return true;
}

/* Which of its rows came from the source nobody can tell: it is left as it is, until somebody decides. */
static bool spares(Plan *plan, Relation *rel, const Flow *flow)
{
    if (!rel->keep_extra || plan->live)
        return false;
    relation_suspend(rel, flow->commit_lsn,
                     "the source truncated it, and a rule keeps rows that only the target has "
                     "(keep-extra)");
    plan->suspends = true;
    return true;
}

static void add_truncate(Plan *plan, const Change *change, const Flow *flow)
{
    Relation **rels = arena_new_array(plan->arena, Relation *, change->truncated_count + 1);
    int count = 0;
    for (int i = 0; i < change->truncated_count; i++) {
        Relation *rel = change->truncated[i];
        if (!plan_applies(rel, flow) || spares(plan, rel, flow))
            continue;
        close_for(plan, rel);
        tally(plan, rel)->truncates++;
        rels[count++] = rel;
    }
    if (count == 0)
        return;
    PlanStep *step = add_step(plan, PLAN_TRUNCATE);
    step->truncated = rels;
    step->truncated_count = count;
}

static void add_message(Plan *plan, const Change *change, const Flow *flow)
{
    if (change->prefix == NULL || strcmp(change->prefix, "bascule") != 0)
        return;
    PlanMessage *message = arena_new_object(plan->arena, PlanMessage);
    message->change = change;
    message->flow = flow;
    *plan->message_tail = message;
    plan->message_tail = &message->next;
}

const PlanMessage *plan_messages(const Plan *plan)
{
    return plan->messages;
}

static void add_suspend(const Change *change, const Flow *flow)
{
    char why[SUSPEND_REASON_SIZE];
    snprintf(why, sizeof why, "%.*s", (int)change->content.len, change->content.data);
    relation_suspend(change->rel, flow->commit_lsn, why);
}

static void add_change(Plan *plan, const Change *change, const Flow *flow)
{
    if (change->kind == CHANGE_SUSPEND) {
        add_suspend(change, flow);
        plan->suspends = true;
        return;
    }
    if (change->kind == CHANGE_TRUNCATE) {
        add_truncate(plan, change, flow);
        return;
    }
    if (change->kind == CHANGE_MESSAGE) {
        add_message(plan, change, flow);
        return;
    }
    if (!plan_applies(change->rel, flow))
        return;
    PlanTally *counts = tally(plan, change->rel);
    counts->inserts += change->kind == CHANGE_INSERT;
    counts->updates += change->kind == CHANGE_UPDATE;
    counts->deletes += change->kind == CHANGE_DELETE;
    bool large =
        flow->bytes > LARGE_ROW_BYTES &&
        row_bytes(change->rel, change->new_values) + row_bytes(change->rel, change->old_values) >
            LARGE_ROW_BYTES;
    if (large || !fold_change(plan, change))
        add_row(plan, change);
}

void plan_add(Plan *plan, const Flow *flow)
{
    for (const Change *change = flow->first; change != NULL; change = change->next)
        add_change(plan, change, flow);
}

const PlanStep *plan_finish(Plan *plan)
{
    close_all(plan);
    return plan->first;
}

int64_t plan_take_tallies(Plan *plan, bool count)
{
    int64_t sum = 0;
    for (int i = 0; i < plan->tally_count; i++) {
        int id = plan->tally_ids[i];
        PlanTally *t = &plan->tallies[id];
        Relation *rel = plan->shapes->rels->all[id];
        sum += t->inserts + t->updates + t->deletes + t->truncates;
        if (count) {
            atomic_fetch_add_explicit(&rel->inserts, t->inserts, memory_order_relaxed);
            atomic_fetch_add_explicit(&rel->updates, t->updates, memory_order_relaxed);
            atomic_fetch_add_explicit(&rel->deletes, t->deletes, memory_order_relaxed);
            atomic_fetch_add_explicit(&rel->truncates, t->truncates, memory_order_relaxed);
        }
        *t = (PlanTally){0};
        plan->tallied[id] = false;
    }
    plan->tally_count = 0;
    return sum;
}

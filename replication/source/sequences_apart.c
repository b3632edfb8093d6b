/*
 * sequences_apart - sequences of both sides that never give the same number (sequences.h).
 *
 * A sequence that does not cycle gives last_value and what lies whole steps from it. Two of them have no
 * number in common when the greatest divisor that their steps have in common divides the way between them
 * with a rest, or when one's limit ends before the other begins.
 */
#include <string.h>

#include "source/sequences.h"

static uint64_t step_of(const Sequence *seq)
{
    return seq->increment > 0 ? (uint64_t)seq->increment : -(uint64_t)seq->increment;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The way between them, whatever its sign: divisible or not is the same for both. */
static uint64_t distance(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

static bool by_steps(const Sequence *a, const Sequence *b)
{
    uint64_t divisor = common_divisor(step_of(a), step_of(b));
    return !a->cycle && !b->cycle && divisor > 1 &&
           distance(a->last_value, b->last_value) % divisor != 0;
}

/* What it may still give lies between these. */
static int64_t least(const Sequence *seq)
{
    return seq->increment > 0 && !seq->cycle ? seq->last_value : seq->min_value;
}

static int64_t most(const Sequence *seq)
{
    return seq->increment < 0 && !seq->cycle ? seq->last_value : seq->max_value;
}

static bool by_limits(const Sequence *a, const Sequence *b)
{
    return most(a) < least(b) || most(b) < least(a);
}

bool sequences_disjoint(const Sequence *a, const Sequence *b)
{
    return by_steps(a, b) || by_limits(a, b);
}

/* In the target's own steps as far as the source has come, or not at all where its limit ends before. */
static void raise_in_own_steps(Sequence *seq, const Sequence *own)
{
    bool up = own->increment > 0;
    bool ahead = up ? own->last_value >= seq->set_to : own->last_value <= seq->set_to;
    if (ahead || up != (seq->increment > 0)) {
        seq->leave = true;
        return;
    }
    uint64_t step = step_of(own), way = distance(seq->set_to, own->last_value);
    uint64_t steps = way / step + (way % step != 0);
    uint64_t room = distance(up ? own->max_value : own->min_value, own->last_value) / step;
    seq->leave = steps > room;
    uint64_t to =
        up ? (uint64_t)own->last_value + steps * step : (uint64_t)own->last_value - steps * step;
    if (!seq->leave)
        seq->set_to = (int64_t)to;
}

static const Sequence *find(const Sequences *all, const Sequence *seq)
{
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->all[i].name, seq->target_name) == 0 &&
            strcmp(all->all[i].schema, seq->target_schema) == 0)
            return &all->all[i];
    return NULL;
}

bool sequences_keep_apart(PgConn *target, Sequences *sequences, Error *err)
{
    Arena *arena = arena_new(0);
    Sequences defined = {0}, own = {0};
    bool ok = sequences_define(target, arena, &defined, err);
    own.all = arena_new_array(arena, Sequence, sequences->count + 1);
    int *of = arena_new_array(arena, int, sequences->count + 1);
    for (int i = 0; ok && i < sequences->count; i++) {
        const Sequence *found = find(&defined, &sequences->all[i]);
        sequences->all[i].leave = false;
        if (found == NULL) /* the statement that raises it will say so */
            continue;
        of[own.count] = i;
        own.all[own.count++] = *found;
    }
    ok = ok && sequences_read_values(target, &own, false, err);
    for (int i = 0; ok && i < own.count; i++) {
        Sequence *seq = &sequences->all[of[i]];
        if (by_limits(seq, &own.all[i]))
            seq->leave = true;
        else if (by_steps(seq, &own.all[i]))
            raise_in_own_steps(seq, &own.all[i]);
    }
    arena_free(arena);
    return ok;
}

/*
 * fk_plan - Tarjan's algorithm over "references": it finishes a strongly connected component only
 * after all components that it references, so the order of finishing is parents before children.
 * With an explicit stack: chains of thousands of tables exist.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "load/load.h"

/* Edges from -> to of foreign keys inside the scope, grouped by from. */
typedef struct Edges {
    int *first; /* by id: where its edges begin in `to`; first[count] is the end */
    int *to;
} Edges;

typedef struct Tarjan {
    const Edges *edges;
    int *index, *low; /* by id; index 0: not seen */
    bool *on_stack;
    int *stack;
    int stack_len;
    int *path, *next_edge; /* the recursion: table, and its next edge to follow */
    int path_len;
    int counter;
    int *component; /* by id */
    int components;
    int *order;
    int order_len;
} Tarjan;

static void edges_init(Edges *edges, Arena *arena, const Relations *rels)
{
    edges->first = arena_new_array(arena, int, rels->count + 2);
    edges->to = arena_new_array(arena, int, rels->foreign_key_count + 1);
    for (int i = 0; i < rels->foreign_key_count; i++) {
        const ForeignKey *fk = &rels->foreign_keys[i];
        if (fk->to_id >= 0)
            edges->first[fk->from_id + 2]++;
    }
    for (int i = 0; i < rels->count; i++)
        edges->first[i + 2] += edges->first[i + 1];
    for (int i = 0; i < rels->foreign_key_count; i++) {
        const ForeignKey *fk = &rels->foreign_keys[i];
        if (fk->to_id >= 0)
            edges->to[edges->first[fk->from_id + 1]++] = fk->to_id;
    }
}

static void visit(Tarjan *t, int id)
{
    t->index[id] = t->low[id] = ++t->counter;
    t->stack[t->stack_len++] = id;
    t->on_stack[id] = true;
    t->path[t->path_len] = id;
    t->next_edge[t->path_len++] = t->edges->first[id];
}

static int by_id(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The component that ends with `id` comes off the stack, members in the order of ids. */
static void finish_component(Tarjan *t, int id)
{
    int begin = t->order_len, member;
    do {
        member = t->stack[--t->stack_len];
        t->on_stack[member] = false;
        t->component[member] = t->components;
        t->order[t->order_len++] = member;
    } while (member != id);
    qsort(t->order + begin, (size_t)(t->order_len - begin), sizeof *t->order, by_id);
    t->components++;
}

static void walk_from(Tarjan *t, int start)
{
    visit(t, start);
    while (t->path_len > 0) {
        int id = t->path[t->path_len - 1];
        int *edge = &t->next_edge[t->path_len - 1];
        if (*edge < t->edges->first[id + 1]) {
            int to = t->edges->to[(*edge)++];
            if (t->index[to] == 0)
                visit(t, to);
            else if (t->on_stack[to] && t->index[to] < t->low[id])
                t->low[id] = t->index[to];
            continue;
        }
        if (t->low[id] == t->index[id])
            finish_component(t, id);
        t->path_len--;
        if (t->path_len > 0) {
            int parent = t->path[t->path_len - 1];
            if (t->low[id] < t->low[parent])
                t->low[parent] = t->low[id];
        }
    }
}

/* The shortest way from `start` through its component back to itself, as text. */
static const char *describe_cycle(Arena *arena, const Relations *rels, const Tarjan *t, int start)
{
    int *from = mem_alloc(sizeof(int) * (size_t)rels->count);
    int *queue = mem_alloc(sizeof(int) * (size_t)rels->count);
    int head = 0, tail = 0, last = -1;
    for (int i = 0; i < rels->count; i++)
        from[i] = -1;
    queue[tail++] = start;
    while (last < 0 && head < tail) {
        int id = queue[head++];
        for (int e = t->edges->first[id]; e < t->edges->first[id + 1]; e++) {
            int to = t->edges->to[e];
            if (t->component[to] != t->component[start] || to == id)
                continue;
            if (to == start) {
                last = id;
                break;
            }
            if (from[to] < 0) {
                from[to] = id;
                queue[tail++] = to;
            }
        }
    }
    const char *text = rels->all[start]->display;
    for (int id = last; id >= 0 && id != start; id = from[id])
        text = arena_printf(arena, "%s -> %s", rels->all[id]->display, text);
    text = arena_printf(arena, "%s -> %s", rels->all[start]->display, text);
    free(from);
    free(queue);
    return text;
}

static void note_cycles(FkPlan *plan, Arena *arena, const Relations *rels, const Tarjan *t)
{
    plan->cycles = arena_new_array(arena, const char *, rels->count / 2 + 1);
    for (int i = 0; i < rels->count;) {
        int end = i + 1;
        while (end < rels->count && t->component[plan->order[end]] == t->component[plan->order[i]])
            end++;
        bool cycle = end - i > 1;
        for (int k = i; k < end; k++)
            plan->cycle_of[plan->order[k]] = cycle ? plan->cycle_count : -1;
        if (cycle)
            plan->cycles[plan->cycle_count++] = describe_cycle(arena, rels, t, plan->order[i]);
        i = end;
    }
}

/* In order, so every parent outside a table's own component has its level already. */
static void note_levels(FkPlan *plan, const Relations *rels, const Tarjan *t)
{
    for (int i = 0; i < rels->count;) {
        int end = i, level = 0;
        int component = t->component[plan->order[i]];
        for (; end < rels->count && t->component[plan->order[end]] == component; end++) {
            int id = plan->order[end];
            for (int e = t->edges->first[id]; e < t->edges->first[id + 1]; e++) {
                int to = t->edges->to[e];
                if (to == id)
                    plan->self_reference[id] = true;
                else if (t->component[to] != component && plan->level[to] >= level)
                    level = plan->level[to] + 1;
            }
        }
        for (; i < end; i++)
            plan->level[plan->order[i]] = level;
    }
}

FkPlan *fk_plan_new(Arena *arena, const Relations *rels)
{
    FkPlan *plan = arena_new_object(arena, FkPlan);
    Arena *scratch = arena_new(0);
    int n = rels->count;
    Edges edges;
    edges_init(&edges, scratch, rels);
    plan->order = arena_new_array(arena, int, n + 1);
    plan->level = arena_new_array(arena, int, n + 1);
    plan->cycle_of = arena_new_array(arena, int, n + 1);
    plan->self_reference = arena_new_array(arena, bool, n + 1);
    Tarjan t = {
        .edges = &edges,
        .index = arena_new_array(scratch, int, n + 1),
        .low = arena_new_array(scratch, int, n + 1),
        .on_stack = arena_new_array(scratch, bool, n + 1),
        .stack = arena_new_array(scratch, int, n + 1),
        .path = arena_new_array(scratch, int, n + 1),
        .next_edge = arena_new_array(scratch, int, n + 1),
        .component = arena_new_array(scratch, int, n + 1),
        .order = plan->order,
    };
    for (int id = 0; id < n; id++) {
        if (t.index[id] == 0)
            walk_from(&t, id);
    }
    note_cycles(plan, arena, rels, &t);
    note_levels(plan, rels, &t);
    arena_free(scratch);
    return plan;
}

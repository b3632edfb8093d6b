/*
 * preflight_graph - the foreign keys between the tables in scope: cycles by name, keys that lead
 * out of scope, keys that were never validated.
 */
#include <stdlib.h>
#include <string.h>

#include "source/preflight_internal.h"
#include "sql_files.h"

/* Edges by referencing table: edges[first[i] .. first[i + 1]) are the tables that i references. */
typedef struct Graph {
    int count;
    int *first, *edges;
} Graph;

static Graph graph_of(const Relations *rels, Arena *arena)
{
    Graph g = {.count = rels->count};
    int *fill = arena_new_array(arena, int, rels->count + 1);
    g.first = arena_new_array(arena, int, rels->count + 2);
    g.edges = arena_new_array(arena, int, rels->foreign_key_count + 1);
    for (int k = 0; k < rels->foreign_key_count; k++)
        if (rels->foreign_keys[k].to_id >= 0)
            g.first[rels->foreign_keys[k].from_id + 1]++;
    for (int i = 0; i < rels->count; i++)
        g.first[i + 1] += g.first[i];
    memcpy(fill, g.first, sizeof *fill * (size_t)(rels->count + 1));
    for (int k = 0; k < rels->foreign_key_count; k++)
        if (rels->foreign_keys[k].to_id >= 0)
            g.edges[fill[rels->foreign_keys[k].from_id]++] = rels->foreign_keys[k].to_id;
    return g;
}

/* A shortest way from `start` along references back to it, not by one step; came[] gives it
 * backwards. Returns the last table before `start`, or -1. */
static int way_back(const Graph *g, int start, int *came, int *queue)
{
    int head = 0, tail = 0;
    for (int i = 0; i < g->count; i++)
        came[i] = -1;
    queue[tail++] = start;
    while (head < tail) {
        int at = queue[head++];
        for (int e = g->first[at]; e < g->first[at + 1]; e++) {
            int next = g->edges[e];
            if (next == start && at != start)
                return at;
            if (next != start && came[next] < 0) {
                came[next] = at;
                queue[tail++] = next;
            }
        }
    }
    return -1;
}

static const char *cycle_text(Preflight *p, int start, int last, const int *came, bool *in_cycle)
{
    const char *text = p->rels->all[start]->display;
    in_cycle[start] = true;
    for (int at = last; at != start; at = came[at]) {
        in_cycle[at] = true;
        text = preflight_text(p, "%s -> %s", p->rels->all[at]->display, text);
    }
    return preflight_text(p, "%s -> %s", p->rels->all[start]->display, text);
}

/* Cycles keep tables from being loaded one after the other, where the target checks keys now. */
static void cycles(Preflight *p, bool live)
{
    Arena *arena = arena_new(0);
    const Relations *rels = p->rels;
    Graph g = graph_of(rels, arena);
    int *came = arena_new_array(arena, int, rels->count + 1),
        *queue = arena_new_array(arena, int, rels->count + 1);
    bool *in_cycle = arena_new_array(arena, bool, rels->count + 1);
    bool blocked = live && p->may_silence_known && !p->may_silence && p->loads;
    int found = 0, self = 0;
    for (int k = 0; k < rels->foreign_key_count; k++)
        self += rels->foreign_keys[k].to_id == rels->foreign_keys[k].from_id;
    for (int i = 0; i < rels->count; i++) {
        int last = in_cycle[i] || g.first[i] == g.first[i + 1] ? -1 : way_back(&g, i, came, queue);
        if (last < 0)
            continue;
        found++;
        PREFLIGHT_ADD(
            p, blocked ? PREFLIGHT_BLOCKER : PREFLIGHT_OK, .code = "foreign-key-cycle",
            .subject = rels->all[i]->display,
            .what = preflight_text(p, "foreign keys form a cycle: %s",
                                   cycle_text(p, i, last, came, in_cycle)),
            .why = blocked ? "the target's keys are in force and our role may not switch them off: "
                             "no order of the "
                             "tables can be loaded"
                   : live  ? "loaded with the target's keys switched off for our session"
                           : "the keys are made after the load",
            .remedy = !blocked
                          ? ""
                          : preflight_text(
                                p,
                                "GRANT SET ON PARAMETER session_replication_role TO %s;  -- on the "
                                "target\nALTER TABLE ... DROP CONSTRAINT ...;  -- or drop one key "
                                "of the cycle on the target, and make it again after the load",
                                preflight_role(p, &p->target)));
    }
    PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "foreign-keys", .subject = "source",
                  .what = preflight_text(p, "%d foreign keys, %d cycles, %d self-references",
                                         rels->foreign_key_count, found, self));
    arena_free(arena);
}

static void keys(Preflight *p)
{
    PreflightGroup outside =
        preflight_group(p, PREFLIGHT_WARNING, "foreign-key-outside",
                        "the rows that it references are not moved: the key cannot be made, or "
                        "refuses rows, unless they are there");
    PreflightGroup invalid =
        preflight_group(p, PREFLIGHT_WARNING, "foreign-key-not-valid",
                        "rows may violate it; on the target it is made NOT VALID as here, and a "
                        "target that checks it refuses them");
    for (int k = 0; k < p->rels->foreign_key_count; k++) {
        const ForeignKey *fk = &p->rels->foreign_keys[k];
        const Relation *rel = p->rels->all[fk->from_id];
        const char *table = preflight_qualified(p, rel->schema, rel->name);
        bool repeated =
            k > 0 && fk->oid == p->rels->foreign_keys[k - 1].oid; /* one a referenced partition */
        if (repeated)
            continue;
        if (fk->to_id < 0)
            preflight_group_add(
                &outside, rel->display,
                preflight_text(p, "foreign key '%s' references a table that is not in scope",
                               fk->name),
                preflight_text(
                    p,
                    "Add the table to tables.include, or: ALTER TABLE %s DROP CONSTRAINT "
                    "%s;  -- on the target",
                    table, preflight_ident(p, fk->name)));
        if (!fk->validated)
            preflight_group_add(&invalid, rel->display,
                                preflight_text(p, "foreign key '%s' is NOT VALID", fk->name),
                                preflight_text(p, "ALTER TABLE %s VALIDATE CONSTRAINT %s;", table,
                                               preflight_ident(p, fk->name)));
    }
    preflight_group_end(&outside);
    preflight_group_end(&invalid);
}

/* Does the target check foreign keys while rows come in? Created ones come after the load. With
 * truncate, referencing tables outside the scope forbid it. */
static bool target_keys(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (p->spec->prepare == PREFLIGHT_CREATE || p->target.conn == NULL)
        return false;
    if (!preflight_ask_tables(p, &p->target, "foreign-keys", SQL_PREFLIGHT_TARGET_REFERENCES,
                              &rows))
        return true;
    PreflightGroup group = preflight_group(
        p, PREFLIGHT_BLOCKER, "foreign-key-inbound",
        "a table that others reference cannot be emptied without them (target.prepare: truncate)");
    for (int i = 0; i < pgrows_count(rows); i++) {
        if (pgrows_bool(rows, i, 5) || p->spec->prepare != PREFLIGHT_TRUNCATE || !p->loads ||
            p->resumed)
            continue;
        preflight_group_add(
            &group, preflight_text(p, "%s.%s", pgrows_text(rows, i, 3), pgrows_text(rows, i, 4)),
            preflight_text(
                p, "on the target it is referenced by %s.%s ('%s'), which is not in scope",
                pgrows_text(rows, i, 1), pgrows_text(rows, i, 2), pgrows_text(rows, i, 0)),
            preflight_text(p,
                           "ALTER TABLE %s DROP CONSTRAINT %s;  -- on the target; make it again "
                           "after the load",
                           preflight_qualified(p, pgrows_text(rows, i, 1), pgrows_text(rows, i, 2)),
                           preflight_ident(p, pgrows_text(rows, i, 0))));
    }
    preflight_group_end(&group);
    return pgrows_count(rows) > 0;
}

void preflight_graph(Preflight *p)
{
    keys(p);
    cycles(p, target_keys(p));
}

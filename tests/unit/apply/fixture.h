/* Tables, rows and flows for the tests of apply, without a server. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/shape.h"
#include "bascule/model/flow.h"
#include <cmocka.h>

#define INT4 23
#define TEXT 25

/* Columns "c0", "c1", ... of type text, the first key_count of them the key. */
static inline Relation *make_relation(Relations *rels, const char *name, int columns, int key_count)
{
    Arena *arena = rels->arena;
    Relation *rel = arena_new_object(arena, Relation);
    rel->id = (uint32_t)rels->count;
    rel->oid = 1000 + rel->id;
    rel->schema = rel->target_schema = "public";
    rel->name = rel->target_name = arena_strdup(arena, name);
    rel->display = arena_printf(arena, "public.%s", name);
    rel->column_count = columns;
    rel->columns = arena_new_array(arena, Column, columns + 1);
    rel->key = arena_new_array(arena, int, key_count + 1);
    rel->key_count = key_count;
    rel->key_unique = key_count > 0;
    rel->replica_identity = key_count > 0 ? 'd' : 'f';
    rel->target_has_key = key_count > 0;
    for (int i = 0; i < columns; i++) {
        Column *col = &rel->columns[i];
        col->name = col->target_name = arena_printf(arena, "c%d", i);
        col->type_oid = col->base_type_oid = TEXT;
        col->type_schema = col->target_type_schema = "pg_catalog";
        col->type_name = col->target_type_name = "text";
        col->type_text = "text";
    }
    for (int k = 0; k < key_count; k++)
        rel->key[k] = k;
    rels->all[rels->count++] = rel;
    return rel;
}

static inline Relations *make_relations(void)
{
    Arena *arena = arena_new(0);
    Relations *rels = arena_new_object(arena, Relations);
    rels->arena = arena;
    rels->all = arena_new_array(arena, Relation *, 16);
    rels->foreign_keys = arena_new_array(arena, ForeignKey, 16);
    return rels;
}

static inline void make_foreign_key(Relations *rels, const Relation *child, const Relation *parent,
                                    char on_delete)
{
    rels->foreign_keys[rels->foreign_key_count++] =
        (ForeignKey){.from_id = (int)child->id, .to_id = (int)parent->id, .on_delete = on_delete};
}

static inline Value text_value(const char *text)
{
    return text == NULL ? (Value){.kind = VALUE_NULL}
                        : (Value){.data = text, .len = (uint32_t)strlen(text), .kind = VALUE_TEXT};
}

#define UNCHANGED "\1unchanged"

/* A row of texts: NULL is null, UNCHANGED is unchanged. */
static inline Value *make_row(Arena *arena, int count, const char *const *texts)
{
    Value *row = arena_new_array(arena, Value, count + 1);
    for (int i = 0; i < count; i++) {
        row[i] = text_value(texts[i]);
        if (texts[i] != NULL && strcmp(texts[i], UNCHANGED) == 0)
            row[i] = (Value){.kind = VALUE_UNCHANGED};
    }
    return row;
}

#define ROW(arena, ...)                                                                            \
    make_row((arena), (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),               \
             (const char *[]){__VA_ARGS__})

static inline Flow *make_flow(bool begins, bool ends, Lsn commit_lsn, Lsn end_lsn)
{
    Arena *arena = arena_new(0);
    Flow *flow = arena_new_object(arena, Flow);
    flow->kind = FLOW_PART;
    flow->arena = arena;
    flow->begins = begins;
    flow->ends = ends;
    flow->commit_lsn = commit_lsn;
    flow->end_lsn = end_lsn;
    return flow;
}

static inline Change *add_change(Flow *flow, ChangeKind kind, Relation *rel, Value *old_values,
                                 Value *new_values)
{
    Change *change = arena_new_object(flow->arena, Change);
    change->kind = (uint8_t)kind;
    change->rel = rel;
    change->old_values = old_values;
    change->new_values = new_values;
    if (flow->last != NULL)
        flow->last->next = change;
    else
        flow->first = change;
    flow->last = change;
    flow->change_count++;
    return change;
}

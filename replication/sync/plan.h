/*
 * plan - what `run` would do, from the catalog alone: nothing is changed on either side.
 */
#pragma once

#include "sync/sync.h"

typedef struct SyncPlanTable {
    const char *table;
    const char *target;  /* "" under the same name */
    int64_t rows, bytes; /* estimates; PROGRESS_UNKNOWN */
    int chunks;
    int level;   /* foreign-key depth: 0 needs no other table */
    bool binary; /* copied as COPY BINARY */
    char replica_identity;
    const char *columns;    /* what rules leave out, add or change of them; "" */
    const char *rows_where; /* which rows move; "" all */
    const char *note;       /* cycle, self-reference, keyless, unlogged, ...; "" */
} SyncPlanTable;

typedef struct SyncPlan {
    int table_count;
    SyncPlanTable *tables; /* in the order of the load */
    int64_t bytes;
    const char *plugin, *plugin_why; /* "" in mode full-load */
    int cycle_count;
    const char **cycles;
    int pattern_count; /* rules as written, with the number of tables each matched */
    RulePattern *patterns;
    int rename_count;
    RuleRename *renames;
    int column_rule_count;
    RuleColumn *column_rules;
    int filter_count;
    RuleFilter *filters;
    int note_count; /* rules that say what is done anyway, or otherwise */
    const char **notes;
} SyncPlan;

MUST_CHECK bool sync_plan(const SyncSpec *spec, Arena *arena, SyncPlan *out_plan, Error *err);

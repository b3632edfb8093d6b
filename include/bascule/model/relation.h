/*
 * relation - one table that moves, as read from the source's catalog, with its place on the target.
 *
 * Only tables that hold rows (relkind 'r', partitions included) are relations; partitioned roots carry
 * names and constraints but no rows. Where the target partitions a table otherwise (or not at all), the
 * root is the relation, and its partitions are its `leaves`: they say under which names its rows come.
 * `columns` are the columns that travel: live, not generated, not left out by a rule; behind them
 * those that a rule adds on the target, which have a value there only. Their index is the index
 * of Value arrays in a Change. Immutable while a stream runs, but for the fields marked (state).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/arena.h"
#include "bascule/base/map.h"
#include "bascule/model/conflict.h"
#include "bascule/model/expression.h"
#include "bascule/model/lsn.h"

typedef struct Column {
    const char *name;
    const char *target_name; /* by the rules */
    int16_t attnum;          /* on the source */
    uint32_t type_oid;       /* on the source */
    uint32_t base_type_oid;  /* the same with domains resolved */
    int32_t typmod;
    const char *type_schema; /* pg_type row of type_oid, not quoted */
    const char *type_name;
    const char *type_text; /* format_type(type_oid, typmod): for people and for comparison */
    bool not_null;
    bool identity_always; /* GENERATED ALWAYS AS IDENTITY */
    bool binary_safe;     /* COPY BINARY to the same type is exact on any version (traps, 8) */
    /* of a domain over a type that is not built in: that type, in which values are compared, because the
     * operators of enums take no domain; else NULL */
    const char *base_schema;
    const char *base_name;
    /* of a key column: schema of the operator = of the key's index; NULL: not known */
    const char *equal_schema;
    /* of the target's column of that name; filled by target_catalog_match() */
    const char *target_type_schema;
    const char *target_type_name;
    const char *target_base_schema;
    const char *target_base_name;
    const char *target_equal_schema;
    bool target_identity_always;
    const char *target_type_text;
    const char *target_reads_as; /* of a domain over a built-in type: that type, with its length */
    /* by the rules */
    const char *other_types; /* that the target's may have, "" any; NULL: only the same */
    const Expression *value; /* added: what it is made of; NULL: a column of the source */
    int *operands;           /* index into columns of each piece of `value`; -1 no column */
    const bool *texts;       /* by piece: a column of texts, compared by their bytes */
    const char *rule;        /* of an added one: which, for messages */
} Column;

typedef enum LoadState { /* AWS DMS words, see table_state_name() */
                         TABLE_BEFORE_LOAD,
                         TABLE_FULL_LOAD,
                         TABLE_COMPLETED,
                         TABLE_CANCELLED,
                         TABLE_ERROR,
                         TABLE_STATE_COUNT,
} LoadState;

/* A suspended table is left out until it is copied again: so it may be suspended at any point of the
 * stream, as long as that is durable before the first change that is left out. */
typedef enum SuspendState {
    SUSPEND_NOT = 0,
    SUSPEND_DUE, /* its changes are left out, in a transaction that will say so */
    SUSPENDED,   /* bascule.table_state says so */
} SuspendState;
#define SUSPEND_REASON_SIZE 300

/* A suspended table that its operator wants left out: it stays so until he says otherwise. */
typedef enum PauseState {
    PAUSE_NOT = 0,
    PAUSE_KEPT, /* the slot keeps its changes from suspended_lsn on: the stream goes back there */
    PAUSE_LOST, /* it does not (any more): the table is copied again when it is resumed */
} PauseState;

typedef struct Relation {
    uint32_t id;               /* index in Relations.all: stable for the process */
    uint32_t oid;              /* on the source */
    const char *schema, *name; /* on the source, not quoted */
    const char *target_schema, *target_name;
    const char *display; /* schema.name for people and logs */
    int column_count;
    int added_count; /* the last of them: added by a rule. See relation_sent() */
    Column *columns;
    int key_count;
    int *key;              /* replica identity columns (index into columns); for 'f' the
                                       primary key's columns when there is one, else none */
    bool key_unique;       /* key[] is a unique, not-null, immediate index on the source */
    char replica_identity; /* d default, i index, f full, n nothing */
    char persistence;      /* p, u (unlogged) */
    bool is_partition;
    uint32_t parent_oid; /* partition root or inheritance parent, 0 */
    const char *partition_of_schema,
        *partition_of; /* of a partition: its topmost root; else NULL */
    bool is_root;      /* a partitioned table that moves as one: no ONLY, no file of its own */
    int leaf_count;    /* of a root */
    struct Relation **leaves;
    struct Relation *root;        /* of a leaf: it stands in Relations.leaves, not in .all */
    const char *identity_trouble; /* of a root: why its rows cannot be identified; NULL: they can */
    const char *identity_remedy;
    bool has_children; /* inheritance: COPY and LOCK need ONLY */
    bool row_security;
    ConflictPolicy conflict_policy; /* rows that both sides wrote; the column of LATEST, else -1 */
    int conflict_column;
    bool conflict_stated; /* a rule says so; else it is ERROR */
    bool keep_extra;      /* rows that only the target has stay there, and are no difference */
    bool
        one_side_numbers; /* the operator says: only one side draws from the sequences of its keys */
    const char **generated;        /* names of stored generated columns: decoders skip them */
    const char **target_generated; /* how they are called on the target */
    int generated_count;
    int left_out_count;
    const char **left_out; /* live columns that stay behind by a rule: decoders skip them */
    int16_t *left_out_attnum;
    int target_left_out_count; /* the target's columns that will not come back: those of the same */
    const char **target_left_out; /* name, and those that a rule adds */
    const char *left_out_needed;  /* one of them that is NOT NULL and has no default; NULL: none */
    const char *left_out_key;     /* one of them that is part of the key; NULL: none */
    const char *column_rule;      /* a rule about its columns, for messages; NULL: none */
    const Expression *filter;     /* which rows move, by the source's names; NULL: all */
    int *filter_operands;         /* as Column.operands and .texts */
    const bool *filter_texts;
    const char *filter_rule; /* where it is written, for messages */
    /* a rule does not fit its columns any more (catalog_read_living()): it can only be suspended */
    const char *rule_trouble;
    int64_t estimated_rows; /* -1 unknown */
    int64_t bytes;          /* heap and toast, without indexes */
    int64_t heap_blocks;
    bool target_has_key;  /* (state) the target has a usable index on key[] */
    bool target_is_root;  /* (state) the target's table is a partitioned one: no ONLY there */
    bool target_has_more; /* (state) and columns that none of ours fills, generated ones apart */
    Lsn start_lsn;        /* (state) changes of transactions with commit_lsn >= this apply */
    /* (state) it has what was committed before this; above start_lsn when the stream was turned back for
     * other tables, else LSN_UNKNOWN. Ask relation_begins(). */
    Lsn from_lsn;
    /* (state) SuspendState; the reason and the position are written once, before it leaves NOT */
    _Atomic int suspended;
    char suspend_reason[SUSPEND_REASON_SIZE];
    Lsn suspended_lsn;
    _Atomic int paused; /* (state) PauseState; only of a suspended one */
    bool unread;        /* (state) the reader's: its rows are not decoded any more */
    const char *shape;  /* what the catalog says of it; see source/shape.h */
    /* (state) as it was before it was suspended, of an earlier reading of the catalog; NULL: this */
    const struct Relation *former;
    bool recorded;            /* (state) it has a row in bascule.table_state */
    const char *copied_shape; /* what it said when the table was copied; NULL: not known */
    _Atomic(const char *)
        remedy; /* (state) statement that would make the target fit; NULL: none known */
    /* (state) its row in bascule.table_state stands under this name (it was renamed); NULL: its own */
    const char *row_schema, *row_name;
    /* (state) counters for `status`; one writer each */
    _Atomic int64_t loaded_rows, loaded_bytes;
    _Atomic int64_t inserts, updates, deletes, truncates;
    _Atomic int load_state; /* LoadState */
} Relation;

/* Changes of transactions whose commit record starts at or after this apply. */
static inline Lsn relation_begins(const Relation *rel)
{
    return rel->from_lsn > rel->start_lsn ? rel->from_lsn : rel->start_lsn;
}

/* Not all its rows are the task's, or which ones they are is not known: nobody reads or empties it whole. */
static inline bool relation_filtered(const Relation *rel)
{
    return rel->filter != NULL || rel->rule_trouble != NULL;
}

/* How many columns the source sends: the first ones. */
static inline int relation_sent(const Relation *rel)
{
    return rel->column_count - rel->added_count;
}

static inline bool relation_leaves_out(const Relation *rel, const char *column)
{
    for (int i = 0; i < rel->left_out_count; i++)
        if (strcmp(rel->left_out[i], column) == 0)
            return true;
    return false;
}

/* It may have any shape on the target, or not be there: until its next copy begins. */
static inline bool relation_left_out(const Relation *rel)
{
    return atomic_load(&rel->suspended) != SUSPEND_NOT &&
           atomic_load(&rel->load_state) == TABLE_COMPLETED;
}

/* To be left out from here on; whoever calls makes it durable. The first reason stays. */
static inline void relation_suspend(Relation *rel, Lsn lsn, const char *why)
{
    if (atomic_load(&rel->suspended) != SUSPEND_NOT)
        return;
    snprintf(rel->suspend_reason, sizeof rel->suspend_reason, "%s", why);
    rel->suspended_lsn = lsn;
    atomic_store(&rel->suspended, SUSPEND_DUE);
}

/* A foreign key between two relations in scope (by id), or to a table outside (to_id < 0). */
typedef struct ForeignKey {
    const char *name;
    int from_id, to_id; /* from_id references to_id */
    uint32_t oid;
    bool deferrable, validated;
    char on_delete; /* pg_constraint.confdeltype: a r c n d */
} ForeignKey;

/* A table of the task that the source has no more, while its copy may still be on the target. */
typedef struct GoneTable {
    const char *schema, *name, *display, *reason;
    uint32_t oid;
    Lsn suspended_lsn;
} GoneTable;

typedef struct Relations {
    Arena *arena;
    int count;
    Relation **all;
    int foreign_key_count;
    ForeignKey *foreign_keys;
    int gone_count;
    GoneTable *gone;
    Map by_oid;  /* key: &rel->oid */
    Map by_name; /* key: schema '\0' name */
    /* Of the roots among `all`, with ids from `count` on; found by oid and name in these maps only. */
    int leaf_count;
    Relation **leaves;
    Map leaf_by_oid, leaf_by_name;
} Relations;

static inline Relation *relations_by_oid(const Relations *rels, uint32_t oid)
{
    return map_get(&rels->by_oid, &oid, sizeof oid);
}
/* Names as the plugin sends them: raw, not quoted. `key` = schema NUL name, len without a last NUL. */
static inline Relation *relations_by_name(const Relations *rels, const char *key, size_t len)
{
    return map_get(&rels->by_name, key, len);
}

/* The relation that has the rows of this table: itself, or the root of a leaf. */
static inline Relation *relations_holder(const Relations *rels, uint32_t oid)
{
    Relation *rel = relations_by_oid(rels, oid);
    Relation *leaf = rel != NULL ? NULL : map_get(&rels->leaf_by_oid, &oid, sizeof oid);
    return leaf != NULL ? leaf->root : rel;
}

static inline const char *table_state_name(int state)
{
    static const char *const NAMES[TABLE_STATE_COUNT] = {
        "Before load", "Full load", "Table completed", "Table cancelled", "Table error"};
    return state >= 0 && state < TABLE_STATE_COUNT ? NAMES[state] : "unknown";
}

#define TABLE_PAUSED_NAME "Table paused"

/* In front of the reason why it is left out. */
static inline const char *pause_word(int paused)
{
    return paused == PAUSE_KEPT   ? "paused"
           : paused == PAUSE_LOST ? "paused, and copied again when it is resumed"
                                  : "suspended";
}

/* For people: a suspended table is in error until it is copied again. */
static inline const char *relation_state_name(const Relation *rel)
{
    int state = atomic_load(&rel->load_state);
    if (atomic_load(&rel->paused) != PAUSE_NOT)
        return TABLE_PAUSED_NAME;
    bool suspended = atomic_load(&rel->suspended) != SUSPEND_NOT;
    return table_state_name(suspended && state == TABLE_COMPLETED ? TABLE_ERROR : state);
}

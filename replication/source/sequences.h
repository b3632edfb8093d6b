/*
 * sequences - every sequence of the source in scope (owned or not), and raising those of the target.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"

typedef struct Sequence {
    const char *schema, *name;
    const char *target_schema, *target_name; /* the same, or as sequences_name() found */
    const char *owner_column;                /* of owner_oid; "" none */
    int64_t last_value;
    bool is_called;
    int64_t increment, min_value, max_value, cache, start;
    bool cycle;
    uint32_t
        owner_oid; /* table whose column owns it (of a partition: the topmost root); 0 standalone */
    const char *users; /* oids of the tables whose defaults draw from it, "1 2"; "" none */
    int64_t set_to;    /* what sequences_raise() set on the target */
    bool raised;
    bool leave; /* the target's draws numbers of its own, which need not be raised */
} Sequence;

typedef struct Sequences {
    int count;
    Sequence *all;
} Sequences;

/* Every sequence but those of extensions and of schema bascule. Wants SELECT on them. */
MUST_CHECK bool sequences_read(PgConn *source, Arena *arena, Sequences *out_sequences, Error *err);
/* The same without their values: asks the catalog only. */
MUST_CHECK bool sequences_define(PgConn *conn, Arena *arena, Sequences *out_sequences, Error *err);
/* The values of these, by the names that they have there. Wants SELECT on them. */
MUST_CHECK bool sequences_read_values(PgConn *conn, Sequences *sequences, bool on_target,
                                      Error *err);
/* Forgets the sequences that belong to tables out of scope; standalone ones stay, and those that the
 * default of a column in scope draws from. */
void sequences_keep_scope(Sequences *sequences, const Relations *rels);
/* Where tables have other names on the target: which sequence there is meant. One that a renamed table
 * owns there for the same column; else of the same name, in the schema that its schema's tables move to. */
MUST_CHECK bool sequences_name(PgConn *target, Arena *arena, const Relations *rels,
                               Sequences *sequences, Error *err);
/* target := the later (in the direction of increment) of its own value and the source's moved on by
 * max(margin, cache, 32) increments; never moved back, but for one that cycles, which follows the source. Where less is left before the sequence's end, half
 * of what is left is taken, so that the margin never exhausts a sequence. A sequence that the target lacks
 * is SCHEMA_DIFFERS. One round trip for each 100 sequences. `apart`: where both sides draw numbers that the
 * other never does (sequences_disjoint), it stays so: raised in the target's own steps, or not at all. */
MUST_CHECK bool sequences_raise(PgConn *target, Sequences *sequences, int64_t margin, bool apart,
                                int *out_raised, Error *err);

/* sequences_apart.c */
/* They never give the same number, from where they stand: by their steps (2 and 2, odd and even) or by
 * their limits. */
bool sequences_disjoint(const Sequence *a, const Sequence *b);
/* What set_to has to be, so that those that are disjoint stay so. */
MUST_CHECK bool sequences_keep_apart(PgConn *target, Sequences *sequences, Error *err);

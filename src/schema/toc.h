/*
 * toc - the table of contents of a dump, as `pg_restore --list` prints it.
 *
 * A line is "dump id; catalog oid, object oid, kind, schema, name, owner"; the kind is one or more
 * words, the name may hold blanks: so objects are told apart by catalog and oid, never by the words
 * behind them. In the verbose form a line ";	depends on: ids" may follow; that form lists all
 * sections.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/base/buf.h"

typedef enum TocKind {
    TOC_OTHER,
    TOC_SCHEMA,
    TOC_TABLE, /* and all else that is a relation: view, sequence, foreign table */
    TOC_TABLE_ATTACH,
    TOC_REPEATABLE, /* may be run again over itself: default, owned by, default privileges */
    TOC_EXTENSION_COMMENT,
    TOC_NOTE, /* comment, grant or label: names its object in words */
    TOC_INDEX,
    TOC_CONSTRAINT,
    TOC_FK_CONSTRAINT,
    TOC_COMMON,  /* index attach, statistics: of several tables or of a partitioned one */
    TOC_TRIGGER, /* trigger, rule, policy, row security: after the data */
    TOC_EVENT_TRIGGER,
    TOC_NEVER, /* publications and subscriptions: they belong to the old server */
} TocKind;

typedef struct TocEntry {
    int order; /* place in the dump */
    int dump_id;
    uint32_t catalog, oid; /* 0: none */
    TocKind kind;
    const char *words;  /* kind, schema, name, owner */
    const char *name;   /* in words, behind the kind: schema, name, owner */
    const int *depends; /* dump ids */
    int depend_count;
    bool outside; /* cannot be restored: needs something that is out of scope */
} TocEntry;

typedef struct Toc {
    TocEntry *entries;
    int count;
} Toc;

/* PROTOCOL when a line is not of this form. */
MUST_CHECK bool toc_parse(Arena *arena, const char *text, Toc *out_toc, Error *err);
/* `depends` of the entries, from what `pg_restore --list --verbose` prints. */
void toc_parse_depends(Arena *arena, const char *text, Toc *const *tocs, int toc_count);
/* Entries without an oid of their own (comments, grants, attaches) are outside when what they are
 * about is. */
void toc_spread_outside(Toc *const *tocs, int toc_count);

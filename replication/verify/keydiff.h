/*
 * keydiff - rows of one table, named by their keys, read on both sides and held against each other.
 *
 * Where    each session reads in the transaction that it is in (twin_begin() makes two that belong
 *          together; frozen sides need none). The result is as exact as that.
 * Values   are the types' output text under the pinned settings of a session; keys are given the
 *          same way, one text a key column (Relation.key), never NULL.
 * Cost     one statement a side for all keys; rows of all keys are in memory at once, so callers
 *          ask for some thousand at a time.
 * Errors   SCHEMA_DIFFERS-like refusals of the server come as they are (ERR_SQL), CONN_LOST.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "sqltext/sqltext.h"

typedef enum KeyDiffKind {
    KEYDIFF_EQUAL,          /* both have it and every column is the same; or neither has it */
    KEYDIFF_MISSING,        /* the target lacks the row */
    KEYDIFF_EXTRA,          /* the source lacks the row */
    KEYDIFF_DIFFERENT,      /* columns differ */
    KEYDIFF_REPRESENTATION, /* columns differ only in how the same number is written (-0, 1.0) */
    KEYDIFF_KIND_COUNT,
} KeyDiffKind;

const char *keydiff_kind_name(KeyDiffKind kind); /* "missing", ... */

typedef struct KeyDiff {
    KeyDiffKind kind;
    const char *const *key; /* the caller's */
    const char **source;    /* one text a column of rel, NULL is SQL NULL; NULL: no such row */
    const char **target;    /* the same */
    const int *columns;     /* those that differ, index into rel->columns */
    int column_count;
} KeyDiff;

/* keys[i] holds rel->key_count texts. out_diffs has room for count. Everything lives in `arena`. */
MUST_CHECK bool keydiff_read(PgConn *source, PgConn *target, const Relation *rel,
                             const char *const *const *keys, int count, Arena *arena,
                             KeyDiff *out_diffs, Error *err);
/* "different: id=*** (4 bytes) in column v", for logs, status and refusals, which hold no values; a
 * verification names the row. */
void keydiff_describe(const Relation *rel, const KeyDiff *diff, char *out, size_t size);
/* Judges two rows that are in memory: fills kind, columns. */
void keydiff_judge(const Relation *rel, KeyDiff *diff, Arena *arena);
/* The key's own index finds its rows on both sides: a built-in type, or one whose operator = is known
 * there (enums, citext, ...). Where that operator takes other texts for the same, more is found than
 * was asked for, and compared: never less. */
bool keydiff_by_index(const Relation *rel);
/* Do two texts of a column of this type stand for the same number? */
bool keydiff_same_number(uint32_t base_type_oid, const char *a, const char *b);
/* The rows of `keys` on one side, NULL where there is none. */
MUST_CHECK bool keydiff_rows(PgConn *conn, bool on_source, const Relation *rel,
                             const char *const *const *keys, int count, Arena *arena,
                             const char ***out_rows, Error *err);

/* For other questions about rows named by their keys: " FROM <keys> w JOIN <table> t ON ...", with w.place
 * the number of the key from 1, and its parameters, with room for `more` behind them. */
void keydiff_put_rows(SqlText *st, const Relation *rel, bool on_source);
PgParam *keydiff_params(const Relation *rel, const char *const *const *keys, int count,
                        Arena *arena, int more);

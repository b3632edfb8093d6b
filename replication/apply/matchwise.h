/*
 * matchwise - updates and deletes of a table whose rows have no key, many in one statement: the table
 * is read once for all of them, whatever their number.
 *
 * A few are done one by one, where an index of the table may find them.
 */
#pragma once

#include "apply/fold.h"
#include "apply/session.h"

#define MATCHWISE_FROM    4     /* fewer are looked up one by one */
#define MATCHWISE_ROWS    50000 /* a statement; each reads the table */
#define MATCHWISE_BYTES   ((size_t)32 << 20)
#define MATCHWISE_COLUMNS 1600 /* a function scan has no more, less one */

/* An update of the row that no UPDATE can express: an identity column (GENERATED ALWAYS) changes. */
bool matchwise_must_replace(const Shape *shape, const FoldRow *row);
/* Those rows of the set that `takes` chooses. */
typedef bool MatchTakes(const Session *session, const Shape *shape, const FoldRow *row);
MUST_CHECK bool matchwise_run(Session *session, const Shape *shape, const FoldSet *set,
                              ChangeKind kind, MatchTakes *takes, Error *err);

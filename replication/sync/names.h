/*
 * names - may a row that wal2json sent under a name that is not among ours belong to one of our tables?
 *
 * wal2json names tables as they were called when the row was written; it does not number them. A table
 * that is renamed, written and renamed back leaves rows under a name that no catalog knows any more.
 * But each renaming writes the table's row in pg_class (or its schema's in pg_namespace), and its xmin
 * stays changed. So before such a row is passed over, the source is asked, with a snapshot that sees the
 * row's transaction, whether any of our tables was written since the look before. Those that were are
 * suspects for transactions between the two looks; one whose columns fit the row is taken for it.
 *
 * Cost     one short query a transaction of foreign rows at most, none for those that the last snapshot
 *          saw.
 * Threads  the reader's.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"
#include "wire/decoder.h"

typedef struct Names Names;

/* What each relation's `shape` says is the look before the first one. */
Names *names_new(const PgEndpoint *source, const Relations *rels, StopToken *stop);
void names_free(Names *names);  /* NULL is fine */
void names_reset(Names *names); /* closes the session */
/* ReaderSpec.foreign_row; arg is the Names. */
MUST_CHECK bool names_foreign_row(void *arg, const Decoder *decoder, uint32_t xid,
                                  Relation **out_rel, Error *err);

/* For tests: does a snapshot as text ("xmin:xmax:xip,...") see the transaction as ended? */
bool names_snapshot_sees(const char *snapshot, uint32_t xid);

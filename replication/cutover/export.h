/*
 * export - writes down what the side that is left has committed and the other side does not have: one
 * JSON object a change, before it is given up.
 *
 * Reads    a temporary copy of the slot of the stream, from the position that is applied on. The slot
 *          itself and whoever streams from it are not touched.
 * File     NDJSON, 0600, NAME.partial until export_finish() has flushed it. First line: where from;
 *          then a line a change, whole transactions in commit order; last line: how many. Not
 *          encrypted: it holds rows.
 * Errors   SLOT_LOST when the WAL is gone. DISK_FULL, IO: the file.
 */
#pragma once

#include "bascule/base/sha256.h"
#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct ExportSpec {
    PgEndpoint from;
    const char *task, *slot, *publication; /* publication: with pgoutput */
    Lsn from_lsn;                          /* what is committed before it is on the other side */
    PgConn *control; /* to where the task's tables are recorded; used by export_open() only */
    const Relations *rels;
    const char *directory; /* exists; NULL: only counted */
} ExportSpec;

typedef struct ExportTotals {
    int64_t transactions, changes; /* transactions: those that changed a table of the task */
    int64_t bytes;
    Lsn from_lsn, up_to_lsn;
    int64_t first_us, last_us; /* commit times; 0 unknown */
    char file[512];            /* "" only counted */
    char sha256[SHA256_HEX_SIZE];
} ExportTotals;

typedef struct Export Export;

MUST_CHECK bool export_open(const ExportSpec *spec, Export **out_export, Error *err);
/* The session's waits end with this token from now on. */
void export_set_stop(Export *export, StopToken *stop);
/* Everything that is committed by now and was not read yet. */
MUST_CHECK bool export_read(Export *export, Error *err);
/* What was read so far. */
const ExportTotals *export_totals(const Export *export);
/* The last line; the file and its directory are on disk when it returns. */
MUST_CHECK bool export_finish(Export *export, Error *err);
/* keep false: the file is removed. NULL is fine. */
void export_close(Export *export, bool keep);

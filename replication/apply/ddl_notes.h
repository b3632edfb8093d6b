/*
 * ddl_notes - statements of the source that it tells of itself in the stream (source/capture.h): read from
 * the message, kept on the target in the transaction that moves the resume row past them.
 *
 * Anybody may write messages under our prefix: what does not read as ours is passed over, and what the
 * target cannot store is left out with a word in the log.
 */
#pragma once

#include "bascule/model/lsn.h"
#include "bascule/port/pgconn.h"

typedef struct DdlNote {
    char tag[64], kind[64], name[600];
    uint32_t table_oid;
    char statement[4096]; /* "" withheld */
} DdlNote;

bool ddl_note_parse(const char *content, size_t len, DdlNote *out);
MUST_CHECK bool ddl_note_write(PgConn *target, const char *task, Lsn end_lsn, int number,
                               const DdlNote *note, Error *err);

/*
 * frames - the CopyBoth messages of the streaming replication protocol (PostgreSQL manual,
 * "Streaming Replication Protocol"): 'w' XLogData, 'k' keepalive from the server, 'r' status from
 * us. Pure functions over bytes; positions and lengths are checked.
 */
#pragma once

#include "bascule/base/error.h"
#include "bascule/model/lsn.h"

typedef enum FrameKind { FRAME_DATA, FRAME_KEEPALIVE } FrameKind;

typedef struct Frame {
    FrameKind kind;
    Lsn data_start;       /* DATA: 0 for relation and type messages */
    Lsn wal_end;          /* the server's WAL end as it knew */
    int64_t sent_us;      /* server's wall clock, since 1970 */
    bool reply_requested; /* KEEPALIVE */
    char *payload;        /* DATA */
    size_t payload_len;
} Frame;

MUST_CHECK bool frame_read(char *data, size_t len, Frame *out_frame, Error *err);

#define FRAME_STATUS_BYTES 34
/* Writes an 'r' message. flush moves the slot: only a durable position may be given (feedback.h).
 */
void frame_write_status(Lsn received_lsn, Lsn durable_lsn, int64_t wall_us, bool reply_now,
                        char out[FRAME_STATUS_BYTES]);

/*
 * start - opens a walsender session and starts the stream, after a look at the slot.
 *
 * Place    replication/stream; called by the reader only.
 * Errors   SLOT_LOST: changes that the target lacks are gone; SLOT_BUSY: somebody else holds the
 * slot (also our own session of before, until the server notices); TARGET_STATE: the resume
 *          position is none, or beyond the source's WAL.
 */
#pragma once

#include "bascule/port/pgconn.h"

typedef struct StartSpec {
    const PgEndpoint *endpoint;
    const char *slot_name;
    const char *plugin;
    const char *publication;
    Lsn resume_lsn;
} StartSpec;

/* *out_silence_us: how long the server bears silence from us; 0: for ever. */
MUST_CHECK bool start_check(const StartSpec *spec, int64_t *out_silence_us, Error *err);
/* The slot is held by the session with this pid: the server's side of the stream is there. */
MUST_CHECK bool start_alive(const StartSpec *spec, uint32_t pid, bool *out_alive, Error *err);
/* A session that streams, or NULL. Notices go to `notice`. */
MUST_CHECK PgConn *start_stream(const StartSpec *spec,
                                void (*notice)(void *arg, const char *sqlstate,
                                               const char *message),
                                void *notice_arg, Error *err);

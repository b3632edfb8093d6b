/*
 * pooler - one PgBouncer, through its admin console.
 *
 * A line is "KEY=VALUE ..." as libpq takes it (host, port, user, passfile, ...), and two keys of ours:
 * databases=NAME[,NAME...], the entries that lead to what moves, and file=PATH, the file that holds
 * them. Without file the entries are somebody else's to change.
 * Secrets  no password in the line; passfile, or the option traffic.password.
 * Bounded  every command has a deadline. PAUSE returns when no client is inside a transaction any more,
 * which may be never; RESUME then takes it back, on a session of its own.
 */
#pragma once

#include "bascule/base/stop.h"
#include "bascule/port/pgconn.h"
#include "task/pooler_entry.h"

typedef struct Pooler {
    const char *conninfo;
    const char *shown; /* "127.0.0.1:6432" */
    const char **databases;
    int database_count;
    const char *file; /* NULL none */
    bool paused;      /* by us, as far as we know */
} Pooler;

typedef struct PoolerEntry {
    bool found, paused;
    char host[256], port[16], database[128], pool_mode[32];
} PoolerEntry;

/* CONFIG names what is wrong. `password` may be NULL. */
MUST_CHECK bool pooler_parse(const char *line, const char *password, Arena *arena,
                             Pooler *out_pooler, Error *err);
/* What it says of one of its databases. */
MUST_CHECK bool pooler_look(const Pooler *pooler, const char *database, int64_t deadline_us,
                            PoolerEntry *out_entry, Error *err);
/* PAUSE of all its databases; `stop` ends it too. On failure pooler_resume() takes it back. */
MUST_CHECK bool pooler_pause(Pooler *pooler, int64_t deadline_us, StopToken *stop, Error *err);
/* Rewrites the file (where there is one), RELOAD, and checks that the entries lead there. */
MUST_CHECK bool pooler_move(const Pooler *pooler, const PoolerPlace *place, int64_t deadline_us,
                            Error *err);
/* RESUME of those that are paused. */
MUST_CHECK bool pooler_resume(Pooler *pooler, int64_t deadline_us, Error *err);
/* Some of its databases are paused, by whomever. */
MUST_CHECK bool pooler_is_paused(const Pooler *pooler, int64_t deadline_us, bool *out_paused,
                                 Error *err);
/* The file can be rewritten and holds every entry; CONFIG says what is wrong. */
MUST_CHECK bool pooler_file_fits(const Pooler *pooler, Error *err);

/*
 * tools - pg_dump and pg_restore as child processes. Passwords go through the environment; the rest
 * of the connection string stands in argv.
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/base/stop.h"
#include "bascule/port/pgconn.h"

typedef struct SchemaTools {
    const char *pg_dump, *pg_restore; /* paths, or names for PATH */
    int major;
} SchemaTools;

/* Finds a pg_dump of `source_major`, else the next newer one, in PATH and in Debian's
 * /usr/lib/postgresql/N/bin. UNSUPPORTED names the package to install. */
MUST_CHECK bool tools_find(Arena *arena, int source_major, int target_major, StopToken *stop,
                           SchemaTools *out_tools, Error *err);

/* Schema only, custom format, into `file`. */
MUST_CHECK bool tools_dump(const SchemaTools *tools, const PgEndpoint *source, const char *file,
                           StopToken *stop, Error *err);
/* The whole database but schema bascule, under a snapshot that some session has exported. pg_dump
 * flushes the file. */
MUST_CHECK bool tools_backup(const SchemaTools *tools, const PgEndpoint *server, const char *file,
                             const char *snapshot, StopToken *stop, Error *err);
/* The table of contents of a section, or (section NULL) all of it, verbose: with what depends on
 * what. */
MUST_CHECK bool tools_list(const SchemaTools *tools, const char *file, const char *section,
                           StopToken *stop, Buf *out, Error *err);

typedef struct RestoreSpec {
    const char *dump, *list; /* files */
    bool one_transaction;    /* all or nothing; else `jobs` sessions, stopping at the first error */
    int jobs;
    bool keep_owners, keep_grants;
} RestoreSpec;
MUST_CHECK bool tools_restore(const SchemaTools *tools, const PgEndpoint *target,
                              const RestoreSpec *spec, StopToken *stop, Error *err);

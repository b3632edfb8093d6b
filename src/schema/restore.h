/*
 * restore - lists of a dump's entries, restored each in one transaction: all of it or nothing.
 *
 * Place    src/schema only.
 * Order    entries are restored in the dump's own order, whatever the order they were added in.
 * Size     a transaction holds a lock on everything that it makes: lists are cut where the target's
 * lock table might be too small for them.
 */
#pragma once

#include "bascule/base/arena.h"
#include "schema/toc.h"
#include "schema/tools.h"

#define RESTORE_BATCH 500

typedef struct RestoreList {
    const TocEntry **entries;
    int count, capacity;
} RestoreList;

#define RESTORE_LIST_INIT ((RestoreList){0})

typedef struct RestoreAt {
    const SchemaTools *tools;
    const PgEndpoint *target;
    StopToken *stop;
    const char *directory, *dump;
    bool keep_owners, keep_grants;
    int jobs;
} RestoreAt;

void restore_list_add(RestoreList *list, const TocEntry *entry);
void restore_list_done(RestoreList *list);
/* All of it, or nothing. */
MUST_CHECK bool restore_at_once(const RestoreAt *at, RestoreList *list, Error *err);
/* In transactions of RESTORE_BATCH entries. */
MUST_CHECK bool restore_in_batches(const RestoreAt *at, RestoreList *list, Error *err);
/* By `jobs` sessions, each entry by itself. */
MUST_CHECK bool restore_in_parallel(const RestoreAt *at, RestoreList *list, Error *err);
/* The file of a list, 0600. */
MUST_CHECK bool restore_write_list(const char *path, const char *lines, Error *err);

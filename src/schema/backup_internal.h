/* backup_internal - what making a backup and restoring it share. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "schema/backup.h"
#include "schema/toc.h"

/* As a parameter; `text` holds it. */
static inline PgParam number(int64_t value, char text[32])
{
    snprintf(text, 32, "%lld", (long long)value);
    return PG_TEXT(text);
}

/* The rows of a table. */
static inline bool backup_is_data(const TocEntry *entry)
{
    return strncmp(entry->words, "TABLE DATA ", strlen("TABLE DATA ")) == 0;
}

/* The place of a sequence. */
static inline bool backup_is_sequence_set(const TocEntry *entry)
{
    return strncmp(entry->words, "SEQUENCE SET ", strlen("SEQUENCE SET ")) == 0;
}

/* The tables that rels are on the target; a partitioned one is its partitions. now_oid 0: not there. */
MUST_CHECK bool backup_find_tables(PgConn *target, const Relations *rels, Arena *arena,
                                   BackupTable **out_tables, int *out_count, Error *err);
MUST_CHECK bool backup_count_rows(PgConn *target, const BackupTable *table, int64_t *out_rows,
                                  Error *err);
MUST_CHECK bool backup_write_table(PgConn *target, int64_t backup, const BackupTable *table,
                                   bool was_there, Error *err);

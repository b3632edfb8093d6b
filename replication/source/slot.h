/*
 * slot - logical replication slots and the snapshot that belongs to one.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef enum PluginChoice { PLUGIN_AUTO, PLUGIN_WAL2JSON, PLUGIN_PGOUTPUT } PluginChoice;

/* Probes by creating a temporary slot. ERR_PLUGIN with the exact remedy (output_plugin_libraries or
 * the missing package) when the server refuses it. Leaves nothing behind. */
MUST_CHECK bool slot_probe_plugin(const PgEndpoint *source, const char *plugin, Error *err);
/* Decides 'auto': wal2json where it is usable and lossless for the tables in scope (no float4, float8,
 * numeric base-type column: 2.5 turns NaN into null), else pgoutput; out_why says why in one sentence.
 * An explicit choice is probed and held against the same facts. */
MUST_CHECK bool slot_choose_plugin(const PgEndpoint *source, PluginChoice choice,
                                   const Relations *rels, const char **out_plugin, char *out_why,
                                   size_t why_size, Error *err);

typedef struct SlotSnapshot SlotSnapshot;
/* Creates the slot (temporary: gone with this object; else permanent) and exports its snapshot through a
 * holder transaction, so that any number of sessions can import snapshot_id while this object lives.
 * Waits for running transactions at most wait_us (lock_timeout), then SLOT with the pids, ages and
 * users that it waited for. On failure nothing stays behind. */
MUST_CHECK bool slot_create(const PgEndpoint *source, const char *slot_name, const char *plugin,
                            bool temporary, int64_t wait_us, SlotSnapshot **out_snapshot,
                            Error *err);
Lsn slot_snapshot_lsn(const SlotSnapshot *snapshot);        /* consistent point */
const char *slot_snapshot_id(const SlotSnapshot *snapshot); /* for SET TRANSACTION SNAPSHOT */
/* Keeps the holder's session alive and checks that it still is. */
MUST_CHECK bool slot_snapshot_check(SlotSnapshot *snapshot, Error *err);
/* A temporary slot is dropped, its snapshot lives on. */
void slot_snapshot_drop_slot(SlotSnapshot *snapshot);
void slot_snapshot_free(SlotSnapshot *snapshot); /* NULL is fine */

typedef struct SlotState {
    bool exists, active, temporary;
    char plugin[64], database[64], wal_status[16]; /* "" unknown */
    Lsn restart_lsn, confirmed_lsn;
    Lsn wal_end_lsn;        /* pg_current_wal_insert_lsn() at the same moment */
    Lsn wal_flushed_lsn;    /* what of it can have been sent: pg_current_wal_flush_lsn() */
    int64_t retained_bytes; /* PROGRESS_UNKNOWN when unknown */
    int64_t safe_wal_bytes; /* PROGRESS_UNKNOWN: no limit or unknown */
    int active_pid;
} SlotState;
MUST_CHECK bool slot_state(PgConn *source, const char *slot_name, SlotState *out_state, Error *err);
/* Terminates a walsender that still holds it, then drops; a slot that is not there is no error. */
MUST_CHECK bool slot_drop(PgConn *source, const char *slot_name, Error *err);

/* Publication for pgoutput: exactly the relations in scope (leaf tables), publish_via_partition_root off.
 * Must exist before the slot. *out_created false: it was there and fits; SLOT when it does not fit. */
MUST_CHECK bool publication_create(PgConn *source, const char *name, const Relations *rels,
                                   bool *out_created, Error *err);
/* The table is published from now on; no error when it is already. */
MUST_CHECK bool publication_add(PgConn *source, const char *name, const Relation *rel, Error *err);
MUST_CHECK bool publication_drop(PgConn *source, const char *name, Error *err);

/*
 * tables - what an operator asks of single tables while the stream goes on: more of them, one copied again,
 * one left out for a while.
 *
 * Place    replication/sync; asked by a thread of the control socket, done by the conductor between two
 *          looks, with the stream stopped for a moment.
 * Holds    a paused table has every change of transactions that ended at or before its suspended_lsn and
 *          none after it. While it is PAUSE_KEPT the slot is told nothing beyond that position.
 * Crash    what is asked is one transaction of the target: done or not, whenever the engine dies.
 */
#pragma once

#include "sync/sync.h"

typedef enum TablesAction {
    TABLES_ADD,    /* the selection grows */
    TABLES_RELOAD, /* emptied and copied again */
    TABLES_PAUSE,  /* left out; the slot keeps what comes */
    TABLES_RESUME, /* the stream goes back to where it was left */
    TABLES_ACTION_COUNT,
} TablesAction;

const char *tables_action_name(TablesAction action);
/* false: no such word. */
bool tables_action_parse(const char *word, TablesAction *out_action);

typedef struct TablesDone {
    const char *table;  /* schema.table */
    const char *result; /* "paused", "resumed", "copied again", "added", "unchanged" */
    const char *note;   /* a sentence, "" none */
} TablesDone;

typedef struct TablesAsk {
    TablesAction action;
    const char *const *patterns; /* schema.table with wildcards */
    int count;
    Arena *arena; /* of what comes back */
    /* the answer */
    TablesDone *tables;
    int table_count;
} TablesAsk;

/* Waits until it is done. USAGE: a pattern that names nothing. WRONG_STATE: not streaming, a cutover runs, a
 * table is being copied again, or is suspended for another reason. CONN_LOST: it may be done. */
MUST_CHECK bool sync_tables(Sync *sync, TablesAsk *ask, Error *err);

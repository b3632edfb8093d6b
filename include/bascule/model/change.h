/*
 * change - one row operation of a committed source transaction, as a decoder delivers it.
 *
 * Both decoders deliver the same changes for the same WAL:
 *  INSERT    new_values complete (a value per column; no UNCHANGED)
 *  UPDATE    new_values, where columns that the source did not send are UNCHANGED. The key columns
 *            (rel->key) are never UNCHANGED unless old_values is NULL-keyed.
 *            old_values is NULL when the key did not change under identity default/index. Otherwise
 *            it holds the old key (other columns UNCHANGED), or under identity full the whole old row.
 *  DELETE    new_values NULL; old_values as above, never NULL.
 *  TRUNCATE  truncate_count relations in one statement; values NULL. From a decoder it may hold leaves of a
 *            root; the assembly makes the root of them, or a SUSPEND when only some were emptied.
 *  MESSAGE   a logical message (prefix, content); transactional ones stand inside their transaction.
 *  SUSPEND   not of the source: what follows of this relation cannot be read; content says why.
 * All memory is of the Flow's arena.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/value.h"

typedef enum ChangeKind {
    CHANGE_INSERT,
    CHANGE_UPDATE,
    CHANGE_DELETE,
    CHANGE_TRUNCATE,
    CHANGE_MESSAGE,
    CHANGE_SUSPEND,
} ChangeKind;

typedef struct Change {
    struct Change *next;
    Relation *rel; /* NULL for MESSAGE and TRUNCATE */
    Value *new_values;
    Value *old_values;
    Relation **truncated; /* TRUNCATE */
    int truncated_count;
    bool truncate_cascade; /* as the source said it (pgoutput); informative */
    bool truncate_restart;
    const char *prefix; /* MESSAGE, NUL-terminated */
    Value content;      /* MESSAGE, SUSPEND */
    uint8_t kind;       /* ChangeKind */
} Change;

/*
 * decoder - plugin bytes to changes; one interface, two implementations (wal2json, pgoutput).
 *
 * A decoder sees the payload of each 'w' frame in order. It parses in place inside `data` (which it
 * may overwrite) and allocates only from the arena it is given; values are slices of the message,
 * so the caller copies the payload into the arena first. Does not assemble transactions, does not
 * know sockets or SQL. Errors   DECODE for what it does not understand; SCHEMA_CHANGED when a
 * message's columns do not fit the Relation (unknown column, column missing that is not TOAST,
 * dropped identity). Both deliver the same changes for the same WAL (see model/change.h for the
 * contract).
 */
#pragma once

#include "bascule/model/change.h"

typedef enum DecodedKind {
    DECODED_NOTHING, /* a message without meaning for us (other tables, relation message, ...) */
    DECODED_BEGIN,
    DECODED_CHANGE,
    DECODED_COMMIT,
    DECODED_MESSAGE, /* non-transactional logical message: stands outside any transaction */
} DecodedKind;

typedef struct Decoded {
    DecodedKind kind;
    Change *change;         /* CHANGE (one, or a TRUNCATE), MESSAGE */
    uint32_t xid;           /* BEGIN, COMMIT */
    Lsn commit_lsn;         /* BEGIN, COMMIT: start of the commit record */
    Lsn end_lsn;            /* COMMIT: end of it */
    int64_t commit_time_us; /* BEGIN or COMMIT, since 1970; 0 unknown */
} Decoded;

typedef struct Decoder Decoder;
struct Decoder {
    const char *plugin; /* "wal2json", "pgoutput" */
    /* After SCHEMA_CHANGED: the relation whose rows cannot be read. NULL: not known. */
    Relation *misfit;
    /* wal2json names tables, it does not number them: after NOTHING, the names of a table that is not
     * among ours (NULL: none), and what of its message was not read. */
    const char *foreign_schema, *foreign_table;
    size_t foreign_schema_len, foreign_table_len;
    const char *foreign_rest;
    size_t foreign_rest_len;
    char foreign_action;
    MUST_CHECK bool (*decode)(Decoder *decoder, char *data, size_t len, Arena *arena,
                              Decoded *out_decoded, Error *err);
    /* A glance: false when nothing of the message is kept (BEGIN, COMMIT, ...), so that it may be
     * decoded where it lies. */
    bool (*keeps)(const char *data, size_t len);
    void (*reset)(Decoder *decoder); /* a new START_REPLICATION: forget what the session told */
    void (*free)(Decoder *decoder);
};

/* `rels` is borrowed and must outlive the decoder. Changes of relations not in it decode to
 * NOTHING, and so do those of relations marked `unread` and of transactions older than a relation's copy (commit_lsn < start_lsn):
 * they are in the copy, and the table may have had another shape then. */
Decoder *wal2json_new(const Relations *rels);
Decoder *pgoutput_new(const Relations *rels);

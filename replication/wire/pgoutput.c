/*
 * pgoutput - decoder of the logical replication protocol, version 1, values as text
 * (PostgreSQL manual, "Logical Replication Message Formats").
 *
 * A relation message says which columns the rows that follow have; it is held against our Relation
 * once, and its misfit is raised by the first row that counts. Each length is checked against what
 * is left of the message.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"
#include "wire/decoder.h"
#include "wire/reading.h"
#include "wire/row.h"

#define COLUMN_SKIPPED (-1) /* a column that does not travel */

/* What the stream says of one relation, by its OID on the source. */
typedef struct SentRelation {
    uint32_t oid;     /* key of the map */
    Relation *rel;    /* NULL: not ours */
    Relation *leaf;   /* the partition that it is, when rel is its root; else NULL */
    Error *misfit;    /* why rows of it cannot be read; NULL: they can */
    int count;        /* columns of a row */
    int *column;      /* index in rel->columns, or COLUMN_SKIPPED */
    uint8_t *flags;   /* 1: part of the replica identity */
    bool key_watched; /* our key is part of it: an update without old key left our key alone */
} SentRelation;

typedef struct Pgoutput {
    Decoder base;
    const Relations *rels;
    Map sent; /* SentRelation by oid */
    SentRelation *last;
    Value *identity; /* room for one row, used again for each message */
    Lsn commit_lsn;  /* of the transaction that is open */
} Pgoutput;

/* Reading ------------------------------------------------------------------------------------ */

static bool at_end(const Bytes *b, Error *err)
{
    return b->p == b->end || damaged(b, err);
}

/* Relations ---------------------------------------------------------------------------------- */

static void sent_free(SentRelation *sent)
{
    if (sent == NULL)
        return;
    free(sent->misfit);
    free(sent->column);
    free(sent->flags);
    free(sent);
}

static void forget_all(Pgoutput *g)
{
    size_t cursor = 0;
    for (MapEntry *e; (e = map_next(&g->sent, &cursor)) != NULL;)
        sent_free(e->value);
    map_clear(&g->sent);
    g->last = NULL;
}

static SentRelation *sent_find(Pgoutput *g, uint32_t oid)
{
    if (g->last == NULL || g->last->oid != oid)
        g->last = map_get(&g->sent, &oid, sizeof oid);
    return g->last;
}

/* The relation of that name, if its OID is the same; the OID of ours under another name, or our
 * name under another OID, means that the table was renamed or replaced. */
static Relation *match_relation(Pgoutput *g, uint32_t oid, const char *schema, const char *name,
                                Error *misfit)
{
    Relation *rel = relations_by_oid(g->rels, oid);
    Relation *leaf = map_get(&g->rels->leaf_by_oid, &oid, sizeof oid);
    if (leaf != NULL)
        return leaf->root;
    if (rel != NULL) {
        if (strcmp(rel->schema, schema) != 0 || strcmp(rel->name, name) != 0)
            ERR(misfit, ERR_SCHEMA_CHANGED, "table '%s' was renamed to '%s.%s'", rel->display,
                schema, name);
        return rel;
    }
    /* In the message the names lie as the map wants them: schema NUL name. */
    rel = relations_by_name(g->rels, schema, strlen(schema) + 1 + strlen(name));
    if (rel != NULL)
        ERR(misfit, ERR_SCHEMA_CHANGED, "table '%s' was replaced by another of that name",
            rel->display);
    return rel;
}

/* Every column of ours must be sent once, and nothing else but those that do not travel. */
static bool match_columns(SentRelation *sent, const char *const *names, Error *misfit)
{
    const Relation *rel = sent->rel;
    int matched = 0;
    for (int i = 0; i < sent->count; i++) {
        int column = row_find_column(rel, names[i], strlen(names[i]), matched);
        if (column == -1)
            return row_unknown_column(rel, names[i], strlen(names[i]), misfit);
        sent->column[i] = column == ROW_SKIPPED ? COLUMN_SKIPPED : column;
        matched += column != ROW_SKIPPED;
    }
    sent->key_watched = true;
    for (int k = 0; k < rel->key_count; k++)
        for (int i = 0; i < sent->count; i++)
            if (sent->column[i] == rel->key[k] && (sent->flags[i] & 1) == 0)
                sent->key_watched = false;
    for (int c = 0; c < relation_sent(rel); c++) {
        int seen = 0;
        for (int i = 0; i < sent->count; i++)
            seen += sent->column[i] == c;
        if (seen != 1)
            return ERR(misfit, ERR_SCHEMA_CHANGED, "the stream has column '%s' of table '%s' %s",
                       rel->columns[c].name, rel->display, seen == 0 ? "no more" : "twice");
    }
    return true;
}

static bool read_relation_columns(Bytes *b, SentRelation *sent, const char ***out_names)
{
    uint32_t type, typmod;
    sent->column = mem_zalloc(sizeof *sent->column * (size_t)sent->count);
    sent->flags = mem_zalloc((size_t)sent->count);
    *out_names = mem_zalloc(sizeof **out_names * (size_t)sent->count);
    for (int i = 0; i < sent->count; i++)
        if (!read_u8(b, &sent->flags[i]) || !read_name(b, &(*out_names)[i]) ||
            !read_u32(b, &type) || !read_u32(b, &typmod))
            return false;
    return b->p == b->end;
}

static void remember(Pgoutput *g, SentRelation *sent)
{
    sent_free(map_put(&g->sent, &sent->oid, sizeof sent->oid, sent));
    g->last = NULL;
}

static bool read_relation(Pgoutput *g, Bytes *b, Error *err)
{
    uint32_t oid;
    const char *schema, *name, **names = NULL;
    uint8_t identity;
    uint16_t count;
    if (!read_u32(b, &oid) || !read_name(b, &schema) || !read_name(b, &name) ||
        !read_u8(b, &identity) || !read_u16(b, &count))
        return damaged(b, err);
    SentRelation *sent = mem_zalloc(sizeof *sent);
    sent->oid = oid;
    sent->count = count;
    if (!read_relation_columns(b, sent, &names)) {
        free(names);
        sent_free(sent);
        return damaged(b, err);
    }
    Error misfit = ERROR_INIT;
    sent->rel = match_relation(g, oid, schema, name, &misfit);
    sent->leaf = map_get(&g->rels->leaf_by_oid, &oid, sizeof oid);
    if (sent->rel != NULL && misfit.cls == ERR_NONE)
        (void)match_columns(sent, names, &misfit);
    if (misfit.cls != ERR_NONE) {
        sent->misfit = mem_alloc(sizeof misfit);
        *sent->misfit = misfit;
    }
    free(names);
    remember(g, sent);
    return true;
}

/* Finds what rows of that OID look like. *out_sent is NULL when they do not concern us. */
static bool wanted(Pgoutput *g, uint32_t oid, SentRelation **out_sent, Error *err)
{
    SentRelation *sent = sent_find(g, oid);
    if (sent == NULL)
        return ERR(err, ERR_DECODE, "a change of relation %u came before its description", oid);
    *out_sent = NULL;
    if (sent->rel == NULL || sent->rel->unread || g->commit_lsn < relation_begins(sent->rel))
        return true;
    g->base.misfit = sent->rel;
    if (sent->misfit != NULL) {
        *err = *sent->misfit;
        return false;
    }
    *out_sent = sent;
    return true;
}

/* Rows --------------------------------------------------------------------------------------- */

static bool read_value(Bytes *b, Value *out_value)
{
    uint8_t kind;
    uint32_t len;
    if (!read_u8(b, &kind))
        return false;
    switch (kind) {
    case 'n':
        *out_value = (Value){.kind = VALUE_NULL};
        return true;
    case 'u':
        *out_value = (Value){.kind = VALUE_UNCHANGED};
        return true;
    case 't':
        if (!read_u32(b, &len) || !left(b, len))
            return false;
        *out_value = (Value){.data = b->p, .len = len, .kind = VALUE_TEXT};
        b->p += len;
        return true;
    default: /* binary values were not asked for */
        b->p--;
        return false;
    }
}

static bool read_tuple(Bytes *b, const SentRelation *sent, RowTuple *tuple, Error *err)
{
    uint16_t count;
    if (!read_u16(b, &count) || count != sent->count)
        return damaged(b, err);
    tuple->missing = 0;
    for (int i = 0; i < count; i++) {
        Value value;
        if (!read_value(b, &value))
            return damaged(b, err);
        if (sent->column[i] == COLUMN_SKIPPED)
            continue;
        tuple->values[sent->column[i]] = value;
        tuple->missing += value.kind == VALUE_UNCHANGED;
    }
    return true;
}

/* K: the key's columns; what else it shows as null was not sent. O: the whole old row. */
static bool read_identity(Pgoutput *g, Bytes *b, uint8_t kind, const SentRelation *sent,
                          RowTuple *tuple, Error *err)
{
    const Relation *rel = sent->rel;
    tuple->values = g->identity;
    if (!read_tuple(b, sent, tuple, err))
        return false;
    if (kind == 'O')
        return true;
    Value *values = tuple->values;
    for (int i = 0, k = 0; i < relation_sent(rel); i++) {
        bool key = false;
        for (k = 0; k < rel->key_count && !key; k++)
            key = rel->key[k] == i;
        if (!key || values[i].kind == VALUE_NULL) {
            tuple->missing += values[i].kind != VALUE_UNCHANGED;
            values[i] = (Value){.kind = VALUE_UNCHANGED};
        }
    }
    return true;
}

static bool read_new_row(Bytes *b, const SentRelation *sent, RowTuple *tuple, Arena *arena,
                         Error *err)
{
    tuple->values = arena_alloc(arena, sizeof(Value) * ((size_t)sent->rel->column_count + 1));
    return read_tuple(b, sent, tuple, err) && at_end(b, err);
}

/* Behind 'I', 'U' or 'D'. */
static bool read_row(Pgoutput *g, Bytes *b, char action, Arena *arena, Change **out_change,
                     Error *err)
{
    uint32_t oid;
    uint8_t kind;
    SentRelation *sent;
    RowTuple new_tuple = {0}, identity = {0}, *old = NULL;
    if (!read_u32(b, &oid))
        return damaged(b, err);
    if (!wanted(g, oid, &sent, err))
        return false;
    if (sent == NULL)
        return true;
    if (action != 'I' && !sent->key_watched)
        return ERR(err, ERR_SCHEMA_CHANGED,
                   "the replica identity of table '%s' no longer holds the key that bascule knows",
                   sent->rel->display);
    if (!read_u8(b, &kind))
        return damaged(b, err);
    if (action != 'I' && (kind == 'K' || kind == 'O')) {
        old = &identity;
        if (!read_identity(g, b, kind, sent, old, err))
            return false;
        if (action == 'U' && !read_u8(b, &kind))
            return damaged(b, err);
    }
    Change *change = arena_new_object(arena, Change);
    if (action == 'D') {
        if (old == NULL)
            return damaged(b, err);
        if (!at_end(b, err) || !row_delete(sent->rel, old, arena, change, err))
            return false;
    } else {
        if (kind != 'N')
            return damaged(b, err);
        if (!read_new_row(b, sent, &new_tuple, arena, err) ||
            !(action == 'I' ? row_insert(sent->rel, &new_tuple, change, err)
                            : row_update(sent->rel, &new_tuple, old, arena, change, err)))
            return false;
    }
    *out_change = change;
    return true;
}

static bool read_truncate(Pgoutput *g, Bytes *b, Arena *arena, Change **out_change, Error *err)
{
    uint32_t count, oid;
    uint8_t flags;
    if (!read_u32(b, &count) || !read_u8(b, &flags) || !left(b, (size_t)count * 4))
        return damaged(b, err);
    Change *change = arena_new_object(arena, Change);
    change->kind = CHANGE_TRUNCATE;
    change->truncate_cascade = (flags & 1) != 0;
    change->truncate_restart = (flags & 2) != 0;
    while (count-- > 0) {
        SentRelation *sent;
        if (!read_u32(b, &oid))
            return damaged(b, err);
        if (!wanted(g, oid, &sent, err))
            return false;
        if (sent != NULL)
            row_truncate_add(change, sent->leaf != NULL ? sent->leaf : sent->rel, arena);
    }
    if (!at_end(b, err))
        return false;
    if (change->truncated_count > 0)
        *out_change = change;
    return true;
}

/* Other messages ----------------------------------------------------------------------------- */

static bool read_begin(Pgoutput *g, Bytes *b, Decoded *out_decoded, Error *err)
{
    Decoded begin = {.kind = DECODED_BEGIN};
    if (!read_u64(b, &begin.commit_lsn) || !read_time(b, &begin.commit_time_us) ||
        !read_u32(b, &begin.xid))
        return damaged(b, err);
    if (!at_end(b, err))
        return false;
    g->commit_lsn = begin.commit_lsn;
    *out_decoded = begin;
    return true;
}

static bool read_commit(Pgoutput *g, Bytes *b, Decoded *out_decoded, Error *err)
{
    Decoded commit = {.kind = DECODED_COMMIT};
    uint8_t flags;
    if (!read_u8(b, &flags) || !read_u64(b, &commit.commit_lsn) || !read_u64(b, &commit.end_lsn) ||
        !read_time(b, &commit.commit_time_us))
        return damaged(b, err);
    if (!at_end(b, err))
        return false;
    g->commit_lsn = LSN_UNKNOWN;
    *out_decoded = commit;
    return true;
}

static bool read_logical_message(Bytes *b, Arena *arena, Decoded *out_decoded, Error *err)
{
    uint8_t flags;
    uint64_t lsn;
    const char *prefix;
    uint32_t len;
    if (!read_u8(b, &flags) || !read_u64(b, &lsn) || !read_name(b, &prefix) || !read_u32(b, &len) ||
        !left(b, len))
        return damaged(b, err);
    Change *change = arena_new_object(arena, Change);
    *change = (Change){.kind = CHANGE_MESSAGE,
                       .prefix = prefix,
                       .content = {.data = b->p, .len = len, .kind = VALUE_TEXT}};
    b->p += len;
    *out_decoded =
        (Decoded){.kind = (flags & 1) != 0 ? DECODED_CHANGE : DECODED_MESSAGE, .change = change};
    return at_end(b, err);
}

/* Decoder ------------------------------------------------------------------------------------ */

static bool decode(Pgoutput *g, Bytes *b, Arena *arena, Decoded *out_decoded, Error *err)
{
    uint8_t action;
    Change *change = NULL;
    if (!read_u8(b, &action))
        return damaged(b, err);
    switch (action) {
    case 'B':
        return read_begin(g, b, out_decoded, err);
    case 'C':
        return read_commit(g, b, out_decoded, err);
    case 'M':
        return read_logical_message(b, arena, out_decoded, err);
    case 'R':
        return read_relation(g, b, err);
    case 'Y': /* a type's name, */
    case 'O': /* an origin's: nothing that we need */
        return true;
    case 'I':
    case 'U':
    case 'D':
        if (!read_row(g, b, (char)action, arena, &change, err))
            return false;
        break;
    case 'T':
        if (!read_truncate(g, b, arena, &change, err))
            return false;
        break;
    default:
        return ERR(err, ERR_DECODE, "unknown message 0x%02x", action);
    }
    if (change != NULL)
        *out_decoded = (Decoded){.kind = DECODED_CHANGE, .change = change};
    return true;
}

static bool pgoutput_decode(Decoder *decoder, char *data, size_t len, Arena *arena,
                            Decoded *out_decoded, Error *err)
{
    Bytes b = {data, data, data + len};
    Decoded decoded = {.kind = DECODED_NOTHING};
    decoder->misfit = NULL;
    if (!decode((Pgoutput *)decoder, &b, arena, &decoded, err))
        return err_context(err, "pgoutput");
    *out_decoded = decoded;
    return true;
}

static bool pgoutput_keeps(const char *data, size_t len)
{
    return len > 0 && strchr("BCRYO", data[0]) == NULL;
}

static void pgoutput_reset(Decoder *decoder)
{
    Pgoutput *g = (Pgoutput *)decoder;
    forget_all(g);
    g->commit_lsn = LSN_UNKNOWN;
}

static void pgoutput_free(Decoder *decoder)
{
    Pgoutput *g = (Pgoutput *)decoder;
    forget_all(g);
    map_done(&g->sent);
    free(g->identity);
    free(g);
}

Decoder *pgoutput_new(const Relations *rels)
{
    Pgoutput *g = mem_zalloc(sizeof *g);
    size_t widest = 0;
    for (int i = 0; i < rels->count; i++)
        if ((size_t)rels->all[i]->column_count > widest)
            widest = (size_t)rels->all[i]->column_count;
    g->identity = mem_zalloc(sizeof *g->identity * (widest + 1));
    g->base = (Decoder){.plugin = "pgoutput",
                        .decode = pgoutput_decode,
                        .keeps = pgoutput_keeps,
                        .reset = pgoutput_reset,
                        .free = pgoutput_free};
    g->rels = rels;
    return &g->base;
}

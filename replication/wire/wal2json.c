/*
 * wal2json - decoder of wal2json's format-version 2 with include-lsn, include-xids and
 * include-timestamp: one JSON object a message.
 *
 * Columns arrive in the order of the table, so each is first held against the exact text that the
 * next one must begin with, {"name":"<name>","value":; what does not fit is read key by key. What a
 * value means is decided by the column of the catalog, never by the message.
 */
#include <stdlib.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "wire/decoder.h"
#include "wire/json.h"
#include "wire/row.h"
#include "wire/timestamp.h"

#define BYTEA_OID   17
#define FLOAT4_OID  700
#define FLOAT8_OID  701
#define NUMERIC_OID 1700
#define NAME_BYTES  512

typedef struct ColumnText {
    char *text; /* {"name":"<name>","value": */
    uint32_t len;
    bool bytea;        /* hex digits come without \x, but for a domain */
    bool null_is_lost; /* NOT NULL and can be NaN or Infinity, which 2.5 prints as null */
} ColumnText;

typedef struct Wal2json {
    Decoder base;
    const Relations *rels;
    Arena *arena;         /* of the texts below */
    ColumnText **columns; /* by relation id, made when a relation is first seen */
    Value *identity;      /* room for one row, used again for each message */
    Relation *last;       /* the table of the last row message: a relation, or a leaf of one */
    Lsn commit_lsn;       /* of the transaction that is open */
} Wal2json;

/* A message while it is read: what its keys have said so far. */
typedef struct Message {
    char action;
    bool transactional;
    JsonText schema, table, prefix, content; /* data NULL: not seen */
    JsonText timestamp, lsn, next_lsn;
    Relation *rel;
    Relation *leaf; /* of rel, when the message names one */
    uint32_t xid;
    RowTuple columns, identity;       /* values NULL: not seen */
    Json late_columns, late_identity; /* seen before the names: read when those are known */
} Message;

static void append_escaped(Buf *buf, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        static const char SHORT[] = "\bb\ff\nn\rr\tt\"\"\\\\";
        const char *pair = NULL;
        for (const char *s = SHORT; *s != '\0'; s += 2)
            if (*s == *name)
                pair = s;
        if (pair != NULL)
            buf_printf(buf, "\\%c", pair[1]);
        else if (c < 0x20)
            buf_printf(buf, "\\u%04x", c);
        else
            buf_putc(buf, *name);
    }
}

static ColumnText *make_columns(Wal2json *w, const Relation *rel)
{
    CLEANUP_BUF Buf buf = BUF_INIT;
    ColumnText *columns = arena_new_array(w->arena, ColumnText, rel->column_count + 1);
    for (int i = 0; i < rel->column_count; i++) {
        const Column *column = &rel->columns[i];
        buf_clear(&buf);
        buf_puts(&buf, "{\"name\":\"");
        append_escaped(&buf, column->name);
        buf_puts(&buf, "\",\"value\":");
        columns[i] =
            (ColumnText){.text = arena_dup(w->arena, buf.data, buf.len),
                         .len = (uint32_t)buf.len,
                         .bytea = column->base_type_oid == BYTEA_OID,
                         .null_is_lost = column->not_null && (column->type_oid == FLOAT4_OID ||
                                                              column->type_oid == FLOAT8_OID ||
                                                              column->type_oid == NUMERIC_OID)};
    }
    w->columns[rel->id] = columns;
    return columns;
}

/* Values ------------------------------------------------------------------------------------- */

static bool read_value(Json *json, Value *out_value, Error *err)
{
    JsonKind kind;
    JsonText text;
    if (!json_scalar(json, &kind, &text, err))
        return false;
    switch (kind) {
    case JSON_NULL:
        *out_value = (Value){.kind = VALUE_NULL};
        return true;
    case JSON_TRUE:
    case JSON_FALSE: /* the first letter of the literal is the type's own output */
        *out_value = (Value){.data = text.data, .len = 1, .kind = VALUE_TEXT};
        return true;
    default:
        *out_value = (Value){.data = text.data, .len = (uint32_t)text.len, .kind = VALUE_TEXT};
        return true;
    }
}

/* What the value of this column needs beyond its JSON. */
static bool finish_value(const Relation *rel, int column, const ColumnText *text, Value *value,
                         Error *err)
{
    if (text->bytea && value->kind == VALUE_TEXT &&
        (value->len < 2 || value->data[0] != '\\' || value->data[1] != 'x')) {
        /* The two bytes before the digits are the message's own :" and already read. */
        char *data = (char *)value->data - 2;
        data[0] = '\\';
        data[1] = 'x';
        value->data = data;
        value->len += 2;
    }
    if (text->null_is_lost && value->kind == VALUE_NULL) {
        ERR(err, ERR_UNSUPPORTED, "null came for the NOT NULL column '%s' of table '%s'",
            rel->columns[column].name, rel->display);
        return err_hint(err, "wal2json 2.5 prints NaN and Infinity as null: use 'plugin: pgoutput' "
                             "and a new full load.");
    }
    return true;
}

/* Rows --------------------------------------------------------------------------------------- */

static bool key_is(const JsonText *key, const char *name, size_t len)
{
    return key->len == len && memcmp(key->data, name, len) == 0;
}
#define KEY_IS(key, literal) key_is((key), "" literal, sizeof(literal) - 1)

/* The members of a column behind the two that matter, up to and with the brace. */
static bool skip_members(Json *json, Error *err)
{
    JsonText key;
    while (json_accept(json, ','))
        if (!json_quoted(json, &key, err) || !json_expect(json, ':', err) || !json_skip(json, err))
            return false;
    return json_expect(json, '}', err);
}

static bool read_members(Json *json, JsonText *out_name, Value *out_value, Error *err)
{
    bool has_name = false, has_value = false;
    if (!json_expect(json, '{', err))
        return false;
    do {
        JsonText key;
        if (!json_quoted(json, &key, err) || !json_expect(json, ':', err))
            return false;
        if (KEY_IS(&key, "name") && !has_name) {
            if (!json_quoted(json, out_name, err))
                return false;
            has_name = true;
        } else if (KEY_IS(&key, "value") && !has_value) {
            if (!read_value(json, out_value, err))
                return false;
            has_value = true;
        } else if (!json_skip(json, err)) {
            return false;
        }
    } while (json_accept(json, ','));
    if (!json_expect(json, '}', err))
        return false;
    return (has_name && has_value) || json_error(json, "a column with name and value", err);
}

/* One column and its value; *out_column may be ROW_SKIPPED. */
static bool read_column(Json *json, const Relation *rel, const ColumnText *texts, int next,
                        int *out_column, Value *out_value, Error *err)
{
    if (next < relation_sent(rel) && (size_t)(json->end - json->p) > texts[next].len &&
        memcmp(json->p, texts[next].text, texts[next].len) == 0) {
        json->p += texts[next].len;
        *out_column = next;
        if (!read_value(json, out_value, err))
            return false;
        if (json->p < json->end && *json->p == '}')
            json->p++;
        else if (!skip_members(json, err))
            return false;
    } else {
        JsonText name = {0};
        if (!read_members(json, &name, out_value, err))
            return false;
        *out_column = row_find_column(rel, name.data, name.len, next);
        if (*out_column == -1)
            return row_unknown_column(rel, name.data, name.len, err);
        if (*out_column == ROW_SKIPPED)
            return true;
    }
    return finish_value(rel, *out_column, &texts[*out_column], out_value, err);
}

/* An array of columns. Those between the ones that came are UNCHANGED. */
static bool read_tuple(Wal2json *w, Json *json, const Relation *rel, RowTuple *tuple, Error *err)
{
    const ColumnText *texts = w->columns[rel->id];
    Value *values = tuple->values;
    int next = 0;
    if (texts == NULL)
        texts = make_columns(w, rel);
    if (!json_expect(json, '[', err))
        return false;
    tuple->missing = 0;
    if (!json_accept(json, ']')) {
        do {
            int column;
            Value value;
            if (!read_column(json, rel, texts, next, &column, &value, err))
                return false;
            if (column == ROW_SKIPPED)
                continue;
            if (column < next) {
                if (values[column].kind != VALUE_UNCHANGED)
                    return json_error(json, "each column once", err);
                tuple->missing--;
            }
            for (; next < column; next++, tuple->missing++)
                values[next] = (Value){.kind = VALUE_UNCHANGED};
            values[column] = value;
            if (next == column)
                next++;
        } while (json_accept(json, ','));
        if (!json_expect(json, ']', err))
            return false;
    }
    for (; next < relation_sent(rel); next++, tuple->missing++)
        values[next] = (Value){.kind = VALUE_UNCHANGED};
    return true;
}

static bool text_is(const JsonText *text, const char *known)
{
    return strlen(known) == text->len && memcmp(known, text->data, text->len) == 0;
}

/* The relation of a message, once both its names are known; NULL when it is not ours. */
static Relation *find_relation(Wal2json *w, Message *m, Arena *arena)
{
    Relation *rel = w->last;
    char small[NAME_BYTES], *key = small;
    size_t len = m->schema.len + 1 + m->table.len;
    if (rel == NULL || !text_is(&m->table, rel->name) || !text_is(&m->schema, rel->schema)) {
        if (len > sizeof small)
            key = arena_bytes_alloc(arena, len);
        memcpy(key, m->schema.data, m->schema.len);
        key[m->schema.len] = '\0';
        memcpy(key + m->schema.len + 1, m->table.data, m->table.len);
        rel = relations_by_name(w->rels, key, len);
        if (rel == NULL)
            rel = map_get(&w->rels->leaf_by_name, key, len);
        if (rel == NULL)
            return NULL;
        w->last = rel;
    }
    m->leaf = rel->root != NULL ? rel : NULL;
    return m->leaf != NULL ? rel->root : rel;
}

/* Its rows are in the copy, or the table is suspended. */
static bool left_out(const Wal2json *w, const Relation *rel)
{
    return rel->unread || w->commit_lsn < relation_begins(rel);
}

/* A TRUNCATE names the root as well as its partitions, which have the rows. */
static bool is_root_itself(const Message *m)
{
    return m->rel->is_root && m->leaf == NULL;
}

static bool read_columns(Wal2json *w, Json *json, Message *m, Arena *arena, Error *err)
{
    m->columns.values = arena_alloc(arena, sizeof(Value) * ((size_t)m->rel->column_count + 1));
    return read_tuple(w, json, m->rel, &m->columns, err);
}

static bool read_identity(Wal2json *w, Json *json, Message *m, Error *err)
{
    m->identity.values = w->identity;
    return read_tuple(w, json, m->rel, &m->identity, err);
}

/* Messages ----------------------------------------------------------------------------------- */

/* null in a message that stands outside any transaction */
static bool read_xid(Json *json, uint32_t *out_xid, Error *err)
{
    JsonKind kind;
    JsonText text;
    uint64_t xid = 0;
    if (!json_scalar(json, &kind, &text, err))
        return false;
    if (kind == JSON_NULL)
        return true;
    if (kind != JSON_NUMBER)
        return json_error(json, "a transaction id", err);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return json_error(json, "a transaction id", err);
        xid = xid * 10 + (uint64_t)(text.data[i] - '0');
        if (xid > UINT32_MAX)
            return json_error(json, "a transaction id", err);
    }
    *out_xid = (uint32_t)xid;
    return true;
}

static bool read_text(Json *json, JsonText *out_text, Error *err)
{
    JsonKind kind;
    if (!json_scalar(json, &kind, out_text, err))
        return false;
    if (kind == JSON_NULL)
        *out_text = (JsonText){0};
    else if (kind != JSON_STRING)
        return json_error(json, "a string", err);
    return true;
}

static bool read_once(Json *json, JsonText *text, Error *err)
{
    if (text->data != NULL)
        return json_error(json, "each key once", err);
    return read_text(json, text, err);
}

static bool read_bool(Json *json, bool *out_value, Error *err)
{
    JsonKind kind;
    JsonText text;
    if (!json_scalar(json, &kind, &text, err))
        return false;
    *out_value = kind == JSON_TRUE;
    return kind == JSON_TRUE || kind == JSON_FALSE || json_error(json, "true or false", err);
}

static bool read_action(Json *json, char *out_action, Error *err)
{
    JsonText text;
    if (!json_quoted(json, &text, err))
        return false;
    if (text.len != 1 || *out_action != '\0')
        return json_error(json, "one action of one letter", err);
    *out_action = text.data[0];
    return true;
}

/* columns or identity: at once when the table is known, else later. */
static bool read_array(Wal2json *w, Json *json, Message *m, bool identity, Arena *arena, Error *err)
{
    RowTuple *tuple = identity ? &m->identity : &m->columns;
    Json *late = identity ? &m->late_identity : &m->late_columns;
    if (tuple->values != NULL || late->p != NULL)
        return json_error(json, "each key once", err);
    if (m->rel != NULL)
        return identity ? read_identity(w, json, m, err) : read_columns(w, json, m, arena, err);
    *late = *json;
    return json_skip(json, err);
}

static bool read_member(Wal2json *w, Json *json, Message *m, Arena *arena, Error *err)
{
    JsonText key;
    if (!json_quoted(json, &key, err) || !json_expect(json, ':', err))
        return false;
    if (KEY_IS(&key, "action"))
        return read_action(json, &m->action, err);
    if (KEY_IS(&key, "xid"))
        return read_xid(json, &m->xid, err);
    if (KEY_IS(&key, "lsn"))
        return json_quoted(json, &m->lsn, err);
    if (KEY_IS(&key, "timestamp"))
        return read_text(json, &m->timestamp, err);
    if (KEY_IS(&key, "schema"))
        return read_once(json, &m->schema, err);
    if (KEY_IS(&key, "table"))
        return read_once(json, &m->table, err);
    if (KEY_IS(&key, "columns"))
        return read_array(w, json, m, false, arena, err);
    if (KEY_IS(&key, "identity"))
        return read_array(w, json, m, true, arena, err);
    if (KEY_IS(&key, "nextlsn"))
        return json_quoted(json, &m->next_lsn, err);
    if (KEY_IS(&key, "transactional"))
        return read_bool(json, &m->transactional, err);
    if (KEY_IS(&key, "prefix"))
        return read_once(json, &m->prefix, err);
    if (KEY_IS(&key, "content"))
        return read_once(json, &m->content, err);
    return json_skip(json, err);
}

/* Reads the object. *out_foreign: it is a row of a table that is not ours; the rest was left
 * unread. */
static bool read_message(Wal2json *w, Json *json, Message *m, Arena *arena, bool *out_foreign,
                         Error *err)
{
    bool looked = false;
    if (!json_expect(json, '{', err))
        return false;
    do {
        if (!read_member(w, json, m, arena, err))
            return false;
        if (!looked && m->schema.data != NULL && m->table.data != NULL) {
            looked = true;
            m->rel = find_relation(w, m, arena);
            *out_foreign = m->rel == NULL || left_out(w, m->rel) || is_root_itself(m);
            if (*out_foreign)
                return true;
        }
    } while (json_accept(json, ','));
    if (!json_expect(json, '}', err) || !json_end(json, err))
        return false;
    if (m->rel == NULL)
        return true;
    return (m->late_columns.p == NULL || read_columns(w, &m->late_columns, m, arena, err)) &&
           (m->late_identity.p == NULL || read_identity(w, &m->late_identity, m, err));
}

static bool incomplete(const Message *m, const char *what, Error *err)
{
    return ERR(err, ERR_DECODE, "message with action '%c' has no %s", m->action, what);
}

/* As lsn_parse(), without sscanf: four of them a transaction. */
static bool parse_lsn(const JsonText *text, Lsn *out_lsn)
{
    uint64_t half[2] = {0, 0};
    size_t digits = 0;
    int part = 0;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->data[i], lower = (char)(c | 32);
        if (c == '/' && part == 0 && digits > 0) {
            part = 1;
            digits = 0;
            continue;
        }
        bool decimal = c >= '0' && c <= '9';
        if ((!decimal && (lower < 'a' || lower > 'f')) || ++digits > 8)
            return false;
        half[part] = half[part] << 4 | (uint64_t)(decimal ? c - '0' : lower - 'a' + 10);
    }
    *out_lsn = half[0] << 32 | half[1];
    return part == 1 && digits > 0;
}

static bool make_boundary(Wal2json *w, const Message *m, Decoded *out_decoded, Error *err)
{
    bool begin = m->action == 'B';
    Decoded boundary = {.kind = begin ? DECODED_BEGIN : DECODED_COMMIT, .xid = m->xid};
    if (!parse_lsn(&m->lsn, &boundary.commit_lsn) || !parse_lsn(&m->next_lsn, &boundary.end_lsn))
        return incomplete(m, "lsn and nextlsn: the option include-lsn is missing", err);
    w->commit_lsn = begin ? boundary.commit_lsn : LSN_UNKNOWN;
    if (begin && m->timestamp.data != NULL)
        timestamp_parse(m->timestamp.data, m->timestamp.len, &boundary.commit_time_us);
    *out_decoded = boundary;
    return true;
}

static bool make_logical_message(const Message *m, Arena *arena, Change *change,
                                 Decoded *out_decoded, Error *err)
{
    if (m->prefix.data == NULL || m->content.data == NULL)
        return incomplete(m, "prefix and content", err);
    *change = (Change){
        .kind = CHANGE_MESSAGE,
        .prefix = arena_dup(arena, m->prefix.data, m->prefix.len),
        .content = {.data = m->content.data, .len = (uint32_t)m->content.len, .kind = VALUE_TEXT}};
    *out_decoded =
        (Decoded){.kind = m->transactional ? DECODED_CHANGE : DECODED_MESSAGE, .change = change};
    return true;
}

static bool make_row(const Message *m, Arena *arena, Change *change, Error *err)
{
    const RowTuple *columns = m->columns.values != NULL ? &m->columns : NULL;
    const RowTuple *identity = m->identity.values != NULL ? &m->identity : NULL;
    if (columns == NULL && m->action != 'D')
        return incomplete(m, "columns", err);
    if (identity == NULL && m->action != 'I')
        return incomplete(m, "identity", err);
    switch (m->action) {
    case 'I':
        return row_insert(m->rel, columns, change, err);
    case 'U':
        return row_update(m->rel, columns, identity, arena, change, err);
    default:
        return row_delete(m->rel, identity, arena, change, err);
    }
}

static bool make_decoded(Wal2json *w, const Message *m, Arena *arena, Decoded *out_decoded,
                         Error *err)
{
    if (m->action == 'B' || m->action == 'C')
        return make_boundary(w, m, out_decoded, err);
    if (m->action == '\0' || strchr("IUDTM", m->action) == NULL)
        return ERR(err, ERR_DECODE, "message has no known action (0x%02x)",
                   (unsigned char)m->action);
    Change *change = arena_new_object(arena, Change);
    if (m->action == 'M')
        return make_logical_message(m, arena, change, out_decoded, err);
    if (m->rel == NULL)
        return incomplete(m, "schema and table", err);
    if (m->action == 'T') {
        change->kind = CHANGE_TRUNCATE;
        row_truncate_add(change, m->leaf != NULL ? m->leaf : m->rel, arena);
    } else if (!make_row(m, arena, change, err)) {
        return false;
    }
    *out_decoded = (Decoded){.kind = DECODED_CHANGE, .change = change};
    return true;
}

/* Decoder ------------------------------------------------------------------------------------ */

static void tell_foreign(Decoder *decoder, const Message *m, const Json *json)
{
    decoder->foreign_schema = m->schema.data;
    decoder->foreign_schema_len = m->schema.len;
    decoder->foreign_table = m->table.data;
    decoder->foreign_table_len = m->table.len;
    decoder->foreign_rest = json->p;
    decoder->foreign_rest_len = (size_t)(json->end - json->p);
    decoder->foreign_action = m->action;
}

static bool wal2json_decode(Decoder *decoder, char *data, size_t len, Arena *arena,
                            Decoded *out_decoded, Error *err)
{
    Wal2json *w = (Wal2json *)decoder;
    Json json = {data, data, data + len};
    Message m = {0};
    bool foreign = false;
    decoder->misfit = NULL;
    decoder->foreign_table = NULL;
    if (!read_message(w, &json, &m, arena, &foreign, err)) {
        decoder->misfit = m.rel;
        return err_context(err, "wal2json");
    }
    if (foreign) {
        if (m.rel == NULL)
            tell_foreign(decoder, &m, &json);
        *out_decoded = (Decoded){.kind = DECODED_NOTHING};
        return true;
    }
    if (make_decoded(w, &m, arena, out_decoded, err))
        return true;
    decoder->misfit = m.rel;
    return err_context(err, "wal2json");
}

/* B and C leave nothing behind; all else may be kept. */
static bool wal2json_keeps(const char *data, size_t len)
{
    static const char HEAD[] = "{\"action\":\"";
    size_t at = sizeof HEAD - 1;
    return len <= at || memcmp(data, HEAD, at) != 0 || (data[at] != 'B' && data[at] != 'C');
}

static void wal2json_reset(Decoder *decoder)
{
    Wal2json *w = (Wal2json *)decoder;
    w->commit_lsn = LSN_UNKNOWN;
    w->last = NULL;
}

static void wal2json_free(Decoder *decoder)
{
    Wal2json *w = (Wal2json *)decoder;
    arena_free(w->arena); /* it lives there itself */
}

Decoder *wal2json_new(const Relations *rels)
{
    Arena *arena = arena_new(0);
    Wal2json *w = arena_new_object(arena, Wal2json);
    size_t widest = 0;
    for (int i = 0; i < rels->count; i++)
        if ((size_t)rels->all[i]->column_count > widest)
            widest = (size_t)rels->all[i]->column_count;
    *w = (Wal2json){.base = {.plugin = "wal2json",
                             .decode = wal2json_decode,
                             .keeps = wal2json_keeps,
                             .reset = wal2json_reset,
                             .free = wal2json_free},
                    .rels = rels,
                    .arena = arena,
                    .columns = arena_new_array(arena, ColumnText *, rels->count + 1),
                    .identity = arena_new_array(arena, Value, widest + 1)};
    return &w->base;
}

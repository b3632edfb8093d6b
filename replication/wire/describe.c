/* describe - see the header. */
#include "wire/describe.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/map.h"
#include "bascule/base/mem.h"
#include "wire/json.h"
#include "wire/reading.h"
#include "wire/timestamp.h"

/* What a relation message of pgoutput said: names one behind the other, each with its NUL. */
typedef struct Named {
    uint32_t oid; /* key of the map */
    int count;
    char *schema, *table, *columns; /* schema is the memory of all three */
    char *flags;                    /* 1: part of the replica identity */
} Named;

struct Describer {
    bool json;
    int64_t commit_time_us; /* of the transaction that is open */
    uint32_t xid;
    Map names; /* Named by oid */
    Buf columns, identity, schema, table;
};

void describe_put_string(Buf *out, const char *text, size_t len)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            buf_putc(out, '\\');
        if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static bool hand_over(Describer *d, Described *change, DescribeFn fn, void *arg, Error *err)
{
    change->commit_time_us = d->commit_time_us;
    change->xid = d->xid;
    return fn(arg, change, err);
}

/* wal2json: a message is an object, its rows are handed on as they are
 * ------------------------------------------------------------------------------- */

typedef struct Keys {
    char action;
    JsonText schema, table, timestamp, xid;
    Json columns, identity; /* start NULL: not there */
} Keys;

/* Any value, as it lies there. */
static bool take_raw(Json *json, Json *out, Error *err)
{
    json_skip_space(json);
    char *start = json->p;
    if (!json_skip(json, err))
        return false;
    *out = (Json){start, start, json->p};
    return true;
}

static bool take_value(Json *json, const JsonText *key, Keys *keys, Error *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } TEXTS[] = {{"schema", offsetof(Keys, schema)},
                 {"table", offsetof(Keys, table)},
                 {"timestamp", offsetof(Keys, timestamp)},
                 {"xid", offsetof(Keys, xid)}};
    JsonKind kind;
    JsonText text;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (strlen(TEXTS[i].name) == key->len && memcmp(TEXTS[i].name, key->data, key->len) == 0)
            return json_scalar(json, &kind, (JsonText *)(void *)((char *)keys + TEXTS[i].offset),
                               err);
    }
    if (key->len == 6 && memcmp(key->data, "action", 6) == 0) {
        if (!json_quoted(json, &text, err))
            return false;
        keys->action = text.len == 1 ? text.data[0] : '?';
        return true;
    }
    if (key->len == 7 && memcmp(key->data, "columns", 7) == 0)
        return take_raw(json, &keys->columns, err);
    if (key->len == 8 && memcmp(key->data, "identity", 8) == 0)
        return take_raw(json, &keys->identity, err);
    return json_skip(json, err);
}

static bool read_keys(char *data, size_t len, Keys *keys, Error *err)
{
    Json json = {data, data, data + len};
    JsonText key;
    if (!json_expect(&json, '{', err))
        return false;
    do {
        if (!json_quoted(&json, &key, err) || !json_expect(&json, ':', err) ||
            !take_value(&json, &key, keys, err))
            return false;
    } while (json_accept(&json, ','));
    return json_expect(&json, '}', err) && json_end(&json, err);
}

static const char *keep(Buf *buf, const char *data, size_t len)
{
    buf_clear(buf);
    buf_put(buf, data, len);
    return buf_str(buf);
}

static const char *keep_raw(Buf *buf, const Json *raw)
{
    return raw->start == NULL ? NULL : keep(buf, raw->start, (size_t)(raw->end - raw->start));
}

static bool read_wal2json(Describer *d, char *data, size_t len, DescribeFn fn, void *arg,
                          Error *err)
{
    static const struct {
        char action;
        const char *operation;
    } CHANGES[] = {{'I', "insert"}, {'U', "update"}, {'D', "delete"}, {'T', "truncate"}};
    Keys keys = {0};
    if (!read_keys(data, len, &keys, err))
        return false;
    if (keys.action == 'B') {
        d->xid = (uint32_t)strtoul(keep(&d->schema, keys.xid.data, keys.xid.len), NULL, 10);
        if (!timestamp_parse(keys.timestamp.data, keys.timestamp.len, &d->commit_time_us))
            d->commit_time_us = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        if (CHANGES[i].action != keys.action)
            continue;
        Described change = {
            .operation = CHANGES[i].operation,
            .schema = keep(&d->schema, keys.schema.data, keys.schema.len),
            .table = keep(&d->table, keys.table.data, keys.table.len),
            .columns = keep_raw(&d->columns, &keys.columns),
            .identity = keep_raw(&d->identity, &keys.identity),
        };
        return hand_over(d, &change, fn, arg, err);
    }
    return true;
}

/* pgoutput: relation messages name the columns of the rows that follow
 * ------------------------------------------------------------------------------------ */

static void named_free(Named *named)
{
    if (named == NULL)
        return;
    free(named->schema);
    free(named->flags);
    free(named);
}

static bool read_relation(Describer *d, Bytes *b, Error *err)
{
    const char *schema, *table, *column;
    uint32_t oid, ignored;
    uint16_t count;
    uint8_t identity, flags;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_BUF Buf keys = BUF_INIT;
    if (!read_u32(b, &oid) || !read_name(b, &schema) || !read_name(b, &table) ||
        !read_u8(b, &identity) || !read_u16(b, &count))
        return damaged(b, err);
    buf_put(&names, schema, strlen(schema) + 1);
    buf_put(&names, table, strlen(table) + 1);
    for (int i = 0; i < count; i++) {
        if (!read_u8(b, &flags) || !read_name(b, &column) || !read_u32(b, &ignored) ||
            !read_u32(b, &ignored))
            return damaged(b, err);
        buf_put(&names, column, strlen(column) + 1);
        buf_putc(&keys, (char)(flags & 1));
    }
    Named *named = mem_zalloc(sizeof *named);
    named->oid = oid;
    named->count = count;
    named->schema = buf_take(&names);
    named->table = named->schema + strlen(named->schema) + 1;
    named->columns = named->table + strlen(named->table) + 1;
    named->flags = count > 0 ? buf_take(&keys) : NULL;
    named_free(map_put(&d->names, &named->oid, sizeof named->oid, named));
    return true;
}

/* key_only: what else is null there was not sent. */
static bool read_row(Bytes *b, const Named *named, bool key_only, Buf *out, Error *err)
{
    uint16_t count;
    uint8_t kind;
    const char *name = named->columns;
    buf_clear(out);
    buf_putc(out, '[');
    if (!read_u16(b, &count) || count != named->count)
        return damaged(b, err);
    for (int i = 0; i < count; i++, name += strlen(name) + 1) {
        if (!read_u8(b, &kind))
            return damaged(b, err);
        if (kind != 'n' && kind != 't' && kind != 'u')
            return damaged(b, err);
        uint32_t len = 0;
        if (kind == 't' && (!read_u32(b, &len) || !left(b, len)))
            return damaged(b, err);
        const char *value = b->p;
        b->p += len;
        if (kind == 'u' || (key_only && named->flags[i] == 0))
            continue;
        buf_puts(out, out->len > 1 ? ",{\"name\":" : "{\"name\":");
        describe_put_string(out, name, strlen(name));
        buf_puts(out, ",\"value\":");
        if (kind == 'n')
            buf_puts(out, "null");
        else
            describe_put_string(out, value, len);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return true;
}

static bool find_named(Describer *d, Bytes *b, const Named **out, Error *err)
{
    uint32_t oid;
    if (!read_u32(b, &oid))
        return damaged(b, err);
    *out = map_get(&d->names, &oid, sizeof oid);
    return *out != NULL ||
           ERR(err, ERR_DECODE, "a change of relation %u came before its description", oid);
}

static bool read_change(Describer *d, Bytes *b, char action, DescribeFn fn, void *arg, Error *err)
{
    const Named *named;
    uint8_t kind;
    Described change = {.operation = action == 'I'   ? "insert"
                                     : action == 'U' ? "update"
                                                     : "delete"};
    if (!find_named(d, b, &named, err))
        return false;
    change.schema = named->schema;
    change.table = named->table;
    while (b->p < b->end) {
        if (!read_u8(b, &kind) || (kind != 'N' && kind != 'K' && kind != 'O'))
            return damaged(b, err);
        Buf *row = kind == 'N' ? &d->columns : &d->identity;
        if (!read_row(b, named, kind == 'K', row, err))
            return false;
        *(kind == 'N' ? &change.columns : &change.identity) = buf_str(row);
    }
    return hand_over(d, &change, fn, arg, err);
}

static bool read_truncate(Describer *d, Bytes *b, DescribeFn fn, void *arg, Error *err)
{
    uint32_t count;
    uint8_t flags;
    if (!read_u32(b, &count) || !read_u8(b, &flags))
        return damaged(b, err);
    while (count-- > 0) {
        const Named *named;
        if (!find_named(d, b, &named, err))
            return false;
        Described change = {
            .operation = "truncate", .schema = named->schema, .table = named->table};
        if (!hand_over(d, &change, fn, arg, err))
            return false;
    }
    return true;
}

static bool read_pgoutput(Describer *d, Bytes *b, DescribeFn fn, void *arg, Error *err)
{
    uint64_t commit_lsn;
    uint8_t action;
    if (!read_u8(b, &action))
        return damaged(b, err);
    switch (action) {
    case 'B':
        return (read_u64(b, &commit_lsn) && read_time(b, &d->commit_time_us) &&
                read_u32(b, &d->xid)) ||
               damaged(b, err);
    case 'R':
        return read_relation(d, b, err);
    case 'I':
    case 'U':
    case 'D':
        return read_change(d, b, (char)action, fn, arg, err);
    case 'T':
        return read_truncate(d, b, fn, arg, err);
    default: /* commit, types, origins, messages */
        return true;
    }
}

/* ------------------------------------------------------------------------------------------ */

Describer *describer_new(const char *plugin)
{
    Describer *d = mem_zalloc(sizeof *d);
    d->json = strcmp(plugin, "wal2json") == 0;
    return d;
}

void describer_free(Describer *d)
{
    size_t cursor = 0;
    if (d == NULL)
        return;
    for (MapEntry *e; (e = map_next(&d->names, &cursor)) != NULL;)
        named_free(e->value);
    map_done(&d->names);
    buf_done(&d->columns);
    buf_done(&d->identity);
    buf_done(&d->schema);
    buf_done(&d->table);
    free(d);
}

bool describer_read(Describer *d, char *data, size_t len, DescribeFn fn, void *arg, Error *err)
{
    Bytes bytes = {data, data, data + len};
    bool ok = d->json ? read_wal2json(d, data, len, fn, arg, err)
                      : read_pgoutput(d, &bytes, fn, arg, err);
    return ok || err_context(err, "%s", d->json ? "wal2json" : "pgoutput");
}

/* pgarray - see the header. Binary layout: manual of array_recv: dimensions, flags, element type,
 * then per dimension length and lower bound, then each element with its length. */
#include "apply/pgarray.h"

#include <string.h>

#define HEADER_BYTES 20

/* oids of pg_type.dat: the same on every server */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_UUID = 2950,
    OID_JSONB = 3802,
};

PgArrayForm pgarray_form(uint32_t type_oid)
{
    switch (type_oid) {
    case OID_BOOL:
        return PGARRAY_BOOL;
    case OID_BYTEA:
        return PGARRAY_BYTEA;
    case OID_INT8:
        return PGARRAY_INT8;
    case OID_INT2:
        return PGARRAY_INT2;
    case OID_INT4:
        return PGARRAY_INT4;
    case OID_OID:
        return PGARRAY_OID;
    case OID_TEXT:
    case OID_JSON:
    case OID_BPCHAR:
    case OID_VARCHAR:
        return PGARRAY_BYTES;
    case OID_UUID:
        return PGARRAY_UUID;
    case OID_JSONB:
        return PGARRAY_JSONB;
    default:
        return PGARRAY_LITERAL;
    }
}

void pgarray_begin(PgArray *array, PgArrayForm form, uint32_t element_oid, char delimiter)
{
    static const char HEADER[HEADER_BYTES];
    buf_clear(&array->buf);
    array->form = form;
    array->element_oid = element_oid;
    array->delimiter = delimiter;
    array->has_null = false;
    array->count = 0;
    if (form == PGARRAY_LITERAL)
        buf_putc(&array->buf, '{');
    else
        buf_put(&array->buf, HEADER, sizeof HEADER);
}

static void write_u32(char *out, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(out, &v, 4);
}

static void write_u64(char *out, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(out, &v, 8);
}

void pgarray_put_null(PgArray *array)
{
    array->has_null = true;
    if (array->form == PGARRAY_LITERAL) {
        if (array->count > 0)
            buf_putc(&array->buf, array->delimiter);
        buf_put(&array->buf, "NULL", 4);
    } else {
        buf_put_u32(&array->buf, UINT32_MAX);
    }
    array->count++;
}

/* Room for an element of `len` bytes; returns where it goes. */
static char *element(PgArray *array, size_t len)
{
    Buf *buf = &array->buf;
    buf_reserve(buf, len + 4);
    write_u32(buf->data + buf->len, (uint32_t)len);
    char *out = buf->data + buf->len + 4;
    buf->len += len + 4;
    array->count++;
    return out;
}

static void put_literal(PgArray *array, const Value *value)
{
    Buf *buf = &array->buf;
    buf_reserve(buf, 2 * (size_t)value->len + 3);
    char *out = buf->data + buf->len;
    if (array->count > 0)
        *out++ = array->delimiter;
    *out++ = '"';
    for (uint32_t i = 0; i < value->len; i++) {
        char c = value->data[i];
        if (c == '"' || c == '\\')
            *out++ = '\\';
        *out++ = c;
    }
    *out++ = '"';
    buf->len = (size_t)(out - buf->data);
    array->count++;
}

/* Strict: an optional minus and digits, within [min, max]. */
static bool parse_i64(const Value *value, int64_t min, int64_t max, int64_t *out)
{
    const char *p = value->data, *end = p + value->len;
    bool negative = p < end && *p == '-';
    if (negative)
        p++;
    if (p == end || end - p > 19)
        return false;
    uint64_t sum = 0; /* 19 digits always fit */
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        sum = sum * 10 + (uint64_t)(*p - '0');
    }
    if (sum > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    int64_t v = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    if (v < min || v > max)
        return false;
    *out = v;
    return true;
}

static bool put_int(PgArray *array, const Value *value)
{
    int64_t v;
    switch (array->form) {
    case PGARRAY_INT2:
        if (!parse_i64(value, INT16_MIN, INT16_MAX, &v))
            return false;
        {
            uint16_t net = __builtin_bswap16((uint16_t)v);
            memcpy(element(array, 2), &net, 2);
        }
        return true;
    case PGARRAY_INT4:
        if (!parse_i64(value, INT32_MIN, INT32_MAX, &v))
            return false;
        write_u32(element(array, 4), (uint32_t)v);
        return true;
    case PGARRAY_OID:
        if (!parse_i64(value, 0, UINT32_MAX, &v))
            return false;
        write_u32(element(array, 4), (uint32_t)v);
        return true;
    default:
        if (!parse_i64(value, INT64_MIN, INT64_MAX, &v))
            return false;
        write_u64(element(array, 8), (uint64_t)v);
        return true;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool hex_bytes(const char *hex, size_t bytes, char *out)
{
    for (size_t i = 0; i < bytes; i++) {
        int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (char)(hi << 4 | lo);
    }
    return true;
}

static bool put_bytea(PgArray *array, const Value *value)
{
    if (value->len < 2 || value->len % 2 != 0 || memcmp(value->data, "\\x", 2) != 0)
        return false;
    size_t before = array->buf.len, bytes = (value->len - 2) / 2;
    if (hex_bytes(value->data + 2, bytes, element(array, bytes)))
        return true;
    array->buf.len = before;
    array->count--;
    return false;
}

/* Only the form that uuid_out writes: 8-4-4-4-12. */
static bool put_uuid(PgArray *array, const Value *value)
{
    static const uint8_t GROUPS[5] = {4, 2, 2, 2, 6};
    if (value->len != 36)
        return false;
    char bytes[16];
    const char *in = value->data;
    char *out = bytes;
    for (int i = 0; i < 5; i++) {
        if ((i > 0 && *in++ != '-') || !hex_bytes(in, GROUPS[i], out))
            return false;
        in += 2 * GROUPS[i];
        out += GROUPS[i];
    }
    memcpy(element(array, 16), bytes, 16);
    return true;
}

static bool put_bool(PgArray *array, const Value *value)
{
    bool is_true = (value->len == 1 && value->data[0] == 't') ||
                   (value->len == 4 && memcmp(value->data, "true", 4) == 0);
    bool is_false = (value->len == 1 && value->data[0] == 'f') ||
                    (value->len == 5 && memcmp(value->data, "false", 5) == 0);
    if (!is_true && !is_false)
        return false;
    *element(array, 1) = is_true ? 1 : 0;
    return true;
}

bool pgarray_put(PgArray *array, const Value *value)
{
    if (value->kind == VALUE_NULL) {
        pgarray_put_null(array);
        return true;
    }
    if (value->kind != (array->form == PGARRAY_RECEIVE ? VALUE_BINARY : VALUE_TEXT))
        return false;
    switch (array->form) {
    case PGARRAY_LITERAL:
        put_literal(array, value);
        return true;
    case PGARRAY_BYTES:
    case PGARRAY_RECEIVE:
        memcpy(element(array, value->len), value->data, value->len);
        return true;
    case PGARRAY_JSONB: {
        char *out = element(array, (size_t)value->len + 1);
        *out = 1;
        memcpy(out + 1, value->data, value->len);
        return true;
    }
    case PGARRAY_BYTEA:
        return put_bytea(array, value);
    case PGARRAY_BOOL:
        return put_bool(array, value);
    case PGARRAY_UUID:
        return put_uuid(array, value);
    default:
        return put_int(array, value);
    }
}

PgParam pgarray_end(PgArray *array)
{
    Buf *buf = &array->buf;
    if (array->form == PGARRAY_LITERAL) {
        buf_putc(buf, '}');
        return (PgParam){.data = buf_str(buf)};
    }
    /* An empty array has no dimension at all: its header ends after the element type. */
    bool empty = array->count == 0;
    write_u32(buf->data, empty ? 0 : 1);
    write_u32(buf->data + 4, array->has_null ? 1 : 0);
    write_u32(buf->data + 8, array->element_oid);
    write_u32(buf->data + 12, (uint32_t)array->count);
    write_u32(buf->data + 16, 1);
    return (PgParam){.data = buf->data, .len = empty ? 12 : (int)buf->len, .binary = true};
}

void pgarray_done(PgArray *array)
{
    buf_done(&array->buf);
}

void pgarray_put_string(PgArray *array, const char *s)
{
    if (s == NULL) {
        pgarray_put_null(array);
        return;
    }
    Value value = {.data = s, .len = (uint32_t)strlen(s), .kind = VALUE_TEXT};
    ASSERT(pgarray_put(array, &value));
}

void pgarray_put_i64(PgArray *array, int64_t value)
{
    ASSERT(array->form == PGARRAY_INT8);
    write_u64(element(array, 8), (uint64_t)value);
}

/* copytext - see the header; the formats are those of the manual's page on COPY. */
#include "apply/copytext.h"

#define SEND_BYTES ((size_t)128 * 1024)

bool copytext_is_binary(const Value *values, int column_count)
{
    bool any = false;
    for (int i = 0; i < column_count; i++) {
        if (values[i].kind == VALUE_TEXT)
            return false;
        any = any || values[i].kind == VALUE_BINARY;
    }
    return any;
}

void copytext_begin(Copytext *copy, PgConn *conn, Buf *buf, int column_count, bool binary)
{
    *copy = (Copytext){.conn = conn, .buf = buf, .column_count = column_count, .binary = binary};
    buf_clear(buf);
    if (binary)
        buf_put(buf, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

static bool send(Copytext *copy, Error *err)
{
    if (copy->buf->len == 0)
        return true;
    bool fine = pgconn_copy_put(copy->conn, copy->buf->data, (int)copy->buf->len, err);
    buf_clear(copy->buf);
    return fine;
}

static void put_text(Buf *buf, const Value *value)
{
    buf_reserve(buf, 2 * (size_t)value->len + 1);
    char *out = buf->data + buf->len;
    for (uint32_t i = 0; i < value->len; i++) {
        char c = value->data[i];
        switch (c) {
        case '\\':
            *out++ = '\\';
            *out++ = '\\';
            break;
        case '\n':
            *out++ = '\\';
            *out++ = 'n';
            break;
        case '\r':
            *out++ = '\\';
            *out++ = 'r';
            break;
        case '\t':
            *out++ = '\\';
            *out++ = 't';
            break;
        default:
            *out++ = c;
        }
    }
    buf->len = (size_t)(out - buf->data);
}

static bool write_text_row(Buf *buf, const Value *values, int column_count)
{
    for (int i = 0; i < column_count; i++) {
        if (i > 0)
            buf_putc(buf, '\t');
        if (values[i].kind == VALUE_NULL)
            buf_put(buf, "\\N", 2);
        else if (values[i].kind == VALUE_TEXT)
            put_text(buf, &values[i]);
        else
            return false;
    }
    buf_putc(buf, '\n');
    return true;
}

static bool write_binary_row(Buf *buf, const Value *values, int column_count)
{
    buf_put_u16(buf, (uint16_t)column_count);
    for (int i = 0; i < column_count; i++) {
        if (values[i].kind == VALUE_NULL) {
            buf_put_u32(buf, UINT32_MAX);
        } else if (values[i].kind == VALUE_BINARY) {
            buf_put_u32(buf, values[i].len);
            buf_put(buf, values[i].data, values[i].len);
        } else {
            return false;
        }
    }
    return true;
}

bool copytext_write_row(Buf *buf, const Value *values, int column_count, bool binary)
{
    return binary ? write_binary_row(buf, values, column_count)
                  : write_text_row(buf, values, column_count);
}

bool copytext_row(Copytext *copy, const Value *values, Error *err)
{
    if (!copytext_write_row(copy->buf, values, copy->column_count, copy->binary))
        return ERR(err, ERR_APPLY_CONFLICT, "a value does not have the form of the others");
    return copy->buf->len < SEND_BYTES || send(copy, err);
}

bool copytext_end(Copytext *copy, int64_t *out_rows, Error *err)
{
    if (copy->binary)
        buf_put_u16(copy->buf, UINT16_MAX);
    return send(copy, err) && pgconn_copy_end(copy->conn, out_rows, err);
}

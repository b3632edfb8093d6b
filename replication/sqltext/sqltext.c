/* sqltext - see sqltext/sqltext.h */
#include "sqltext/sqltext.h"

#include <string.h>

void sqltext_done(SqlText *st)
{
    buf_done(&st->buf);
}

void sqltext_clear(SqlText *st)
{
    buf_clear(&st->buf);
}

void sqltext_put_literal_text(SqlText *st, const char *text)
{
    buf_puts(&st->buf, text);
}

/* No byte of a multi-byte character in any client encoding of PostgreSQL is a quote: bytes will do.
 */
static void put_quoted(SqlText *st, const char *text, char quote)
{
    buf_putc(&st->buf, quote);
    for (const char *at;; text = at + 1) {
        at = strchr(text, quote);
        if (at == NULL)
            break;
        buf_put(&st->buf, text, (size_t)(at - text) + 1);
        buf_putc(&st->buf, quote);
    }
    buf_puts(&st->buf, text);
    buf_putc(&st->buf, quote);
}

void sqltext_ident(SqlText *st, const char *name)
{
    put_quoted(st, name, '"');
}

void sqltext_qualified(SqlText *st, const char *schema, const char *name)
{
    sqltext_ident(st, schema);
    buf_putc(&st->buf, '.');
    sqltext_ident(st, name);
}

void sqltext_string(SqlText *st, const char *value)
{
    put_quoted(st, value, '\'');
}

void sqltext_param(SqlText *st, int n)
{
    ASSERT(n >= 1 && n <= 65535);
    buf_printf(&st->buf, "$%d", n);
}

void sqltext_i64(SqlText *st, int64_t value)
{
    /* behind a minus sign a negative number would begin a comment */
    if (value < 0 && st->buf.len > 0 && st->buf.data[st->buf.len - 1] == '-')
        buf_putc(&st->buf, ' ');
    buf_printf(&st->buf, "%" PRId64, value);
}

void sqltext_number(SqlText *st, const char *digits)
{
    ASSERT(*digits >= '0' && *digits <= '9');
    ASSERT(digits[strspn(digits, "0123456789.eE+-")] == '\0');
    buf_puts(&st->buf, digits);
}

void sqltext_lsn(SqlText *st, Lsn lsn)
{
    buf_printf(&st->buf, LSN_FMT, LSN_ARGS(lsn));
}

void sqltext_append(SqlText *st, Sql sql)
{
    buf_puts(&st->buf, sql.text);
}

void sqltext_deparsed(SqlText *st, const char *text)
{
    buf_puts(&st->buf, text);
}

void sqltext_operators(SqlText *st, const char *text)
{
    buf_puts(&st->buf, text);
}

Sql sqltext_sql(SqlText *st)
{
    return (Sql){buf_str(&st->buf)};
}

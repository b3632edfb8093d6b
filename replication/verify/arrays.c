/*
 * arrays - every text element is quoted, so that NULL, commas and braces in names are nothing
 * special.
 */
#include "verify/arrays.h"

void arrays_begin(Buf *out)
{
    buf_clear(out);
    buf_putc(out, '{');
}

static void separate(Buf *out)
{
    if (out->len > 1)
        buf_putc(out, ',');
}

void arrays_put_text(Buf *out, const char *element)
{
    separate(out);
    if (element == NULL) {
        buf_puts(out, "NULL");
        return;
    }
    buf_putc(out, '"');
    for (const char *c = element; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *c);
    }
    buf_putc(out, '"');
}

void arrays_put_u32(Buf *out, uint32_t element)
{
    separate(out);
    buf_printf(out, "%u", element);
}

const char *arrays_end(Buf *out)
{
    buf_putc(out, '}');
    return buf_str(out);
}

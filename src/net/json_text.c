/* json_text - see the header. */
#include "net/json_text.h"

#include <string.h>

#include "bascule/model/lsn.h"
#include "bascule/model/progress.h"

/* Length of the UTF-8 sequence at s, 0 when it is none (overlong, surrogate, cut). */
static size_t sequence_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
            return 0;
        return 3;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

json_t *json_text(const char *s)
{
    if (s == NULL)
        return json_null();
    json_t *value = json_string(s);
    if (value != NULL)
        return value;
    CLEANUP_BUF Buf buf = BUF_INIT;
    for (const unsigned char *p = (const unsigned char *)s; *p != '\0';) {
        size_t n = sequence_length(p);
        if (n == 0) {
            buf_putc(&buf, '?');
            p++;
        } else {
            buf_put(&buf, p, n);
            p += n;
        }
    }
    return json_string(buf_str(&buf));
}

json_t *json_text_number(int64_t value)
{
    return value == PROGRESS_UNKNOWN ? json_null() : json_integer((json_int_t)value);
}

json_t *json_text_ms(int64_t us)
{
    return us == PROGRESS_UNKNOWN ? json_null() : json_real((double)us / 1000.0);
}

json_t *json_text_seconds(int64_t us)
{
    return us == PROGRESS_UNKNOWN ? json_null() : json_real((double)us / 1e6);
}

json_t *json_text_lsn(uint64_t lsn)
{
    return lsn == LSN_UNKNOWN ? json_null() : json_string(lsn_text(lsn).text);
}

static int append(const char *data, size_t len, void *arg)
{
    buf_put(arg, data, len);
    return 0;
}

void json_text_dump(const json_t *value, size_t flags, Buf *out)
{
    ASSERT(json_dump_callback(value, append, out, flags) == 0);
}

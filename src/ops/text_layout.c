/* text_layout - see the header. */
#include "ops/text_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/model/progress.h"

static bool continues(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* C0, DEL, and C1 in its UTF-8 form: terminals obey them. */
static bool control_at(const char *s)
{
    unsigned char c = (unsigned char)s[0];
    return c < 0x20 || c == 0x7F ||
           (c == 0xC2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xA0);
}

/* Bytes of the character at s: at least 1. */
static size_t char_bytes(const char *s)
{
    size_t n = 1;
    if ((unsigned char)s[0] >= 0xC0)
        while (n < 4 && continues((unsigned char)s[n]))
            n++;
    return n;
}

static void put_char(Buf *out, const char *s, size_t n)
{
    if (control_at(s))
        buf_putc(out, '?');
    else
        buf_put(out, s, n);
}

int text_width(const char *s)
{
    int width = 0;
    for (; *s != '\0'; s += char_bytes(s))
        width++;
    return width;
}

void text_put_clean(Buf *out, const char *s)
{
    for (size_t n; *s != '\0'; s += n) {
        n = char_bytes(s);
        put_char(out, s, n);
    }
}

static void put_spaces(Buf *out, int n)
{
    for (int i = 0; i < n; i++)
        buf_putc(out, ' ');
}

void text_put_cell(Buf *out, const char *s, int width, bool right)
{
    int have = text_width(s);
    if (right && have < width)
        put_spaces(out, width - have);
    int room = have > width ? width - 1 : width;
    for (size_t n; *s != '\0' && room > 0; s += n, room--) {
        n = char_bytes(s);
        put_char(out, s, n);
    }
    if (have > width && width > 0)
        buf_puts(out, "…");
    if (!right && have < width)
        put_spaces(out, width - have);
}

/* Puts one word; a word longer than a line is broken. Returns the column behind it. */
static int put_word(Buf *out, const char *word, size_t len, int at, int indent, int width)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = char_bytes(word + i);
        if (at >= width && at > indent) {
            buf_putc(out, '\n');
            put_spaces(out, indent);
            at = indent;
        }
        put_char(out, word + i, n);
        at++;
    }
    return at;
}

static int word_width(const char *word, size_t len)
{
    int width = 0;
    for (size_t i = 0; i < len; i += char_bytes(word + i))
        width++;
    return width;
}

void text_put_wrapped(Buf *out, const char *s, int at, int indent, int width)
{
    bool line_has_words = false;
    while (*s != '\0') {
        if (*s == '\n') {
            buf_putc(out, '\n');
            put_spaces(out, indent);
            at = indent;
            line_has_words = false;
            s++;
            continue;
        }
        if (*s == ' ') {
            s++;
            continue;
        }
        size_t len = strcspn(s, " \n");
        if (line_has_words && at + 1 + word_width(s, len) > width) {
            buf_putc(out, '\n');
            put_spaces(out, indent);
            at = indent;
            line_has_words = false;
        }
        if (line_has_words) {
            buf_putc(out, ' ');
            at++;
        }
        at = put_word(out, s, len, at, indent, width);
        line_has_words = true;
        s += len;
    }
    buf_putc(out, '\n');
}

char *text_count(int64_t n, char *out)
{
    char digits[24];
    if (n == PROGRESS_UNKNOWN) {
        snprintf(out, TEXT_NUMBER_SIZE, "unknown");
        return out;
    }
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n);
    char *p = out;
    if (n < 0)
        *p++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

char *text_bytes(int64_t bytes, char *out)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    if (bytes == PROGRESS_UNKNOWN) {
        snprintf(out, TEXT_NUMBER_SIZE, "unknown");
        return out;
    }
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof UNITS / sizeof *UNITS) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TEXT_NUMBER_SIZE, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value,
             UNITS[unit]);
    return out;
}

char *text_duration(int64_t us, char *out)
{
    if (us == PROGRESS_UNKNOWN)
        snprintf(out, TEXT_NUMBER_SIZE, "unknown");
    else
        clock_format_duration(us, out, TEXT_NUMBER_SIZE);
    return out;
}

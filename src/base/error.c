/* error - see bascule/base/error.h. Formats into a buffer of its own first, because an argument may
 * be a part of the Error that is being filled. */
#include "bascule/base/error.h"

#include <errno.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct ClassRow {
    const char *slug;
    const char *hint;
    ErrorAction action;
    int exit_code;
} ClassRow;

static const ClassRow CLASSES[ERR_CLASS_COUNT] = {
#define X(cls, slug_text, action_value, exit_value, hint_text)                                     \
    [cls] = {.slug = (slug_text),                                                                  \
             .hint = (hint_text),                                                                  \
             .action = (action_value),                                                             \
             .exit_code = (exit_value)},
#include "bascule/base/errors.def"
#undef X
};

/* Takes off an incomplete UTF-8 sequence at the end of a text that was cut at len. */
static void trim_cut(char *text, size_t len)
{
    size_t lead = len;

    while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0 || (unsigned char)text[lead - 1] < 0xC0)
        return; /* ASCII, or not UTF-8 */
    lead--;
    unsigned char first = (unsigned char)text[lead];
    size_t whole = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (len - lead < whole)
        text[lead] = '\0';
}

PRINTF_LIKE(3, 0) static void format(char *out, size_t size, const char *fmt, va_list ap)
{
    int len = vsnprintf(out, size, fmt, ap);
    if (len >= 0 && (size_t)len >= size)
        trim_cut(out, size - 1);
}

static void copy_text(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    size_t fits = len < size ? len : size - 1;

    memcpy(out, text, fits);
    out[fits] = '\0';
    if (fits < len)
        trim_cut(out, fits);
}

static void fill(Error *err, ErrorClass cls, const char *file, int line, const char *message)
{
    err->cls = cls;
    err->os_errno = 0;
    err->sqlstate[0] = '\0';
    err->file = file;
    err->line = line;
    err->hint[0] = '\0';
    copy_text(err->message, sizeof err->message, message);
}

bool err_set(Error *err, ErrorClass cls, const char *file, int line, const char *fmt, ...)
{
    char text[sizeof err->message];
    va_list ap;

    va_start(ap, fmt);
    format(text, sizeof text, fmt, ap);
    va_end(ap);
    fill(err, cls, file, line, text);
    return false;
}

bool err_set_os(Error *err, ErrorClass cls, const char *file, int line, const char *fmt, ...)
{
    int saved = errno;
    char text[sizeof err->message];
    char whole[sizeof err->message + 160];
    char reason[128];
    va_list ap;

    va_start(ap, fmt);
    format(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(whole, sizeof whole, "%s: %s", text, strerror_r(saved, reason, sizeof reason));
    fill(err, cls, file, line, whole);
    err->os_errno = saved;
    return false;
}

bool err_hint(Error *err, const char *fmt, ...)
{
    char text[sizeof err->hint];
    va_list ap;

    va_start(ap, fmt);
    format(text, sizeof text, fmt, ap);
    va_end(ap);
    copy_text(err->hint, sizeof err->hint, text);
    return false;
}

bool err_context(Error *err, const char *fmt, ...)
{
    char text[sizeof err->message];
    char whole[2 * sizeof err->message + 2];
    va_list ap;

    va_start(ap, fmt);
    format(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(whole, sizeof whole, "%s: %s", text, err->message);
    copy_text(err->message, sizeof err->message, whole);
    return false;
}

void err_clear(Error *err)
{
    *err = ERROR_INIT;
}

static const ClassRow *row_of(ErrorClass cls)
{
    return (unsigned)cls < ERR_CLASS_COUNT ? &CLASSES[cls] : &CLASSES[ERR_BUG];
}

const char *err_slug(ErrorClass cls)
{
    return row_of(cls)->slug;
}

ErrorAction err_action(ErrorClass cls)
{
    return row_of(cls)->action;
}

int err_exit_code(ErrorClass cls)
{
    return row_of(cls)->exit_code;
}

const char *err_hint_of(const Error *err)
{
    return err->hint[0] != '\0' ? err->hint : row_of(err->cls)->hint;
}

void err_assert_failed(const char *expr, const char *file, int line)
{
    void *frames[64];
    int count;

    dprintf(STDERR_FILENO, "bascule: assertion failed: %s (%s:%d)\n", expr, file, line);
    count = backtrace(frames, 64);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    abort();
}

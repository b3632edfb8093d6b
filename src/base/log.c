/*
 * log - see bascule/base/log.h.
 *
 * The line is built on the side and written with one write(2). In the JSON form the key=value words
 * at the end of the sentence become members of their own. Control characters become blanks, so that
 * one event stays one line whatever a server said.
 */
#include "bascule/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/base/clock.h"

static const char *const LEVEL_WORDS[] = {"error", "warn", "info", "debug", "trace"};
static const char *const LEVEL_LABELS[] = {"ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};
#define LEVEL_COUNT ((int)(sizeof LEVEL_WORDS / sizeof *LEVEL_WORDS))

static atomic_int max_level = LOG_INFO;
static atomic_bool as_json;
static _Thread_local char component[64];

static pthread_mutex_t around_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static void (*before_line)(void);
static void (*after_line)(void);
static atomic_bool around_set;

void log_init(LogLevel level, bool json)
{
    atomic_store(&max_level, (int)level);
    atomic_store(&as_json, json);
}

void log_set_component(const char *name)
{
    snprintf(component, sizeof component, "%s", name != NULL ? name : "");
}

bool log_enabled(LogLevel level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_set_around(void (*before)(void), void (*after)(void))
{
    pthread_mutex_lock(&around_lock);
    before_line = before;
    after_line = after;
    atomic_store(&around_set, before != NULL || after != NULL);
    pthread_mutex_unlock(&around_lock);
}

bool log_parse_level(const char *text, LogLevel *out_level)
{
    for (int i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(text, LEVEL_WORDS[i]) == 0) {
            *out_level = (LogLevel)i;
            return true;
        }
    }
    return false;
}

/* Text form ----------------------------------------------------------------------------------- */

static void put_clean(Buf *line, const char *text, size_t len)
{
    size_t start = line->len;
    buf_put(line, text, len);
    for (size_t i = start; i < line->len; i++)
        if ((unsigned char)line->data[i] < 0x20 || line->data[i] == 0x7f)
            line->data[i] = ' ';
}

/* JSON form ----------------------------------------------------------------------------------- */

/* Length of the valid UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

    if (len == 0 || s[0] > 0xF4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return len;
}

static void put_json_string(Buf *line, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;

    buf_putc(line, '"');
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(s + i, len - i);
        if (n == 0)
            buf_puts(line, "\\ufffd");
        else if (s[i] == '"' || s[i] == '\\')
            buf_printf(line, "\\%c", s[i]);
        else if (s[i] < 0x20 || s[i] == 0x7f)
            buf_printf(line, "\\u%04x", s[i]);
        else
            buf_put(line, s + i, n);
        i += n > 0 ? n : 1;
    }
    buf_putc(line, '"');
}

static void put_json_member(Buf *line, const char *key, const char *text)
{
    buf_printf(line, ",\"%s\":", key);
    put_json_string(line, text, strlen(text));
}

static bool is_key_value(const char *word, size_t len)
{
    size_t i = 0;
    while (i < len && ((word[i] >= 'a' && word[i] <= 'z') || word[i] == '_' ||
                       (i > 0 && word[i] >= '0' && word[i] <= '9')))
        i++;
    return i > 0 && i + 1 < len && word[i] == '=';
}

static bool is_whole_number(const char *text, size_t len)
{
    size_t i = len > 1 && text[0] == '-' ? 1 : 0;
    if (len - i > 15 || (len - i > 1 && text[i] == '0'))
        return false;
    for (; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return len > 0;
}

/* Where the run of key=value words at the end of the sentence begins. */
static size_t find_pairs(const char *text, size_t len)
{
    size_t pairs = len;
    while (pairs > 0) {
        size_t word = pairs;
        while (word > 0 && text[word - 1] != ' ')
            word--;
        if (word == 0 || !is_key_value(text + word, pairs - word))
            break;
        pairs = word - 1;
    }
    return pairs;
}

static void put_json_sentence(Buf *line, const char *text, size_t len)
{
    size_t at = find_pairs(text, len);

    buf_puts(line, ",\"message\":");
    put_json_string(line, text, at);
    while (at < len) {
        const char *word = text + at + 1;
        const char *end = memchr(word, ' ', len - at - 1);
        size_t word_len = end != NULL ? (size_t)(end - word) : len - at - 1;
        size_t key_len = (size_t)((const char *)memchr(word, '=', word_len) - word);
        const char *value = word + key_len + 1;
        size_t value_len = word_len - key_len - 1;
        buf_printf(line, ",\"%.*s\":", (int)key_len, word);
        if (is_whole_number(value, value_len))
            buf_put(line, value, value_len);
        else
            put_json_string(line, value, value_len);
        at += 1 + word_len;
    }
}

/* Writing ------------------------------------------------------------------------------------- */

static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
            poll(&fd, 1, 1000);
        } else if (n == 0 || errno != EINTR) {
            return; /* nobody is left to tell */
        }
    }
}

static void write_line(const Buf *line)
{
    int saved = errno;

    if (!atomic_load(&around_set)) {
        write_all(line->data, line->len);
    } else {
        pthread_mutex_lock(&around_lock);
        if (before_line != NULL)
            before_line();
        write_all(line->data, line->len);
        if (after_line != NULL)
            after_line();
        pthread_mutex_unlock(&around_lock);
    }
    errno = saved;
}

static void put_line(LogLevel level, const char *text, size_t len, const Error *err)
{
    Buf line CLEANUP_BUF = BUF_INIT;
    char when[40];
    const char *hint = err != NULL ? err_hint_of(err) : "";

    clock_format_wall(clock_wall_us(), when, sizeof when);
    if (atomic_load(&as_json)) {
        buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\"", when, LEVEL_WORDS[level]);
        if (component[0] != '\0')
            put_json_member(&line, "component", component);
        put_json_sentence(&line, text, len);
        if (err != NULL) {
            put_json_member(&line, "error", err->message);
            put_json_member(&line, "class", err_slug(err->cls));
            if (err->sqlstate[0] != '\0')
                put_json_member(&line, "sqlstate", err->sqlstate);
            if (hint[0] != '\0')
                put_json_member(&line, "hint", hint);
        }
        buf_puts(&line, "}\n");
    } else {
        buf_printf(&line, "%s %s ", when, LEVEL_LABELS[level]);
        if (component[0] != '\0')
            buf_printf(&line, "%s: ", component);
        put_clean(&line, text, len);
        if (err != NULL) {
            buf_puts(&line, ": ");
            put_clean(&line, err->message, strlen(err->message));
            buf_printf(&line, " class=%s", err_slug(err->cls));
            if (err->sqlstate[0] != '\0')
                buf_printf(&line, " sqlstate=%s", err->sqlstate);
            if (hint[0] != '\0') {
                buf_puts(&line, " hint=\"");
                put_clean(&line, hint, strlen(hint));
                buf_putc(&line, '"');
            }
        }
        buf_putc(&line, '\n');
    }
    write_line(&line);
}

PRINTF_LIKE(3, 0)
static void format_and_put(LogLevel level, const Error *err, const char *fmt, va_list ap)
{
    Buf text CLEANUP_BUF = BUF_INIT;
    va_list again;
    int len;

    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        return;
    buf_reserve(&text, (size_t)len);
    vsnprintf(text.data, (size_t)len + 1, fmt, ap);
    put_line(level, text.data, (size_t)len, err);
}

void log_line(LogLevel level, const char *fmt, ...)
{
    va_list ap;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    format_and_put(level, NULL, fmt, ap);
    va_end(ap);
}

void log_error_value(LogLevel level, const Error *err, const char *fmt, ...)
{
    va_list ap;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    format_and_put(level, err, fmt, ap);
    va_end(ap);
}

/*
 * log - one line an event, to stderr.
 *
 * 2026-01-02T03:04:05.678Z INFO  apply: transaction applied lsn=0/16B3748 rows=42
 * Style    sentence in lower case, then key=value; no row data, no secrets, ever.
 * Threads  safe; one write(2) a line.
 * error = a person must act; warn = handled, says how; info = state changes and the status line.
 */
#pragma once

#include "bascule/base/error.h"

typedef enum LogLevel { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE } LogLevel;

void log_init(LogLevel level, bool json);
void log_set_component(const char *name); /* of this thread; workers call it */
bool log_enabled(LogLevel level);
void log_line(LogLevel level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_error_value(LogLevel level, const Error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* While set, the terminal's live line is wiped and redrawn around log lines (src/cli). */
void log_set_around(void (*before)(void), void (*after)(void));
MUST_CHECK bool log_parse_level(const char *text, LogLevel *out_level);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG))                                                                \
            log_line(LOG_DEBUG, __VA_ARGS__);                                                      \
    } while (0)
#define log_trace(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_TRACE))                                                                \
            log_line(LOG_TRACE, __VA_ARGS__);                                                      \
    } while (0)

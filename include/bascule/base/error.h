/*
 * error - what went wrong, by value.
 *
 * A function that can fail is `MUST_CHECK bool f(..., Error *err)`; false means *err is filled.
 * Holds    class, SQLSTATE, errno, where, one message, one hint; no allocation while failing.
 * Style    message: lower case, no full stop, names in single quotes; hint: full sentences.
 * Context  is put in front on the way up: err_context(err, "copying table '%s'", name).
 * Nobody below the worker loop and the command line logs an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

typedef enum ErrorAction {
    ERR_ACTION_RETRY,
    ERR_ACTION_RECONNECT,
    ERR_ACTION_STOP,
    ERR_ACTION_BUG,
} ErrorAction;

typedef enum ErrorClass {
#define X(cls, slug, action, exit_code, hint) cls,
#include "bascule/base/errors.def"
#undef X
    ERR_CLASS_COUNT,
} ErrorClass;

typedef struct Error {
    ErrorClass cls;
    int os_errno;     /* 0 when not from the system */
    char sqlstate[6]; /* "" when not from a server */
    const char *file; /* where it was raised */
    int line;
    char message[2048];
    char hint[1024]; /* "" means the default hint of the class */
} Error;

#define ERROR_INIT ((Error){.cls = ERR_NONE})

/* Fills *err and returns false, so that `return ERR(err, ERR_IO, "...")` reads well. */
#define ERR(err, cls, ...) err_set((err), (cls), __FILE__, __LINE__, __VA_ARGS__)
bool err_set(Error *err, ErrorClass cls, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* The same with errno's text appended; os_errno is kept. */
#define ERR_OS(err, cls, ...) err_set_os((err), (cls), __FILE__, __LINE__, __VA_ARGS__)
bool err_set_os(Error *err, ErrorClass cls, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Replaces the hint. Returns false (as err_set). */
bool err_hint(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "context: " before the message. Returns false. */
bool err_context(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(Error *err);

const char *err_slug(ErrorClass cls);
ErrorAction err_action(ErrorClass cls);
int err_exit_code(ErrorClass cls);
const char *err_hint_of(const Error *err); /* own hint, else the class's, may be "" */

/* Programming errors: always on; prints the expression and a stack trace, then aborts. */
#define ASSERT(expr) ((expr) ? (void)0 : err_assert_failed(#expr, __FILE__, __LINE__))
_Noreturn void err_assert_failed(const char *expr, const char *file, int line);

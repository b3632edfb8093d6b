/*
 * subprocess - runs a helper program (pg_dump, pg_restore, hooks).
 *
 * No shell: argv is an array. Secrets go through `env`, never argv. stderr of the child is logged
 * line by line and its last lines become the error's message.
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/base/stop.h"

typedef struct Subprocess {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-terminated "NAME=value" added to ours; may be NULL */
    int64_t timeout_us;      /* 0: none */
    StopToken *stop;         /* SIGTERM to the child when set; may be NULL */
} Subprocess;

/* true when the child exited with 0; its stdout is appended to *out (may be NULL). */
MUST_CHECK bool subprocess_run(const Subprocess *spec, Buf *out, Error *err);

/*
 * scratch - what most tests of texts need: an arena, an error and an SQL text, new for each test of a file.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bascule/base/arena.h"
#include "bascule/base/error.h"
#include "sqltext/sqltext.h"

static Arena *arena;
static Error err;
static SqlText st;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    err = (Error)ERROR_INIT;
    st = SQLTEXT_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sqltext_done(&st);
    arena_free(arena);
    return 0;
}

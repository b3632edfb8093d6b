/*
 * dml_fixture - two columns of a table, one with a name and a type of its own kind, and what a call builds.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sqltext/dml.h"
#include <cmocka.h>

/* clang-format off */
#define ID_COLUMN {.name = "id", .type_schema = "pg_catalog", .type_name = "int4", \
                   .equal_schema = "pg_catalog", .equal_is_exact = true}
#define NAME_COLUMN {.name = "na\"me", .type_schema = "public", .type_name = "citext", \
                     .equal_schema = "public"}
/* clang-format on */

static SqlText st;

#define BUILDS(call, expected)                                                                     \
    do {                                                                                           \
        sqltext_clear(&st);                                                                        \
        call;                                                                                      \
        assert_string_equal(sqltext_sql(&st).text, expected);                                      \
    } while (0)

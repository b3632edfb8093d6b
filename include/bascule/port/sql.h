/*
 * sql - a statement's text that cannot be made from an arbitrary string.
 *
 * A Sql comes from: SQL("literal") (only a string literal compiles), a file in replication/sql
 * (SQL_<NAME> of the generated sql_files.h), or the builder in replication/sqltext.
 */
#pragma once

#include <stddef.h>

typedef struct Sql {
    const char *text;
} Sql;

#define SQL(literal) ((Sql){"" literal})

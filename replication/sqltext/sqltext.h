/*
 * sqltext - builds SQL text whose pieces cannot be injected.
 *
 * A piece is a string literal of this program (enforced by the macro), a quoted identifier, a quoted
 * literal (replication commands, which take no parameters), a number, a parameter $n, or what a server
 * deparsed. There is no
 * way to put a plain char * in. This folder is the only place that builds SQL.
 * Owns     its buffer; a Sql from sqltext_sql lives until the next change or sqltext_done.
 */
#pragma once

#include <stdint.h>

#include "bascule/base/buf.h"
#include "bascule/model/lsn.h"
#include "bascule/port/sql.h"

typedef struct SqlText {
    Buf buf;
} SqlText;

#define SQLTEXT_INIT    ((SqlText){BUF_INIT})
#define CLEANUP_SQLTEXT __attribute__((cleanup(sqltext_done)))

void sqltext_done(SqlText *st);
void sqltext_clear(SqlText *st);
#define sqltext_put(st, literal) sqltext_put_literal_text((st), "" literal)
void sqltext_put_literal_text(SqlText *st, const char *text); /* by the macro only */
void sqltext_ident(SqlText *st, const char *name);            /* "na""me" */
void sqltext_qualified(SqlText *st, const char *schema, const char *name);
/* 'it''s'; a backslash is an ordinary character: every session pins standard_conforming_strings, and
 * replication commands know no E'' form. */
void sqltext_string(SqlText *st, const char *value);
void sqltext_param(SqlText *st, int n); /* $n */
void sqltext_i64(SqlText *st, int64_t value);
void sqltext_number(SqlText *st,
                    const char *digits);   /* as a rule has it: digits, point, exponent */
void sqltext_lsn(SqlText *st, Lsn lsn);    /* bare X/X for START_REPLICATION */
void sqltext_append(SqlText *st, Sql sql); /* a whole statement's text */
/* SQL that a server has deparsed from its catalog: format_type(), pg_get_expr(). Nothing else. */
void sqltext_deparsed(SqlText *st, const char *text);
/* A statement that the operator wrote in a file of his: scripts of schema.scripts. Nothing else. */
void sqltext_operators(SqlText *st, const char *text);
Sql sqltext_sql(SqlText *st);

/*
 * start - see start.h. The place where the plugins' options are made.
 */
#include "stream/start.h"

#include <string.h>

#include "source/slot.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

/* Between START_REPLICATION's refusal and its reason stands only the SQLSTATE. */
#define SQLSTATE_NOT_READY "55000" /* the slot was invalidated */
#define SQLSTATE_NO_SLOT   "42704"

static bool slot_lost(const StartSpec *spec, const char *how, Error *err)
{
    return ERR(err, ERR_SLOT_LOST, "replication slot '%s' of the source %s", spec->slot_name, how);
}

static bool check_positions(const StartSpec *spec, const SlotState *slot, Error *err)
{
    if (spec->resume_lsn == LSN_UNKNOWN)
        return ERR(err, ERR_TARGET_STATE, "the target holds no position to resume from");
    if (!slot->exists)
        return slot_lost(spec, "does not exist", err);
    if (strcmp(slot->wal_status, "lost") == 0)
        return slot_lost(spec, "was invalidated (wal_status lost)", err);
    if (strcmp(slot->plugin, spec->plugin) != 0)
        return ERR(err, ERR_SLOT, "replication slot '%s' belongs to plugin '%s', not '%s'",
                   spec->slot_name, slot->plugin, spec->plugin);
    if (slot->confirmed_lsn > spec->resume_lsn)
        return ERR(err, ERR_SLOT_LOST,
                   "replication slot '%s' was confirmed up to " LSN_FMT
                   ", but the target holds changes up to " LSN_FMT " only",
                   spec->slot_name, LSN_ARGS(slot->confirmed_lsn), LSN_ARGS(spec->resume_lsn));
    if (slot->wal_end_lsn != LSN_UNKNOWN && slot->wal_end_lsn < spec->resume_lsn)
        return ERR(err, ERR_TARGET_STATE,
                   "the target holds changes up to " LSN_FMT
                   ", but the source has written only up to " LSN_FMT
                   ": it is another server, or was restored from a backup",
                   LSN_ARGS(spec->resume_lsn), LSN_ARGS(slot->wal_end_lsn));
    return true;
}

bool start_check(const StartSpec *spec, int64_t *out_silence_us, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(spec->endpoint, PG_SESSION_SQL, "stream-check", err);
    CLEANUP_PGROWS PgRows *rows = NULL;
    SlotState slot;
    if (conn == NULL || !slot_state(conn, spec->slot_name, &slot, err) ||
        !check_positions(spec, &slot, err) ||
        !pgconn_query(conn, SQL_STREAM_SILENCE, PG_NO_PARAMS, &rows, err))
        return false;
    *out_silence_us = pgrows_count(rows) == 1 ? pgrows_i64(rows, 0, 0) * 1000 : 0;
    return true;
}

bool start_alive(const StartSpec *spec, uint32_t pid, bool *out_alive, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(spec->endpoint, PG_SESSION_SQL, "stream-check", err);
    SlotState slot;
    if (conn == NULL || !slot_state(conn, spec->slot_name, &slot, err))
        return false;
    *out_alive = slot.exists && slot.active && (uint32_t)slot.active_pid == pid;
    return true;
}

/* Options of wal2json 2.5. No filter of tables in the plugin: a table that it does not know is
 * silently not sent, and it sends no keepalive while it filters. No types, defaults or keys: they
 * can come out as broken JSON, and the catalog knows better. */
static void put_wal2json_options(SqlText *st)
{
    sqltext_put(st, "\"format-version\" '2', \"include-lsn\" 'true', \"include-xids\" 'true', "
                    "\"include-timestamp\" 'true', \"include-transaction\" 'true', "
                    "\"include-types\" 'false', \"include-pk\" 'false'");
}

static void put_pgoutput_options(SqlText *st, const char *publication)
{
    CLEANUP_SQLTEXT SqlText name = SQLTEXT_INIT;
    sqltext_ident(&name, publication);
    sqltext_put(st, "proto_version '1', messages 'true', binary 'false', publication_names ");
    sqltext_string(st, sqltext_sql(&name).text);
}

static void put_start(SqlText *st, const StartSpec *spec)
{
    sqltext_put(st, "START_REPLICATION SLOT ");
    sqltext_ident(st, spec->slot_name);
    sqltext_put(st, " LOGICAL ");
    sqltext_lsn(st, spec->resume_lsn);
    sqltext_put(st, " (");
    if (strcmp(spec->plugin, "wal2json") == 0)
        put_wal2json_options(st);
    else
        put_pgoutput_options(st, spec->publication);
    sqltext_put(st, ")");
}

static bool explain(const StartSpec *spec, Error *err)
{
    if (strcmp(err->sqlstate, SQLSTATE_NOT_READY) == 0 ||
        strcmp(err->sqlstate, SQLSTATE_NO_SLOT) == 0)
        err->cls = ERR_SLOT_LOST;
    return err_context(err, "starting replication slot '%s'", spec->slot_name);
}

PgConn *start_stream(const StartSpec *spec,
                     void (*notice)(void *arg, const char *sqlstate, const char *message),
                     void *notice_arg, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    PgConn *conn = pgconn_open(spec->endpoint, PG_SESSION_WALSENDER, "stream", err);
    if (conn == NULL)
        return NULL;
    pgconn_on_notice(conn, notice, notice_arg);
    put_start(&st, spec);
    if (pgconn_stream_start(conn, sqltext_sql(&st), err))
        return conn;
    explain(spec, err);
    pgconn_close(conn);
    return NULL;
}

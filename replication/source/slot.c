/*
 * slot - creates, probes, describes and drops logical replication slots.
 *
 * The snapshot that a walsender exports dies with the next command on that session. So a second
 * session, the holder, imports it at once and exports it again: that identifier lives as long as
 * the holder's transaction, whatever becomes of the walsender.
 */
#include "source/slot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "bascule/model/progress.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define PROBE_WAIT_MS    5000
#define BLOCKERS_SHOWN   5
#define DROP_TRIES       10
#define SQLSTATE_REFUSED "42501"
#define SQLSTATE_NO_FILE "58P01"
#define SQLSTATE_TIMEOUT "55P03"
#define SQLSTATE_GONE    "42704"
#define SQLSTATE_NO_SLOT "53400" /* max_replication_slots */
#define SQLSTATE_NO_ROOM "53300" /* max_wal_senders */

struct SlotSnapshot {
    PgConn *creator; /* a temporary slot lives as long as this session; else NULL */
    PgConn *holder;  /* its open transaction keeps the snapshot */
    Lsn lsn;
    char id[64];
};

/* lock_timeout bounds the wait for running transactions (statement_timeout does not). */
static bool set_lock_timeout(PgConn *walsender, int64_t ms, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    Error ignored = ERROR_INIT;
    /* If we die, the server shall notice while it waits, and not finish a slot that nobody knows.
     * Not every platform of servers can. */
    (void)!pgconn_exec(walsender, SQL("SET client_connection_check_interval = 2000"), PG_NO_PARAMS,
                       NULL, &ignored);
    sqltext_put(&st, "SET lock_timeout = ");
    sqltext_i64(&st, ms < 1 ? 1 : ms);
    return pgconn_exec(walsender, sqltext_sql(&st), PG_NO_PARAMS, NULL, err);
}

static bool create(PgConn *walsender, const char *name, const char *plugin, bool temporary,
                   bool export_snapshot, PgRows **out_rows, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "CREATE_REPLICATION_SLOT ");
    sqltext_ident(&st, name);
    if (temporary)
        sqltext_put(&st, " TEMPORARY");
    sqltext_put(&st, " LOGICAL ");
    sqltext_ident(&st, plugin);
    if (export_snapshot)
        sqltext_put(&st, " EXPORT_SNAPSHOT");
    else
        sqltext_put(&st, " NOEXPORT_SNAPSHOT");
    return pgconn_query(walsender, sqltext_sql(&st), PG_NO_PARAMS, out_rows, err);
}

/* The server refused the plugin itself: says what to do about it. Other errors stay. */
static bool explain_plugin(PgConn *walsender, const char *plugin, Error *err)
{
    Error cause = *err;
    /* A role without REPLICATION would have been refused when the walsender connected. */
    if (strcmp(cause.sqlstate, SQLSTATE_REFUSED) == 0) {
        ERR(err, ERR_PLUGIN, "the source refuses the output plugin '%s': %s", plugin,
            cause.message);
        err_hint(err, "ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, "
                      "wal2json; SELECT pg_reload_conf(); (the list is not quoted; no restart is "
                      "needed), or set 'plugin: pgoutput'.");
    } else if (strcmp(cause.sqlstate, SQLSTATE_NO_FILE) == 0) {
        ERR(err, ERR_PLUGIN, "the source has no output plugin '%s': %s", plugin, cause.message);
        err_hint(err,
                 "Install the package postgresql-%d-%s on the source's host, or set "
                 "'plugin: pgoutput'.",
                 pgconn_server_version(walsender) / 10000, plugin);
    } else {
        return false;
    }
    memcpy(err->sqlstate, cause.sqlstate, sizeof err->sqlstate);
    return false;
}

bool slot_probe_plugin(const PgEndpoint *source, const char *plugin, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(source, PG_SESSION_WALSENDER, "probe", err);
    if (conn == NULL || !set_lock_timeout(conn, PROBE_WAIT_MS, err))
        return err_context(err, "probing the output plugin '%s'", plugin);
    char name[64];
    snprintf(name, sizeof name, "bascule_probe_%d_%llx", (int)getpid(),
             (unsigned long long)clock_now_us() & 0xffffffffffULL);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (create(conn, name, plugin, true, false, &rows, err))
        return true; /* the slot goes with the session */
    /* The server loads and starts the plugin before it waits for running transactions. */
    if (strcmp(err->sqlstate, SQLSTATE_TIMEOUT) == 0) {
        err_clear(err);
        return true;
    }
    (void)explain_plugin(conn, plugin, err);
    return err->cls == ERR_PLUGIN ? false
                                  : err_context(err, "probing the output plugin '%s'", plugin);
}

/* Choice --------------------------------------------------------------------------------------- */

/* A column whose NaN or Infinity wal2json 2.5 turns into null: the bare types, not domains over
 * them (those travel as strings). */
static const char *lossy_column(const Relations *rels, const Relation **out_rel)
{
    enum { FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        for (int c = 0; c < rel->column_count; c++) {
            uint32_t type = rel->columns[c].type_oid;
            if (type == FLOAT4 || type == FLOAT8 || type == NUMERIC) {
                *out_rel = rel;
                return rel->columns[c].name;
            }
        }
    }
    return NULL;
}

bool slot_choose_plugin(const PgEndpoint *source, PluginChoice choice, const Relations *rels,
                        const char **out_plugin, char *out_why, size_t why_size, Error *err)
{
    const Relation *rel = NULL;
    const char *column = lossy_column(rels, &rel);
    if (choice == PLUGIN_PGOUTPUT) {
        if (!slot_probe_plugin(source, "pgoutput", err))
            return false;
        snprintf(out_why, why_size, "set in the configuration");
        *out_plugin = "pgoutput";
        return true;
    }
    if (choice == PLUGIN_WAL2JSON) {
        if (column != NULL) {
            ERR(err, ERR_PLUGIN,
                "wal2json cannot carry NaN and Infinity of column '%s' of table '%s'", column,
                rel->display);
            return err_hint(err, "Set 'plugin: auto' or 'plugin: pgoutput'; both move every value "
                                 "exactly.");
        }
        if (!slot_probe_plugin(source, "wal2json", err))
            return false;
        snprintf(out_why, why_size, "set in the configuration");
        *out_plugin = "wal2json";
        return true;
    }
    if (column != NULL) {
        snprintf(
            out_why, why_size,
            "wal2json turns NaN and Infinity into null, and table '%s' has such a column ('%s')",
            rel->display, column);
    } else {
        Error refused = ERROR_INIT;
        if (slot_probe_plugin(source, "wal2json", &refused)) {
            snprintf(out_why, why_size, "wal2json is usable and loses no value of these tables");
            *out_plugin = "wal2json";
            return true;
        }
        if (refused.cls != ERR_PLUGIN) {
            *err = refused;
            return false;
        }
        snprintf(out_why, why_size, "%s", refused.message);
    }
    if (!slot_probe_plugin(source, "pgoutput", err))
        return false;
    *out_plugin = "pgoutput";
    return true;
}

/* Creation ------------------------------------------------------------------------------------- */

/* "pid 12 (user app, ...) for 3 min; ..." in `out`; false when nobody was found or none could be
 * asked. */
static bool list_blockers(PgConn *conn, Buf *out)
{
    Error ignored = ERROR_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_SOURCE_SLOT_BLOCKERS, PG_NO_PARAMS, &rows, &ignored))
        return false;
    int n = pgrows_count(rows);
    for (int i = 0; i < n && i < BLOCKERS_SHOWN; i++) {
        char age[64] = "unknown time";
        if (pgrows_i64(rows, i, 1) >= 0)
            clock_format_duration(pgrows_i64(rows, i, 1) * 1000000, age, sizeof age);
        buf_printf(out, "%s%s for %s", i > 0 ? "; " : "", pgrows_text(rows, i, 0), age);
    }
    if (n > BLOCKERS_SHOWN)
        buf_printf(out, "; and %d more", n - BLOCKERS_SHOWN);
    return n > 0;
}

static bool explain_wait(PgConn *holder, const char *slot_name, int64_t wait_us, Error *err)
{
    CLEANUP_BUF Buf who = BUF_INIT;
    char waited[64];
    clock_format_duration(wait_us, waited, sizeof waited);
    if (!list_blockers(holder, &who))
        buf_puts(&who, "transactions that have ended since");
    ERR(err, ERR_SLOT, "slot '%s' was not created within %s, the server waited for %s", slot_name,
        waited, buf_str(&who));
    return err_hint(err,
                    "A slot can only begin when every transaction that was writing has ended: let "
                    "them finish (COMMIT or ROLLBACK PREPARED for prepared ones) or raise "
                    "slot.create_timeout.");
}

/* Imports the walsender's snapshot and exports it again, from a transaction that stays open. */
static bool hold_snapshot(SlotSnapshot *snapshot, const char *exported, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SET TRANSACTION SNAPSHOT ");
    sqltext_string(&st, exported);
    if (!pgconn_script(snapshot->holder, SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
                       err) ||
        !pgconn_exec(snapshot->holder, sqltext_sql(&st), PG_NO_PARAMS, NULL, err) ||
        !pgconn_query(snapshot->holder, SQL("SELECT pg_catalog.pg_export_snapshot()"), PG_NO_PARAMS,
                      &rows, err))
        return false;
    snprintf(snapshot->id, sizeof snapshot->id, "%s", pgrows_text(rows, 0, 0));
    return true;
}

/* What a failed creation left behind; the error that led here is kept. */
static void drop_quietly(const PgEndpoint *source, const char *slot_name)
{
    Error ignored = ERROR_INIT;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(source, PG_SESSION_SQL, "drop slot", &ignored);
    if (conn == NULL || !slot_drop(conn, slot_name, &ignored))
        log_warn("slot left behind on the source, drop it or run 'bascule cleanup' slot=%s (%s)",
                 slot_name, ignored.message);
}

/* The server has no place for one more, be it for a moment. */
static void explain_room(Error *err)
{
    Error cause = *err;
    if (strcmp(cause.sqlstate, SQLSTATE_NO_SLOT) == 0) {
        ERR(err, ERR_SLOT, "the source has no free replication slot: %s", cause.message);
        err_hint(err,
                 "Drop one that nobody uses (SELECT slot_name, active FROM "
                 "pg_replication_slots), or raise max_replication_slots on the source (takes a "
                 "restart).");
    } else if (strcmp(cause.sqlstate, SQLSTATE_NO_ROOM) == 0) {
        ERR(err, ERR_SLOT, "the source takes no further replication connection: %s", cause.message);
        err_hint(err, "End one that nobody needs (SELECT pid, application_name FROM "
                      "pg_stat_replication), or raise max_wal_senders on the source (takes a "
                      "restart).");
    } else {
        return;
    }
    memcpy(err->sqlstate, cause.sqlstate, sizeof err->sqlstate);
}

bool slot_create(const PgEndpoint *source, const char *slot_name, const char *plugin,
                 bool temporary, int64_t wait_us, SlotSnapshot **out_snapshot, Error *err)
{
    SlotSnapshot *snapshot = mem_zalloc(sizeof *snapshot);
    CLEANUP_BUF Buf who = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    bool created = false;
    snapshot->holder = pgconn_open(source, PG_SESSION_SQL, "snapshot", err);
    if (snapshot->holder == NULL)
        goto failed;
    if (list_blockers(snapshot->holder, &who))
        log_info("creating the slot waits for running transactions: %s", buf_str(&who));
    snapshot->creator = pgconn_open(source, PG_SESSION_WALSENDER, "slot", err);
    if (snapshot->creator == NULL)
        explain_room(err);
    if (snapshot->creator == NULL || !set_lock_timeout(snapshot->creator, wait_us / 1000, err))
        goto failed;
    created = create(snapshot->creator, slot_name, plugin, temporary, true, &rows, err);
    if (!created) {
        if (strcmp(err->sqlstate, SQLSTATE_TIMEOUT) == 0)
            (void)explain_wait(snapshot->holder, slot_name, wait_us, err);
        else
            (void)explain_plugin(snapshot->creator, plugin, err);
        explain_room(err);
        if (strcmp(err->sqlstate, "42710") == 0)
            err->cls = ERR_SLOT;
        goto failed;
    }
    snapshot->lsn = pgrows_lsn(rows, 0, 1);
    if (snapshot->lsn == LSN_UNKNOWN) {
        (void)ERR(err, ERR_PROTOCOL, "the server gave no consistent point");
        goto failed;
    }
    if (!hold_snapshot(snapshot, pgrows_text(rows, 0, 2), err))
        goto failed;
    if (!temporary) {
        pgconn_close(snapshot->creator);
        snapshot->creator = NULL;
    }
    *out_snapshot = snapshot;
    return true;
failed:
    slot_snapshot_free(snapshot);
    if (created && !temporary)
        drop_quietly(source, slot_name);
    return err_context(err, "creating replication slot '%s'", slot_name);
}

Lsn slot_snapshot_lsn(const SlotSnapshot *snapshot)
{
    return snapshot->lsn;
}

const char *slot_snapshot_id(const SlotSnapshot *snapshot)
{
    return snapshot->id;
}

bool slot_snapshot_check(SlotSnapshot *snapshot, Error *err)
{
    if (!pgconn_exec(snapshot->holder, SQL("SELECT 1"), PG_NO_PARAMS, NULL, err))
        return err_context(err, "keeping the snapshot of the load");
    return true;
}

void slot_snapshot_drop_slot(SlotSnapshot *snapshot)
{
    pgconn_close(snapshot->creator);
    snapshot->creator = NULL;
}

void slot_snapshot_free(SlotSnapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    pgconn_close(snapshot->holder);
    pgconn_close(snapshot->creator);
    free(snapshot);
}

/* State and end ----------------------------------------------------------------------------------
 */

bool slot_state(PgConn *source, const char *slot_name, SlotState *out_state, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_SLOT_STATE, PG_PARAMS(PG_TEXT(slot_name)), &rows, err))
        return err_context(err, "looking at replication slot '%s'", slot_name);
    SlotState state = {
        .exists = !pgrows_null(rows, 0, 0),
        .temporary = pgrows_bool(rows, 0, 2),
        .active = pgrows_bool(rows, 0, 3),
        .active_pid = (int)pgrows_i64(rows, 0, 4),
        .restart_lsn = pgrows_lsn(rows, 0, 5),
        .confirmed_lsn = pgrows_lsn(rows, 0, 6),
        .wal_end_lsn = pgrows_lsn(rows, 0, 9),
        .wal_flushed_lsn = pgrows_lsn(rows, 0, 11),
        .retained_bytes = PROGRESS_UNKNOWN,
        .safe_wal_bytes = PROGRESS_UNKNOWN,
    };
    snprintf(state.plugin, sizeof state.plugin, "%s", pgrows_text(rows, 0, 0));
    snprintf(state.database, sizeof state.database, "%s", pgrows_text(rows, 0, 1));
    snprintf(state.wal_status, sizeof state.wal_status, "%s", pgrows_text(rows, 0, 7));
    if (!pgrows_null(rows, 0, 8))
        state.safe_wal_bytes = pgrows_i64(rows, 0, 8);
    if (!pgrows_null(rows, 0, 10))
        state.retained_bytes = pgrows_i64(rows, 0, 10);
    *out_state = state;
    return true;
}

bool slot_drop(PgConn *source, const char *slot_name, Error *err)
{
    for (int tries = 1;; tries++) {
        SlotState state;
        if (!slot_state(source, slot_name, &state, err))
            return false;
        if (!state.exists)
            return true;
        if (state.active_pid != 0) {
            char pid[16];
            snprintf(pid, sizeof pid, "%d", state.active_pid);
            /* waits on the server until the walsender is gone */
            if (!pgconn_exec(source, SQL("SELECT pg_catalog.pg_terminate_backend($1, 1000)"),
                             PG_PARAMS(PG_TEXT(pid)), NULL, err))
                return err_context(err, "ending the session that holds slot '%s'", slot_name);
        }
        if (pgconn_exec(source, SQL("SELECT pg_catalog.pg_drop_replication_slot($1)"),
                        PG_PARAMS(PG_TEXT(slot_name)), NULL, err))
            return true;
        if (strcmp(err->sqlstate, SQLSTATE_GONE) == 0) {
            err_clear(err);
            return true;
        }
        if (err->cls != ERR_SLOT_BUSY || tries == DROP_TRIES)
            return err_context(err, "dropping replication slot '%s'", slot_name);
    }
}

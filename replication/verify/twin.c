/*
 * twin - see the header.
 */
#include "verify/twin.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/slot.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define HOLD_US ((int64_t)10000000)

struct Twin {
    bool exact;
    Lsn lsn, target_lsn;
    char source_id[64], target_id[64];
    SlotSnapshot *slot;
    PgConn *source, *target; /* source: without an engine only */
    int64_t taken_us, held_us;
};

static bool export_snapshot(PgConn *conn, char *out_id, size_t size, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_script(conn, SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), err) ||
        !pgconn_query(conn, SQL("SELECT pg_catalog.pg_export_snapshot()"), PG_NO_PARAMS, &rows,
                      err))
        return false;
    snprintf(out_id, size, "%s", pgrows_text(rows, 0, 0));
    return true;
}

/* The resume row as the exported snapshot shows it. */
static bool read_resume(PgConn *target, const char *task, Lsn *out_lsn, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL, *rows = NULL;
    *out_lsn = LSN_UNKNOWN;
    if (!pgconn_query(target, SQL("SELECT pg_catalog.to_regclass('bascule.resume') IS NOT NULL"),
                      PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0))
        return true;
    if (!pgconn_query(target, SQL_VERIFY_RESUME, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    if (pgrows_count(rows) == 1)
        *out_lsn = pgrows_lsn(rows, 0, 0);
    return true;
}

static bool take_source_slot(Twin *twin, const TwinSpec *spec, int64_t deadline_us, Error *err)
{
    static _Atomic unsigned number;
    char name[64];
    snprintf(name, sizeof name, "%.36s_v%x_%x", spec->slot_name, (unsigned)getpid(),
             atomic_fetch_add(&number, 1) & 0xffff);
    int64_t left_us = deadline_us - clock_now_us();
    if (!slot_create(&spec->source, name, "pgoutput", true, left_us < 1000 ? 1000 : left_us,
                     &twin->slot, err))
        return false;
    twin->lsn = slot_snapshot_lsn(twin->slot);
    snprintf(twin->source_id, sizeof twin->source_id, "%s", slot_snapshot_id(twin->slot));
    slot_snapshot_drop_slot(twin->slot);
    return true;
}

/* standing: the applier does not go on; NULL: it does. */
static bool take_with_engine(Twin *twin, const TwinSpec *spec, void **standing, Error *err)
{
    const TwinEngine *engine = &spec->engine;
    int64_t begin_us = clock_now_us();
    int64_t deadline_us = begin_us + (spec->hold_us > 0 ? spec->hold_us : HOLD_US);
    void *hold = NULL;
    if (!engine->hold(engine->self, deadline_us, &hold, err))
        return err_context(err, "holding the applier");
    bool ok = take_source_slot(twin, spec, deadline_us, err) &&
              engine->release_to(hold, twin->lsn, deadline_us, err) &&
              export_snapshot(twin->target, twin->target_id, sizeof twin->target_id, err) &&
              read_resume(twin->target, spec->task, &twin->target_lsn, err) &&
              engine->check(hold, err);
    if (ok && twin->target_lsn > twin->lsn)
        ok = ERR(err, ERR_BUG, "the target was let go to " LSN_FMT " but stands at " LSN_FMT,
                 LSN_ARGS(twin->lsn), LSN_ARGS(twin->target_lsn));
    if (ok && standing != NULL)
        *standing = hold;
    else
        engine->go_on(hold);
    twin->held_us = clock_now_us() - begin_us;
    if (!ok)
        return false;
    twin->target_lsn = twin->lsn;
    twin->exact = true;
    return true;
}

/* Target first: what the source has more can then only be newer. */
static bool take_plain(Twin *twin, const TwinSpec *spec, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    twin->source = pgconn_open(&spec->source, PG_SESSION_SQL, "verify", err);
    if (twin->source == NULL ||
        !export_snapshot(twin->target, twin->target_id, sizeof twin->target_id, err) ||
        !read_resume(twin->target, spec->task, &twin->target_lsn, err) ||
        !export_snapshot(twin->source, twin->source_id, sizeof twin->source_id, err) ||
        !pgconn_query(twin->source, SQL_VERIFY_SOURCE_END, PG_NO_PARAMS, &rows, err))
        return false;
    twin->lsn = pgrows_lsn(rows, 0, 0);
    return true;
}

static bool take(const TwinSpec *spec, Twin **out_twin, void **standing, Error *err)
{
    Twin *twin = mem_zalloc(sizeof *twin);
    twin->target = pgconn_open(&spec->target, PG_SESSION_SQL, "verify", err);
    bool ok = twin->target != NULL &&
              (spec->engine.self != NULL ? take_with_engine(twin, spec, standing, err)
                                         : take_plain(twin, spec, err));
    if (!ok) {
        twin_free(twin);
        return err_context(err, "taking snapshots of both sides");
    }
    twin->taken_us = clock_now_us();
    log_debug("snapshots of both sides taken lsn=" LSN_FMT " ms=%lld", LSN_ARGS(twin->lsn),
              (long long)(twin->held_us / 1000));
    *out_twin = twin;
    return true;
}

bool twin_take(const TwinSpec *spec, Twin **out_twin, Error *err)
{
    return take(spec, out_twin, NULL, err);
}

bool twin_take_standing(const TwinSpec *spec, Twin **out_twin, void **out_hold, Error *err)
{
    ASSERT(spec->engine.self != NULL);
    return take(spec, out_twin, out_hold, err);
}

void twin_free(Twin *twin)
{
    if (twin == NULL)
        return;
    slot_snapshot_free(twin->slot);
    pgconn_close(twin->source);
    pgconn_close(twin->target);
    free(twin);
}

bool twin_exact(const Twin *twin)
{
    return twin->exact;
}

Lsn twin_lsn(const Twin *twin)
{
    return twin->lsn;
}

Lsn twin_target_lsn(const Twin *twin)
{
    return twin->target_lsn;
}

int64_t twin_age_us(const Twin *twin)
{
    return clock_now_us() - twin->taken_us;
}

int64_t twin_held_us(const Twin *twin)
{
    return twin->held_us;
}

static bool alive(PgConn *conn, Error *err)
{
    return pgconn_exec(conn, SQL("SELECT 1"), PG_NO_PARAMS, NULL, err) ||
           err_context(err, "keeping the snapshot");
}

bool twin_check(Twin *twin, Error *err)
{
    return (twin->slot != NULL ? slot_snapshot_check(twin->slot, err) : alive(twin->source, err)) &&
           alive(twin->target, err);
}

bool twin_begin(const Twin *twin, PgConn *conn, bool on_source, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ");
    sqltext_string(&st, on_source ? twin->source_id : twin->target_id);
    return pgconn_script(conn, sqltext_sql(&st), err);
}

static bool look_at_file(PgConn *conn, const char *schema, const char *name, bool *out_same,
                         char out_file[TWIN_FILE_SIZE], Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_VERIFY_SAME_FILE, PG_PARAMS(PG_TEXT(schema), PG_TEXT(name)), &rows,
                      err))
        return false;
    bool there = pgrows_count(rows) == 1;
    *out_same = there && pgrows_bool(rows, 0, 0);
    snprintf(out_file, TWIN_FILE_SIZE, "%s", there ? pgrows_text(rows, 0, 1) : "");
    return true;
}

bool twin_same_file_of(PgConn *conn, const char *schema, const char *name, bool *out_same,
                       Error *err)
{
    char file[TWIN_FILE_SIZE];
    return look_at_file(conn, schema, name, out_same, file, err);
}

bool twin_file(PgConn *conn, const Relation *rel, bool on_source, bool *out_same,
               char out_file[TWIN_FILE_SIZE], Error *err)
{
    return look_at_file(conn, on_source ? rel->schema : rel->target_schema,
                        on_source ? rel->name : rel->target_name, out_same, out_file, err);
}

bool twin_same_file(PgConn *conn, const Relation *rel, bool on_source, bool *out_same, Error *err)
{
    char file[TWIN_FILE_SIZE];
    return twin_file(conn, rel, on_source, out_same, file, err);
}

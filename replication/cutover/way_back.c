/* way_back - see the header. */
#include "cutover/way_back.h"

#include <stdio.h>
#include <string.h>

#include "apply/rules_mark.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "source/catalog.h"
#include "sql_files.h"

/* Arming
 * ------------------------------------------------------------------------------------------- */

static bool read_role(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(cut->source, SQL("SELECT SESSION_USER"), PG_NO_PARAMS, &rows, err))
        return false;
    snprintf(cut->way_back.role, sizeof cut->way_back.role, "%s", pgrows_text(rows, 0, 0));
    return true;
}

static bool write_row(Cutover *cut, bool publication_made, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    const WayBack *way = &cut->way_back;
    ControlTask row = {0};
    SourceIdentity from;
    bool was = false;
    if (!source_identify(cut->target, &from, err) ||
        !control_read(cut->source, spec->task, &row, &was, err))
        return false;
    if (was && (strcmp(row.source_system_id, from.system_id) != 0 ||
                strcmp(row.source_database, from.database) != 0))
        return ERR(err, ERR_TARGET_STATE,
                   "the %s knows a task '%s' already, of another migration: choose another task "
                   "name",
                   pgconn_side(cut->source), spec->task);
    if (!was)
        snprintf(row.state, sizeof row.state, "new"); /* the fence's transaction moves it on */
    snprintf(row.source_system_id, sizeof row.source_system_id, "%s", from.system_id);
    snprintf(row.source_database, sizeof row.source_database, "%s", from.database);
    snprintf(row.slot_name, sizeof row.slot_name, "%s", spec->back_slot);
    snprintf(row.plugin, sizeof row.plugin, "%s", way->plugin);
    bool published = strcmp(way->plugin, "pgoutput") == 0;
    snprintf(row.publication, sizeof row.publication, "%s",
             published ? spec->back_publication : "");
    row.publication_ours = publication_made || (published && row.publication_ours);
    snprintf(row.mode, sizeof row.mode, "%s", spec->mode);
    snprintf(row.prepare, sizeof row.prepare, "%s", spec->prepare);
    row.consistent_lsn = way->start_lsn;
    return control_write(cut->source, spec->task, &row, err);
}

static bool write_tables(Cutover *cut, Error *err)
{
    WayBack *way = &cut->way_back;
    const char *task = cut->spec->task;
    /* The way forward again: the figures of its load stay. */
    if (cut->spec->back ? !control_read_tables(cut->source, task, way->rels, err)
                        : !pgconn_exec(cut->source, SQL_BACK_TABLES_FORGET,
                                       PG_PARAMS(PG_TEXT(task)), NULL, err))
        return false;
    for (int i = 0; i < way->rels->count; i++) {
        Relation *rel = way->rels->all[i];
        rel->start_lsn = way->start_lsn;
        atomic_store(&rel->load_state, TABLE_COMPLETED);
    }
    if (!control_write_tables(cut->source, task, way->rels, err))
        return false;
    if (!rules_mark_keep(cut->source, task, cut->spec->rules, err))
        return false;
    for (int i = 0; i < way->extra_count; i++) {
        if (!control_mark_step(cut->source, task,
                               arena_printf(cut->arena, "extra %s", way->extra[i]), err))
            return false;
    }
    return true;
}

static bool make_slot(Cutover *cut, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    SlotSnapshot *snapshot = NULL;
    if (!slot_drop(cut->target, spec->back_slot, err) || cutover_given_up(cut, err))
        return false;
    PgEndpoint target = spec->target;
    target.stop = cut->give_up;
    if (!slot_create(&target, spec->back_slot, cut->way_back.plugin, false, spec->back_slot_wait_us,
                     &snapshot, err))
        return false;
    cut->way_back.slot_made = true;
    cut->way_back.start_lsn = slot_snapshot_lsn(snapshot);
    slot_snapshot_free(snapshot);
    return true;
}

/* One that an earlier attempt made may lack tables that came into scope since; its slot goes too. */
static bool renew_publication(Cutover *cut, bool *out_made, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    ControlTask row;
    SourceIdentity from;
    bool found = false;
    if (!source_identify(cut->target, &from, err) ||
        !control_read(cut->source, spec->task, &row, &found, err))
        return false;
    bool ours = found && row.publication_ours &&
                strcmp(row.source_system_id, from.system_id) == 0 &&
                strcmp(row.source_database, from.database) == 0;
    if (ours && strcmp(row.publication, spec->back_publication) == 0 &&
        (!slot_drop(cut->target, spec->back_slot, err) ||
         !publication_drop(cut->target, spec->back_publication, err)))
        return false;
    return publication_create(cut->target, spec->back_publication, cut->way_back.rels, out_made,
                              err);
}

/* A message written there has to come out of the slot: the plugin loads, the role may decode, the
 * publication is found. What cannot be read now could not be read when the other side is open. */
static bool try_slot(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf what = BUF_INIT;
    const CutoverSpec *spec = cut->spec;
    bool published = strcmp(cut->way_back.plugin, "pgoutput") == 0;
    buf_printf(&what, "%s:%lld:tries the way back", spec->task, (long long)cut->epoch);
    if (!pgconn_exec(cut->target, SQL_CUTOVER_BARRIER, PG_PARAMS(PG_TEXT(buf_str(&what))), NULL,
                     err) ||
        !pgconn_query(cut->target, SQL_BACK_PROBE,
                      PG_PARAMS(PG_TEXT(spec->back_slot), PG_TEXT(buf_str(&what)),
                                PG_TEXT(published ? spec->back_publication : "")),
                      &rows, err))
        return err_context(err, "reading slot '%s' once", spec->back_slot);
    return pgrows_bool(rows, 0, 0) ||
           ERR(err, ERR_SLOT,
               "what was written on the %s did not come out of slot '%s': the way back would not "
               "work",
               pgconn_side(cut->target), spec->back_slot);
}

bool way_back_arm(Cutover *cut, Error *err)
{
    const CutoverSpec *spec = cut->spec;
    WayBack *way = &cut->way_back;
    bool made = false;
    if (!way->possible)
        return true;
    if (!read_role(cut, err) || !control_create(cut->source, err))
        return err_context(err, "preparing the way back");
    if (strcmp(way->plugin, "pgoutput") == 0 && !renew_publication(cut, &made, err))
        return err_context(err, "preparing the way back");
    if (!make_slot(cut, err) || !try_slot(cut, err) || !write_row(cut, made, err) ||
        !write_tables(cut, err))
        return err_context(err, "preparing the way back");
    way->armed = true;
    cutover_tell(cut, "arm", false,
                 "the way back is ready and was tried: slot %s on the %s, plugin %s",
                 spec->back_slot, pgconn_side(cut->target), way->plugin);
    return !FAULT_ERROR(CUTOVER_WAY_BACK, err);
}

/* In the freeze
 * --------------------------------------------------------------------------------------- */

bool way_back_advance(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf what = BUF_INIT;
    WayBack *way = &cut->way_back;
    if (!way->armed)
        return true;
    /* A slot can only move to what is flushed. This commit is, and with it all that was applied. */
    buf_printf(&what, "%s:%lld:opens here", cut->spec->task, (long long)cut->epoch);
    if (!pgconn_exec(cut->target, SQL_CUTOVER_BARRIER, PG_PARAMS(PG_TEXT(buf_str(&what))), NULL,
                     err) ||
        !pgconn_query(cut->target, SQL_BACK_ADVANCE, PG_PARAMS(PG_TEXT(cut->spec->back_slot)),
                      &rows, err))
        return err_context(err, "moving slot '%s' to the opening", cut->spec->back_slot);
    way->lsn = pgrows_lsn(rows, 0, 1);
    if (way->lsn == LSN_UNKNOWN || way->lsn < pgrows_lsn(rows, 0, 0))
        return ERR(err, ERR_SLOT, "slot '%s' could not be moved to the opening",
                   cut->spec->back_slot);
    return !FAULT_ERROR(CUTOVER_BACK_POSITION, err);
}

static const char *armed_state(const Cutover *cut)
{
    return cut->spec->back ? "catching-up" : "reversing";
}

bool way_back_recall(Cutover *cut, Error *err)
{
    bool exists = false, found = false;
    ControlTask row;
    if (!control_exists(cut->source, &exists, err))
        return false;
    if (exists && !control_read(cut->source, cut->spec->task, &row, &found, err))
        return false;
    cut->way_back.armed = found && strcmp(row.state, armed_state(cut)) == 0;
    return true;
}

bool way_back_start(Cutover *cut, PgConn *conn, Error *err)
{
    if (!cut->way_back.armed)
        return true;
    LsnText lsn = lsn_text(cut->way_back.lsn);
    return pgconn_exec(
               conn, SQL_BACK_START,
               PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(armed_state(cut)), PG_TEXT(lsn.text)),
               NULL, err) ||
           err_context(err, "recording where the way back begins");
}

/* A slot that nobody reads keeps WAL for ever. */
void way_back_drop(Cutover *cut)
{
    Error err = ERROR_INIT;
    if (!cut->way_back.slot_made)
        return;
    PgConn *conn = cutover_connect(&cut->spec->target, cut->opening_stop, "cutover", &err);
    if (conn == NULL || !slot_drop(conn, cut->spec->back_slot, &err))
        log_warn("slot '%s' of the way back is still on the %s, the next start of the engine drops "
                 "it: %s",
                 cut->spec->back_slot, cut->spec->target.side, err.message);
    pgconn_close(conn);
    cut->way_back.slot_made = false;
}

void way_back_done(WayBack *way)
{
    relations_free(way->rels);
    way->rels = NULL;
}

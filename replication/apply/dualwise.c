/* dualwise - see the header. */
#include "apply/dualwise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/dual.h"
#include "apply/dual_children.h"
#include "apply/plan.h"
#include "apply/rowwise.h"
#include "apply/target_catalog.h"
#include "bascule/base/fault.h"
#include "sql_files.h"
#include "sqltext/dml_conflict.h"

#define TEXT_OID     25
#define CLASHES_MOST 16 /* rows that give way to one */
#define RACES_MOST   16 /* times that the application changes what was in the way */

typedef enum Decision { WAITS, KEPT_TARGET, TOOK_SOURCE, ALREADY_GONE } Decision;

static const char *decision_name(Decision decision)
{
    static const char *const NAMES[] = {"waits", "kept-target", "took-source", "already-gone"};
    return NAMES[decision];
}

/* One change, and what the target has in its place. */
typedef struct Case {
    Session *session;
    Dual *dual;
    Arena *arena;
    const Flow *flow;
    const Change *change;
    const Relation *rel;
    const DmlTable *table;
    const Value *key;    /* the row that holds the (old) key */
    const Value *values; /* as known; NULL of a DELETE */
    bool *present;       /* of values */
    bool moves;          /* an UPDATE that changes the key */
    bool complete;
    const char *columns, *target, *source; /* NULL none */
    bool compared, newer;                  /* latest: known; the source's is later or equal */
} Case;

/* Statements ------------------------------------------------------------------------------------- */

static PgParam *row_params(Case *c, const Value *values, const bool *present, int more, int *out_n)
{
    PgParam *params = arena_new_array(c->arena, PgParam, c->rel->column_count + more + 1);
    int n = 0;
    for (int i = 0; i < c->rel->column_count; i++) {
        if (!present[i])
            continue;
        params[n++] = PG_TEXT(values[i].kind == VALUE_NULL
                                  ? NULL
                                  : arena_dup(c->arena, values[i].data, values[i].len));
    }
    *out_n = n;
    return params;
}

/* One change as rowwise does it; *out_rows: what it touched. A unique index that refuses it is no error:
 * *out_refused. */
static bool try_change(Case *c, const Change *change, int64_t *out_rows, bool *out_refused,
                       Error *err)
{
    Session *session = c->session;
    LaneExpect any = {.what = "setting a savepoint", .max_rows = -1};
    *out_rows = -1; /* nothing had to be sent */
    *out_refused = false;
    lane_forget_failure(session->lane);
    session->counted_rows = out_rows;
    bool fine =
        lane_send(session->lane, SQL("SAVEPOINT bascule_row"), PG_NO_PARAMS, &any, err) &&
        rowwise_change(session, change, true, err) &&
        lane_send(session->lane, SQL("RELEASE SAVEPOINT bascule_row"), PG_NO_PARAMS, &any, err) &&
        lane_drain(session->lane, err);
    session->counted_rows = NULL;
    if (fine)
        return true;
    *out_refused = strcmp(err->sqlstate, "23505") == 0 || strcmp(err->sqlstate, "23P01") == 0;
    if (!*out_refused)
        return rowwise_explain(session, err);
    lane_abandon(session->lane);
    lane_forget_failure(session->lane);
    err_clear(err);
    return pgconn_exec(session->conn, SQL("ROLLBACK TO SAVEPOINT bascule_row"), PG_NO_PARAMS, NULL,
                       err);
}

static const char *text_at(Case *c, const PgRows *rows, int column)
{
    return pgrows_null(rows, 0, column) ? NULL
                                        : arena_strdup(c->arena, pgrows_text(rows, 0, column));
}

static void take_look(Case *c, const PgRows *rows)
{
    c->columns = text_at(c, rows, 0);
    c->target = text_at(c, rows, 1);
    c->source = text_at(c, rows, 2);
    c->compared = !pgrows_null(rows, 0, 3);
    c->newer = pgrows_bool(rows, 0, 3);
}

static int latest_of(const Case *c)
{
    return c->rel->conflict_policy == CONFLICT_LATEST ? c->rel->conflict_column : -1;
}

/* The target's row with the key of c->values. */
static bool look(Case *c, bool *out_found, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    int n;
    PgParam *params = row_params(c, c->values, c->present, 0, &n);
    dml_look(&st, c->table, c->present, latest_of(c));
    if (!pgconn_query(c->session->conn, sqltext_sql(&st), params, n, &rows, err))
        return err_context(err, "reading a row of table '%s' that is there already",
                           c->rel->display);
    *out_found = pgrows_count(rows) > 0;
    if (*out_found)
        take_look(c, rows);
    return true;
}

/* What the source has, as JSON. */
static bool show_source(Case *c, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    int n;
    PgParam *params = row_params(c, c->values, c->present, 0, &n);
    dml_show_row(&st, c->table, c->present);
    if (!pgconn_query(c->session->conn, sqltext_sql(&st), params, n, &rows, err))
        return err_context(err, "reading a row of table '%s'", c->rel->display);
    c->source = text_at(c, rows, 0);
    return true;
}

/* Records ---------------------------------------------------------------------------------------- */

static Decision decide(const Case *c)
{
    switch (c->rel->conflict_policy) {
    case CONFLICT_KEEP_TARGET:
        return KEPT_TARGET;
    case CONFLICT_TAKE_SOURCE:
        return TOOK_SOURCE;
    case CONFLICT_LATEST:
        return !c->compared || c->newer ? TOOK_SOURCE : KEPT_TARGET;
    default:
        return WAITS;
    }
}

static bool write_record(Case *c, const char *kind, const Value *key, Decision decision,
                         int64_t *out_id, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgArray names = {0}, texts = {0};
    char xid[16], time[24];
    LsnText lsn = lsn_text(c->flow->commit_lsn);
    pgarray_begin(&names, PGARRAY_BYTES, TEXT_OID, ',');
    pgarray_begin(&texts, PGARRAY_BYTES, TEXT_OID, ',');
    for (int k = 0; k < c->rel->key_count; k++) {
        const Value *value = &key[c->rel->key[k]];
        pgarray_put_string(&names, c->rel->columns[c->rel->key[k]].target_name);
        pgarray_put_string(&texts, arena_dup(c->arena, value->data, value->len));
    }
    snprintf(xid, sizeof xid, "%" PRIu32, c->flow->xid);
    snprintf(time, sizeof time, "%lld", (long long)c->flow->commit_time_us);
    bool ok = pgconn_query(
        c->session->conn, SQL_CONFLICT_WRITE,
        PG_PARAMS(PG_TEXT(dual_task(c->dual)), PG_TEXT(c->rel->schema), PG_TEXT(c->rel->name),
                  PG_TEXT(kind), pgarray_end(&names), pgarray_end(&texts), PG_TEXT(c->source),
                  PG_TEXT(c->target), PG_TEXT(c->columns), PG_TEXT(lsn.text),
                  PG_TEXT(c->flow->xid != 0 ? xid : NULL),
                  PG_TEXT(c->flow->commit_time_us != 0 ? time : NULL),
                  PG_TEXT(conflict_policy_name(c->rel->conflict_policy)),
                  PG_TEXT(decision_name(decision)), PG_TEXT(decision == ALREADY_GONE ? "t" : "f"),
                  PG_TEXT(decision == WAITS ? "f" : "t")),
        &rows, err);
    pgarray_done(&names);
    pgarray_done(&texts);
    if (!ok)
        return err_context(err, "recording a conflict of table '%s'", c->rel->display);
    *out_id = pgrows_i64(rows, 0, 0);
    return true;
}

/* missing: the target has no row with this key, so that the source's DELETE would explain all. */
static bool record(Case *c, const char *kind, const Value *key, Decision decision, bool missing,
                   Error *err)
{
    DualPending like = {.missing = missing,
                        .held = decision == WAITS,
                        .stops = c->rel->conflict_policy == CONFLICT_ERROR};
    if (!write_record(c, kind, key, decision, &like.id, err))
        return false;
    FAULT(CONFLICT_RECORDED);
    DualCounts *counts = dual_counts(c->dual);
    if (decision == ALREADY_GONE) {
        counts->gone++;
        return true;
    }
    counts->recorded++;
    counts->waiting += decision == WAITS;
    dual_add(c->dual, c->rel, key, &like);
    return true;
}

/* Clashes with another row ------------------------------------------------------------------------ */

/* columns of target_clash.sql */
enum { X_INDEX, X_ELEMENT, X_OP_SCHEMA, X_OP, X_TYPE_SCHEMA, X_TYPE, X_NULLS_EQUAL, X_PREDICATE };

/* One row more of the target that has to give way: *out_key is its key, NULL when there is none. */
static bool find_clash_in(Case *c, const DmlClash *index, const Value **out_key, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    int n;
    PgParam *params = row_params(c, c->values, c->present, 0, &n);
    dml_clash(&st, c->table, c->present, index, latest_of(c));
    if (!pgconn_query(c->session->conn, sqltext_sql(&st), params, n, &rows, err))
        return false;
    if (pgrows_count(rows) == 0)
        return true;
    take_look(c, rows);
    Value *key = arena_new_array(c->arena, Value, c->rel->column_count + 1);
    for (int i = 0; i < c->rel->column_count; i++)
        key[i].kind = VALUE_UNCHANGED;
    for (int k = 0; k < c->rel->key_count; k++) {
        int len = pgrows_length(rows, 0, 4 + k);
        key[c->rel->key[k]] =
            (Value){.data = arena_dup(c->arena, pgrows_text(rows, 0, 4 + k), (size_t)len),
                    .len = (uint32_t)len,
                    .kind = VALUE_TEXT};
    }
    *out_key = key;
    return true;
}

/* The rows [first, end) are one index. */
static DmlClash clash_of(Case *c, const PgRows *rows, int first, int end)
{
    DmlClashPart *parts = arena_new_array(c->arena, DmlClashPart, end - first + 1);
    for (int row = first; row < end; row++)
        parts[row - first] = (DmlClashPart){
            .element = pgrows_text(rows, row, X_ELEMENT),
            .operator_schema = pgrows_text(rows, row, X_OP_SCHEMA),
            .operator_name = pgrows_text(rows, row, X_OP),
            .type_schema =
                pgrows_null(rows, row, X_TYPE) ? NULL : pgrows_text(rows, row, X_TYPE_SCHEMA),
            .type_name = pgrows_null(rows, row, X_TYPE) ? NULL : pgrows_text(rows, row, X_TYPE),
        };
    return (DmlClash){
        .parts = parts,
        .count = end - first,
        .predicate =
            pgrows_null(rows, first, X_PREDICATE) ? NULL : pgrows_text(rows, first, X_PREDICATE),
        .nulls_equal = pgrows_bool(rows, first, X_NULLS_EQUAL),
    };
}

/* In any of the table's indexes that allow a row only once, but those over columns that only the target has. */
static bool find_clash(Case *c, const Value **out_key, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgArray known = {0};
    *out_key = NULL;
    pgarray_begin(&known, PGARRAY_BYTES, TEXT_OID, ',');
    for (int i = 0; i < c->rel->column_count; i++)
        if (dml_in_row(c->table, c->present, i))
            pgarray_put_string(&known, c->table->columns[i].name);
    bool ok = pgconn_query(
        c->session->conn, SQL_TARGET_CLASH,
        PG_PARAMS(PG_TEXT(c->table->schema), PG_TEXT(c->table->name), pgarray_end(&known)), &rows,
        err);
    pgarray_done(&known);
    for (int first = 0, end, total = ok ? pgrows_count(rows) : 0;
         ok && first < total && *out_key == NULL; first = end) {
        for (end = first + 1;
             end < total && pgrows_i64(rows, end, X_INDEX) == pgrows_i64(rows, first, X_INDEX);)
            end++;
        DmlClash index = clash_of(c, rows, first, end);
        ok = find_clash_in(c, &index, out_key, err);
    }
    return ok || err_context(err, "looking for the row of table '%s' that is in the way",
                             c->rel->display);
}

static bool remove_row(Case *c, const Value *key, Error *err)
{
    int64_t rows;
    bool refused;
    Change gone = {.rel = c->session->shapes->rels->all[c->rel->id],
                   .old_values = (Value *)(uintptr_t)key,
                   .kind = CHANGE_DELETE};
    return try_change(c, &gone, &rows, &refused, err);
}

/* A unique index of the target refused `change` of the case's row. *out_gone: what was in the way is not
 * any more, the application has removed it meanwhile. */
static bool clash(Case *c, const Change *change, bool missing, bool *out_gone, Error *err)
{
    *out_gone = false;
    for (int tries = 0; tries < CLASHES_MOST; tries++) {
        const Value *other;
        int64_t rows;
        bool refused;
        if (!find_clash(c, &other, err))
            return false;
        if (other == NULL) {
            *out_gone = true;
            return true;
        }
        Decision decision = decide(c);
        bool children = false; /* that would point nowhere: somebody has to look */
        if (decision == TOOK_SOURCE &&
            !dual_has_children(c->session->conn, c->table, other, c->arena, &children, err))
            return false;
        decision = children ? WAITS : decision;
        if (decision != TOOK_SOURCE)
            return record(c, "unique-clash", c->values, decision, missing, err);
        if (!remove_row(c, other, err) || !record(c, "unique-clash", other, decision, false, err) ||
            !try_change(c, change, &rows, &refused, err))
            return false;
        if (!refused && rows != 0)
            return true;
    }
    return ERR(err, ERR_APPLY_CONFLICT,
               "table '%s': too many rows of the target are in the way of one", c->rel->display);
}

static bool in_the_way(const Case *c, Error *err)
{
    return ERR(err, ERR_APPLY_CONFLICT,
               "table '%s': the target refuses a row, and none of its rows is in the way by the "
               "columns that move (an index over columns that only the target has)",
               c->rel->display);
}

/* The same for the change of a row that is locked, and again when nothing is in the way any more. */
static bool retry_clash(Case *c, const Change *change, Error *err)
{
    for (int tries = 0; tries < RACES_MOST; tries++) {
        int64_t rows;
        bool refused, gone;
        if (!clash(c, change, false, &gone, err))
            return false;
        if (!gone)
            return true;
        if (!try_change(c, change, &rows, &refused, err))
            return false;
        if (!refused && rows != 0)
            return true;
    }
    return in_the_way(c, err);
}

/* Kinds of changes ------------------------------------------------------------------------------- */

/* The target's row with this key differs. */
static bool exists(Case *c, const char *kind, Error *err)
{
    Change update = {
        .rel = c->change->rel, .new_values = (Value *)(uintptr_t)c->values, .kind = CHANGE_UPDATE};
    Decision decision = decide(c);
    int64_t rows;
    bool refused = false;
    if (!record(c, kind, c->values, decision, false, err))
        return false;
    if (decision != TOOK_SOURCE)
        return true;
    return try_change(c, &update, &rows, &refused, err) &&
           (!refused || retry_clash(c, &update, err));
}

/* What look() has found in the place of c->values: it is equal, or a conflict. */
static bool judge_place(Case *c, const char *kind, Error *err)
{
    if (strcmp(c->columns, "{}") != 0)
        return exists(c, kind, err);
    dual_counts(c->dual)->already++;
    return true;
}

/* A row that the target should not have yet. */
static bool place_row(Case *c, const Change *insert, Error *err)
{
    for (int tries = 0; tries < RACES_MOST; tries++) {
        int64_t rows;
        bool refused, found, gone;
        if (!try_change(c, insert, &rows, &refused, err))
            return false;
        if (!refused && rows == 1)
            return true;
        if (!look(c, &found, err))
            return false;
        if (found)
            return judge_place(c, "insert-exists", err);
        if (!clash(c, insert, true, &gone, err))
            return false;
        if (!gone)
            return true;
    }
    return in_the_way(c, err);
}

static bool missing_row(Case *c, Error *err)
{
    Change insert = {
        .rel = c->change->rel, .new_values = (Value *)(uintptr_t)c->values, .kind = CHANGE_INSERT};
    c->columns = c->target = NULL;
    c->compared = false;
    Decision decision = decide(c);
    /* A value that the source did not send, because it is large and did not change. */
    if (decision == TOOK_SOURCE && !c->complete)
        decision = WAITS;
    return show_source(c, err) && record(c, "update-missing", c->values, decision, true, err) &&
           (decision != TOOK_SOURCE || place_row(c, &insert, err));
}

static bool update_row(Case *c, Error *err)
{
    for (int tries = 0; tries < RACES_MOST; tries++) {
        int64_t rows;
        bool refused, found = false, gone;
        if (!try_change(c, c->change, &rows, &refused, err))
            return false;
        if (!refused && rows != 0)
            return true;
        if (c->moves && !look(c, &found, err))
            return false;
        if (found) /* what stands at the old place has left it on the source, whoever wins */
            return (!refused || remove_row(c, c->key, err)) && judge_place(c, "update-exists", err);
        if (!refused)
            return missing_row(c, err);
        if (!clash(c, c->change, false, &gone, err))
            return false;
        if (!gone)
            return true;
    }
    return in_the_way(c, err);
}

static bool delete_row(Case *c, bool explained, Error *err)
{
    int64_t rows;
    bool refused;
    if (!try_change(c, c->change, &rows, &refused, err))
        return false;
    if (rows != 0 || explained)
        return true;
    return record(c, "delete-missing", c->key, ALREADY_GONE, true, err);
}

/* Pending conflicts ------------------------------------------------------------------------------- */

static bool id_param(const DualPending *pending, char out[24])
{
    return snprintf(out, 24, "%lld", (long long)pending->id) > 0;
}

/* Does the change bring the very row that the target had? leaves: it takes the row from its place. */
static bool settles(Case *c, const DualPending *pending, bool leaves, bool *out_yes, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    char id[24];
    int n;
    *out_yes = leaves && pending->missing;
    if (leaves || pending->missing)
        return true;
    PgParam *params = row_params(c, c->values, c->present, 1, &n);
    id_param(pending, id);
    params[n++] = PG_TEXT(id);
    dml_settles(&st, c->table, c->present);
    if (!pgconn_query(c->session->conn, sqltext_sql(&st), params, n, &rows, err))
        return err_context(err, "looking at conflict %s again", id);
    *out_yes = pgrows_count(rows) > 0;
    return true;
}

/* *out_held: the row waits for a person, the change stands in the record. */
static bool hold(Case *c, DualPending *pending, bool leaves, bool *out_held, Error *err)
{
    char id[24];
    int64_t affected = 0;
    id_param(pending, id);
    if (!leaves && !show_source(c, err))
        return false;
    if (!pgconn_exec(c->session->conn, SQL_CONFLICT_HELD,
                     PG_PARAMS(PG_TEXT(id), PG_TEXT(leaves ? NULL : c->source)), &affected, err))
        return err_context(err, "holding a change of conflict %s back", id);
    if (affected == 0) /* a person has decided it */
        dual_forget(c->dual, pending);
    *out_held = *out_held || affected == 1;
    return true;
}

typedef struct Asked {
    bool held, explained;
} Asked;

/* All conflicts of one place that may still be motion, the newest first. */
static bool ask_pending(Case *c, DualPending *newest, bool leaves, Asked *out, Error *err)
{
    *out = (Asked){0};
    for (DualPending *pending = newest; pending != NULL; pending = pending->older) {
        char id[24];
        bool motion = false;
        if (!settles(c, pending, leaves, &motion, err))
            return false;
        if (!motion) {
            if (pending->held && !hold(c, pending, leaves, &out->held, err))
                return false;
            continue;
        }
        id_param(pending, id);
        if (!pgconn_exec(c->session->conn, SQL_CONFLICT_FORGET, PG_PARAMS(PG_TEXT(id)), NULL, err))
            return err_context(err, "taking conflict %s back", id);
        out->explained = true;
        dual_take_back(c->dual, pending);
    }
    return true;
}

/* The change --------------------------------------------------------------------------------------- */

/* What is known of the row, the old row's values where the change does not tell. */
static void know_values(Case *c)
{
    const Value *old = c->change->old_values, *new_values = c->change->new_values;
    int columns = c->rel->column_count;
    if (new_values == NULL)
        return;
    Value *values = arena_new_array(c->arena, Value, columns + 1);
    c->complete = true;
    for (int i = 0; i < columns; i++) {
        bool told = new_values[i].kind != VALUE_UNCHANGED || old == NULL;
        values[i] = told ? new_values[i] : old[i];
        c->present[i] = values[i].kind != VALUE_UNCHANGED;
        /* what a rule makes of other columns never comes */
        c->complete = c->complete && (c->present[i] || c->table->columns[i].made != NULL);
    }
    c->values = values;
}

/* The row that the source moved away from its place, where the target's waits for a person. */
static bool arrives(Case *c, Error *err)
{
    Change insert = {
        .rel = c->change->rel, .new_values = (Value *)(uintptr_t)c->values, .kind = CHANGE_INSERT};
    return c->complete ? place_row(c, &insert, err) : missing_row(c, err);
}

static bool run_case(Case *c, Error *err)
{
    bool deletes = c->change->kind == CHANGE_DELETE;
    Asked here, there;
    DualPending *pending = dual_find(c->dual, c->rel, c->key);
    DualPending *other = c->moves ? dual_find(c->dual, c->rel, c->values) : NULL;
    if ((pending != NULL || other != NULL) && !lane_drain(c->session->lane, err))
        return rowwise_explain(c->session, err);
    if (!ask_pending(c, pending, deletes || c->moves, &here, err) ||
        !ask_pending(c, other, false, &there, err))
        return false;
    if (there.held) /* the target keeps what it has at the new place */
        return here.held || remove_row(c, c->key, err);
    if (here.held)
        return !c->moves || arrives(c, err);
    if (c->change->kind == CHANGE_INSERT)
        return place_row(c, c->change, err);
    return deletes ? delete_row(c, here.explained, err) : update_row(c, err);
}

bool dualwise_change(Session *session, const Flow *flow, const Change *change, Error *err)
{
    Case c = {.session = session,
              .dual = session->dual,
              .arena = arena_new(0),
              .flow = flow,
              .change = change,
              .rel = change->rel,
              .table = &session->shapes->all[change->rel->id].table,
              .key = change->new_values};
    PlanKey key = change->kind == CHANGE_INSERT ? PLAN_KEY_SAME : plan_key(change, &c.key);
    c.moves = key == PLAN_KEY_CHANGED;
    c.present = arena_new_array(c.arena, bool, c.rel->column_count + 1);
    know_values(&c);
    bool ok =
        key == PLAN_KEY_UNKNOWN
            ? ERR(err, ERR_REPLICA_IDENTITY,
                  "table '%s': the stream brought a change without the row's key", c.rel->display)
            : run_case(&c, err);
    arena_free(c.arena);
    return ok;
}

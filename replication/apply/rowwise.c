/* rowwise - see the header */
#include "apply/rowwise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apply/dualwise.h"
#include "apply/emptying.h"
#include "apply/plan.h"
#include "sqltext/dml_conflict.h"

/* Kinds of statements in the keys of their prepared forms; setwise has capital letters. */
enum {
    OP_INSERT = 'i',
    OP_INSERT_OR_PASS = 'j',
    OP_UPDATE = 'u',
    OP_MOVED = 'm',
    OP_REPLACE = 'r',
    OP_DELETE = 'd',
    OP_UPDATE_MATCH = 'x',
    OP_DELETE_MATCH = 'y',
};

/* One statement being made. */
typedef struct Row {
    Session *session;
    const Shape *shape;
    const Change *change;
    char op;
    bool *set;       /* columns that get a new value */
    DmlMatch *match; /* keyless: how each column is searched */
    PgParam *params; /* text parameters hold their offset in session->bytes until the end */
    int count;
} Row;

static const char *verb(const Change *change)
{
    return change->kind == CHANGE_INSERT   ? "INSERT"
           : change->kind == CHANGE_UPDATE ? "UPDATE"
                                           : "DELETE";
}

static Row begin_row(Session *session, const Change *change)
{
    int columns = change->rel->column_count;
    arena_reset(session->scratch);
    buf_clear(&session->bytes);
    return (Row){
        .session = session,
        .shape = &session->shapes->all[change->rel->id],
        .change = change,
        .set = arena_new_array(session->scratch, bool, columns + 1),
        .match = arena_new_array(session->scratch, DmlMatch, columns + 1),
        .params = arena_new_array(session->scratch, PgParam, 3 * columns + 1),
    };
}

static void add_param(Row *row, const Value *value)
{
    Buf *bytes = &row->session->bytes;
    PgParam *param = &row->params[row->count++];
    if (value->kind == VALUE_BINARY) {
        *param = (PgParam){.data = value->data, .len = (int)value->len, .binary = true};
    } else if (value->kind == VALUE_TEXT) {
        *param = (PgParam){.len = (int)bytes->len, .data = ""};
        if (value->len > 0)
            buf_put(bytes, value->data, value->len);
        buf_putc(bytes, '\0');
    } else {
        *param = (PgParam){.data = NULL};
    }
}

static void fix_params(Row *row)
{
    for (int i = 0; i < row->count; i++)
        if (row->params[i].data != NULL && !row->params[i].binary)
            row->params[i].data = row->session->bytes.data + row->params[i].len;
}

/* Key of the prepared statement: table, kind, columns set, how each column is searched. */
static bool get_statement(Row *row, LaneStatement **out_statement, Error *err)
{
    size_t columns = (size_t)row->shape->rel->column_count, len = sizeof(uint32_t) + 1 + columns;
    bool by_match = row->op == OP_UPDATE_MATCH || row->op == OP_DELETE_MATCH, made;
    SqlText *st = &row->session->text;
    char *key = arena_bytes_alloc(row->session->scratch, len + columns);
    memcpy(key, &row->shape->rel->id, sizeof(uint32_t));
    key[sizeof(uint32_t)] = row->op;
    memcpy(key + sizeof(uint32_t) + 1, row->set, columns);
    for (size_t i = 0; by_match && i < columns; i++)
        key[len++] = (char)row->match[i];
    if (!lane_statement(row->session->lane, key, len, out_statement, &made, err))
        return false;
    if (!made)
        return true;
    sqltext_clear(st);
    switch (row->op) {
    case OP_INSERT:
        dml_insert_row(st, &row->shape->table);
        break;
    case OP_INSERT_OR_PASS:
        dml_insert_row_or_pass(st, &row->shape->table);
        break;
    case OP_UPDATE:
    case OP_MOVED:
        dml_update_row(st, &row->shape->table, row->set, row->op == OP_MOVED);
        break;
    case OP_REPLACE:
        dml_replace_row(st, &row->shape->table, row->set);
        break;
    case OP_DELETE:
        dml_delete_row(st, &row->shape->table);
        break;
    case OP_UPDATE_MATCH:
        dml_update_match(st, &row->shape->table, row->match, row->set);
        break;
    default:
        dml_delete_match(st, &row->shape->table, row->match);
    }
    return lane_prepare(row->session->lane, *out_statement, row->shape->rel, sqltext_sql(st), err);
}

static bool execute(Row *row, bool may_be_gone, Error *err)
{
    LaneStatement *statement;
    int64_t *counted = row->session->counted_rows;
    LaneExpect expect = {.what = verb(row->change),
                         .rel = row->change->rel,
                         .change = row->change,
                         .min_rows = may_be_gone || counted != NULL ? 0 : 1,
                         .max_rows = 1,
                         .add_rows = counted};
    if (counted != NULL)
        *counted = 0;
    if (!get_statement(row, &statement, err))
        return false;
    fix_params(row);
    return lane_execute(row->session->lane, statement, row->params, row->count, &expect, err);
}

static bool insert(Row *row, Error *err)
{
    row->op = row->session->counted_rows != NULL ? OP_INSERT_OR_PASS : OP_INSERT;
    for (int i = 0; i < row->shape->rel->column_count; i++) {
        const Value *value = &row->change->new_values[i];
        if (row->shape->table.columns[i].made != NULL)
            continue;
        if (value->kind == VALUE_UNCHANGED)
            return ERR(err, ERR_DECODE, "table '%s': an INSERT came without column '%s'",
                       row->shape->rel->display, row->shape->rel->columns[i].name);
        add_param(row, value);
    }
    return execute(row, false, err);
}

static bool no_key(const Row *row, Error *err)
{
    return ERR(err, ERR_REPLICA_IDENTITY,
               "table '%s': the stream brought the %s of a row without the old row's key",
               row->shape->rel->display, verb(row->change));
}

static void add_key(Row *row, const Value *key)
{
    for (int k = 0; k < row->shape->table.key_count; k++)
        add_param(row, &key[row->shape->table.key[k]]);
}

static void add_set_values(Row *row, bool identities)
{
    const DmlTable *table = &row->shape->table;
    for (int i = 0; i < table->column_count; i++)
        if (row->set[i] && table->columns[i].made == NULL &&
            (identities || !table->columns[i].identity_always))
            add_param(row, &row->change->new_values[i]);
}

/* Does the update change a column that cannot stand in SET (or may it, as far as we know)? */
static bool needs_replace(const Row *row, const Value *key)
{
    const DmlTable *table = &row->shape->table;
    if (table->pinned_count > 0)
        return true;
    for (int k = 0; k < table->key_count; k++) {
        int i = table->key[k];
        if (table->columns[i].identity_always && row->set[i] &&
            !value_equal(&key[i], &row->change->new_values[i]))
            return true;
    }
    return false;
}

static bool update_keyed(Row *row, Error *err)
{
    const Value *key, *new_values = row->change->new_values;
    const DmlTable *table = &row->shape->table;
    PlanKey kind = plan_key(row->change, &key);
    if (kind == PLAN_KEY_UNKNOWN)
        return no_key(row, err);
    for (int i = 0; i < table->column_count; i++)
        row->set[i] = new_values[i].kind != VALUE_UNCHANGED;
    for (int k = 0; kind == PLAN_KEY_SAME && k < table->key_count; k++)
        row->set[table->key[k]] = false;
    bool replace = needs_replace(row, key);
    if (replace && row->session->live && row->shape->delete_spreads) {
        /* Deleting the row would spread: an identity that really changed is refused by the count.
         */
        if (kind == PLAN_KEY_CHANGED)
            return ERR(err, ERR_UNSUPPORTED,
                       "table '%s': an identity column (GENERATED ALWAYS) changed its value, and "
                       "foreign keys of the target would spread the deletion that this takes",
                       row->shape->rel->display) ||
                   err_hint(err, "ALTER TABLE ... ALTER COLUMN ... SET GENERATED BY DEFAULT on the "
                                 "target, then run again.");
        replace = false;
    }
    if (!replace && !row->shape->can_update)
        return true;
    add_key(row, key);
    if (replace) {
        row->op = OP_REPLACE;
        add_set_values(row, true);
        return execute(row, false, err);
    }
    row->op = OP_UPDATE;
    for (int k = 0; k < table->pinned_count; k++)
        add_param(row, &new_values[table->pinned[k]]);
    add_set_values(row, false);
    if (kind == PLAN_KEY_CHANGED && row->session->live && row->shape->references) {
        row->op = OP_MOVED;
        for (int k = 0; k < table->key_count; k++) {
            int i = table->key[k];
            add_param(row, new_values[i].kind == VALUE_UNCHANGED ? &key[i] : &new_values[i]);
        }
    }
    return execute(row, false, err);
}

/* The old row as far as it is known: all of it, or its key. */
static bool match_old(Row *row, Error *err)
{
    const Relation *rel = row->shape->rel;
    const Value *old = row->change->old_values;
    int known = 0;
    for (int i = 0; i < rel->column_count; i++)
        row->match[i] = old == NULL || old[i].kind == VALUE_UNCHANGED ? DML_ANY
                        : old[i].kind == VALUE_NULL                   ? DML_NULL
                                                                      : DML_VALUE;
    for (int k = 0; old == NULL && row->change->new_values != NULL && k < rel->key_count; k++)
        row->match[rel->key[k]] =
            row->change->new_values[rel->key[k]].kind >= VALUE_TEXT ? DML_VALUE : DML_ANY;
    if (old == NULL)
        old = row->change->new_values;
    for (int i = 0; i < rel->column_count; i++)
        known += row->match[i] != DML_ANY;
    if (known == 0 && rel->column_count > 0)
        return no_key(row, err);
    for (int i = 0; i < rel->column_count; i++)
        if (row->match[i] == DML_VALUE)
            add_param(row, &old[i]);
    return true;
}

/* An identity column (GENERATED ALWAYS) changed: no UPDATE can say that. */
static bool replace_keyless(Row *row, Error *err)
{
    const Value *old = row->change->old_values, *new_values = row->change->new_values;
    row->op = OP_DELETE_MATCH;
    if (!match_old(row, err) || !execute(row, false, err))
        return false;
    *row = begin_row(row->session, row->change);
    row->op = OP_INSERT;
    for (int i = 0; i < row->shape->rel->column_count; i++) {
        if (row->shape->table.columns[i].made != NULL)
            continue;
        const Value *value = new_values[i].kind == VALUE_UNCHANGED ? &old[i] : &new_values[i];
        if (value->kind == VALUE_UNCHANGED)
            return no_key(row, err);
        add_param(row, value);
    }
    return execute(row, false, err);
}

static bool update_keyless(Row *row, Error *err)
{
    const DmlTable *table = &row->shape->table;
    const Value *new_values = row->change->new_values, *old = row->change->old_values;
    row->op = OP_UPDATE_MATCH;
    for (int i = 0; i < table->column_count; i++) {
        row->set[i] = new_values[i].kind != VALUE_UNCHANGED;
        if (!row->set[i] || !table->columns[i].identity_always || old == NULL ||
            value_equal(&old[i], &new_values[i]))
            continue;
        if (!row->session->live)
            return replace_keyless(row, err);
        return ERR(err, ERR_UNSUPPORTED,
                   "table '%s': an identity column (GENERATED ALWAYS) of a table without key "
                   "changed its value",
                   row->shape->rel->display);
    }
    if (!row->shape->can_update)
        return true;
    if (!match_old(row, err))
        return false;
    add_set_values(row, false);
    return execute(row, false, err);
}

static bool delete (Row *row, bool may_be_gone, Error *err)
{
    const Value *key;
    if (!row->shape->keyed) {
        row->op = OP_DELETE_MATCH;
        return match_old(row, err) && execute(row, may_be_gone, err);
    }
    if (plan_key(row->change, &key) == PLAN_KEY_UNKNOWN)
        return no_key(row, err);
    row->op = OP_DELETE;
    add_key(row, key);
    return execute(row, may_be_gone, err);
}

bool rowwise_change(Session *session, const Change *change, bool may_be_gone, Error *err)
{
    Row row = begin_row(session, change);
    switch (change->kind) {
    case CHANGE_INSERT:
        return insert(&row, err);
    case CHANGE_UPDATE:
        return row.shape->keyed ? update_keyed(&row, err) : update_keyless(&row, err);
    default:
        return delete (&row, may_be_gone, err);
    }
}

/* A parent of this table lost rows in this transaction, and the target deletes their children. */
static bool may_be_gone(const Session *session, const Relation *rel, const bool *deleted)
{
    if (!session->live || deleted == NULL)
        return false;
    for (int i = 0; i < session->shapes->rels->count; i++)
        if (deleted[i] && shape_cascades(session->shapes, (int)rel->id, i))
            return true;
    return false;
}

static bool replay_truncate(Session *session, const Change *change, const Flow *flow, Error *err)
{
    Arena *arena = arena_new(0);
    Relation **rels = arena_new_array(arena, Relation *, change->truncated_count + 1);
    int count = 0;
    for (int i = 0; i < change->truncated_count; i++)
        if (plan_applies(change->truncated[i], flow))
            rels[count++] = change->truncated[i];
    bool fine = count == 0 || emptying_truncate(session, rels, count, err);
    arena_free(arena);
    return fine;
}

static bool replay_flow(Session *session, const Flow *flow, bool *deleted, Error *err)
{
    for (const Change *change = flow->first; change != NULL; change = change->next) {
        if (change->kind == CHANGE_MESSAGE || change->kind == CHANGE_SUSPEND)
            continue;
        if (change->kind == CHANGE_TRUNCATE) {
            if (!replay_truncate(session, change, flow, err))
                return false;
            continue;
        }
        if (!plan_applies(change->rel, flow))
            continue;
        if (session->dual != NULL) {
            if (!dualwise_change(session, flow, change, err))
                return false;
            continue;
        }
        if (!rowwise_change(
                session, change,
                change->kind == CHANGE_DELETE && may_be_gone(session, change->rel, deleted), err))
            return false;
        if (change->kind == CHANGE_DELETE && deleted != NULL)
            deleted[change->rel->id] = true;
    }
    return true;
}

bool rowwise_replay(Session *session, Flow *const *flows, int64_t count, bool *deleted, Error *err)
{
    size_t tables = (size_t)session->shapes->rels->count;
    for (int64_t i = 0; i < count; i++) {
        if (deleted != NULL && flows[i]->begins)
            memset(deleted, 0, tables * sizeof *deleted);
        if (!replay_flow(session, flows[i], deleted, err))
            return rowwise_explain(session, err);
    }
    return lane_drain(session->lane, err) || rowwise_explain(session, err);
}

/* "key (a, b) #1f2e3d4c" of a change; the values themselves are row data. */
static void describe_key(const Session *session, const Change *change, Buf *out)
{
    const Relation *rel = change->rel;
    const Value *row = change->old_values != NULL ? change->old_values : change->new_values;
    bool keyed = session->shapes->all[rel->id].keyed;
    int count = keyed ? rel->key_count : rel->column_count;
    CLEANUP_BUF Buf bytes = BUF_INIT;
    buf_puts(out, keyed ? "key (" : "values of (");
    for (int k = 0; k < count; k++) {
        int i = keyed ? rel->key[k] : k;
        if (k < 16)
            buf_printf(out, "%s%s", k > 0 ? ", " : "", rel->columns[i].name);
        else if (k == 16)
            buf_puts(out, ", ...");
        buf_put_u32(&bytes, row[i].len);
        if (row[i].kind >= VALUE_TEXT)
            buf_put(&bytes, row[i].data, row[i].len);
    }
    buf_printf(out, ") #%08" PRIx32, (uint32_t)hash_bytes(bytes.data, bytes.len));
}

static bool explain_count(const Session *session, const LaneExpect *failed, int64_t rows,
                          Error *err)
{
    CLEANUP_BUF Buf key = BUF_INIT;
    describe_key(session, failed->change, &key);
    if (rows == 0)
        return ERR(err, ERR_APPLY_MISSING_ROW,
                   "table '%s': the target has no row for the %s with %s", failed->rel->display,
                   failed->what, buf_str(&key));
    return ERR(err, ERR_APPLY_CONFLICT, "table '%s': the %s with %s touched %lld rows",
               failed->rel->display, failed->what, buf_str(&key), (long long)rows);
}

bool rowwise_explain(const Session *session, Error *err)
{
    int64_t rows;
    const LaneExpect *failed = lane_failed(session->lane, &rows);
    session_reclass(err);
    if (failed == NULL || failed->rel == NULL)
        return false;
    if (rows >= 0 && failed->change != NULL)
        return explain_count(session, failed, rows, err);
    /* The text of a data exception quotes the value. */
    if (strncmp(err->sqlstate, "22", 2) == 0 && strcmp(err->sqlstate, "22001") != 0) {
        char sqlstate[6];
        memcpy(sqlstate, err->sqlstate, sizeof sqlstate);
        if (err->cls == ERR_ENCODING)
            ERR(err, ERR_ENCODING, "a text does not fit the target's encoding (SQLSTATE %s)",
                sqlstate);
        else
            ERR(err, ERR_APPLY_CONFLICT, "the target refused a value (SQLSTATE %s)", sqlstate);
        memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
    }
    if (err_action(err->cls) == ERR_ACTION_STOP && err->cls != ERR_PRIVILEGE &&
        err->cls != ERR_STOPPED && err->cls != ERR_ENCODING && err->sqlstate[0] != '\0')
        err->cls = ERR_APPLY_CONFLICT;
    if (failed->change == NULL)
        return err_context(err, "table '%s': %s", failed->rel->display, failed->what);
    CLEANUP_BUF Buf key = BUF_INIT;
    describe_key(session, failed->change, &key);
    return err_context(err, "table '%s': %s with %s", failed->rel->display, failed->what,
                       buf_str(&key));
}

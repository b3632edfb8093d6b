/* setwise - see the header */
#include "apply/setwise.h"

#include <stdio.h>
#include <string.h>

#include "apply/copytext.h"
#include "apply/dual.h"
#include "apply/emptying.h"
#include "apply/matchwise.h"
#include "apply/rowwise.h"
#include "sqltext/dml_conflict.h"

/* A kind of statement, in the key of its prepared form: the columns set follow. */
enum {
    OP_INSERT = 'I',
    OP_INSERT_OR_PASS = 'J',
    OP_EQUAL = 'Q',
    OP_UPDATE = 'U',
    OP_DELETE = 'D',
    OP_EMPTY = 'E',
};

/* Rows gathered for one statement: parameter p is column columns[p] of the row's key or values. */
typedef struct Gather {
    Session *session;
    const Shape *shape;
    LaneStatement *statement;
    const char *what;
    const int *columns;
    int count;     /* parameters */
    int key_count; /* the first of them come from the key */
    int64_t rows;
    size_t bytes;
    int64_t *passed; /* fewer rows may be touched; they are added up here */
} Gather;

static bool refused_value(const Shape *shape, Error *err)
{
    return ERR(err, ERR_APPLY_CONFLICT, "table '%s': a value does not have the form of its type",
               shape->rel->display);
}

static const Value *value_of(const Gather *gather, const FoldRow *row, int p)
{
    const Value *from = p < gather->key_count ? row->key : row->values;
    return &from[gather->columns[p]];
}

/* Values that came in binary stay so: the first row decides for all. */
static void begin_arrays(Gather *gather, const FoldRow *row)
{
    for (int p = 0; p < gather->count; p++) {
        const ShapeColumn *col = &gather->shape->columns[gather->columns[p]];
        bool binary = value_of(gather, row, p)->kind == VALUE_BINARY &&
                      !gather->shape->table.columns[gather->columns[p]].as_text;
        pgarray_begin(&gather->session->arrays[p], binary ? PGARRAY_RECEIVE : col->form,
                      col->element_oid, col->delimiter);
    }
}

static bool gather_flush(Gather *gather, Error *err)
{
    if (gather->rows == 0)
        return true;
    Session *session = gather->session;
    PgParam *params = arena_new_array(session->scratch, PgParam, gather->count);
    for (int p = 0; p < gather->count; p++)
        params[p] = pgarray_end(&session->arrays[p]);
    LaneExpect expect = {.what = gather->what,
                         .rel = gather->shape->rel,
                         .min_rows = gather->passed != NULL ? 0 : gather->rows,
                         .max_rows = gather->rows,
                         .add_rows = gather->passed};
    gather->rows = 0;
    gather->bytes = 0;
    return lane_execute(session->lane, gather->statement, params, gather->count, &expect, err);
}

static bool gather_row(Gather *gather, const FoldRow *row, Error *err)
{
    if (gather->rows == 0)
        begin_arrays(gather, row);
    for (int p = 0; p < gather->count; p++) {
        const Value *value = value_of(gather, row, p);
        if (!pgarray_put(&gather->session->arrays[p], value))
            return refused_value(gather->shape, err);
        gather->bytes += value->len;
    }
    gather->rows++;
    if (gather->rows < SETWISE_ROWS && gather->bytes < SETWISE_BYTES)
        return true;
    return gather_flush(gather, err);
}

/* Key of a prepared statement: the table, what it does, the columns set. */
static const char *statement_key(Session *session, const Shape *shape, char op, const bool *set,
                                 size_t *out_len)
{
    size_t columns = set != NULL ? (size_t)shape->rel->column_count : 0;
    char *key = arena_bytes_alloc(session->scratch, sizeof(uint32_t) + 1 + columns);
    memcpy(key, &shape->rel->id, sizeof(uint32_t));
    key[sizeof(uint32_t)] = op;
    if (columns > 0)
        memcpy(key + sizeof(uint32_t) + 1, set, columns);
    *out_len = sizeof(uint32_t) + 1 + columns;
    return key;
}

static bool get_statement(Session *session, const Shape *shape, char op, const bool *set,
                          LaneStatement **out_statement, Error *err)
{
    size_t len;
    bool made;
    const char *key = statement_key(session, shape, op, set, &len);
    if (!lane_statement(session->lane, key, len, out_statement, &made, err))
        return false;
    if (!made)
        return true;
    sqltext_clear(&session->text);
    if (op == OP_INSERT)
        dml_insert_set(&session->text, &shape->table);
    else if (op == OP_INSERT_OR_PASS)
        dml_insert_set_or_pass(&session->text, &shape->table);
    else if (op == OP_EQUAL)
        dml_equal_set(&session->text, &shape->table);
    else if (op == OP_UPDATE)
        dml_update_set(&session->text, &shape->table, set);
    else if (op == OP_DELETE)
        dml_delete_set(&session->text, &shape->table);
    else
        dml_insert_empty(&session->text, &shape->table);
    return lane_prepare(session->lane, *out_statement, shape->rel, sqltext_sql(&session->text),
                        err);
}

/* While foreign keys are live a replaced row is updated, else deleted and inserted. */
static FoldOp effective(const Session *session, const Shape *shape, const FoldRow *row)
{
    if (!shape->keyed)
        return row->op == FOLD_UPDATE && !session->live && matchwise_must_replace(shape, row)
                   ? FOLD_REPLACE
                   : (FoldOp)row->op;
    return row->op == FOLD_REPLACE && session->live ? FOLD_UPDATE : (FoldOp)row->op;
}

static bool is_delete(FoldOp op)
{
    return op == FOLD_DELETE || op == FOLD_REPLACE;
}

static bool is_insert(FoldOp op)
{
    return op == FOLD_INSERT || op == FOLD_REPLACE;
}

static bool takes_delete(const Session *session, const Shape *shape, const FoldRow *row)
{
    return is_delete(effective(session, shape, row));
}

static bool takes_update(const Session *session, const Shape *shape, const FoldRow *row)
{
    return effective(session, shape, row) == FOLD_UPDATE;
}

static bool run_deletes(Session *session, const Shape *shape, const FoldSet *set, Error *err)
{
    if (!shape->keyed)
        return matchwise_run(session, shape, set, CHANGE_DELETE, takes_delete, err);
    Gather gather = {.session = session,
                     .shape = shape,
                     .what = "DELETE",
                     .columns = shape->table.key,
                     .count = shape->table.key_count,
                     .key_count = shape->table.key_count};
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (!is_delete(effective(session, shape, row)))
            continue;
        if (gather.statement == NULL &&
            !get_statement(session, shape, OP_DELETE, NULL, &gather.statement, err))
            return false;
        if (!gather_row(&gather, row, err))
            return false;
    }
    return gather_flush(&gather, err);
}

/* Updates of the same columns. */
typedef struct Group {
    struct Group *next;
    bool *set;
    const FoldRow **rows;
    int64_t count, capacity;
} Group;

static void group_add(Arena *arena, Group *group, const FoldRow *row)
{
    if (group->count == group->capacity) {
        int64_t capacity = group->capacity > 0 ? group->capacity * 2 : 16;
        const FoldRow **rows = arena_alloc(arena, sizeof *rows * (size_t)capacity);
        if (group->count > 0)
            memcpy(rows, group->rows, sizeof *rows * (size_t)group->count);
        group->rows = rows;
        group->capacity = capacity;
    }
    group->rows[group->count++] = row;
}

static Group *group_updates(Session *session, const Shape *shape, const FoldSet *set)
{
    size_t columns = (size_t)shape->rel->column_count;
    Arena *arena = session->scratch;
    Group *first = NULL, **tail = &first, *last = NULL;
    bool *present = arena_new_array(arena, bool, columns + 1);
    Map by_set = MAP_INIT;
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (effective(session, shape, row) != FOLD_UPDATE)
            continue;
        for (size_t i = 0; i < columns; i++)
            present[i] = row->values[i].kind != VALUE_UNCHANGED;
        if (last == NULL || memcmp(last->set, present, columns) != 0) {
            last = map_get(&by_set, present, columns);
            if (last == NULL) {
                last = arena_new_object(arena, Group);
                last->set = (bool *)arena_dup(arena, present, columns);
                map_put(&by_set, last->set, columns, last);
                *tail = last;
                tail = &last->next;
            }
        }
        group_add(arena, last, row);
    }
    map_done(&by_set);
    return first;
}

static bool is_key(const DmlTable *table, int column)
{
    for (int k = 0; k < table->key_count; k++)
        if (table->key[k] == column)
            return true;
    return false;
}

static bool run_group(Session *session, const Shape *shape, const Group *group, Error *err)
{
    const DmlTable *table = &shape->table;
    int *columns = arena_new_array(session->scratch, int, 2 * table->column_count + 1);
    Gather gather = {.session = session,
                     .shape = shape,
                     .what = "UPDATE",
                     .columns = columns,
                     .key_count = table->key_count};
    for (int k = 0; k < table->key_count; k++)
        columns[gather.count++] = table->key[k];
    for (int k = 0; k < table->pinned_count; k++)
        columns[gather.count++] = table->pinned[k];
    for (int i = 0; i < table->column_count; i++)
        if (group->set[i] && !table->columns[i].identity_always && !is_key(table, i) &&
            table->columns[i].made == NULL)
            columns[gather.count++] = i;
    if (!get_statement(session, shape, OP_UPDATE, group->set, &gather.statement, err))
        return false;
    for (int64_t i = 0; i < group->count; i++)
        if (!gather_row(&gather, group->rows[i], err))
            return false;
    return gather_flush(&gather, err);
}

static bool run_updates(Session *session, const Shape *shape, const FoldSet *set, Error *err)
{
    if (!shape->can_update)
        return true; /* every column is an identity: an update of them changes nothing */
    if (!shape->keyed)
        return matchwise_run(session, shape, set, CHANGE_UPDATE, takes_update, err);
    for (Group *group = group_updates(session, shape, set); group != NULL; group = group->next)
        if (!run_group(session, shape, group, err))
            return false;
    return true;
}

static bool run_copy(Session *session, const Shape *shape, const FoldSet *set, int64_t rows,
                     Error *err)
{
    int64_t copied = 0;
    Copytext copy;
    /* COPY cannot stand in a pipeline. */
    if (!lane_drain(session->lane, err))
        return false;
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (!is_insert(effective(session, shape, row)))
            continue;
        if (copied == 0) {
            bool binary = copytext_is_binary(row->values, shape->rel->column_count);
            sqltext_clear(&session->text);
            dml_copy(&session->text, &shape->table, binary);
            copytext_begin(&copy, session->conn, &session->bytes, shape->rel->column_count, binary);
            if (!pgconn_copy_in(session->conn, sqltext_sql(&session->text), err))
                return err_context(err, "COPY into table '%s'", shape->rel->display);
        }
        copied++;
        if (!copytext_row(&copy, row->values, err))
            return err_context(err, "COPY into table '%s'", shape->rel->display);
    }
    if (!copytext_end(&copy, &copied, err))
        return err_context(err, "COPY into table '%s'", shape->rel->display);
    if (copied != rows)
        return ERR(err, ERR_APPLY_CONFLICT, "COPY into table '%s' stored %lld rows of %lld",
                   shape->rel->display, (long long)copied, (long long)rows);
    return true;
}

static bool run_empty_inserts(Session *session, const Shape *shape, int64_t rows, Error *err)
{
    LaneStatement *statement;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)rows);
    LaneExpect expect = {.what = "INSERT", .rel = shape->rel, .min_rows = rows, .max_rows = rows};
    return get_statement(session, shape, OP_EMPTY, NULL, &statement, err) &&
           lane_execute(session->lane, statement, PG_PARAMS(PG_TEXT(text)), &expect, err);
}

static bool gather_inserts(Session *session, const Shape *shape, const FoldSet *set, char op,
                           int64_t *passed, Error *err)
{
    const DmlTable *table = &shape->table;
    int *columns = arena_new_array(session->scratch, int, table->column_count);
    Gather gather = {
        .session = session, .shape = shape, .what = "INSERT", .columns = columns, .passed = passed};
    for (int i = 0; i < table->column_count; i++)
        if (table->columns[i].made == NULL)
            columns[gather.count++] = i;
    if (!get_statement(session, shape, op, NULL, &gather.statement, err))
        return false;
    for (const FoldRow *row = set->first; row != NULL; row = row->next)
        if (is_insert(effective(session, shape, row)) && !gather_row(&gather, row, err))
            return false;
    return gather_flush(&gather, err);
}

/* Rows that the application has written on the target too are passed over; when there were any, all
 * must be equal to what came. */
static bool run_dual_inserts(Session *session, const Shape *shape, const FoldSet *set, int64_t rows,
                             Error *err)
{
    int64_t made = 0;
    if (!gather_inserts(session, shape, set, OP_INSERT_OR_PASS, &made, err) ||
        !lane_drain(session->lane, err))
        return false;
    if (made == rows)
        return true;
    if (!gather_inserts(session, shape, set, OP_EQUAL, NULL, err) ||
        !lane_drain(session->lane, err))
        return false;
    dual_counts(session->dual)->already += rows - made;
    return true;
}

static bool run_inserts(Session *session, const Shape *shape, const FoldSet *set, Error *err)
{
    const DmlTable *table = &shape->table;
    int64_t rows = 0;
    for (const FoldRow *row = set->first; row != NULL; row = row->next)
        rows += is_insert(effective(session, shape, row));
    if (rows == 0)
        return true;
    if (table->column_count == 0)
        return run_empty_inserts(session, shape, rows, err);
    if (session->dual != NULL)
        return run_dual_inserts(session, shape, set, rows, err);
    if (rows >= SETWISE_COPY_ROWS && !shape->makes)
        return run_copy(session, shape, set, rows, err);
    return gather_inserts(session, shape, set, OP_INSERT, NULL, err);
}

typedef bool RunSet(Session *session, const Shape *shape, const FoldSet *set, Error *err);

static bool run_each(Session *session, const PlanStep *step, bool parents_first, RunSet *run,
                     Error *err)
{
    for (int i = 0; i < step->set_count; i++) {
        const FoldSet *set = step->sets[parents_first ? i : step->set_count - 1 - i];
        arena_reset(session->scratch);
        if (!run(session, &session->shapes->all[set->rel->id], set, err))
            return false;
    }
    return true;
}

static bool run_sets(Session *session, const PlanStep *step, Error *err)
{
    if (session->live)
        return run_each(session, step, true, run_inserts, err) &&
               run_each(session, step, true, run_updates, err) &&
               run_each(session, step, false, run_deletes, err);
    return run_each(session, step, false, run_deletes, err) &&
           run_each(session, step, true, run_updates, err) &&
           run_each(session, step, true, run_inserts, err);
}

bool setwise_run(Session *session, const PlanStep *steps, Error *err)
{
    for (const PlanStep *step = steps; step != NULL; step = step->next) {
        bool fine;
        arena_reset(session->scratch);
        if (step->kind == PLAN_SET)
            fine = run_sets(session, step, err);
        else if (step->kind == PLAN_TRUNCATE)
            fine = emptying_truncate(session, step->truncated, step->truncated_count, err);
        else
            fine = rowwise_change(session, step->change, false, err);
        if (!fine)
            return false;
    }
    return lane_drain(session->lane, err);
}

/* matchwise - see the header. */
#include "apply/matchwise.h"

#include <string.h>

#include "apply/rowwise.h"

/* Rows for one statement: parameters are the old images, then the columns set. */
typedef struct Match {
    Session *session;
    const Shape *shape;
    ChangeKind kind;
    Arena *arena; /* of the set: rowwise empties the session's */
    const FoldRow **rows;
    int64_t count, capacity;
    size_t bytes;
} Match;

bool matchwise_must_replace(const Shape *shape, const FoldRow *row)
{
    const DmlTable *table = &shape->table;
    for (int i = 0; i < table->column_count; i++)
        if (table->columns[i].identity_always && !value_equal(&row->key[i], &row->values[i]))
            return true;
    return false;
}

/* One by one
 * ------------------------------------------------------------------------------------- */

static bool run_one(Match *match, const FoldRow *row, Error *err)
{
    int columns = match->shape->rel->column_count;
    Change *change = arena_new_object(match->arena, Change);
    *change = (Change){.kind = match->kind, .rel = match->shape->rel};
    change->old_values = arena_new_array(match->arena, Value, columns);
    memcpy(change->old_values, row->key, sizeof(Value) * (size_t)columns);
    if (match->kind == CHANGE_UPDATE) {
        change->new_values = arena_new_array(match->arena, Value, columns);
        for (int i = 0; i < columns; i++)
            change->new_values[i] = value_equal(&row->key[i], &row->values[i])
                                        ? (Value){.kind = VALUE_UNCHANGED}
                                        : row->values[i];
    }
    return rowwise_change(match->session, change, false, err);
}

static bool run_each_alone(Match *match, Error *err)
{
    for (int64_t r = 0; r < match->count; r++)
        if (!run_one(match, match->rows[r], err))
            return false;
    return true;
}

/* In sets
 * ---------------------------------------------------------------------------------------- */

/* The session's plans are made for look-ups by key; these statements are planned each time. */
static bool plan_freely(Session *session, bool freely, Error *err)
{
    LaneExpect any = {.what = "choosing plans", .max_rows = -1};
    Sql sql = freely
                  ? SQL("SELECT pg_catalog.set_config(s.name, s.value, true) FROM (VALUES "
                        "('enable_seqscan', 'on'), ('enable_hashjoin', 'on'), ('enable_mergejoin', "
                        "'on'), ('enable_material', 'on'), ('plan_cache_mode', "
                        "'force_custom_plan')) AS s (name, value)")
                  : SQL("SELECT pg_catalog.set_config(s.name, s.value, true) FROM (VALUES "
                        "('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), "
                        "('enable_mergejoin', 'off'), ('enable_material', 'off'), "
                        "('plan_cache_mode', 'force_generic_plan')) AS s (name, value)");
    return lane_send(session->lane, sql, PG_NO_PARAMS, &any, err);
}

/* Column p of the parameters: the old image's, or the new one's. */
static bool put_column(Match *match, PgArray *array, int column, bool old, Error *err)
{
    const ShapeColumn *col = &match->shape->columns[column];
    bool binary = false;
    for (int64_t r = 0; r < match->count && !binary; r++)
        binary = (old ? match->rows[r]->key : match->rows[r]->values)[column].kind == VALUE_BINARY;
    binary = binary && !match->shape->table.columns[column].as_text;
    pgarray_begin(array, binary ? PGARRAY_RECEIVE : col->form, col->element_oid, col->delimiter);
    for (int64_t r = 0; r < match->count; r++)
        if (!pgarray_put(array, &(old ? match->rows[r]->key : match->rows[r]->values)[column]))
            return ERR(err, ERR_APPLY_CONFLICT,
                       "table '%s': a value does not have the form of its type",
                       match->shape->rel->display);
    return true;
}

/* By which columns candidates can be found, and which an update sets. */
static void choose_columns(const Match *match, bool *join, bool *set)
{
    const DmlTable *table = &match->shape->table;
    for (int i = 0; i < table->column_count; i++)
        join[i] = table->columns[i].equal_schema != NULL;
    for (int64_t r = 0; r < match->count; r++) {
        const FoldRow *row = match->rows[r];
        for (int i = 0; i < table->column_count; i++) {
            join[i] = join[i] && row->key[i].kind != VALUE_NULL;
            if (match->kind == CHANGE_UPDATE && !set[i] && !table->columns[i].identity_always)
                set[i] = !value_equal(&row->key[i], &row->values[i]);
        }
    }
}

static bool send_set(Match *match, const bool *join, const bool *set, int set_count, Error *err)
{
    Session *session = match->session;
    const DmlTable *table = &match->shape->table;
    int count = table->column_count;
    PgParam *params = arena_new_array(match->arena, PgParam, count + set_count);
    for (int i = 0, p = count; i < table->column_count; i++) {
        if (!put_column(match, &session->arrays[i], i, true, err) ||
            (set[i] && !put_column(match, &session->arrays[p], i, false, err)))
            return false;
        params[i] = pgarray_end(&session->arrays[i]);
        if (set[i]) {
            params[p] = pgarray_end(&session->arrays[p]);
            p++;
        }
    }
    sqltext_clear(&session->text);
    if (match->kind == CHANGE_UPDATE)
        dml_update_match_set(&session->text, table, join, set);
    else
        dml_delete_match_set(&session->text, table, join);
    LaneExpect expect = {.what = match->kind == CHANGE_UPDATE ? "UPDATE" : "DELETE",
                         .rel = match->shape->rel,
                         .min_rows = match->count,
                         .max_rows = match->count};
    return plan_freely(session, true, err) &&
           lane_send(session->lane, sqltext_sql(&session->text), params, count + set_count, &expect,
                     err) &&
           plan_freely(session, false, err);
}

static bool flush(Match *match, Error *err)
{
    int columns = match->shape->table.column_count, set_count = 0;
    bool *join = arena_new_array(match->arena, bool, columns);
    bool *set = arena_new_array(match->arena, bool, columns);
    choose_columns(match, join, set);
    for (int64_t r = 0; match->kind == CHANGE_UPDATE && r < match->count; r++)
        if (matchwise_must_replace(match->shape, match->rows[r]))
            return ERR(err, ERR_UNSUPPORTED,
                       "table '%s': an identity column (GENERATED ALWAYS) of a table without key "
                       "changed its value",
                       match->shape->rel->display);
    for (int i = 0; i < columns; i++)
        set_count += set[i];
    bool fine = match->count < MATCHWISE_FROM || columns + set_count >= MATCHWISE_COLUMNS
                    ? run_each_alone(match, err)
                    : send_set(match, join, set, set_count, err);
    match->count = 0;
    match->bytes = 0;
    return fine;
}

static void add(Match *match, const FoldRow *row)
{
    if (match->count == match->capacity) {
        int64_t capacity = match->capacity > 0 ? match->capacity * 2 : 64;
        const FoldRow **rows = arena_alloc(match->arena, sizeof *rows * (size_t)capacity);
        if (match->count > 0)
            memcpy(rows, match->rows, sizeof *rows * (size_t)match->count);
        match->rows = rows;
        match->capacity = capacity;
    }
    match->rows[match->count++] = row;
    for (int i = 0; i < match->shape->rel->column_count; i++)
        match->bytes +=
            (size_t)row->key[i].len + (match->kind == CHANGE_UPDATE ? row->values[i].len : 0);
}

bool matchwise_run(Session *session, const Shape *shape, const FoldSet *set, ChangeKind kind,
                   MatchTakes *takes, Error *err)
{
    Match match = {.session = session, .shape = shape, .kind = kind, .arena = set->arena};
    for (const FoldRow *row = set->first; row != NULL; row = row->next) {
        if (!takes(session, shape, row))
            continue;
        add(&match, row);
        if ((match.count >= MATCHWISE_ROWS || match.bytes >= MATCHWISE_BYTES) &&
            !flush(&match, err))
            return false;
    }
    return match.count == 0 || flush(&match, err);
}

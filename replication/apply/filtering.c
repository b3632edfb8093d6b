/*
 * filtering - see the header.
 *
 * Three passes over the changes, in order: what is known of each row is gathered, with the values that an
 * earlier change of the batch brought; the server is asked, once or twice a table; each change is
 * decided, by the answers and by what became of the row before.
 */
#include "apply/filtering.h"

#include <stdlib.h>
#include <string.h>

#include "apply/fold.h"
#include "apply/plan.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "sqltext/dml_filter.h"

/* A row by its key. */
typedef struct Place {
    const Value *known; /* pass 1: its values, as far as the batch told them; NULL: nothing */
    int known_since;    /* the table's emptyings then */
    int in;             /* pass 3: it is the task's; -1: not decided in this batch */
    int in_since;
} Place;

/* Rows that the server is asked about. */
typedef struct Question {
    const Value **rows;
    int64_t count, room;
    const char *answers; /* '1' or '0' each */
} Question;

typedef struct Table {
    struct Table *next;
    Relation *rel;
    const Shape *shape;
    const int *columns; /* those that the filter names, each once */
    int column_count;
    Map places;
    int emptied; /* TRUNCATEs so far, of each pass */
    Question images, keys;
} Table;

typedef struct Item {
    struct Item *next;
    const Change *change;
    const Flow *flow;
    Table *table;
    const Value *fresh;         /* the new row; NULL of a DELETE */
    const Value *stale;         /* the old one, or as much of it as is known; NULL of an INSERT */
    int64_t fresh_at, stale_at; /* among the table's images, -1: unknown */
    int64_t key_at;             /* among its keys, -1: not asked */
    Place *before, *after;      /* NULL: a table without key */
} Item;

struct Filtering {
    const Relations *rels;
    Arena *arena;   /* of a run */
    Table **tables; /* by relation id; NULL: not met in this run */
    Table *first;
    Item *items, **tail;
    bool suspended;
    Relation *failed;
};

Filtering *filtering_new(const Relations *rels)
{
    bool any = false;
    for (int i = 0; i < rels->count; i++)
        any = any || rels->all[i]->filter != NULL;
    if (!any)
        return NULL;
    Filtering *f = mem_zalloc(sizeof *f);
    f->rels = rels;
    f->arena = arena_new(64 * 1024);
    f->tables = mem_zalloc(sizeof(Table *) * ((size_t)rels->count + 1));
    f->tail = &f->items;
    return f;
}

static void forget(Filtering *f)
{
    for (Table *table = f->first; table != NULL; table = table->next) {
        map_done(&table->places);
        f->tables[table->rel->id] = NULL;
    }
    f->first = NULL;
    f->items = NULL;
    f->tail = &f->items;
    f->suspended = false;
    f->failed = NULL;
    arena_reset(f->arena);
}

Relation *filtering_take_failed(Filtering *f)
{
    Relation *failed = f != NULL ? f->failed : NULL;
    if (f != NULL)
        f->failed = NULL;
    return failed;
}

void filtering_free(Filtering *f)
{
    if (f == NULL)
        return;
    forget(f);
    arena_free(f->arena);
    free(f->tables);
    free(f);
}

static bool is_row(const Change *change)
{
    return change->kind == CHANGE_INSERT || change->kind == CHANGE_UPDATE ||
           change->kind == CHANGE_DELETE;
}

static bool concerns(const Change *change, const Flow *flow)
{
    return is_row(change) && change->rel->filter != NULL && plan_applies(change->rel, flow);
}

bool filtering_concerns(const Filtering *f, Flow *const *flows, int64_t count)
{
    for (int64_t i = 0; f != NULL && i < count; i++)
        for (const Change *change = flows[i]->first; change != NULL; change = change->next)
            if (concerns(change, flows[i]))
                return true;
    return false;
}

/* Tables ------------------------------------------------------------------------------------------ */

static bool holds(const int *columns, int count, int column)
{
    for (int i = 0; i < count; i++)
        if (columns[i] == column)
            return true;
    return false;
}

static Table *table_of(Filtering *f, const Session *session, Relation *rel)
{
    Table *table = f->tables[rel->id];
    if (table != NULL)
        return table;
    table = arena_new_object(f->arena, Table);
    table->rel = rel;
    table->shape = &session->shapes->all[rel->id];
    table->places = MAP_INIT;
    int *columns = arena_new_array(f->arena, int, rel->filter->count + 1);
    table->columns = columns;
    for (int i = 0; i < rel->filter->count; i++) {
        int column = rel->filter_operands[i];
        if (column >= 0 && !holds(columns, table->column_count, column))
            columns[table->column_count++] = column;
    }
    table->next = f->first;
    f->first = table;
    f->tables[rel->id] = table;
    return table;
}

static int64_t ask(Filtering *f, Question *question, const Value *row)
{
    if (question->count == question->room) {
        int64_t room = question->room > 0 ? 2 * question->room : 64;
        const Value **rows = arena_alloc(f->arena, sizeof *rows * (size_t)room);
        if (question->count > 0)
            memcpy(rows, question->rows, sizeof *rows * (size_t)question->count);
        question->rows = rows;
        question->room = room;
    }
    question->rows[question->count] = row;
    return question->count++;
}

static Place *place_of(Filtering *f, Table *table, const Value *row)
{
    bool found;
    size_t len;
    const char *key = fold_key(table->rel, row, f->arena, &len);
    MapEntry *entry = map_slot(&table->places, key, len, &found);
    if (!found) {
        Place *place = arena_new_object(f->arena, Place);
        place->in = -1;
        entry->value = place;
    }
    return entry->value;
}

/* Gathering --------------------------------------------------------------------------------------- */

static bool all_known(const Value *row, const int *columns, int count)
{
    for (int i = 0; i < count; i++)
        if (row[columns[i]].kind == VALUE_UNCHANGED)
            return false;
    return true;
}

static bool is_whole(const Relation *rel, const Value *row)
{
    for (int i = 0; i < relation_sent(rel); i++)
        if (row[i].kind == VALUE_UNCHANGED)
            return false;
    return true;
}

/* The new row with what the old one and earlier changes know of it. */
static const Value *completed(Filtering *f, const Table *table, const Change *change,
                              const Place *before)
{
    const Relation *rel = table->rel;
    if (is_whole(rel, change->new_values))
        return change->new_values;
    const Value *known =
        before != NULL && before->known_since == table->emptied ? before->known : NULL;
    Value *row = arena_new_array(f->arena, Value, rel->column_count);
    memcpy(row, change->new_values, sizeof *row * (size_t)rel->column_count);
    for (int i = 0; i < relation_sent(rel); i++) {
        if (row[i].kind == VALUE_UNCHANGED && change->old_values != NULL)
            row[i] = change->old_values[i];
        if (row[i].kind == VALUE_UNCHANGED && known != NULL)
            row[i] = known[i];
    }
    return row;
}

/* The old row as far as the change tells: its key columns are those of the new row when they stay. */
static const Value *old_row(Filtering *f, const Table *table, const Change *change)
{
    const Relation *rel = table->rel;
    if (change->old_values != NULL || change->kind == CHANGE_INSERT)
        return change->old_values;
    Value *row = arena_new_array(f->arena, Value, rel->column_count);
    for (int i = 0; i < rel->column_count; i++)
        row[i].kind = VALUE_UNCHANGED;
    for (int k = 0; k < rel->key_count; k++)
        row[rel->key[k]] = change->new_values[rel->key[k]];
    return row;
}

static bool has_key(const Relation *rel, const Value *row)
{
    for (int k = 0; k < rel->key_count; k++)
        if (row[rel->key[k]].kind < VALUE_TEXT)
            return false;
    return rel->key_count > 0;
}

static void know(const Table *table, Place *place, const Value *row)
{
    if (place == NULL)
        return;
    place->known = row;
    place->known_since = table->emptied;
}

static bool gather(Filtering *f, const Session *session, const Change *change, const Flow *flow,
                   Error *err)
{
    Table *table = table_of(f, session, change->rel);
    const Relation *rel = table->rel;
    Item *item = arena_new_object(f->arena, Item);
    *item = (Item){.change = change,
                   .flow = flow,
                   .table = table,
                   .fresh_at = -1,
                   .stale_at = -1,
                   .key_at = -1};
    item->stale = old_row(f, table, change);
    if (table->shape->keyed && item->stale != NULL && has_key(rel, item->stale))
        item->before = place_of(f, table, item->stale);
    if (change->kind != CHANGE_DELETE) {
        item->fresh = completed(f, table, change, item->before);
        if (table->shape->keyed && has_key(rel, item->fresh))
            item->after = place_of(f, table, item->fresh);
        if (all_known(item->fresh, table->columns, table->column_count))
            item->fresh_at = ask(f, &table->images, item->fresh);
    }
    if (item->stale != NULL) {
        if (all_known(item->stale, table->columns, table->column_count))
            item->stale_at = ask(f, &table->images, item->stale);
        else if (item->before != NULL)
            item->key_at = ask(f, &table->keys, item->stale);
        else
            return ERR(err, ERR_APPLY_CONFLICT,
                       "table '%s': a change does not tell the old row, and the table has no key "
                       "by which the row's filter could be known",
                       rel->display);
    }
    know(table, item->before, NULL);
    know(table, item->after, item->fresh);
    *f->tail = item;
    f->tail = &item->next;
    return true;
}

/* Of a TRUNCATE: nothing is known of the rows behind it but that they are new. */
static void note_emptied(Filtering *f, const Change *change, const Flow *flow)
{
    for (int i = 0; i < change->truncated_count; i++) {
        Table *table = f->tables[change->truncated[i]->id];
        if (table != NULL && plan_applies(table->rel, flow))
            table->emptied++;
    }
}

static bool gather_all(Filtering *f, const Session *session, Flow *const *flows, int64_t count,
                       Error *err)
{
    for (int64_t i = 0; i < count; i++)
        for (const Change *change = flows[i]->first; change != NULL; change = change->next) {
            if (change->kind == CHANGE_TRUNCATE)
                note_emptied(f, change, flows[i]);
            else if (concerns(change, flows[i]) && !gather(f, session, change, flows[i], err))
                return false;
        }
    for (Table *table = f->first; table != NULL; table = table->next)
        table->emptied = 0;
    return true;
}

/* Asking ------------------------------------------------------------------------------------------ */

static bool put_rows(const Table *table, const Question *question, int column, PgArray *array,
                     Error *err)
{
    const ShapeColumn *col = &table->shape->columns[column];
    bool binary = false;
    for (int64_t r = 0; r < question->count && !binary; r++)
        binary = question->rows[r][column].kind == VALUE_BINARY;
    binary = binary && !table->shape->table.columns[column].as_text;
    pgarray_begin(array, binary ? PGARRAY_RECEIVE : col->form, col->element_oid, col->delimiter);
    for (int64_t r = 0; r < question->count; r++)
        if (!pgarray_put(array, &question->rows[r][column]))
            return ERR(err, ERR_APPLY_CONFLICT,
                       "table '%s': a value does not have the form of its type",
                       table->rel->display);
    return true;
}

static bool ask_server(Filtering *f, Session *session, Table *table, bool keys, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const DmlTable *dml = &table->shape->table;
    Question *question = keys ? &table->keys : &table->images;
    const int *columns = keys ? table->rel->key : table->columns;
    int count = keys ? table->rel->key_count : table->column_count;
    if (question->count == 0)
        return true;
    PgParam *params = arena_new_array(f->arena, PgParam, count);
    for (int i = 0; i < count; i++) {
        if (!put_rows(table, question, columns[i], &session->arrays[i], err))
            return false;
        params[i] = pgarray_end(&session->arrays[i]);
    }
    sqltext_clear(&session->text);
    if (keys)
        dml_has(&session->text, dml, table->rel);
    else
        dml_passes(&session->text, dml, table->rel, columns, count);
    if (!pgconn_query(session->conn, sqltext_sql(&session->text), params, count, &rows, err)) {
        /* A value that the condition cannot be asked of (22), or the target changed (42). */
        if ((memcmp(err->sqlstate, "22", 2) == 0 || memcmp(err->sqlstate, "42", 2) == 0) &&
            err->cls != ERR_PRIVILEGE)
            f->failed = table->rel;
        return err_context(err, "filtering rows of table '%s' (%s)", table->rel->display,
                           table->rel->filter_rule);
    }
    if (pgrows_count(rows) != 1 || pgrows_length(rows, 0, 0) != question->count)
        return ERR(err, ERR_PROTOCOL, "table '%s': not every row has an answer",
                   table->rel->display);
    question->answers = arena_strdup(f->arena, pgrows_text(rows, 0, 0));
    return true;
}

/* Deciding ---------------------------------------------------------------------------------------- */

static bool was_in(const Item *item)
{
    const Table *table = item->table;
    const Place *place = item->before;
    if (item->stale == NULL)
        return false;
    if (item->stale_at >= 0)
        return table->images.answers[item->stale_at] == '1';
    if (place->in >= 0)
        return place->in == 1 && place->in_since == table->emptied;
    return table->emptied == 0 && table->keys.answers[item->key_at] == '1';
}

static void decide_place(const Item *item, Place *place, bool in)
{
    if (place == NULL)
        return;
    place->in = in;
    place->in_since = item->table->emptied;
}

static bool not_whole(Filtering *f, const Session *session, const Item *item, Error *err)
{
    static const char WHY[] =
        "an UPDATE may move a row into the filter, but its large values, which "
        "did not change, are not in the stream";
    Relation *rel = item->table->rel;
    if (session->live) {
        ERR(err, ERR_APPLY_CONFLICT, "table '%s': %s", rel->display, WHY);
        return err_hint(err, "It takes a new copy: 'bascule cleanup', ALTER TABLE ... REPLICA "
                             "IDENTITY FULL on the source, and 'bascule run'.");
    }
    log_warn("table '%s' is suspended: %s", rel->display, WHY);
    relation_suspend(rel, item->flow->commit_lsn, WHY);
    f->suspended = true;
    return true;
}

/* Its change as one of the task's rows; NULL: of none. */
static bool decide(Filtering *f, const Session *session, const Item *item, Change **out, Error *err)
{
    bool was = was_in(item), is = false;
    *out = NULL;
    if (item->fresh != NULL && item->fresh_at < 0)
        return not_whole(f, session, item, err);
    if (item->fresh != NULL)
        is = item->table->images.answers[item->fresh_at] == '1';
    decide_place(item, item->before, false);
    decide_place(item, item->after, is);
    if (!was && !is)
        return true;
    if (!was && item->change->kind == CHANGE_UPDATE && !is_whole(item->table->rel, item->fresh))
        return not_whole(f, session, item, err);
    Change *made = arena_new_object(f->arena, Change);
    *made = *item->change;
    made->next = NULL;
    if (was != is) {
        made->kind = is ? CHANGE_INSERT : CHANGE_DELETE;
        made->new_values = is ? (Value *)(uintptr_t)item->fresh : NULL;
        made->old_values = is ? NULL : (Value *)(uintptr_t)item->stale;
    }
    *out = made;
    return true;
}

static void add_change(Flow *flow, Change *change)
{
    if (flow->last != NULL)
        flow->last->next = change;
    else
        flow->first = change;
    flow->last = change;
    flow->change_count++;
}

/* The flow with the changes of the task's rows; the others of its changes as they are. */
static bool rewrite(Filtering *f, const Session *session, const Flow *flow, Item **item, Flow **out,
                    Error *err)
{
    Flow *made = arena_new_object(f->arena, Flow);
    *made = *flow;
    made->first = made->last = NULL;
    made->change_count = 0;
    for (const Change *change = flow->first; change != NULL; change = change->next) {
        Change *copy = NULL;
        if (*item != NULL && (*item)->change == change) {
            const Item *this = *item;
            *item = this->next;
            if (!decide(f, session, this, &copy, err))
                return false;
        } else {
            if (change->kind == CHANGE_TRUNCATE)
                note_emptied(f, change, flow);
            copy = arena_new_object(f->arena, Change);
            *copy = *change;
            copy->next = NULL;
        }
        if (copy != NULL)
            add_change(made, copy);
    }
    *out = made;
    return true;
}

bool filtering_run(Filtering *f, Session *session, Flow *const *flows, int64_t count,
                   Flow *const **out_flows, bool *out_suspended, Error *err)
{
    forget(f);
    if (!gather_all(f, session, flows, count, err))
        return false;
    for (Table *table = f->first; table != NULL; table = table->next)
        if (!ask_server(f, session, table, false, err) || !ask_server(f, session, table, true, err))
            return false;
    Flow **made = arena_alloc(f->arena, sizeof *made * (size_t)(count + 1));
    Item *item = f->items;
    for (int64_t i = 0; i < count; i++) {
        made[i] = flows[i];
        if (item != NULL && item->flow == flows[i]) {
            if (!rewrite(f, session, flows[i], &item, &made[i], err))
                return false;
            continue;
        }
        for (const Change *change = flows[i]->first; change != NULL; change = change->next)
            if (change->kind == CHANGE_TRUNCATE)
                note_emptied(f, change, flows[i]);
    }
    *out_flows = made;
    *out_suspended = f->suspended;
    return true;
}

/*
 * sequences - values of sequences, read from the sequences themselves: the view pg_sequences does
 * not tell the value of one that was set but never called.
 */
#include "source/sequences.h"

#include <stdlib.h>
#include <string.h>

#include "sql_files.h"
#include "sqltext/sqltext.h"

/* The planner takes quadratic time over the branches of a UNION ALL: 500 cost twelve times 100. */
#define BATCH 100

bool sequences_define(PgConn *source, Arena *arena, Sequences *out, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_SEQUENCES, PG_NO_PARAMS, &rows, err))
        return false;
    out->count = pgrows_count(rows);
    out->all = arena_new_array(arena, Sequence, out->count + 1);
    for (int i = 0; i < out->count; i++) {
        Sequence *seq = &out->all[i];
        seq->schema = arena_strdup(arena, pgrows_text(rows, i, 0));
        seq->name = arena_strdup(arena, pgrows_text(rows, i, 1));
        seq->target_schema = seq->schema;
        seq->target_name = seq->name;
        seq->increment = pgrows_i64(rows, i, 2);
        seq->min_value = pgrows_i64(rows, i, 3);
        seq->max_value = pgrows_i64(rows, i, 4);
        seq->cache = pgrows_i64(rows, i, 5);
        seq->start = pgrows_i64(rows, i, 6);
        seq->cycle = pgrows_bool(rows, i, 7);
        seq->owner_oid = pgrows_u32(rows, i, 8);
        seq->users = pgrows_null(rows, i, 9) ? "" : arena_strdup(arena, pgrows_text(rows, i, 9));
        seq->owner_column =
            pgrows_null(rows, i, 10) ? "" : arena_strdup(arena, pgrows_text(rows, i, 10));
    }
    return true;
}

/* SELECT i, tableoid, last_value, is_called FROM each of [first, last) */
static void put_values(SqlText *st, const Sequences *sequences, int first, int last, bool target)
{
    for (int i = first; i < last; i++) {
        if (i > first)
            sqltext_put(st, " UNION ALL ");
        sqltext_put(st, "SELECT ");
        sqltext_i64(st, i);
        sqltext_put(st, ", tableoid, last_value, is_called FROM ");
        const Sequence *seq = &sequences->all[i];
        sqltext_qualified(st, target ? seq->target_schema : seq->schema,
                          target ? seq->target_name : seq->name);
    }
}

static bool read_batch(PgConn *conn, Sequences *sequences, int first, int last, bool on_target,
                       Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    put_values(&st, sequences, first, last, on_target);
    if (!pgconn_query(conn, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    if (pgrows_count(rows) != last - first)
        return ERR(err, ERR_PROTOCOL, "%d sequences asked for, %d answered", last - first,
                   pgrows_count(rows));
    for (int r = 0; r < pgrows_count(rows); r++) {
        Sequence *seq = &sequences->all[pgrows_i64(rows, r, 0)];
        seq->last_value = pgrows_i64(rows, r, 2);
        seq->is_called = pgrows_bool(rows, r, 3);
    }
    return true;
}

bool sequences_read_values(PgConn *conn, Sequences *sequences, bool on_target, Error *err)
{
    for (int first = 0; first < sequences->count; first += BATCH) {
        int last = sequences->count - first < BATCH ? sequences->count : first + BATCH;
        if (!read_batch(conn, sequences, first, last, on_target, err))
            return err_context(err, "reading the sequences of the %s", pgconn_side(conn));
    }
    return true;
}

bool sequences_read(PgConn *source, Arena *arena, Sequences *out_sequences, Error *err)
{
    Sequences sequences = {0};
    if (!sequences_define(source, arena, &sequences, err))
        return err_context(err, "reading the sequences of the %s", pgconn_side(source));
    if (!sequences_read_values(source, &sequences, false, err))
        return false;
    *out_sequences = sequences;
    return true;
}

static bool table_in_scope(uint32_t oid, const Relations *rels, const Map *roots)
{
    return relations_by_oid(rels, oid) != NULL || map_get(roots, &oid, sizeof oid) != NULL;
}

/* Of a column that stays behind: the target has none, or one of its own. */
static bool stays_behind(const Sequence *seq, const Relations *rels)
{
    const Relation *rel = relations_by_oid(rels, seq->owner_oid);
    return rel != NULL && relation_leaves_out(rel, seq->owner_column);
}

static bool keep(const Sequence *seq, const Relations *rels, const Map *roots)
{
    if (stays_behind(seq, rels))
        return false;
    if (seq->owner_oid == 0 || table_in_scope(seq->owner_oid, rels, roots))
        return true;
    for (const char *p = seq->users; *p != '\0';) {
        char *end;
        if (table_in_scope((uint32_t)strtoul(p, &end, 10), rels, roots))
            return true;
        p = *end == ' ' ? end + 1 : end;
    }
    return false;
}

void sequences_keep_scope(Sequences *sequences, const Relations *rels)
{
    Map roots = MAP_INIT;
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (rel->is_partition)
            map_put(&roots, &rel->parent_oid, sizeof rel->parent_oid, rel);
    }
    int kept = 0;
    for (int i = 0; i < sequences->count; i++)
        if (keep(&sequences->all[i], rels, &roots))
            sequences->all[kept++] = sequences->all[i];
    sequences->count = kept;
    map_done(&roots);
}

/* Where the target shall stand: the source's value moved on, but never so far that the sequence
 * runs out for the sake of the margin. */
static int64_t moved_on(const Sequence *seq, int64_t margin)
{
    int64_t steps = margin;
    if (steps < seq->cache)
        steps = seq->cache;
    if (steps < 32)
        steps = 32;
    /* Unsigned: the distance of two int64 may not fit into one. */
    uint64_t left, step;
    if (seq->increment > 0) {
        left = (uint64_t)seq->max_value - (uint64_t)seq->last_value;
        step = (uint64_t)seq->increment;
    } else {
        left = (uint64_t)seq->last_value - (uint64_t)seq->min_value;
        step = -(uint64_t)seq->increment;
    }
    uint64_t steps_left = left / step;
    if ((uint64_t)steps > steps_left / 2)
        steps = (int64_t)(steps_left / 2);
    return (int64_t)((uint64_t)seq->last_value + (uint64_t)steps * (uint64_t)seq->increment);
}

static bool raise_batch(PgConn *target, Sequences *sequences, int first, int last, int *raised,
                        Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_BUF Buf index = BUF_INIT;
    CLEANUP_BUF Buf value = BUF_INIT;
    CLEANUP_BUF Buf called = BUF_INIT;
    CLEANUP_BUF Buf up = BUF_INIT;
    CLEANUP_BUF Buf cycle = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    for (int i = first; i < last; i++) {
        const Sequence *seq = &sequences->all[i];
        char sep = i > first ? ',' : '{';
        buf_printf(&index, "%c%d", sep, i);
        /* One that is left has already what comes after any other. */
        int64_t wanted = !seq->leave ? seq->set_to : seq->increment > 0 ? INT64_MIN : INT64_MAX;
        buf_printf(&value, "%c%lld", sep, (long long)wanted);
        /* Not moved at all: the source's own state, so that the next value is the same one. */
        buf_printf(&called, "%c%c", sep,
                   seq->is_called || seq->set_to != seq->last_value ? 't' : 'f');
        buf_printf(&up, "%c%c", sep, seq->increment > 0 ? 't' : 'f');
        buf_printf(&cycle, "%c%c", sep, seq->cycle && !seq->leave ? 't' : 'f');
    }
    buf_putc(&index, '}');
    buf_putc(&value, '}');
    buf_putc(&called, '}');
    buf_putc(&up, '}');
    buf_putc(&cycle, '}');
    sqltext_put(&st,
                "SELECT own.i, CASE WHEN (CASE WHEN new.cycle THEN new.value <> own.value "
                "WHEN new.up THEN new.value > own.value ELSE new.value < own.value END) "
                "OR (new.value = own.value AND new.called AND NOT own.called) "
                "THEN pg_catalog.setval(own.seq::pg_catalog.regclass, new.value, new.called) END, "
                "own.value FROM (");
    put_values(&st, sequences, first, last, true);
    sqltext_put(&st, ") own (i, seq, value, called) JOIN ROWS FROM ("
                     "pg_catalog.unnest($1::pg_catalog.int4[]), "
                     "pg_catalog.unnest($2::pg_catalog.int8[]), "
                     "pg_catalog.unnest($3::pg_catalog.bool[]), "
                     "pg_catalog.unnest($4::pg_catalog.bool[]), "
                     "pg_catalog.unnest($5::pg_catalog.bool[])) "
                     "new (i, value, called, up, cycle) ON new.i = own.i");
    if (!pgconn_query(target, sqltext_sql(&st),
                      PG_PARAMS(PG_TEXT(buf_str(&index)), PG_TEXT(buf_str(&value)),
                                PG_TEXT(buf_str(&called)), PG_TEXT(buf_str(&up)),
                                PG_TEXT(buf_str(&cycle))),
                      &rows, err)) {
        if (strcmp(err->sqlstate, "42P01") == 0)
            err->cls = ERR_SCHEMA_DIFFERS;
        return err_hint(err, "Create the sequence on the target (or let target.prepare: create do "
                             "it) and give the role UPDATE on it.");
    }
    if (pgrows_count(rows) != last - first)
        return ERR(err, ERR_PROTOCOL, "%d sequences to set, %d answered", last - first,
                   pgrows_count(rows));
    for (int r = 0; r < pgrows_count(rows); r++) {
        Sequence *seq = &sequences->all[pgrows_i64(rows, r, 0)];
        seq->raised = !pgrows_null(rows, r, 1);
        if (seq->raised)
            (*raised)++;
        else
            seq->set_to = pgrows_i64(rows, r, 2);
    }
    return true;
}

bool sequences_raise(PgConn *target, Sequences *sequences, int64_t margin, bool apart,
                     int *out_raised, Error *err)
{
    int raised = 0;
    for (int i = 0; i < sequences->count; i++)
        sequences->all[i].set_to = moved_on(&sequences->all[i], margin);
    if (apart && !sequences_keep_apart(target, sequences, err))
        return err_context(err, "looking at the sequences of the %s", pgconn_side(target));
    for (int first = 0; first < sequences->count; first += BATCH) {
        int last = sequences->count - first < BATCH ? sequences->count : first + BATCH;
        if (!raise_batch(target, sequences, first, last, &raised, err))
            return err_context(err, "raising the sequences of the %s", pgconn_side(target));
    }
    *out_raised = raised;
    return true;
}

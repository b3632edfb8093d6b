/*
 * repair_list - the rows that verifications recorded as differing and that nobody has repaired.
 */
#include <string.h>

#include "sql_files.h"
#include "sync/repair.h"
#include "verify/arrays.h"

static const Relation *relation_named(const RepairSpec *spec, const char *schema, const char *name)
{
    for (int i = 0; i < spec->rels->count; i++) {
        const Relation *rel = spec->rels->all[i];
        if (strcmp(rel->schema, schema) == 0 && strcmp(rel->name, name) == 0)
            return rel;
    }
    return NULL;
}

/* The row that a verification just found under this name. */
static const char *const *image_of(const RepairSpec *spec, const Relation *rel, const char *key)
{
    const VerifyReport *seen = spec->seen;
    for (int i = 0; seen != NULL && i < seen->failure_count; i++) {
        const VerifyFailure *f = &seen->failures[i];
        if (f->image != NULL && strcmp(f->key, key) == 0 && f->rel->oid == rel->oid)
            return f->image;
    }
    return NULL;
}

static bool read_rows(const RepairSpec *spec, PgConn *target, const Relation *rel, PgRows **out,
                      Error *err)
{
    CLEANUP_BUF Buf columns = BUF_INIT;
    arrays_begin(&columns);
    for (int k = 0; rel->key_unique && k < rel->key_count; k++)
        arrays_put_text(&columns, rel->columns[rel->key[k]].name);
    return pgconn_query(target, SQL_REPAIR_ROWS,
                        PG_PARAMS(PG_TEXT(spec->twin.task), PG_TEXT(rel->schema),
                                  PG_TEXT(rel->name), PG_TEXT(arrays_end(&columns))),
                        out, err);
}

/* The texts of one key, from the rows of the answer that hold its columns. */
static const char *const *key_texts(const PgRows *rows, int r, int count, Arena *arena)
{
    const char **out = arena_new_array(arena, const char *, count + 1);
    for (int k = 0; k < count; k++) {
        if (pgrows_null(rows, r + k, 5))
            return NULL;
        out[k] = arena_strdup(arena, pgrows_text(rows, r + k, 5));
    }
    return out;
}

static bool same_key_before(const RepairReport *report, const RepairTable *table, const char *key)
{
    return table->count > 0 && strcmp(report->rows[report->row_count - 1].key, key) == 0;
}

static void take_row(const RepairSpec *spec, const PgRows *rows, int r, Arena *arena,
                     RepairReport *report, RepairTable *table)
{
    const Relation *rel = table->rel;
    bool keyed = rel->key_unique && rel->key_count > 0;
    const char *key = pgrows_text(rows, r, 1);
    RepairRow row = {.rel = rel, .copies = 1, .details = "[]", .first_lsn = pgrows_lsn(rows, r, 3)};
    /* It was seen as missing and as different at different times: one row. */
    if (same_key_before(report, table, key))
        return;
    if (strcmp(pgrows_text(rows, r, 0), keyed ? "Row" : "RowHash") != 0) {
        snprintf(table->refused, sizeof table->refused,
                 "its key is not what it was when the difference was recorded: verify it again");
        return;
    }
    if (keyed) {
        row.key_texts = key_texts(rows, r, rel->key_count, arena);
        if (row.key_texts == NULL) {
            snprintf(table->refused, sizeof table->refused,
                     "its key has other columns than when the difference was recorded: verify it "
                     "again");
            return;
        }
    } else {
        row.image = image_of(spec, rel, key);
        table->unknown_rows = table->unknown_rows || row.image == NULL;
    }
    row.key = arena_strdup(arena, key);
    report->rows[report->row_count++] = row;
    table->count++;
}

static bool list_table(const RepairSpec *spec, PgConn *target, const Relation *rel, Arena *arena,
                       RepairReport *report, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    RepairTable *table = &report->tables[report->table_count++];
    int step = rel->key_unique && rel->key_count > 0 ? rel->key_count : 1;
    if (!read_rows(spec, target, rel, &rows, err))
        return false;
    int most = pgrows_count(rows) / step;
    RepairRow *all = arena_new_array(arena, RepairRow, report->row_count + most + 1);
    if (report->row_count > 0)
        memcpy(all, report->rows, sizeof *all * (size_t)report->row_count);
    report->rows = all;
    *table = (RepairTable){.rel = rel, .first = report->row_count};
    for (int r = 0; r + step <= pgrows_count(rows); r += step)
        take_row(spec, rows, r, arena, report, table);
    if (atomic_load(&rel->suspended) != SUSPEND_NOT)
        snprintf(table->refused, sizeof table->refused,
                 "it is suspended: it is copied again as a whole once its shape fits");
    else if (atomic_load(&rel->load_state) != TABLE_COMPLETED)
        snprintf(table->refused, sizeof table->refused, "it is not loaded yet");
    else if (rel->column_count == 0)
        snprintf(table->refused, sizeof table->refused, "it has no columns");
    return true;
}

bool repair_list(const RepairSpec *spec, Arena *arena, RepairReport *out, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL, *tables = NULL;
    PgEndpoint endpoint = spec->twin.target;
    endpoint.stop = spec->stop;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&endpoint, PG_SESSION_SQL, "repair", err);
    *out = (RepairReport){.lsn = LSN_UNKNOWN};
    if (target == NULL ||
        !pgconn_query(target, SQL("SELECT pg_catalog.to_regclass('bascule.failures') IS NOT NULL"),
                      PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0)) {
        ERR(err, ERR_WRONG_STATE, "nothing was verified yet, so no difference is known");
        return err_hint(err, "'bascule verify' first, or 'bascule repair --fresh'.");
    }
    if (!verify_tables_make(target, err) ||
        !pgconn_query(target, SQL_REPAIR_TABLES, PG_PARAMS(PG_TEXT(spec->twin.task)), &tables, err))
        return err_context(err, "reading the differences that were found");
    out->tables = arena_new_array(arena, RepairTable, pgrows_count(tables) + 1);
    for (int r = 0; r < pgrows_count(tables); r++) {
        const Relation *rel =
            relation_named(spec, pgrows_text(tables, r, 0), pgrows_text(tables, r, 1));
        if (rel == NULL ||
            (spec->only != NULL && !rules_select(spec->only, rel->schema, rel->name)))
            continue;
        if (!list_table(spec, target, rel, arena, out, err))
            return err_context(err, "reading the differences of table '%s'", rel->display);
    }
    return true;
}

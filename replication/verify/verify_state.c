/*
 * verify_state - what of a run is durable, and how a later process goes on.
 *
 * A table's row and the failures named with it are written in one transaction: a run that goes on
 * neither counts twice nor forgets.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sql_files.h"
#include "verify/arrays.h"
#include "verify/verify_internal.h"

static const char *const FAILURE_TYPES[KEYDIFF_KIND_COUNT] = {
    "", "MISSING_TARGET", "MISSING_SOURCE", "RECORD_DIFF", "RECORD_REPRESENTATION"};

/* What must be the same for a run to go on. */
static const char *options_text(VerifyRun *run)
{
    const VerifySpec *spec = &run->spec;
    CLEANUP_BUF Buf out = BUF_INIT;
    buf_puts(&out, verify_what_name(spec->what));
    for (int i = 0; spec->only != NULL && i < spec->only->count; i++)
        buf_printf(&out, " %s%s", spec->only->patterns[i].exclude ? "not " : "",
                   spec->only->patterns[i].text);
    if (spec->since_us != 0)
        buf_printf(&out, " since %s", run->since);
    if (spec->aside)
        buf_puts(&out, " before a switch");
    return arena_strdup(run->arena, buf_str(&out));
}

static const char *number(Arena *arena, int64_t n)
{
    return arena_printf(arena, "%" PRId64, n);
}

static void read_hash(const char *text, int64_t rows, RowsHash *out)
{
    char half[17] = "";
    *out = (RowsHash){.rows = (uint64_t)rows};
    if (strlen(text) != 32)
        return;
    memcpy(half, text, 16);
    out->hi = strtoull(half, NULL, 16);
    out->lo = strtoull(text + 16, NULL, 16);
}

static TablePlan *plan_of(VerifyRun *run, const char *schema, const char *name)
{
    for (int i = 0; i < run->plan_count; i++)
        if (strcmp(run->plans[i].rel->schema, schema) == 0 &&
            strcmp(run->plans[i].rel->name, name) == 0)
            return &run->plans[i];
    return NULL;
}

static VerifyVerdict verdict_of(const char *name)
{
    for (int v = 0; v < VERIFY_VERDICT_COUNT; v++)
        if (strcmp(verify_verdict_name((VerifyVerdict)v), name) == 0)
            return (VerifyVerdict)v;
    return VERIFY_UNDECIDED;
}

static bool recall_key(VerifyRun *run, TablePlan *table, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const Relation *rel = table->rel;
    if (!pgconn_query(run->state, SQL_VERIFY_TABLE_KEY,
                      PG_PARAMS(PG_TEXT(number(run->arena, run->report->run)), PG_TEXT(rel->schema),
                                PG_TEXT(rel->name)),
                      &rows, err))
        return false;
    if (pgrows_count(rows) != rel->key_count)
        return ERR(err, ERR_TARGET_STATE, "the key of table '%s' is not what the run began with",
                   rel->display);
    table->accounted_to = arena_new_array(run->arena, const char *, rel->key_count);
    for (int k = 0; k < rel->key_count; k++)
        table->accounted_to[k] = arena_strdup(run->arena, pgrows_text(rows, k, 0));
    return true;
}

static bool forget_failures(VerifyRun *run, const TablePlan *table, const char *but_of_run,
                            Error *err)
{
    return pgconn_exec(run->state, SQL_VERIFY_FAILURE_FORGET,
                       PG_PARAMS(PG_TEXT(run->spec.twin.task), PG_TEXT(table->rel->schema),
                                 PG_TEXT(table->rel->name), PG_TEXT(but_of_run)),
                       NULL, err);
}

/* What was decided of an earlier copy says nothing of this one. */
static bool begin_table_anew(VerifyRun *run, const TablePlan *table, Error *err)
{
    log_info("table was copied again since it was compared table=%s", table->rel->display);
    return forget_failures(run, table, "0", err);
}

static bool recall_table(VerifyRun *run, TablePlan *table, const PgRows *rows, int r, Error *err)
{
    VerifyTable *out = table->out;
    Lsn first_lsn = pgrows_lsn(rows, r, 16);
    if (first_lsn != LSN_UNKNOWN && first_lsn < table->rel->start_lsn)
        return begin_table_anew(run, table, err);
    out->verdict = verdict_of(pgrows_text(rows, r, 2));
    /* What could not be told is asked again. */
    if (out->verdict == VERIFY_NOT_VERIFIED) {
        out->verdict = VERIFY_UNDECIDED;
        return true;
    }
    snprintf(out->why, sizeof out->why, "%s", pgrows_text(rows, r, 3));
    table->accounted_part = table->next_part = (int)pgrows_i64(rows, r, 4);
    out->at_least = pgrows_bool(rows, r, 5);
    out->rows[0] = pgrows_i64(rows, r, 6);
    out->rows[1] = pgrows_i64(rows, r, 7);
    out->bytes = pgrows_i64(rows, r, 8);
    out->chunks = pgrows_i64(rows, r, 9);
    out->missing = pgrows_i64(rows, r, 10);
    out->extra = pgrows_i64(rows, r, 11);
    out->different = pgrows_i64(rows, r, 12);
    out->representation = pgrows_i64(rows, r, 13);
    read_hash(pgrows_text(rows, r, 14), out->rows[0], &out->hash[0]);
    read_hash(pgrows_text(rows, r, 15), out->rows[1], &out->hash[1]);
    out->first_lsn = first_lsn;
    out->last_lsn = pgrows_lsn(rows, r, 17);
    out->elapsed_us = pgrows_i64(rows, r, 18);
    out->resumed = out->verdict != VERIFY_UNDECIDED || out->chunks > 0;
    if (table->rel->keep_extra && out->verdict != VERIFY_UNDECIDED)
        out->kept = verify_count_kept(out);
    for (int side = 0; out->chunks > 0 && side < SIDE_COUNT; side++)
        snprintf(table->file[side], sizeof table->file[side], "%s",
                 pgrows_text(rows, r, 20 + side));
    return pgrows_null(rows, r, 19) || recall_key(run, table, err);
}

static KeyDiffKind kind_of(const char *failure_type)
{
    for (int k = 1; k < KEYDIFF_KIND_COUNT; k++)
        if (strcmp(FAILURE_TYPES[k], failure_type) == 0)
            return (KeyDiffKind)k;
    return KEYDIFF_DIFFERENT;
}

static bool recall_failures(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    VerifyReport *report = run->report;
    if (!pgconn_query(run->state, SQL_VERIFY_FAILURE_READ,
                      PG_PARAMS(PG_TEXT(number(run->arena, report->run))), &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows) && report->failure_count < VERIFY_NAMED_ALL; r++) {
        TablePlan *table = plan_of(run, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
        if (table == NULL)
            continue;
        table->named++;
        report->failures[report->failure_count++] =
            (VerifyFailure){.rel = table->rel,
                            .kind = kind_of(pgrows_text(rows, r, 3)),
                            .key = arena_strdup(run->arena, pgrows_text(rows, r, 2)),
                            .details = arena_strdup(run->arena, pgrows_text(rows, r, 4)),
                            .lsn = pgrows_lsn(rows, r, 5),
                            .first_lsn = pgrows_lsn(rows, r, 5),
                            .first_us = pgrows_i64(rows, r, 6),
                            .origin = {.known = !pgrows_null(rows, r, 7),
                                       .others = strcmp(pgrows_text(rows, r, 7), "others") == 0}};
        table->out->by_others += strcmp(pgrows_text(rows, r, 7), "others") == 0;
    }
    return true;
}

static bool recall(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(run->state, SQL_VERIFY_TABLE_READ,
                      PG_PARAMS(PG_TEXT(number(run->arena, run->report->run))), &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        TablePlan *table = plan_of(run, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
        if (table != NULL && !recall_table(run, table, rows, r, err))
            return false;
    }
    run->report->resumed = true;
    return recall_failures(run, err);
}

static bool find_or_make(VerifyRun *run, Error *err)
{
    const VerifySpec *spec = &run->spec;
    const char *options = options_text(run);
    bool exact = spec->twin.engine.self != NULL;
    CLEANUP_PGROWS PgRows *found = NULL;
    CLEANUP_PGROWS PgRows *made = NULL;
    if (exact && !spec->restart && !spec->aside && spec->what == VERIFY_ROWS) {
        if (!pgconn_query(run->state, SQL_VERIFY_RUN_OPEN,
                          PG_PARAMS(PG_TEXT(spec->twin.task), PG_TEXT(options)), &found, err))
            return false;
        if (pgrows_count(found) == 1) {
            run->report->run = pgrows_i64(found, 0, 0);
            run->report->started_wall_us = pgrows_i64(found, 0, 1);
            log_info("verification goes on run=%lld", (long long)run->report->run);
            return recall(run, err);
        }
    }
    if (!pgconn_query(run->state, SQL_VERIFY_RUN_NEW,
                      PG_PARAMS(PG_TEXT(spec->twin.task), PG_TEXT(options),
                                PG_TEXT(exact ? "true" : "false"),
                                PG_TEXT(spec->aside ? "true" : "false")),
                      &made, err))
        return false;
    run->report->run = pgrows_i64(made, 0, 0);
    return true;
}

bool verify_state_same_copy(VerifyRun *run, const TablePlan *table, bool *out_same, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(run->state, SQL_VERIFY_TABLE_COPY,
                      PG_PARAMS(PG_TEXT(run->spec.twin.task), PG_TEXT(table->rel->schema),
                                PG_TEXT(table->rel->name)),
                      &rows, err))
        return err_context(err, "looking at the state of table '%s'", table->rel->display);
    *out_same = pgrows_count(rows) == 1 && !pgrows_bool(rows, 0, 1) &&
                pgrows_lsn(rows, 0, 0) <= table->out->first_lsn;
    return true;
}

bool verify_tables_make(PgConn *target, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    return pgconn_query(target, SQL_VERIFY_EXISTS, PG_NO_PARAMS, &rows, err) &&
           (pgrows_bool(rows, 0, 0) || pgconn_script(target, SQL_VERIFY_SCHEMA, err));
}

bool verify_state_open(VerifyRun *run, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgEndpoint endpoint = run->spec.twin.target;
    run->state = pgconn_open(&endpoint, PG_SESSION_SQL, "verify", err);
    if (run->state == NULL || !verify_tables_make(run->state, err) ||
        !pgconn_query(run->state, SQL_VERIFY_LOCK, PG_PARAMS(PG_TEXT(run->spec.twin.task)), &rows,
                      err))
        return err_context(err, "preparing the verification's tables on the target");
    if (!pgrows_bool(rows, 0, 0))
        return ERR(err, ERR_ALREADY_RUNNING, "another verification of task '%s' is running",
                   run->spec.twin.task);
    return find_or_make(run, err);
}

void verify_state_close(VerifyRun *run)
{
    pgconn_close(run->state);
    run->state = NULL;
}

static const char *writer_of(const VerifyFailure *f)
{
    return !f->origin.known ? NULL : f->origin.others ? "others" : "unknown";
}

static bool write_failure(VerifyRun *run, VerifyFailure *f, const char *number_text, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    bool keyless = strncmp(f->key, "{\"row\":", 7) == 0;
    LsnText lsn = lsn_text(f->lsn);
    if (!pgconn_query(run->state, SQL_VERIFY_FAILURE_WRITE,
                      PG_PARAMS(PG_TEXT(run->spec.twin.task), PG_TEXT(f->rel->schema),
                                PG_TEXT(f->rel->name), PG_TEXT(keyless ? "RowHash" : "Row"),
                                PG_TEXT(f->key), PG_TEXT(FAILURE_TYPES[f->kind]),
                                PG_TEXT(f->details), PG_TEXT(lsn.text), PG_TEXT(number_text),
                                PG_TEXT(writer_of(f))),
                      &rows, err))
        return false;
    f->first_lsn = pgrows_lsn(rows, 0, 0);
    f->first_us = pgrows_i64(rows, 0, 1);
    return true;
}

static bool write_table(VerifyRun *run, const TablePlan *table, const char *number_text, Error *err)
{
    const VerifyTable *t = table->out;
    CLEANUP_BUF Buf key = BUF_INIT;
    CLEANUP_BUF Buf figures = BUF_INIT;
    char part[16], hash[2][33];
    LsnText first = lsn_text(t->first_lsn), last = lsn_text(t->last_lsn);
    arrays_begin(&key);
    for (int k = 0; table->accounted_to != NULL && k < table->rel->key_count; k++)
        arrays_put_text(&key, table->accounted_to[k]);
    buf_printf(&figures,
               "{%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
               ",%" PRId64 ",%" PRId64 "}",
               t->rows[0], t->rows[1], t->bytes, t->chunks, t->missing, t->extra, t->different,
               t->representation, t->elapsed_us);
    snprintf(part, sizeof part, "%d", table->accounted_part);
    return pgconn_exec(
        run->state, SQL_VERIFY_TABLE_WRITE,
        PG_PARAMS(PG_TEXT(number_text), PG_TEXT(run->spec.twin.task), PG_TEXT(table->rel->schema),
                  PG_TEXT(table->rel->name), PG_TEXT(verify_verdict_name(t->verdict)),
                  PG_TEXT(t->why), PG_TEXT(t->method != NULL ? t->method : ""),
                  PG_TEXT(table->accounted_to != NULL ? arrays_end(&key) : NULL), PG_TEXT(part),
                  PG_TEXT(t->at_least ? "true" : "false"), PG_TEXT(buf_str(&figures)),
                  PG_TEXT(rows_hash_text(&t->hash[0], hash[0])),
                  PG_TEXT(rows_hash_text(&t->hash[1], hash[1])),
                  PG_TEXT(t->first_lsn != LSN_UNKNOWN ? first.text : NULL),
                  PG_TEXT(t->last_lsn != LSN_UNKNOWN ? last.text : NULL),
                  PG_TEXT(table->file[SIDE_SOURCE]), PG_TEXT(table->file[SIDE_TARGET])),
        NULL, err);
}

/* Compared to its end, all of it: then what was found before and not now is no more. */
static bool forget_old(VerifyRun *run, const TablePlan *table, const char *number_text, Error *err)
{
    VerifyVerdict verdict = table->out->verdict;
    if (run->spec.what != VERIFY_ROWS || run->spec.since_us != 0 || table->out->at_least ||
        (verdict != VERIFY_PROVEN && verdict != VERIFY_CONTAINED && verdict != VERIFY_MISMATCH))
        return true;
    return forget_failures(run, table, number_text, err);
}

bool verify_state_begin_anew(VerifyRun *run, TablePlan *table, Error *err)
{
    const char *text = number(run->arena, run->report->run);
    return pgconn_script(run->state, SQL("BEGIN"), err) && forget_failures(run, table, "0", err) &&
           write_table(run, table, text, err) &&
           pgconn_exec(run->state, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool verify_state_save(VerifyRun *run, TablePlan *table, int first_failure, Error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)run->report->run);
    if (!pgconn_script(run->state, SQL("BEGIN"), err))
        return false;
    for (int i = first_failure; i < run->report->failure_count; i++)
        if (!write_failure(run, &run->report->failures[i], text, err))
            return false;
    if (!write_table(run, table, text, err) || !forget_old(run, table, text, err) ||
        FAULT_ERROR(VERIFY_BEFORE_SAVE, err) ||
        !pgconn_exec(run->state, SQL("COMMIT"), PG_NO_PARAMS, NULL, err))
        return err_context(err, "saving what was verified");
    return !FAULT_ERROR(VERIFY_AFTER_SAVE, err);
}

bool verify_state_finish(VerifyRun *run, Error *err)
{
    const VerifyReport *report = run->report;
    char text[24];
    LsnText source = lsn_text(report->source_lsn), target = lsn_text(report->target_lsn);
    snprintf(text, sizeof text, "%lld", (long long)report->run);
    return pgconn_exec(run->state, SQL_VERIFY_RUN_END,
                       PG_PARAMS(PG_TEXT(text), PG_TEXT(verify_verdict_name(report->verdict)),
                                 PG_TEXT(report->source_lsn != LSN_UNKNOWN ? source.text : NULL),
                                 PG_TEXT(report->target_lsn != LSN_UNKNOWN ? target.text : NULL)),
                       NULL, err);
}

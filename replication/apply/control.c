/* control - see the header. Each statement stands in replication/sql/control_*.sql. */
#include "apply/control.h"

#include <stdio.h>
#include <string.h>

#include "apply/pgarray.h"
#include "bascule/base/log.h"
#include "bascule/model/progress.h"
#include "source/advisory.h"
#include "sql_files.h"

#define TEXT_OID 25
#define INT8_OID 20

bool control_exists(PgConn *target, bool *out_exists, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_EXISTS, PG_NO_PARAMS, &rows, err))
        return err_context(err, "looking for schema 'bascule'");
    *out_exists = pgrows_bool(rows, 0, 0);
    return true;
}

bool control_create(PgConn *target, Error *err)
{
    bool exists = false;
    CLEANUP_PGROWS PgRows *parts = NULL;
    if (!control_exists(target, &exists, err) ||
        (exists && !pgconn_query(target, SQL_CONTROL_PARTS, PG_NO_PARAMS, &parts, err)))
        return false;
    if (exists && pgrows_bool(parts, 0, 1))
        return true; /* so that a role without CREATE on the database can go on with a task */
    if (!pgconn_script(target, SQL_CONTROL_SCHEMA, err))
        return err_context(err, "creating schema 'bascule'");
    return true;
}

bool control_lock(PgConn *target, const char *task, Error *err)
{
    char name[256];
    bool taken = false;
    AdvisoryHolder owner;
    snprintf(name, sizeof name, "bascule:task:%s", task);
    if (!advisory_try_lock(target, name, &taken, &owner, err))
        return err_context(err, "locking task '%s'", task);
    if (taken)
        return true;
    if (!owner.known)
        return ERR(err, ERR_ALREADY_RUNNING, "task '%s' was owned by another session a moment ago",
                   task);
    return ERR(
        err, ERR_ALREADY_RUNNING,
        "task '%s' is owned by the session with pid %u on the target (application name '%s')", task,
        owner.pid, owner.application);
}

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

bool control_read(PgConn *target, const char *task, ControlTask *out_task, bool *out_found,
                  Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_TASK_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading task '%s'", task);
    *out_found = pgrows_count(rows) > 0;
    if (!*out_found)
        return true;
    ControlTask t = {.resume_commit_time_us = 0};
    copy_text(t.state, sizeof t.state, pgrows_text(rows, 0, 0));
    copy_text(t.source_system_id, sizeof t.source_system_id, pgrows_text(rows, 0, 1));
    copy_text(t.source_database, sizeof t.source_database, pgrows_text(rows, 0, 2));
    copy_text(t.slot_name, sizeof t.slot_name, pgrows_text(rows, 0, 3));
    copy_text(t.plugin, sizeof t.plugin, pgrows_text(rows, 0, 4));
    copy_text(t.publication, sizeof t.publication, pgrows_text(rows, 0, 5));
    t.publication_ours = pgrows_bool(rows, 0, 6);
    copy_text(t.mode, sizeof t.mode, pgrows_text(rows, 0, 7));
    copy_text(t.prepare, sizeof t.prepare, pgrows_text(rows, 0, 8));
    t.consistent_lsn = pgrows_lsn(rows, 0, 9);
    t.epoch = pgrows_i64(rows, 0, 10);
    t.resume_lsn = pgrows_lsn(rows, 0, 11);
    t.resume_commit_time_us = pgrows_i64(rows, 0, 12);
    *out_task = t;
    return true;
}

/* A parameter for a position: unknown is NULL. */
static PgParam lsn_param(Lsn lsn, LsnText *text)
{
    *text = lsn_text(lsn);
    return PG_TEXT(lsn == LSN_UNKNOWN ? NULL : text->text);
}

typedef struct NumberText {
    char text[24];
} NumberText;

static PgParam number_param(int64_t value, NumberText *text)
{
    snprintf(text->text, sizeof text->text, "%lld", (long long)value);
    return PG_TEXT(text->text);
}

/* As number_param, but unknown (negative) is NULL. */
static PgParam amount_param(int64_t value, NumberText *text)
{
    PgParam param = number_param(value, text);
    return value < 0 ? PG_TEXT(NULL) : param;
}

bool control_write(PgConn *target, const char *task, const ControlTask *row, Error *err)
{
    LsnText lsn;
    NumberText epoch;
    if (!pgconn_exec(target, SQL_CONTROL_TASK_WRITE,
                     PG_PARAMS(PG_TEXT(task), PG_TEXT(row->state), PG_TEXT(row->source_system_id),
                               PG_TEXT(row->source_database), PG_TEXT(row->slot_name),
                               PG_TEXT(row->plugin), PG_TEXT(row->publication),
                               PG_TEXT(row->publication_ours ? "t" : "f"), PG_TEXT(row->mode),
                               PG_TEXT(row->prepare), lsn_param(row->consistent_lsn, &lsn),
                               number_param(row->epoch, &epoch)),
                     NULL, err))
        return err_context(err, "writing task '%s'", task);
    return true;
}

bool control_set_state(PgConn *target, const char *task, const char *state, Error *err)
{
    int64_t affected = 0;
    if (!pgconn_exec(target, SQL_CONTROL_TASK_STATE, PG_PARAMS(PG_TEXT(task), PG_TEXT(state)),
                     &affected, err))
        return err_context(err, "writing the state of task '%s'", task);
    if (affected != 1)
        return ERR(err, ERR_TARGET_STATE, "task '%s' has no row in bascule.task", task);
    return true;
}

bool control_set_resume(PgConn *target, const char *task, Lsn resume_lsn, Error *err)
{
    LsnText lsn;
    ASSERT(resume_lsn != LSN_UNKNOWN);
    if (!pgconn_exec(target, SQL_CONTROL_RESUME_SET,
                     PG_PARAMS(PG_TEXT(task), lsn_param(resume_lsn, &lsn)), NULL, err))
        return err_context(err, "writing the resume position of task '%s'", task);
    return true;
}

bool control_write_tables(PgConn *target, const char *task, const Relations *rels, Error *err)
{
    enum { SCHEMA, TABLE, OID, STATE, START, ROWS, BYTES, SHAPE, TO_SCHEMA, TO_NAME, ARRAYS };
    PgArray arrays[ARRAYS] = {0};
    PgParam params[1 + ARRAYS] = {PG_TEXT(task)};
    for (int i = 0; i < ARRAYS; i++) {
        bool number = i == OID || i == ROWS || i == BYTES;
        pgarray_begin(&arrays[i], number ? PGARRAY_INT8 : PGARRAY_BYTES,
                      number ? INT8_OID : TEXT_OID, ',');
    }
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        LsnText lsn = lsn_text(rel->start_lsn);
        pgarray_put_string(&arrays[SCHEMA], rel->schema);
        pgarray_put_string(&arrays[TABLE], rel->name);
        pgarray_put_i64(&arrays[OID], rel->oid);
        pgarray_put_string(&arrays[STATE], table_state_name(rel->load_state));
        pgarray_put_string(&arrays[START], rel->start_lsn == LSN_UNKNOWN ? NULL : lsn.text);
        pgarray_put_i64(&arrays[ROWS], rel->loaded_rows);
        pgarray_put_i64(&arrays[BYTES], rel->loaded_bytes);
        pgarray_put_string(&arrays[SHAPE], rel->shape);
        pgarray_put_string(&arrays[TO_SCHEMA], rel->target_schema);
        pgarray_put_string(&arrays[TO_NAME], rel->target_name);
    }
    for (int i = 0; i < ARRAYS; i++)
        params[1 + i] = pgarray_end(&arrays[i]);
    bool ok = pgconn_exec(target, SQL_CONTROL_TABLES_WRITE, params, 1 + ARRAYS, NULL, err);
    for (int i = 0; i < ARRAYS; i++)
        pgarray_done(&arrays[i]);
    return ok || err_context(err, "writing the table states of task '%s'", task);
}

bool control_write_table(PgConn *target, const char *task, const Relation *rel, LoadState state,
                         Lsn start_lsn, int64_t rows, int64_t bytes, const char *message,
                         Error *err)
{
    LsnText lsn;
    NumberText oid, rows_text, bytes_text;
    if (!pgconn_exec(target, SQL_CONTROL_TABLE_WRITE,
                     PG_PARAMS(PG_TEXT(task), PG_TEXT(rel->schema), PG_TEXT(rel->name),
                               number_param(rel->oid, &oid), PG_TEXT(table_state_name(state)),
                               lsn_param(start_lsn, &lsn), amount_param(rows, &rows_text),
                               amount_param(bytes, &bytes_text), PG_TEXT(message),
                               PG_TEXT(rel->shape), PG_TEXT(rel->target_schema),
                               PG_TEXT(rel->target_name)),
                     NULL, err))
        return err_context(err, "writing the state of table '%s'", rel->display);
    return true;
}

static int parse_state(const char *text)
{
    for (int i = 0; i < TABLE_STATE_COUNT; i++)
        if (strcmp(table_state_name(i), text) == 0)
            return i;
    return -1;
}

/* What the row says wins over what is seen now: it is older. */
static void suspend_by_row(Relation *rel, const PgRows *rows, int row, const char *why)
{
    bool known = !pgrows_null(rows, row, 7);
    relation_suspend(rel, known ? pgrows_lsn(rows, row, 7) : LSN_UNKNOWN,
                     known ? pgrows_text(rows, row, 8) : why);
    if (known)
        atomic_store(&rel->suspended, SUSPENDED);
}

/* Where another table has come under its name, or its name is another now, nothing was kept of it. */
static void read_pause(Relation *rel, const PgRows *rows, int row)
{
    if (pgrows_null(rows, row, 11) || pgrows_null(rows, row, 7))
        return;
    bool same = rel->row_name == NULL && pgrows_i64(rows, row, 2) == (int64_t)rel->oid;
    bool kept = same && strcmp(pgrows_text(rows, row, 11), "kept") == 0;
    atomic_store(&rel->paused, kept ? PAUSE_KEPT : PAUSE_LOST);
}

static void note_gone(Relations *rels, const PgRows *rows, int row)
{
    if (strcmp(pgrows_text(rows, row, 3), table_state_name(TABLE_CANCELLED)) == 0)
        return; /* history */
    rels->gone[rels->gone_count++] = (GoneTable){
        .schema = arena_strdup(rels->arena, pgrows_text(rows, row, 0)),
        .name = arena_strdup(rels->arena, pgrows_text(rows, row, 1)),
        .display = arena_printf(rels->arena, "%s.%s", pgrows_text(rows, row, 0),
                                pgrows_text(rows, row, 1)),
        .reason = "the source has no such table in scope any more",
        .oid = (uint32_t)pgrows_i64(rows, row, 2),
        .suspended_lsn = pgrows_lsn(rows, row, 7),
    };
}

static bool read_table_row(const PgRows *rows, int row, Relations *rels, Arena *scratch, Error *err)
{
    const char *schema = pgrows_text(rows, row, 0), *name = pgrows_text(rows, row, 1);
    size_t schema_len = strlen(schema), len = schema_len + 1 + strlen(name);
    char *key = arena_bytes_alloc(scratch, len + 1);
    memcpy(key, schema, schema_len + 1);
    memcpy(key + schema_len + 1, name, len - schema_len);
    char why[SUSPEND_REASON_SIZE];
    Relation *rel = relations_by_name(rels, key, len);
    if (rel == NULL) {
        rel = relations_by_oid(rels, (uint32_t)pgrows_i64(rows, row, 2));
        if (rel == NULL) {
            note_gone(rels, rows, row);
            return true;
        }
        snprintf(why, sizeof why, "it was called '%s.%s' when it was copied", schema, name);
        rel->row_schema = arena_strdup(rels->arena, schema);
        rel->row_name = arena_strdup(rels->arena, name);
        suspend_by_row(rel, rows, row, why);
    } else if (pgrows_i64(rows, row, 2) != (int64_t)rel->oid) {
        snprintf(why, sizeof why, "the source has another table under its name (oid %u, was %s)",
                 rel->oid, pgrows_text(rows, row, 2));
        suspend_by_row(rel, rows, row, why);
    } else if (!pgrows_null(rows, row, 7)) {
        suspend_by_row(rel, rows, row, "");
    }
    read_pause(rel, rows, row);
    int state = parse_state(pgrows_text(rows, row, 3));
    if (state < 0)
        return ERR(err, ERR_TARGET_STATE, "bascule.table_state has an unknown state for table '%s'",
                   rel->display);
    rel->recorded = true;
    rel->load_state = state;
    rel->start_lsn = pgrows_lsn(rows, row, 4);
    rel->from_lsn = pgrows_lsn(rows, row, 10);
    rel->loaded_rows = pgrows_i64(rows, row, 5);
    rel->loaded_bytes = pgrows_i64(rows, row, 6);
    rel->copied_shape =
        pgrows_null(rows, row, 9) ? NULL : arena_strdup(rels->arena, pgrows_text(rows, row, 9));
    return true;
}

bool control_read_tables(PgConn *target, const char *task, Relations *rels, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_TABLES_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading the table states of task '%s'", task);
    for (int i = 0; i < rels->count; i++)
        rels->all[i]->load_state = TABLE_BEFORE_LOAD;
    rels->gone = arena_new_array(rels->arena, GoneTable, pgrows_count(rows) + 1);
    rels->gone_count = 0;
    Arena *scratch = arena_new(0);
    bool ok = true;
    for (int row = 0; ok && row < pgrows_count(rows); row++)
        ok = read_table_row(rows, row, rels, scratch, err);
    arena_free(scratch);
    return ok;
}

bool control_step_done(PgConn *target, const char *task, const char *step, bool *out_done,
                       Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_STEP_READ, PG_PARAMS(PG_TEXT(task), PG_TEXT(step)), &rows,
                      err))
        return err_context(err, "reading step '%s' of task '%s'", step, task);
    *out_done = pgrows_bool(rows, 0, 0);
    return true;
}

bool control_mark_step(PgConn *target, const char *task, const char *step, Error *err)
{
    if (!pgconn_exec(target, SQL_CONTROL_STEP_MARK, PG_PARAMS(PG_TEXT(task), PG_TEXT(step)), NULL,
                     err))
        return err_context(err, "recording step '%s' of task '%s'", step, task);
    return true;
}

bool control_journal(PgConn *target, const char *task, int64_t epoch, const char *step,
                     const char *detail, Error *err)
{
    NumberText text;
    if (!pgconn_exec(
            target, SQL_CONTROL_JOURNAL,
            PG_PARAMS(PG_TEXT(task), number_param(epoch, &text), PG_TEXT(step), PG_TEXT(detail)),
            NULL, err))
        return err_context(err, "writing the journal of task '%s'", task);
    return true;
}

/* Its tables are made by the first verification. */
static bool remove_verification(PgConn *target, const char *task, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    return pgconn_query(target, SQL_VERIFY_EXISTS, PG_NO_PARAMS, &rows, err) &&
           (!pgrows_bool(rows, 0, 0) ||
            pgconn_exec(target, SQL_VERIFY_REMOVE, PG_PARAMS(PG_TEXT(task)), NULL, err));
}

/* A backup belongs to the life of a task that ends here. `rows`: the task's tables are there. */
static bool close_backups(PgConn *target, const char *task, bool rows, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *opened = NULL;
    if (!pgconn_query(target, SQL_BACKUP_EXISTS, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    if (rows && !pgconn_query(target, SQL_BACKUP_OPENED, PG_PARAMS(PG_TEXT(task)), &opened, err))
        return false;
    bool was_opened = rows && pgrows_bool(opened, 0, 0);
    return pgconn_exec(target, SQL_BACKUP_CLOSE,
                       PG_PARAMS(PG_TEXT(task), PG_TEXT(was_opened ? "t" : "f")), NULL, err);
}

/* What scripts have made of the target, and what was backed up, stays true without a task. */
static bool drop_schema(PgConn *target, Error *err)
{
    CLEANUP_PGROWS PgRows *kept = NULL;
    if (!pgconn_query(target, SQL_STEPS_KEPT, PG_NO_PARAMS, &kept, err))
        return false;
    return pgconn_script(target, pgrows_bool(kept, 0, 0) ? SQL_CONTROL_DROP_REST : SQL_CONTROL_DROP,
                         err);
}

/* Made by the first stream with dual writes. */
static bool remove_conflicts(PgConn *target, const char *task, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    return pgconn_query(target, SQL_CONFLICT_EXISTS, PG_NO_PARAMS, &rows, err) &&
           (!pgrows_bool(rows, 0, 0) ||
            pgconn_exec(target, SQL_CONFLICT_REMOVE, PG_PARAMS(PG_TEXT(task)), NULL, err));
}

static bool remove_in_transaction(PgConn *target, const char *task, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_exec(target, SQL_CONTROL_SERIALIZE, PG_NO_PARAMS, NULL, err) ||
        !remove_verification(target, task, err) || !close_backups(target, task, true, err) ||
        !remove_conflicts(target, task, err) ||
        !pgconn_exec(target, SQL_CONTROL_TASK_REMOVE, PG_PARAMS(PG_TEXT(task)), NULL, err) ||
        !pgconn_query(target, SQL_CONTROL_TASK_ANY, PG_NO_PARAMS, &rows, err))
        return false;
    if (!pgrows_bool(rows, 0, 0) && !drop_schema(target, err))
        return false;
    return pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool control_remove(PgConn *target, const char *task, Error *err)
{
    bool exists = false;
    if (!control_exists(target, &exists, err))
        return false;
    if (!exists)
        return close_backups(target, task, false, err);
    if (!control_create(target, err)) /* of an older version: what follows names all its tables */
        return false;
    if (!pgconn_exec(target, SQL("BEGIN"), PG_NO_PARAMS, NULL, err))
        return false;
    if (remove_in_transaction(target, task, err))
        return true;
    Error second = ERROR_INIT;
    if (!pgconn_exec(target, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &second))
        log_debug("rolling back after a failed removal: %s", second.message);
    return err_context(err, "removing task '%s' from the target", task);
}

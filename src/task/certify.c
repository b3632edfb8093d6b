/* certify - see the header. */
#include "task/certify.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit_check.h"
#include "bascule/base/clock.h"
#include "net/json_text.h"
#include "source/catalog.h"
#include "sql_files.h"
#include "sync/offline.h"

#define UNKNOWN "unknown"

typedef struct Certify {
    Task *task;
    const char *name;
    PgConn *conns[2]; /* source, target */
    int to;           /* the side that was opened last; the target before any cutover */
    int64_t epoch;    /* 0: there was no cutover */
    const char *opened_at;
    json_t *document, *tables;
    int full, contained, keys, count, unknown, different;
    Arena *arena;
} Certify;

/* Cells of rows: NULL and "" are not known. */
static json_t *text_cell(const PgRows *rows, int row, int column)
{
    const char *text = pgrows_text(rows, row, column);
    return text[0] == '\0' ? json_string(UNKNOWN) : json_text(text);
}

static json_t *number_cell(const PgRows *rows, int row, int column)
{
    return pgrows_null(rows, row, column) ? json_string(UNKNOWN)
                                          : json_integer((json_int_t)pgrows_i64(rows, row, column));
}

static bool is(const PgRows *rows, int row, int column, const char *text)
{
    return strcmp(pgrows_text(rows, row, column), text) == 0;
}

/* Who and where ---------------------------------------------------------------------------------- */

static bool put_side(Certify *c, int side, const PgEndpoint *endpoint, Error *err)
{
    SourceIdentity who;
    if (!source_identify(c->conns[side], &who, err))
        return false;
    json_object_set_new(c->document, endpoint->side,
                        json_pack("{s:o, s:s, s:o, s:s, s:i, s:i}", "at",
                                  json_text(endpoint->shown), "system_id", who.system_id,
                                  "database", json_text(who.database), "encoding", who.encoding,
                                  "server_version", who.version, "timeline", who.timeline));
    return true;
}

static void put_options(Certify *c)
{
    static const OptionId ALWAYS[] = {OPT_MODE, OPT_PLUGIN, OPT_TARGET_PREPARE, OPT_CUTOVER_VERIFY};
    const Config *config = task_config(c->task);
    json_t *options = json_object();
    for (size_t i = 0; i < sizeof ALWAYS / sizeof *ALWAYS; i++)
        json_object_set_new(options, OPTIONS[ALWAYS[i]].name,
                            json_text(config_shown(config, ALWAYS[i], c->arena)));
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &OPTIONS[i];
        if ((option->uses & (USE_PLAN | USE_ENGINE | USE_CUTOVER | USE_VERIFY)) != 0 &&
            (option->traits & (OPTION_SECRET | OPTION_DSN)) == 0 && config_set(config, (OptionId)i))
            json_object_set_new(options, option->name,
                                json_text(config_shown(config, (OptionId)i, c->arena)));
    }
    json_object_set_new(c->document, "options", options);
}

static void put_audit(Certify *c)
{
    AuditCopy copies[AUDIT_COPIES];
    const Config *config = task_config(c->task);
    audit_copy_read(config, c->arena, copies);
    json_t *answer = audit_check(
        copies, arena_printf(c->arena, "%s/audit.log", config_text(config, OPT_WORK_DIR)));
    json_t *head = json_object_get(answer, "head");
    json_object_set_new(
        c->document, "audit",
        json_pack("{s:O, s:O}", "verdict", json_object_get(answer, "verdict"), "head", head));
    json_decref(answer);
}

/* The cutover ------------------------------------------------------------------------------------ */

static bool read_opened(Certify *c, int side, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(c->conns[side], SQL_CUTOVER_VERDICT_EXISTS, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    if (!pgconn_query(c->conns[side], SQL_CERTIFICATE_OPENED, PG_PARAMS(PG_TEXT(c->name)), &rows,
                      err))
        return false;
    if (pgrows_count(rows) > 0 && pgrows_i64(rows, 0, 0) > c->epoch) {
        c->to = side;
        c->epoch = pgrows_i64(rows, 0, 0);
        c->opened_at = arena_strdup(c->arena, pgrows_text(rows, 0, 1));
    }
    return true;
}

static bool put_cutover(Certify *c, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char epoch[24];
    if (!read_opened(c, 0, err) || !read_opened(c, 1, err))
        return false;
    if (c->epoch == 0) {
        json_object_set_new(c->document, "cutover", json_null());
        return true;
    }
    snprintf(epoch, sizeof epoch, "%lld", (long long)c->epoch);
    if (!pgconn_query(c->conns[1 - c->to], SQL_CERTIFICATE_FENCE,
                      PG_PARAMS(PG_TEXT(c->name), PG_TEXT(epoch)), &rows, err))
        return false;
    bool known = pgrows_count(rows) > 0;
    json_object_set_new(c->document, "cutover",
                        json_pack("{s:I, s:s, s:s, s:o, s:o}", "epoch", (json_int_t)c->epoch,
                                  "opened", c->to == 1 ? "target" : "source", "opened_at",
                                  c->opened_at, "barrier_lsn",
                                  known ? text_cell(rows, 0, 0) : json_string(UNKNOWN), "fenced_at",
                                  known ? text_cell(rows, 0, 1) : json_string(UNKNOWN)));
    return true;
}

/* Tables ----------------------------------------------------------------------------------------- */

/* Of the newest verification that read every row; NULL: there is none. */
static json_t *verified_json(const PgRows *rows, int row)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "run",
                     number_cell(rows, row, 2), "verdict", text_cell(rows, row, 3), "rows_source",
                     number_cell(rows, row, 5), "rows_target", number_cell(rows, row, 6),
                     "digest_source", text_cell(rows, row, 7), "digest_target",
                     text_cell(rows, row, 8), "first_lsn", text_cell(rows, row, 9), "last_lsn",
                     text_cell(rows, row, 10), "at", text_cell(rows, row, 11), "exact",
                     (int)pgrows_bool(rows, row, 4), "differing", number_cell(rows, row, 12));
}

static int find_verified(const PgRows *verified, const PgRows *rows, int row)
{
    for (int i = 0; verified != NULL && i < pgrows_count(verified); i++)
        if (is(verified, i, 0, pgrows_text(rows, row, 0)) &&
            is(verified, i, 1, pgrows_text(rows, row, 1)))
            return i;
    return -1;
}

/* Rows of the target's own stand beside the source's. */
static json_t *with_kept(json_t *number, const PgRows *rows, int row)
{
    if (!json_is_integer(number) || pgrows_null(rows, row, 12))
        return number;
    json_integer_set(number, json_integer_value(number) + pgrows_i64(rows, row, 12));
    return number;
}

/* What is proved of the table, in one word, and by what. Both sides were found the same: one digest; not
 * where the target has rows of its own beside ("contained"). */
static json_t *proof_json(Certify *c, const PgRows *rows, int row, const PgRows *verified,
                          int found)
{
    const char *proved = UNKNOWN, *by = "none";
    const PgRows *from = NULL;
    if (is(rows, row, 5, "full-hash") || is(rows, row, 5, "contained") ||
        is(rows, row, 5, "keys") || is(rows, row, 5, "count")) {
        proved = is(rows, row, 5, "full-hash") ? "full" : pgrows_text(rows, row, 5);
        by = "cutover";
        from = rows;
    } else if (found >= 0 && is(verified, found, 3, "mismatch")) {
        proved = "different";
        by = "verify";
    } else if (found >= 0 && c->epoch == 0 && pgrows_bool(verified, found, 4)) {
        proved = is(verified, found, 3, "contained") ? "contained" : "full";
        by = "verify";
    }
    bool contained = strcmp(proved, "contained") == 0;
    bool hashed = from != NULL && strcmp(proved, "full") == 0;
    bool verify = strcmp(by, "verify") == 0;
    const PgRows *counts = verify ? verified : rows;
    int at = verify ? found : row;
    c->full += strcmp(proved, "full") == 0;
    c->contained += contained;
    c->keys += strcmp(proved, "keys") == 0;
    c->count += strcmp(proved, "count") == 0;
    c->different += strcmp(proved, "different") == 0;
    c->unknown += strcmp(proved, UNKNOWN) == 0;
    if (strcmp(by, "none") == 0)
        return json_pack("{s:s, s:s}", "proved", UNKNOWN, "by", by);
    json_t *there = number_cell(counts, at, verify ? 6 : 8);
    if (contained && !verify)
        there = with_kept(there, rows, row);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "proved", proved, "by",
                     by, "rows_source", number_cell(counts, at, verify ? 5 : 8), "rows_target",
                     there, "digest_source",
                     verify                ? text_cell(verified, found, 7)
                     : hashed || contained ? text_cell(rows, row, 9)
                                           : json_string(UNKNOWN),
                     "digest_target",
                     verify   ? text_cell(verified, found, 8)
                     : hashed ? text_cell(rows, row, 9)
                              : json_string(UNKNOWN),
                     "lsn", text_cell(counts, at, verify ? 10 : 6), "at",
                     text_cell(counts, at, verify ? 11 : 7), "changed_keys",
                     number_cell(rows, row, 10), "base_lsn", text_cell(rows, row, 11));
}

static void put_table(Certify *c, const PgRows *rows, int row, const PgRows *verified)
{
    int found = find_verified(verified, rows, row);
    json_t *table = proof_json(c, rows, row, verified, found);
    json_object_set_new(table, "schema", json_text(pgrows_text(rows, row, 0)));
    json_object_set_new(table, "table", json_text(pgrows_text(rows, row, 1)));
    json_object_set_new(table, "load", text_cell(rows, row, 2));
    json_object_set_new(table, "load_lsn", text_cell(rows, row, 3));
    json_object_set_new(table, "rows_loaded", number_cell(rows, row, 4));
    json_object_set_new(table, "verified",
                        found >= 0 ? verified_json(verified, found) : json_string(UNKNOWN));
    json_array_append_new(c->tables, table);
}

static bool put_tables(Certify *c, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *verified = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgConn *to = c->conns[c->to];
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)c->epoch);
    if (!pgconn_query(to, SQL_VERIFY_EXISTS, PG_NO_PARAMS, &present, err) ||
        (pgrows_bool(present, 0, 0) &&
         !pgconn_query(to, SQL_CERTIFICATE_VERIFIED, PG_PARAMS(PG_TEXT(c->name)), &verified,
                       err)) ||
        !pgconn_query(to, SQL_CERTIFICATE_PROOFS, PG_PARAMS(PG_TEXT(c->name), PG_TEXT(epoch)),
                      &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++)
        put_table(c, rows, r, verified);
    json_object_set_new(c->document, "tables", c->tables);
    json_object_set_new(c->document, "summary",
                        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "tables",
                                  pgrows_count(rows), "full", c->full, "contained", c->contained,
                                  "keys", c->keys, "count", c->count, "different", c->different,
                                  UNKNOWN, c->unknown));
    return true;
}

/* The document ----------------------------------------------------------------------------------- */

static bool check_known(Certify *c, Error *err)
{
    bool exists = false, found = false;
    ControlTask row;
    if (!control_exists(c->conns[1], &exists, err) ||
        (exists && !control_read(c->conns[1], c->name, &row, &found, err)))
        return false;
    if (found)
        return true;
    ERR(err, ERR_WRONG_STATE, "the target knows no task '%s'", c->name);
    return err_hint(err, "'bascule run' begins it; after 'bascule cleanup' nothing is left to "
                         "certify.");
}

/* The rules about rows, when those of the configuration are the ones that the task began with. */
static void put_row_filters(Certify *c)
{
    const SyncSpec *spec = task_sync_spec(c->task);
    Error err = ERROR_INIT;
    json_t *filters = json_array();
    if (!sync_rules_check(c->conns[1], spec, &err)) {
        json_decref(filters);
        json_object_set_new(c->document, "row_filters", json_string(UNKNOWN));
        return;
    }
    for (int i = 0; spec->rules != NULL && i < spec->rules->filter_count; i++) {
        const RuleFilter *filter = &spec->rules->filters[i];
        if (filter->condition != NULL)
            json_array_append_new(filters,
                                  json_pack("{s:o, s:o, s:o}", "schema", json_text(filter->schema),
                                            "table", json_text(filter->table), "rows_where",
                                            json_text(filter->condition->text)));
    }
    json_object_set_new(c->document, "row_filters", filters);
}

static bool fill(Certify *c, Error *err)
{
    const SyncSpec *spec = task_sync_spec(c->task);
    char at[32];
    c->conns[0] = pgconn_open(&spec->source, PG_SESSION_SQL, "certificate", err);
    if (c->conns[0] == NULL)
        return err_context(err, "source");
    c->conns[1] = pgconn_open(&spec->target, PG_SESSION_SQL, "certificate", err);
    if (c->conns[1] == NULL)
        return err_context(err, "target");
    json_t *by = audit_record_who(NULL);
    json_object_set_new(c->document, "certificate", json_string("bascule migration certificate"));
    json_object_set_new(c->document, "form", json_integer(1));
    json_object_set_new(c->document, "version", json_string(BASCULE_VERSION));
    json_object_set_new(c->document, "task", json_text(c->name));
    json_object_set_new(c->document, "made_at",
                        json_string(audit_record_time(clock_wall_us(), at)));
    json_object_set_new(c->document, "made_by", by);
    if (!check_known(c, err) || !put_side(c, 0, &spec->source, err) ||
        !put_side(c, 1, &spec->target, err) || !put_cutover(c, err) || !put_tables(c, err))
        return false;
    put_row_filters(c);
    put_options(c);
    put_audit(c);
    return true;
}

bool certify_make(Task *task, json_t **out_document, Error *err)
{
    Certify c = {.task = task,
                 .name = task_name(task),
                 .to = 1,
                 .document = json_object(),
                 .tables = json_array(),
                 .arena = arena_new(0)};
    bool ok = fill(&c, err);
    pgconn_close(c.conns[0]);
    pgconn_close(c.conns[1]);
    arena_free(c.arena);
    if (!ok) {
        json_decref(c.document);
        return false;
    }
    *out_document = c.document;
    return true;
}

/* cmd_conflicts - bascule conflicts: rows that both sides wrote, and what is decided about them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/out.h"
#include "cli/table_list.h"
#include "net/json_text.h"
#include "sync/conflicts.h"
#include "sync/offline.h"
#include "task/task.h"
#include "task/task_verify.h"

#define LIMIT_DEFAULT 100
#define ARGS_MOST     200

/* Showing ---------------------------------------------------------------------------------------- */

static json_t *parsed(const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_null();
}

static json_t *plain(const char *text)
{
    return text == NULL ? json_null() : json_text(text);
}

static json_t *conflict_json(const ConflictRow *c)
{
    json_t *one = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "id", (json_int_t)strtoll(c->id, NULL, 10), "table",
        json_text(c->table), "kind", json_text(c->kind), "key", parsed(c->key), "policy",
        json_text(c->policy), "decision", json_text(c->decision), "settled", (int)c->settled);
    json_object_set_new(one, "columns", parsed(c->columns));
    json_object_set_new(one, "source_row", parsed(c->source_row));
    json_object_set_new(one, "target_row", parsed(c->target_row));
    json_object_set_new(one, "lsn", plain(c->lsn));
    json_object_set_new(one, "xid",
                        c->xid == NULL ? json_null() : json_integer(strtoll(c->xid, NULL, 10)));
    json_object_set_new(one, "commit_time", plain(c->commit_time));
    json_object_set_new(one, "seen_at", plain(c->seen_at));
    json_object_set_new(one, "resolved_at", plain(c->resolved_at));
    json_object_set_new(one, "resolved_by", plain(c->resolved_by));
    return one;
}

static const char *shown(const char *text)
{
    return text != NULL ? text : "no row";
}

static void print_list(const ConflictRow *rows, int count)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    for (int i = 0; i < count; i++)
        buf_printf(&out, "%6s  %-14s  %-12s  %s %s%s%s\n", rows[i].id, rows[i].kind,
                   rows[i].resolved_at == NULL ? "waits" : rows[i].decision, rows[i].table,
                   rows[i].key, rows[i].columns != NULL ? " " : "",
                   rows[i].columns != NULL ? rows[i].columns : "");
    if (count == 0)
        buf_puts(&out, "no conflicts\n");
    out_buf(&out);
}

static void print_one(const ConflictRow *c)
{
    out_printf("Conflict %s  %s of %s %s\n", c->id, c->kind, c->table, c->key);
    out_printf("Source      %s\n", shown(c->source_row));
    out_printf("Target      %s\n", shown(c->target_row));
    if (c->columns != NULL)
        out_printf("Differ      %s\n", c->columns);
    out_printf("Change      commit %s of transaction %s at %s, met here %s\n", c->lsn,
               c->xid != NULL ? c->xid : "unknown",
               c->commit_time != NULL ? c->commit_time : "an unknown time", c->seen_at);
    out_printf("Policy      %s\n", c->policy);
    if (c->resolved_at == NULL)
        out_printf("Decision    waits%s\n",
                   c->settled ? "" : " (it may still turn out that the row was only in motion)");
    else
        out_printf("Decision    %s, %s by %s\n", c->decision, c->resolved_at, c->resolved_by);
}

/* list and show ----------------------------------------------------------------------------------- */

static bool number(const char *text, const char *what, int64_t *out, Error *err)
{
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || n < 1)
        return ERR(err, ERR_USAGE, "%s '%s' is no number", what, text);
    *out = n;
    return true;
}

static bool fits_tables(const Rules *only, const char *table)
{
    const char *dot = strchr(table, '.');
    char schema[256];
    if (only->count == 0 || dot == NULL)
        return true;
    snprintf(schema, sizeof schema, "%.*s", (int)(dot - table), table);
    Rules copy = *only;
    return rules_select(&copy, schema, dot + 1);
}

static bool read_filter(const Config *config, Arena *arena, ConflictFilter *out, Rules *out_only,
                        Error *err)
{
    const char *limit = config_flag_text(config, FLAG_LIMIT);
    const char *tables = config_flag_text(config, FLAG_TABLES);
    *out = (ConflictFilter){.kind = config_flag_text(config, FLAG_KIND),
                            .unresolved = config_flag(config, FLAG_UNRESOLVED),
                            .limit = LIMIT_DEFAULT};
    *out_only = (Rules){0};
    if (limit != NULL && !number(limit, "--limit", &out->limit, err))
        return false;
    int count = 0;
    const char *const *texts = tables != NULL ? table_patterns(tables, arena, &count) : NULL;
    out_only->patterns = arena_new_array(arena, RulePattern, count + 1);
    for (int i = 0; i < count; i++)
        if (!rules_parse_pattern(arena, texts[i], false, &out_only->patterns[out_only->count++],
                                 err)) {
            err->cls = ERR_USAGE;
            return err_context(err, "--tables");
        }
    return true;
}

static bool list(const Config *config, const SyncSpec *spec, Arena *arena, Error *err)
{
    ConflictFilter filter;
    Rules only;
    ConflictRow *rows;
    int count, kept = 0;
    if (!read_filter(config, arena, &filter, &only, err))
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&spec->target, PG_SESSION_SQL, "conflicts", err);
    int64_t limit = filter.limit;
    if (only.count > 0) /* of those that fit */
        filter.limit = INT64_MAX;
    if (target == NULL || !conflicts_list(target, spec->task, &filter, arena, &rows, &count, err))
        return false;
    for (int i = 0; i < count && kept < limit; i++)
        if (fits_tables(&only, rows[i].table))
            rows[kept++] = rows[i];
    if (config_flag(config, FLAG_JSON)) {
        json_t *all = json_array();
        for (int i = 0; i < kept; i++)
            json_array_append_new(all, conflict_json(&rows[i]));
        json_t *report = json_pack("{s:s, s:o}", "task", spec->task, "conflicts", all);
        out_json(report);
        json_decref(report);
    } else {
        print_list(rows, kept);
    }
    return true;
}

static bool show(const Config *config, const SyncSpec *spec, Arena *arena, const char *id,
                 Error *err)
{
    int64_t n;
    ConflictFilter filter = {.id = id, .limit = 1};
    ConflictRow *rows;
    int count;
    if (!number(id, "conflict", &n, err))
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&spec->target, PG_SESSION_SQL, "conflicts", err);
    if (target == NULL || !conflicts_list(target, spec->task, &filter, arena, &rows, &count, err))
        return false;
    if (count == 0)
        return ERR(err, ERR_USAGE, "task '%s' has no conflict %s", spec->task, id);
    if (config_flag(config, FLAG_JSON)) {
        json_t *report = conflict_json(&rows[0]);
        out_json(report);
        json_decref(report);
    } else {
        print_one(&rows[0]);
    }
    return true;
}

/* resolve and replay ------------------------------------------------------------------------------ */

static bool read_take(const Config *config, bool replay, ConflictTake *out, Error *err)
{
    const char *take = config_flag_text(config, FLAG_TAKE);
    *out = CONFLICT_TAKE_OF_SOURCE;
    if (replay)
        return take == NULL || ERR(err, ERR_USAGE, "'replay' takes the source's row: no --take");
    if (take == NULL) {
        ERR(err, ERR_USAGE, "'resolve' needs --take source, --take target or --take nothing");
        return err_hint(err,
                        "source: the target gets the source's row; target: the source gets the "
                        "target's; nothing: both stay as they are.");
    }
    if (strcmp(take, "source") != 0)
        *out = strcmp(take, "target") == 0 ? CONFLICT_TAKE_OF_TARGET : CONFLICT_TAKE_NOTHING;
    return true;
}

static bool open_sides(const SyncSpec *spec, SyncOffline *offline, PgConn **source, PgConn **target,
                       Error *err)
{
    bool found = false;
    if (!sync_offline_read(spec, offline, &found, err))
        return false;
    if (!found)
        return ERR(err, ERR_WRONG_STATE, "the target knows no task '%s'", spec->task);
    PgEndpoint from = spec->source, to = spec->target;
    from.encoding = to.encoding = offline->encoding;
    *source = pgconn_open(&from, PG_SESSION_SQL, "conflicts", err);
    *target = *source == NULL ? NULL : pgconn_open(&to, PG_SESSION_SQL, "conflicts", err);
    return *target != NULL && conflicts_begin(*target, offline->rels, err);
}

static bool decide(const Config *config, Task *task, ConflictTake take, const char *const *ids,
                   int count, Error *err)
{
    const SyncSpec *spec = task_sync_spec(task);
    SyncOffline offline = {0};
    CLEANUP_PGCONN PgConn *source = NULL;
    CLEANUP_PGCONN PgConn *target = NULL;
    char who[128];
    json_t *done = json_array();
    snprintf(who, sizeof who, "person (uid %ld)", (long)getuid());
    bool ok = true;
    int64_t n;
    for (int i = 0; ok && i < count; i++)
        ok = number(ids[i], "conflict", &n, err);
    if (ok && task_situation(task).forward == DECISION_OPENED)
        ok = ERR(err, ERR_WRONG_STATE, "the target is open: nothing is decided any more");
    ok = ok && open_sides(spec, &offline, &source, &target, err);
    for (int i = 0; ok && i < count; i++) {
        const char *decision = "";
        ok = conflicts_resolve(source, target, offline.rels, spec->task, ids[i], take, who,
                               &decision, err);
        if (ok && config_flag(config, FLAG_JSON))
            json_array_append_new(done, json_pack("{s:I, s:s}", "id",
                                                  (json_int_t)strtoll(ids[i], NULL, 10), "decision",
                                                  decision));
        else if (ok)
            out_printf("conflict %s: %s\n", ids[i], decision);
    }
    if (ok && config_flag(config, FLAG_JSON)) {
        json_t *report = json_pack("{s:s, s:O}", "task", spec->task, "resolved", done);
        out_json(report);
        json_decref(report);
    }
    json_decref(done);
    sync_offline_done(&offline);
    return ok;
}

/* The command -------------------------------------------------------------------------------------- */

static bool act(const Config *config, Task *task, Arena *arena, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    const char *verb = count > 0 ? args[0] : "list";
    const SyncSpec *spec = task_sync_spec(task);
    ConflictTake take;
    if (strcmp(verb, "list") == 0)
        return count <= 1 ? list(config, spec, arena, err)
                          : ERR(err, ERR_USAGE, "'list' takes no conflict: see 'show'");
    if (strcmp(verb, "show") == 0)
        return count == 2 ? show(config, spec, arena, args[1], err)
                          : ERR(err, ERR_USAGE, "'show' takes one conflict");
    bool replay = strcmp(verb, "replay") == 0;
    if (!replay && strcmp(verb, "resolve") != 0)
        return ERR(err, ERR_USAGE, "'conflicts %s': list, show, resolve or replay is possible",
                   verb);
    if (count < 2)
        return ERR(err, ERR_USAGE, "'%s' needs the numbers of conflicts", verb);
    return read_take(config, replay, &take, err) &&
           decide(config, task, take, args + 1, count - 1, err);
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Arena *arena = arena_new(0);
    bool ok = task_open(config, stop, false, &task, err) && act(config, task, arena, err);
    int code = ok ? 0 : cli_failed(err);
    task_free(task);
    arena_free(arena);
    stop_free(stop);
    return code;
}

const Command CMD_CONFLICTS = {
    .name = "conflicts",
    .summary = "rows that both sides wrote (target_writes: dual-write): look, decide",
    .usage = "[list | show ID | resolve ID... --take SIDE | replay ID...]",
    .help =
        "While the application writes both sides, a change of the source may meet a row of the "
        "target that is not what\n"
        "it should be. The policy of its table (conflicts.rules) says what is done at once; each "
        "such row is recorded\n"
        "in bascule.conflict with both rows. With the policy 'error' the target's row stays and "
        "the stream stops, until\n"
        "somebody decides: 'resolve --take source' gives the target the row that the source has "
        "now, '--take target'\n"
        "the source that of the target (it needs the right to write there), '--take nothing' says "
        "that both may stay.\n"
        "'replay' gives the target the source's row again, whatever was decided before. Decisions "
        "need no engine and\n"
        "may be made beside one. The cutover is refused while a conflict waits.",
    .example = "bascule -c clinic.yaml conflicts list --unresolved\n"
               "bascule -c clinic.yaml conflicts show 17\n"
               "bascule -c clinic.yaml conflicts resolve 17 18 --take source",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN,
    .own = USE_TASK,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_TABLES) | FLAG_BIT(FLAG_KIND) |
             FLAG_BIT(FLAG_UNRESOLVED) | FLAG_BIT(FLAG_TAKE) | FLAG_BIT(FLAG_LIMIT),
    .max_args = ARGS_MOST,
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3},
    .run = run,
};

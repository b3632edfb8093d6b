/* audit_copy - see the header. */
#include "audit/audit_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_file.h"
#include "audit/audit_internal.h"
#include "bascule/base/log.h"
#include "config/endpoint.h"
#include "sql_files.h"

#define CONNECT_US 2000000 /* an operator waits for the end of his command */
#define AT_ONCE    500

/* Reading ------------------------------------------------------------------------------------ */

static void split(const Buf *text, Arena *arena, AuditCopy *out)
{
    int lines = 1;
    const char *all = arena_dup(arena, text->data, text->len);
    for (size_t i = 0; i < text->len; i++)
        lines += all[i] == '\n';
    out->lines = arena_new_array(arena, AuditLine, lines);
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(all + at, '\n', text->len - at);
        size_t len = end != NULL ? (size_t)(end - all) - at : text->len - at;
        AuditHead head;
        AuditLine *line = &out->lines[out->count++];
        *line = (AuditLine){.text = all + at, .len = len, .line = out->count};
        if (audit_record_head(line->text, len, &head))
            memcpy(line->log, head.log, sizeof line->log);
        at += len + 1;
    }
}

bool audit_copy_read_disk(const char *path, Arena *arena, AuditCopy *out, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    bool found = false;
    *out = (AuditCopy){.name = "disk", .state = AUDIT_COPY_READ};
    if (!audit_file_read(path, &text, &found, err))
        return false;
    if (found)
        split(&text, arena, out);
    else
        out->state = AUDIT_COPY_NONE;
    return true;
}

static bool read_rows(PgConn *conn, const char *task, Arena *arena, AuditCopy *out, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_AUDIT_PRESENT, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 1)) {
        out->state = pgrows_bool(present, 0, 0) ? AUDIT_COPY_MISSING : AUDIT_COPY_NONE;
        return true;
    }
    if (!pgconn_query(conn, SQL_AUDIT_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    out->state = AUDIT_COPY_READ;
    out->lines = arena_new_array(arena, AuditLine, pgrows_count(rows) + 1);
    for (int r = 0; r < pgrows_count(rows); r++) {
        AuditLine *line = &out->lines[out->count++];
        *line =
            (AuditLine){.seq = pgrows_i64(rows, r, 1), .len = (size_t)pgrows_length(rows, r, 2)};
        line->text = arena_dup(arena, pgrows_text(rows, r, 2), line->len);
        snprintf(line->log, sizeof line->log, "%s", pgrows_text(rows, r, 0));
    }
    return true;
}

static PgConn *connect_to(const Config *config, bool source, Arena *arena, Error *err)
{
    PgEndpoint endpoint;
    if (!config_endpoint(config, source, &endpoint, arena, err))
        return NULL;
    if (endpoint.connect_timeout_us == 0 || endpoint.connect_timeout_us > CONNECT_US)
        endpoint.connect_timeout_us = CONNECT_US;
    return pgconn_open(&endpoint, PG_SESSION_SQL, "audit", err);
}

static void read_side(const Config *config, bool source, Arena *arena, AuditCopy *out)
{
    Error err = ERROR_INIT;
    *out = (AuditCopy){.name = AUDIT_SIDE_NAMES[source ? 0 : 1], .state = AUDIT_COPY_UNKNOWN};
    CLEANUP_PGCONN PgConn *conn = connect_to(config, source, arena, &err);
    if (conn == NULL || !read_rows(conn, config_text(config, OPT_TASK), arena, out, &err)) {
        out->state = AUDIT_COPY_UNKNOWN;
        out->why = arena_strdup(arena, err.message);
    }
}

void audit_copy_read(const Config *config, Arena *arena, AuditCopy out_copies[AUDIT_COPIES])
{
    Error err = ERROR_INIT;
    const char *path = arena_printf(arena, "%s/audit.log", config_text(config, OPT_WORK_DIR));
    if (!audit_copy_read_disk(path, arena, &out_copies[0], &err)) {
        out_copies[0] = (AuditCopy){.name = "disk", .state = AUDIT_COPY_UNKNOWN};
        out_copies[0].why = arena_strdup(arena, err.message);
    }
    read_side(config, true, arena, &out_copies[1]);
    read_side(config, false, arena, &out_copies[2]);
}

/* Filling ------------------------------------------------------------------------------------ */

static bool write_chunk(PgConn *conn, const AuditHead *head, const char *task, int64_t first,
                        const json_t *records, Error *err)
{
    char number[24];
    char *text = json_dumps(records, JSON_COMPACT);
    ASSERT(text != NULL);
    snprintf(number, sizeof number, "%lld", (long long)first);
    bool ok = pgconn_exec(
        conn, SQL_AUDIT_WRITE,
        PG_PARAMS(PG_TEXT(head->log), PG_TEXT(task), PG_TEXT(number), PG_TEXT(text)), NULL, err);
    free(text);
    return ok;
}

static bool last_of(PgConn *conn, const char *log, int64_t *out_last, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_AUDIT_LAST, PG_PARAMS(PG_TEXT(log)), &rows, err))
        return false;
    *out_last = pgrows_i64(rows, 0, 0);
    return true;
}

/* Lines of the file's newest chain behind *last, in their order. */
static bool push_lines(PgConn *conn, const AuditCopy *disk, const AuditHead *head, const char *task,
                       int64_t *last, Error *err)
{
    json_t *records = json_array();
    int64_t first = 0;
    bool ok = true;
    for (int i = 0; ok && i < disk->count; i++) {
        AuditHead at;
        const AuditLine *line = &disk->lines[i];
        if (!audit_record_head(line->text, line->len, &at) || strcmp(at.log, head->log) != 0 ||
            at.seq != *last + 1)
            continue;
        if (json_array_size(records) == 0)
            first = at.seq;
        json_array_append_new(records, json_stringn(line->text, line->len));
        *last = at.seq;
        if (json_array_size(records) == AT_ONCE) {
            ok = write_chunk(conn, head, task, first, records, err);
            json_array_clear(records);
        }
    }
    if (ok && json_array_size(records) > 0)
        ok = write_chunk(conn, head, task, first, records, err);
    json_decref(records);
    return ok;
}

static bool push(PgConn *conn, const AuditCopy *disk, const AuditHead *head, const char *task,
                 int64_t *out_had, int64_t *out_last, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    *out_had = *out_last = -1;
    if (!pgconn_query(conn, SQL_AUDIT_PRESENT, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    if (!pgrows_bool(present, 0, 1) && !pgconn_script(conn, SQL_AUDIT_SCHEMA, err))
        return false;
    if (!last_of(conn, head->log, out_had, err))
        return false;
    *out_last = *out_had;
    return push_lines(conn, disk, head, task, out_last, err);
}

/* The newest chain of the file. */
static bool newest(const AuditCopy *disk, AuditHead *out)
{
    for (int i = disk->count - 1; i >= 0; i--)
        if (audit_record_head(disk->lines[i].text, disk->lines[i].len, out))
            return true;
    return false;
}

bool audit_copy_push(PgConn *conn, int64_t *out_last, Error *err)
{
    AuditCopy disk;
    AuditHead head;
    int64_t had;
    Arena *arena = arena_new(0);
    *out_last = -1;
    bool ok = !audit_is_open() || audit_copy_read_disk(audit_path(), arena, &disk, err);
    if (ok && audit_is_open() && newest(&disk, &head))
        ok = push(conn, &disk, &head, audit_task(), &had, out_last, err);
    arena_free(arena);
    return ok;
}

static void tell_lost(int side, int64_t had, const AuditHead *head)
{
    char detail[200];
    snprintf(
        detail, sizeof detail,
        "the copy on the %s went up to record %lld and ended at %lld: filled in again from the "
        "file",
        AUDIT_SIDE_NAMES[side], (long long)head->copied[side], (long long)had);
    log_warn("audit: %s", detail);
    audit_note(&(AuditNote){
        .action = "audit", .event = "note", .result = "copy-lost-records", .detail = detail});
}

typedef struct Sync {
    PgConn *conns[AUDIT_SIDES]; /* NULL: does not answer, or has no place for a copy */
    int64_t copied[AUDIT_SIDES];
} Sync;

static void lose_side(Sync *sync, int side, const Error *err)
{
    log_warn("audit: the copy on the %s is behind, it is filled in later: %s",
             AUDIT_SIDE_NAMES[side], err->message);
    pgconn_close(sync->conns[side]);
    sync->conns[side] = NULL;
}

static void push_side(Sync *sync, int side, const AuditCopy *disk, const AuditHead *head)
{
    Error err = ERROR_INIT;
    int64_t had = -1, last = -1;
    if (!push(sync->conns[side], disk, head, audit_task(), &had, &last, &err)) {
        lose_side(sync, side, &err);
        return;
    }
    if (had >= 0 && had < head->copied[side])
        tell_lost(side, had, head);
    if (last >= 0)
        sync->copied[side] = last;
}

/* What the file has now; the end of a chain that nobody can read is told by `audit verify`. */
static void push_all(Sync *sync)
{
    AuditCopy disk;
    AuditHead head;
    Error err = ERROR_INIT;
    Arena *arena = arena_new(0);
    if (!audit_copy_read_disk(audit_path(), arena, &disk, &err)) {
        log_warn("audit: the copies are not filled: %s", err.message);
    } else if (newest(&disk, &head)) {
        if (audit_copies_forgotten())
            memset(head.copied, 0, sizeof head.copied);
        memcpy(sync->copied, head.copied, sizeof sync->copied);
        for (int side = 0; side < AUDIT_SIDES; side++)
            if (sync->conns[side] != NULL)
                push_side(sync, side, &disk, &head);
    }
    arena_free(arena);
}

void audit_copy_sync(const Config *config, const AuditNote *end)
{
    Sync sync = {0};
    if (!audit_is_open())
        return;
    Arena *arena = arena_new(0);
    for (int side = 0; side < AUDIT_SIDES; side++) {
        Error err = ERROR_INIT;
        sync.conns[side] = connect_to(config, side == 0, arena, &err);
        if (sync.conns[side] == NULL)
            lose_side(&sync, side, &err);
    }
    push_all(&sync);
    audit_know_copied(sync.copied);
    if (end != NULL) {
        audit_note(end);
        push_all(&sync);
    }
    for (int side = 0; side < AUDIT_SIDES; side++)
        pgconn_close(sync.conns[side]);
    arena_free(arena);
}

bool audit_copy_reach_target(const Config *config, Error *err)
{
    int64_t last = -1;
    Arena *arena = arena_new(0);
    PgConn *conn = connect_to(config, false, arena, err);
    bool ok = conn != NULL && audit_copy_push(conn, &last, err);
    pgconn_close(conn);
    arena_free(arena);
    if (ok && last < 0) {
        ERR(err, ERR_WRONG_STATE, "the target has no schema bascule");
        return err_hint(err, "'bascule run' makes it.");
    }
    return ok;
}

/* Clean-up ----------------------------------------------------------------------------------- */

static bool is_on_disk(const AuditCopy *disk, const char *log)
{
    for (int i = 0; i < disk->count; i++)
        if (strcmp(disk->lines[i].log, log) == 0)
            return true;
    return false;
}

/* Nothing is said twice: a file that is there already has them. */
static void keep_chain(const char *directory, const AuditCopy *copy, const char *log)
{
    CLEANUP_BUF Buf path = BUF_INIT;
    Error err = ERROR_INIT;
    AuditFile file;
    buf_printf(&path, "%s/audit-%s.log", directory, log);
    if (!audit_file_open(buf_str(&path), &file, &err)) {
        log_warn("audit: %s", err.message);
        return;
    }
    bool ok = true;
    for (int i = 0; ok && i < copy->count; i++)
        if (strcmp(copy->lines[i].log, log) == 0 && copy->lines[i].seq > file.head.seq)
            ok = audit_file_append(&file, copy->lines[i].text, copy->lines[i].len, &err);
    if (!ok || !audit_file_flush(&file, &err))
        log_warn("audit: %s", err.message);
    audit_file_close(&file);
}

void audit_copy_keep(const Config *config)
{
    AuditCopy copies[AUDIT_COPIES];
    if (!audit_is_open())
        return;
    Arena *arena = arena_new(0);
    audit_copy_read(config, arena, copies);
    for (int c = 1; c < AUDIT_COPIES; c++)
        for (int i = 0; i < copies[c].count; i++) {
            const char *log = copies[c].lines[i].log;
            bool first = i == 0 || strcmp(copies[c].lines[i - 1].log, log) != 0;
            if (first && !is_on_disk(&copies[0], log))
                keep_chain(config_text(config, OPT_WORK_DIR), &copies[c], log);
        }
    arena_free(arena);
}

void audit_copy_forget(void)
{
    audit_forget_copies();
}

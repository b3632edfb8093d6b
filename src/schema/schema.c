/* schema - see the header. */
#include "schema/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/log.h"
#include "bascule/base/map.h"
#include "schema/objects.h"
#include "schema/toc.h"
#include "schema/tools.h"
#include "sql_files.h"

/* A transaction holds a lock on each thing that it creates; beyond this the servers' lock table may
 * be too small. */
#define ONE_TRANSACTION_ENTRIES 2000

struct SchemaRestore {
    SchemaRestoreSpec spec;
    Arena *arena;
    pthread_mutex_t lock; /* guards the making of what follows; read-only once `ready` */
    bool ready;
    const Relations *rels;
    SchemaTools tools;
    char *dump;
    Toc pre, post;
    SchemaObjects objects; /* of the source */
    SchemaOutside outside;
    bool keep_owners, keep_grants;
    int lists; /* lock: number of list files made */
};

/* The dump, once a process ----------------------------------------------------------------------
 */

static bool check_roles(SchemaRestore *r, PgConn *source, PgConn *target, Error *err)
{
    CLEANUP_PGROWS PgRows *roles = NULL;
    CLEANUP_BUF Buf missing = BUF_INIT;
    r->keep_owners = r->keep_grants = true;
    if (!pgconn_query(source, SQL_SCHEMA_ROLES, PG_NO_PARAMS, &roles, err))
        return false;
    for (int i = 0; i < pgrows_count(roles); i++) {
        CLEANUP_PGROWS PgRows *usable = NULL;
        const char *role = pgrows_text(roles, i, 0);
        if (!pgconn_query(target, SQL_SCHEMA_ROLE_USABLE, PG_PARAMS(PG_TEXT(role)), &usable, err))
            return false;
        bool exists = pgrows_bool(usable, 0, 0), member = pgrows_bool(usable, 0, 1);
        if (!exists)
            buf_printf(&missing, "%s'%s'", missing.len > 0 ? ", " : "", role);
        r->keep_grants = r->keep_grants && exists;
        if (pgrows_bool(roles, i, 1))
            r->keep_owners = r->keep_owners && member;
    }
    if (missing.len > 0)
        log_warn("roles that the target lacks: %s; %s", buf_str(&missing),
                 r->keep_owners ? "grants are not restored" : "owners and grants are not restored");
    else if (!r->keep_owners)
        log_warn(
            "the target role is not a member of all owning roles: everything will belong to it");
    return true;
}

static bool read_toc(SchemaRestore *r, const char *section, Toc *out_toc, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    return tools_list(&r->tools, r->dump, section, r->spec.stop, &text, err) &&
           toc_parse(r->arena, buf_str(&text), out_toc, err);
}

static bool make_dump(SchemaRestore *r, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&r->spec.source, PG_SESSION_SQL, "schema", err);
    if (source == NULL)
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    if (target == NULL)
        return false;
    int major = pgconn_server_version(source) / 10000;
    if (!tools_find(r->arena, major, r->spec.stop, &r->tools, err) ||
        !check_roles(r, source, target, err) ||
        !schema_objects_read(source, NULL, NULL, r->arena, &r->objects, err))
        return false;
    if (!r->spec.everything && !schema_outside_read(source, r->rels, r->arena, &r->outside, err))
        return false;
    log_debug("dumping the schema program=%s", r->tools.pg_dump);
    return tools_dump(&r->tools, &r->spec.source, r->dump, r->spec.stop, err) &&
           read_toc(r, "pre-data", &r->pre, err) && read_toc(r, "post-data", &r->post, err);
}

static bool get_ready(SchemaRestore *r, Error *err)
{
    pthread_mutex_lock(&r->lock);
    if (!r->ready)
        r->ready = make_dump(r, err);
    bool ready = r->ready;
    pthread_mutex_unlock(&r->lock);
    return ready;
}

/* Lists of entries --------------------------------------------------------------------------------
 */

typedef struct List {
    SchemaRestore *restore;
    Buf lines;
    int count;
} List;

static void list_add(List *list, const TocEntry *entry)
{
    buf_printf(&list->lines, "%d; %u %u %s\n", entry->dump_id, entry->catalog, entry->oid,
               entry->words);
    list->count++;
}

static bool write_file(const char *path, const Buf *text, Error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot write '%s'", path);
    ssize_t wrote = write(fd, text->data, text->len);
    bool ok = wrote == (ssize_t)text->len;
    if (!ok)
        ERR_OS(err, wrote < 0 && errno != ENOSPC ? ERR_IO : ERR_DISK_FULL, "cannot write '%s'",
               path);
    close(fd);
    return ok;
}

static bool list_restore(List *list, bool one_transaction, Error *err)
{
    SchemaRestore *r = list->restore;
    bool ok = true;
    if (list->count > 0) {
        pthread_mutex_lock(&r->lock);
        int number = r->lists++;
        pthread_mutex_unlock(&r->lock);
        CLEANUP_BUF Buf path = BUF_INIT;
        buf_printf(&path, "%s/schema.%d.%d.list", r->spec.directory, (int)getpid(), number);
        RestoreSpec spec = {
            .dump = r->dump,
            .list = buf_str(&path),
            .one_transaction = one_transaction,
            .jobs = r->spec.jobs,
            .keep_owners = r->keep_owners,
            .keep_grants = r->keep_grants,
        };
        ok = write_file(buf_str(&path), &list->lines, err) &&
             tools_restore(&r->tools, &r->spec.target, &spec, r->spec.stop, err);
        unlink(buf_str(&path));
    }
    buf_done(&list->lines);
    return ok;
}

/* The steps
 * ----------------------------------------------------------------------------------------- */

/* Schemas that the target has (public, or made by its administrator) must not be created again. */
static bool schema_there(PgConn *target, const TocEntry *entry, bool *out_there, Error *err)
{
    const char *name = entry->words + strlen("SCHEMA - ");
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target,
                      SQL("SELECT 1 FROM pg_catalog.pg_namespace WHERE $1 LIKE "
                          "pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(nspname, '\\', "
                          "'\\\\'), '_', '\\_'), '%', '\\%') || ' %'"),
                      PG_PARAMS(PG_TEXT(name)), &rows, err))
        return false;
    *out_there = pgrows_count(rows) > 0;
    return true;
}

static bool pre_data_there(const Relations *rels, PgConn *target, bool *out_there, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const Relation *first = rels->all[0];
    if (!pgconn_query(
            target,
            SQL("SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
                "c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"),
            PG_PARAMS(PG_TEXT(first->target_schema), PG_TEXT(first->target_name)), &rows, err))
        return false;
    *out_there = pgrows_count(rows) > 0;
    return true;
}

static bool pre_data(void *self, const Relations *rels, Error *err)
{
    SchemaRestore *r = self;
    bool there = false;
    r->rels = rels;
    if (!get_ready(r, err))
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    if (target == NULL || !pre_data_there(rels, target, &there, err))
        return false;
    if (there)
        return true; /* restored in one transaction by a run that was killed right behind it */
    List list = {.restore = r};
    for (int i = 0; i < r->pre.count; i++) {
        const TocEntry *entry = &r->pre.entries[i];
        bool skip = entry->kind == TOC_EXTENSION_COMMENT || entry->kind == TOC_NEVER ||
                    schema_outside_has(&r->outside, entry);
        if (!skip && entry->kind == TOC_SCHEMA && !schema_there(target, entry, &skip, err)) {
            buf_done(&list.lines);
            return false;
        }
        if (!skip)
            list_add(&list, entry);
    }
    bool small = list.count <= ONE_TRANSACTION_ENTRIES;
    return list_restore(&list, small, err) || err_context(err, "pre-data");
}

static bool wanted(const SchemaRestore *r, const TocEntry *entry, const SchemaObjects *there)
{
    if (schema_outside_has(&r->outside, entry))
        return false;
    const SchemaObject *object = schema_objects_get(&r->objects, entry->catalog, entry->oid);
    return object == NULL || !schema_objects_has_key(there, object->key);
}

static bool table_post_data(void *self, const Relation *rel, Error *err)
{
    SchemaRestore *r = self;
    Arena *arena = arena_new(0);
    SchemaObjects there = {0};
    List list = {.restore = r};
    bool ok = get_ready(r, err);
    CLEANUP_PGCONN PgConn *target =
        ok ? pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err) : NULL;
    ok = target != NULL &&
         schema_objects_read(target, rel->target_schema, rel->target_name, arena, &there, err);
    for (int i = 0; ok && i < r->post.count; i++) {
        const TocEntry *entry = &r->post.entries[i];
        const SchemaObject *object;
        if (entry->kind != TOC_INDEX && entry->kind != TOC_CONSTRAINT)
            continue;
        object = schema_objects_get(&r->objects, entry->catalog, entry->oid);
        if (object != NULL && object->table == rel->oid && wanted(r, entry, &there))
            list_add(&list, entry);
    }
    ok = ok ? list_restore(&list, true, err) : (buf_done(&list.lines), false);
    schema_objects_done(&there);
    arena_free(arena);
    return ok || err_context(err, "indexes and keys of table '%s'", rel->display);
}

/* Everything of post-data that `take` says and the target lacks. */
static bool restore_rest(SchemaRestore *r, bool (*take)(const SchemaRestore *, const TocEntry *),
                         bool one_transaction, Error *err)
{
    Arena *arena = arena_new(0);
    SchemaObjects there = {0};
    List list = {.restore = r};
    bool ok = get_ready(r, err);
    CLEANUP_PGCONN PgConn *target =
        ok ? pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err) : NULL;
    ok = target != NULL && schema_objects_read(target, NULL, NULL, arena, &there, err);
    for (int i = 0; ok && i < r->post.count; i++) {
        const TocEntry *entry = &r->post.entries[i];
        if (take(r, entry) && wanted(r, entry, &there))
            list_add(&list, entry);
    }
    ok = ok ? list_restore(&list, one_transaction, err) : (buf_done(&list.lines), false);
    schema_objects_done(&there);
    arena_free(arena);
    return ok;
}

static bool take_common(const SchemaRestore *r, const TocEntry *entry)
{
    (void)r;
    /* Indexes and keys of loaded tables are there by now; what is left belongs to partitioned roots
     * and materialized views. */
    return entry->kind == TOC_INDEX || entry->kind == TOC_CONSTRAINT || entry->kind == TOC_COMMON;
}

static bool take_foreign_keys(const SchemaRestore *r, const TocEntry *entry)
{
    (void)r;
    return entry->kind == TOC_FK_CONSTRAINT;
}

static bool take_last(const SchemaRestore *r, const TocEntry *entry)
{
    (void)r;
    return entry->kind == TOC_TRIGGER || entry->kind == TOC_NOTE || entry->kind == TOC_OTHER;
}

static bool common_post_data(void *self, Error *err)
{
    return restore_rest(self, take_common, true, err) ||
           err_context(err, "indexes of partitioned tables");
}

static bool foreign_keys(void *self, Error *err)
{
    return restore_rest(self, take_foreign_keys, false, err) || err_context(err, "foreign keys");
}

static bool refresh_views(SchemaRestore *r, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&r->spec.source, PG_SESSION_SQL, "schema", err);
    if (source == NULL)
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    return target != NULL && schema_refresh_views(source, target, err);
}

static void tell_event_triggers(const SchemaRestore *r)
{
    for (int i = 0; i < r->post.count; i++) {
        if (r->post.entries[i].kind == TOC_EVENT_TRIGGER)
            log_warn(
                "an event trigger of the source is not restored, create it after the cutover: %s",
                r->post.entries[i].words);
    }
}

static bool last(void *self, Error *err)
{
    SchemaRestore *r = self;
    if (!restore_rest(r, take_last, true, err) || !refresh_views(r, err))
        return err_context(err, "triggers, rules and policies");
    tell_event_triggers(r);
    return true;
}

SchemaRestore *schema_restore_new(const SchemaRestoreSpec *spec, SchemaPort *out_port)
{
    SchemaRestore *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    r->spec = *spec;
    r->arena = arena_new(0);
    r->dump = arena_printf(r->arena, "%s/schema.%d.dump", spec->directory, (int)getpid());
    pthread_mutex_init(&r->lock, NULL);
    *out_port = (SchemaPort){
        .self = r,
        .pre_data = pre_data,
        .table_post_data = table_post_data,
        .common_post_data = common_post_data,
        .foreign_keys = foreign_keys,
        .last = last,
    };
    return r;
}

void schema_restore_free(SchemaRestore *r)
{
    if (r == NULL)
        return;
    unlink(r->dump);
    schema_objects_done(&r->objects);
    schema_outside_done(&r->outside);
    pthread_mutex_destroy(&r->lock);
    arena_free(r->arena);
    free(r);
}

/*
 * schema - see the header.
 *
 * Who makes what is known from the catalogs of both sides, so a step that was killed is found out
 * and done again: entries of post-data are left out one by one when their object is there. Pre-data
 * is restored in transactions, each of which holds a table (or view, or sequence) that proves it.
 */
#include "schema/schema.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/map.h"
#include "bascule/base/mem.h"
#include "schema/objects.h"
#include "schema/restore.h"
#include "schema/toc.h"
#include "schema/tools.h"
#include "source/views.h"
#include "sql_files.h"

/* Starting pg_restore costs more than building the indexes of a small table: these are gathered. */
#define SMALL_TABLE_BYTES (INT64_C(8) << 20)
#define GATHERED_ENTRIES  100
/* A table takes a lock itself, one for its TOAST table and one for that one's index. */
#define PRE_DATA_ENTRIES 1000

/* Indexes and keys of one table. */
typedef struct TableEntries {
    uint32_t oid;
    RestoreList list;
    bool taken; /* done, in work, or gathered */
} TableEntries;

struct SchemaRestore {
    SchemaRestoreSpec spec;
    Arena *arena;
    pthread_mutex_t lock; /* guards the making of what follows; read-only once `ready` */
    bool ready;
    const Relations *rels;
    SchemaTools tools;
    RestoreAt at;
    Toc pre, post;
    SchemaObjects objects; /* of the source */
    Map by_table;          /* &TableEntries.oid */
    /* guarded by lock all the time */
    Arena *there_arena;
    SchemaObjects there; /* of the target, when it was last looked at */
    bool there_known;
    TableEntries **gathered;
    int gathered_count, gathered_entries;
};

/* The dump, once a process ----------------------------------------------------------------------
 */

static bool check_roles(SchemaRestore *r, PgConn *source, PgConn *target, Error *err)
{
    CLEANUP_PGROWS PgRows *roles = NULL;
    CLEANUP_BUF Buf missing = BUF_INIT;
    r->at.keep_owners = r->at.keep_grants = true;
    if (!pgconn_query(source, SQL_SCHEMA_ROLES, PG_PARAMS(PG_TEXT("{}")), &roles, err))
        return false;
    for (int i = 0; i < pgrows_count(roles); i++) {
        CLEANUP_PGROWS PgRows *usable = NULL;
        const char *role = pgrows_text(roles, i, 0);
        if (!pgconn_query(target, SQL_SCHEMA_ROLE_USABLE, PG_PARAMS(PG_TEXT(role)), &usable, err))
            return false;
        bool exists = pgrows_bool(usable, 0, 0), member = pgrows_bool(usable, 0, 1);
        if (!exists)
            buf_printf(&missing, "%s'%s'", missing.len > 0 ? ", " : "", role);
        r->at.keep_grants = r->at.keep_grants && exists;
        if (pgrows_bool(roles, i, 1))
            r->at.keep_owners = r->at.keep_owners && member;
    }
    if (missing.len > 0)
        log_warn("roles that the target lacks: %s; %s", buf_str(&missing),
                 r->at.keep_owners ? "grants are not restored"
                                   : "owners and grants are not restored");
    else if (!r->at.keep_owners)
        log_warn(
            "the target role is not a member of all owning roles: everything will belong to it");
    return true;
}

static bool read_toc(SchemaRestore *r, const char *section, Toc *out_toc, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    return tools_list(&r->tools, r->at.dump, section, r->spec.stop, &text, err) &&
           toc_parse(r->arena, buf_str(&text), out_toc, err);
}

static bool read_tocs(SchemaRestore *r, Error *err)
{
    CLEANUP_BUF Buf verbose = BUF_INIT;
    Toc *const tocs[] = {&r->pre, &r->post};
    if (!read_toc(r, "pre-data", &r->pre, err) || !read_toc(r, "post-data", &r->post, err) ||
        !tools_list(&r->tools, r->at.dump, NULL, r->spec.stop, &verbose, err))
        return false;
    toc_parse_depends(r->arena, buf_str(&verbose), tocs, 2);
    return true;
}

static void sort_by_table(SchemaRestore *r)
{
    for (int i = 0; i < r->post.count; i++) {
        const TocEntry *entry = &r->post.entries[i];
        bool found;
        if ((entry->kind != TOC_INDEX && entry->kind != TOC_CONSTRAINT) || entry->outside)
            continue;
        const SchemaObject *object = schema_objects_get(&r->objects, entry->catalog, entry->oid);
        if (object == NULL)
            continue; /* younger than our look at the catalog: for common_post_data */
        MapEntry *slot = map_slot(&r->by_table, &object->table, sizeof object->table, &found);
        if (!found) {
            TableEntries *table = arena_new_object(r->arena, TableEntries);
            table->oid = object->table;
            slot->key = &table->oid;
            slot->value = table;
        }
        restore_list_add(&((TableEntries *)slot->value)->list, entry);
    }
}

/* Dumps and lists of processes that were killed. */
static void remove_leftovers(const SchemaRestore *r)
{
    CLEANUP_BUF Buf pattern = BUF_INIT;
    glob_t found;
    buf_printf(&pattern, "%s/schema.*.*", r->spec.directory);
    if (glob(buf_str(&pattern), GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        int pid = 0;
        if (sscanf(name, "schema.%d.", &pid) == 1 && pid > 0 && kill(pid, 0) != 0 && errno == ESRCH)
            unlink(found.gl_pathv[i]);
    }
    globfree(&found);
}

static bool make_dump(SchemaRestore *r, Error *err)
{
    remove_leftovers(r);
    CLEANUP_PGCONN PgConn *source = pgconn_open(&r->spec.source, PG_SESSION_SQL, "schema", err);
    if (source == NULL)
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    if (target == NULL)
        return false;
    if (!tools_find(r->arena, pgconn_server_version(source) / 10000,
                    pgconn_server_version(target) / 10000, r->spec.stop, &r->tools, err) ||
        !check_roles(r, source, target, err) ||
        !schema_objects_read(source, r->arena, &r->objects, err))
        return false;
    log_debug("dumping the schema program=%s", r->tools.pg_dump);
    if (!tools_dump(&r->tools, &r->spec.source, r->at.dump, r->spec.stop, err) ||
        !read_tocs(r, err))
        return false;
    Toc *const tocs[] = {&r->pre, &r->post};
    if (!r->spec.everything && !schema_outside_mark(source, r->rels, tocs, 2, err))
        return false;
    sort_by_table(r);
    return true;
}

/* A failed attempt leaves nothing that the next one could stumble over. */
static void forget(SchemaRestore *r)
{
    size_t cursor = 0;
    for (MapEntry *e; (e = map_next(&r->by_table, &cursor)) != NULL;)
        restore_list_done(&((TableEntries *)e->value)->list);
    map_done(&r->by_table);
    schema_objects_done(&r->objects);
    r->by_table = MAP_INIT;
    r->objects = (SchemaObjects){0};
    r->gathered_count = r->gathered_entries = 0;
}

static bool get_ready(SchemaRestore *r, Error *err)
{
    pthread_mutex_lock(&r->lock);
    if (!r->ready) {
        r->ready = make_dump(r, err);
        if (!r->ready)
            forget(r);
    }
    bool ready = r->ready;
    pthread_mutex_unlock(&r->lock);
    return ready;
}

/* What the target has now; under the lock. */
static bool look_at_target(SchemaRestore *r, Error *err)
{
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    schema_objects_done(&r->there);
    r->there = (SchemaObjects){0};
    arena_reset(r->there_arena);
    r->there_known = target != NULL && schema_objects_read(target, r->there_arena, &r->there, err);
    return r->there_known;
}

static bool is_there(const SchemaRestore *r, const TocEntry *entry)
{
    const SchemaObject *object = schema_objects_get(&r->objects, entry->catalog, entry->oid);
    return object != NULL && schema_objects_has_key(&r->there, object->key);
}

/* Pre-data ----------------------------------------------------------------------------------------
 */

/* A partition of which the target knows that it is one. */
static bool is_attached(const SchemaRestore *r, const TocEntry *entry)
{
    const SchemaObject *object = schema_objects_named(&r->objects, entry->name);
    if (object == NULL)
        return false;
    CLEANUP_BUF Buf key = BUF_INIT;
    buf_printf(&key, "attached%s", object->key + strlen("relation"));
    return schema_objects_has_key(&r->there, buf_str(&key));
}

static bool wanted_before(const SchemaRestore *r, const TocEntry *entry)
{
    switch (entry->kind) {
    case TOC_EXTENSION_COMMENT: /* only its owner may, and it says nothing new */
    case TOC_NEVER:
        return false;
    case TOC_SCHEMA: /* public, or made by the target's administrator */
        return !is_there(r, entry) && !entry->outside;
    case TOC_TABLE_ATTACH:
        return !is_attached(r, entry) && !entry->outside;
    default:
        return !entry->outside;
    }
}

/* Running it again over what it made is no error. */
static bool is_repeatable(const TocEntry *entry)
{
    return entry->kind == TOC_REPEATABLE || entry->kind == TOC_NOTE ||
           entry->kind == TOC_TABLE_ATTACH || entry->kind == TOC_SCHEMA;
}

/* Its being there proves that the transaction which makes it has been committed. */
static bool is_proof(const TocEntry *entry)
{
    return entry->kind == TOC_TABLE && !entry->outside;
}

/* The end of the transaction that begins with entry `first`: it has a proof, or needs none. */
static int end_of_part(const SchemaRestore *r, int first)
{
    bool proof = false, repeatable = true, must = false;
    int end = first;
    for (; end < r->pre.count; end++) {
        if (end - first >= PRE_DATA_ENTRIES && (proof || repeatable))
            break;
        proof = proof || is_proof(&r->pre.entries[end]);
        repeatable = repeatable && is_repeatable(&r->pre.entries[end]);
    }
    /* What can neither be proved nor repeated must not stand alone at the end. */
    for (int i = end; i < r->pre.count; i++) {
        if (is_proof(&r->pre.entries[i]))
            return end;
        must = must || !is_repeatable(&r->pre.entries[i]);
    }
    return must ? r->pre.count : end;
}

static bool restore_part(SchemaRestore *r, int first, int end, Error *err)
{
    RestoreList list = RESTORE_LIST_INIT;
    bool done = false;
    for (int i = first; i < end && !done; i++) {
        const TocEntry *entry = &r->pre.entries[i];
        done = is_proof(entry) && is_there(r, entry);
        if (!done && wanted_before(r, entry))
            restore_list_add(&list, entry);
    }
    bool ok = done || restore_at_once(&r->at, &list, err);
    restore_list_done(&list);
    return ok;
}

/* What tables in scope lose because it needs a table that is not. */
static void tell_losses(const SchemaRestore *r)
{
    const Toc *tocs[] = {&r->pre, &r->post};
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < tocs[t]->count; i++) {
            const TocEntry *entry = &tocs[t]->entries[i];
            bool is_default = strncmp(entry->words, "DEFAULT ", strlen("DEFAULT ")) == 0;
            if ((!is_default && entry->kind != TOC_FK_CONSTRAINT) || !entry->outside)
                continue;
            const SchemaObject *object = schema_objects_named(&r->objects, entry->name);
            if (object != NULL && relations_by_oid(r->rels, object->table) != NULL)
                log_warn("not restored, because it needs a table that is out of scope: %s",
                         entry->words);
        }
    }
}

static void scope(void *self, const Relations *rels)
{
    SchemaRestore *r = self;
    r->rels = rels;
}

static void start_over(void *self)
{
    SchemaRestore *r = self;
    pthread_mutex_lock(&r->lock);
    if (r->ready)
        forget(r);
    r->ready = r->there_known = false;
    pthread_mutex_unlock(&r->lock);
}

static bool pre_data(void *self, const Relations *rels, Error *err)
{
    SchemaRestore *r = self;
    scope(r, rels);
    if (!get_ready(r, err))
        return err_context(err, "pre-data");
    tell_losses(r);
    pthread_mutex_lock(&r->lock);
    bool ok = look_at_target(r, err);
    for (int first = 0; ok && first < r->pre.count;) {
        int end = end_of_part(r, first);
        ok = restore_part(r, first, end, err);
        first = end;
    }
    r->there_known = false;
    pthread_mutex_unlock(&r->lock);
    return ok || err_context(err, "pre-data");
}

/* Post-data of single tables
 * ------------------------------------------------------------------------ */

/* Restores what the target lacks of these tables, outside the lock. */
static bool restore_tables(SchemaRestore *r, TableEntries **tables, int count, Error *err)
{
    RestoreList list = RESTORE_LIST_INIT;
    pthread_mutex_lock(&r->lock);
    bool ok = r->there_known || look_at_target(r, err);
    for (int t = 0; ok && t < count; t++) {
        for (int i = 0; i < tables[t]->list.count; i++) {
            if (!is_there(r, tables[t]->list.entries[i]))
                restore_list_add(&list, tables[t]->list.entries[i]);
        }
    }
    pthread_mutex_unlock(&r->lock);
    ok = ok && restore_at_once(&r->at, &list, err);
    restore_list_done(&list);
    if (ok)
        return true;
    /* They may be taken again, after a new look: the answer to the COMMIT may have been lost. */
    pthread_mutex_lock(&r->lock);
    for (int t = 0; t < count; t++)
        tables[t]->taken = false;
    r->there_known = false;
    pthread_mutex_unlock(&r->lock);
    return false;
}

/* Takes the gathered tables when there are enough of them, or all; the caller frees. */
static TableEntries **take_gathered(SchemaRestore *r, int enough, int *out_count)
{
    TableEntries **tables = NULL;
    *out_count = 0;
    if (r->gathered_entries >= enough && r->gathered_count > 0) {
        tables = r->gathered;
        *out_count = r->gathered_count;
        r->gathered = NULL;
        r->gathered_count = r->gathered_entries = 0;
    }
    return tables;
}

static void gather(SchemaRestore *r, TableEntries *table)
{
    if (r->gathered == NULL)
        r->gathered = mem_alloc(sizeof(TableEntries *) * GATHERED_ENTRIES);
    r->gathered[r->gathered_count++] = table; /* each has an entry: no more tables than entries */
    r->gathered_entries += table->list.count;
}

static bool table_post_data(void *self, const Relation *rel, Error *err)
{
    SchemaRestore *r = self;
    TableEntries **batch = NULL, *alone = NULL;
    int count = 0;
    if (!get_ready(r, err))
        return false;
    pthread_mutex_lock(&r->lock);
    TableEntries *table = map_get(&r->by_table, &rel->oid, sizeof rel->oid);
    if (table != NULL && !table->taken) {
        table->taken = true;
        if (rel->bytes >= SMALL_TABLE_BYTES) {
            alone = table;
        } else {
            gather(r, table);
            batch = take_gathered(r, GATHERED_ENTRIES, &count);
        }
    }
    pthread_mutex_unlock(&r->lock);
    if (alone != NULL)
        return restore_tables(r, &alone, 1, err) ||
               err_context(err, "indexes and keys of table '%s'", rel->display);
    bool ok = count == 0 || restore_tables(r, batch, count, err) ||
              err_context(err, "indexes and keys of %d small tables", count);
    free(batch);
    return ok;
}

/* The rest
 * ------------------------------------------------------------------------------------------ */

/* Everything of post-data that `take` says and the target lacks. */
static bool restore_rest(SchemaRestore *r, bool (*take)(const TocEntry *),
                         bool (*restore)(const RestoreAt *, RestoreList *, Error *), Error *err)
{
    RestoreList list = RESTORE_LIST_INIT;
    if (!get_ready(r, err))
        return false;
    pthread_mutex_lock(&r->lock);
    bool ok = look_at_target(r, err);
    for (int i = 0; ok && i < r->post.count; i++) {
        const TocEntry *entry = &r->post.entries[i];
        if (take(entry) && !entry->outside && !is_there(r, entry))
            restore_list_add(&list, entry);
    }
    pthread_mutex_unlock(&r->lock);
    ok = ok && restore(&r->at, &list, err);
    restore_list_done(&list);
    return ok;
}

/* Indexes and keys of loaded tables are there by now; what is left belongs to partitioned roots and
 * materialized views. */
static bool take_common(const TocEntry *entry)
{
    return entry->kind == TOC_INDEX || entry->kind == TOC_CONSTRAINT || entry->kind == TOC_COMMON;
}

static bool take_foreign_keys(const TocEntry *entry)
{
    return entry->kind == TOC_FK_CONSTRAINT;
}

static bool take_last(const TocEntry *entry)
{
    return entry->kind == TOC_TRIGGER || entry->kind == TOC_NOTE || entry->kind == TOC_OTHER ||
           entry->kind == TOC_REPEATABLE;
}

static bool common_post_data(void *self, Error *err)
{
    SchemaRestore *r = self;
    int count = 0;
    if (!get_ready(r, err))
        return false;
    pthread_mutex_lock(&r->lock);
    TableEntries **tables = take_gathered(r, 0, &count);
    pthread_mutex_unlock(&r->lock);
    bool ok = count == 0 || restore_tables(r, tables, count, err) ||
              err_context(err, "indexes and keys of %d small tables", count);
    free(tables);
    if (!ok)
        return false;
    return restore_rest(r, take_common, restore_in_batches, err) ||
           err_context(err, "indexes of partitioned tables");
}

static bool foreign_keys(void *self, Error *err)
{
    return restore_rest(self, take_foreign_keys, restore_in_parallel, err) ||
           err_context(err, "foreign keys");
}

static bool refresh_views(SchemaRestore *r, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&r->spec.source, PG_SESSION_SQL, "schema", err);
    if (source == NULL)
        return false;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&r->spec.target, PG_SESSION_SQL, "schema", err);
    if (target == NULL)
        return false;
    Arena *arena = arena_new(0);
    Views views;
    bool ok = views_read(source, arena, &views, err) &&
              views_refresh(target, &views, false, CLOCK_NEVER, arena, err);
    for (int i = 0; ok && i < views.count; i++) {
        const View *view = &views.all[i];
        if (view->refreshed)
            log_info("materialized view filled view=%s ms=%lld", view->display,
                     (long long)(view->elapsed_us / 1000));
        else
            log_warn("materialized view %s is not filled, the cutover tries again: %s",
                     view->display, view->why);
    }
    arena_free(arena);
    return ok;
}

static void tell_event_triggers(const SchemaRestore *r)
{
    for (int i = 0; i < r->post.count; i++) {
        if (r->post.entries[i].kind == TOC_EVENT_TRIGGER &&
            strstr(r->post.entries[i].words, " bascule_d") == NULL)
            log_warn(
                "an event trigger of the source is not restored, create it after the cutover: %s",
                r->post.entries[i].words);
    }
}

static bool last(void *self, Error *err)
{
    SchemaRestore *r = self;
    if (!restore_rest(r, take_last, restore_in_batches, err) || !refresh_views(r, err))
        return err_context(err, "triggers, rules and policies");
    tell_event_triggers(r);
    return true;
}

SchemaRestore *schema_restore_new(const SchemaRestoreSpec *spec, SchemaPort *out_port)
{
    SchemaRestore *r = mem_zalloc(sizeof *r);
    r->spec = *spec;
    r->arena = arena_new(0);
    r->there_arena = arena_new(0);
    r->at = (RestoreAt){
        .tools = &r->tools,
        .target = &r->spec.target,
        .stop = spec->stop,
        .directory = spec->directory,
        .dump = arena_printf(r->arena, "%s/schema.%d.dump", spec->directory, (int)getpid()),
        .jobs = spec->jobs,
    };
    pthread_mutex_init(&r->lock, NULL);
    *out_port = (SchemaPort){
        .self = r,
        .scope = scope,
        .forget = start_over,
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
    unlink(r->at.dump);
    forget(r);
    schema_objects_done(&r->there);
    free(r->gathered);
    pthread_mutex_destroy(&r->lock);
    arena_free(r->there_arena);
    arena_free(r->arena);
    free(r);
}

/*
 * catalog - reads tables, columns, keys and foreign keys with a handful of set-based queries, so
 * that thousands of tables cost seconds, all in one REPEATABLE READ transaction.
 */
#include "source/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/hash.h"
#include "bascule/base/log.h"
#include "source/conflict_rules.h"
#include "source/mapped.h"
#include "source/name_utf8.h"
#include "source/roots.h"
#include "source/shape.h"
#include "sql_files.h"

/* The sizes are asked with a short lock on each table: never queue for long behind somebody's DDL.
 */
#define CATALOG_BEGIN                                                                              \
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '15s'"

static bool begin(PgConn *conn, Error *err)
{
    return pgconn_script(conn, SQL(CATALOG_BEGIN), err);
}

/* Ends the read transaction whatever happened; an error in hand wins over one of the end. */
static bool end(PgConn *conn, bool ok, Error *err)
{
    if (ok)
        return pgconn_exec(conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
    if (pgconn_usable(conn)) {
        Error ignored = ERROR_INIT;
        (void)!pgconn_exec(conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored);
    }
    return false;
}

/* Selection ----------------------------------------------------------------------------------- */

/* The rules cut in two, so that a partition can be asked for by its own name and by its root's:
 * either may include it, either may exclude it. */
typedef struct Selection {
    Rules *rules;
    Rules includes, excludes;
} Selection;

static void selection_init(Selection *sel, Arena *arena, Rules *rules)
{
    *sel = (Selection){.rules = rules};
    if (rules == NULL)
        return;
    sel->includes.patterns = arena_new_array(arena, RulePattern, rules->count + 1);
    sel->excludes.patterns = arena_new_array(arena, RulePattern, rules->count + 1);
    for (int i = 0; i < rules->count; i++) {
        Rules *part = rules->patterns[i].exclude ? &sel->excludes : &sel->includes;
        part->patterns[part->count++] = rules->patterns[i];
    }
}

static bool selection_has(Selection *sel, const char *schema, const char *name,
                          const char *root_schema, const char *root_name)
{
    if (sel->rules == NULL)
        return true;
    bool has = rules_select(&sel->includes, schema, name);
    if (!rules_select(&sel->excludes, schema, name))
        return false;
    if (root_name == NULL)
        return has;
    if (!rules_select(&sel->excludes, root_schema, root_name))
        return false;
    return rules_select(&sel->includes, root_schema, root_name) || has;
}

/* Relations ----------------------------------------------------------------------------------- */

typedef struct Reading {
    PgConn *conn;
    Relations *rels;
    const Rules *rules; /* NULL: everything, under its own name */
    bool living;        /* a rule that a table does not fit is that table's trouble */
    PgConn *target;     /* with living */
    const char *task;
    bool other_encoding; /* than the rules', where both are not ASCII */
    Buf oids;            /* "{1,2,3}" of the tables in scope, the parameter of the other queries */
} Reading;

/* Names in another encoding than the rules' can only be compared with them where both are ASCII. */
static bool name_table(const Reading *r, Relation *rel, bool other_encoding, Error *err)
{
    if (!rules_name_table(r->rules, r->rels->arena, rel->schema, rel->name, &rel->target_schema,
                          &rel->target_name, err))
        return false;
    for (const char *p = rel->target_name; other_encoding && *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80 && rel->target_name != rel->name)
            return ERR(err, ERR_UNSUPPORTED,
                       "a rule calls table '%s' by a name that is not ASCII, in a database that is "
                       "not UTF-8",
                       rel->display);
    return true;
}

static bool only_ascii(const Reading *r, const Relation *rel, const Expression *expression,
                       Error *err)
{
    for (const char *p = expression != NULL && r->other_encoding ? expression->text : "";
         *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            return ERR(err, ERR_UNSUPPORTED,
                       "a rule about table '%s' holds text that is not ASCII (%s), in a database "
                       "that is not UTF-8",
                       rel->display, expression->text);
    return true;
}

static bool rules_only_ascii(const Reading *r, const Relation *rel, Error *err)
{
    for (int i = relation_sent(rel); i < rel->column_count; i++)
        if (!only_ascii(r, rel, rel->columns[i].value, err))
            return false;
    return only_ascii(r, rel, rel->filter, err);
}

/* Has the task moved it? */
static bool was_moved(const Reading *r, const RulePattern *pattern, bool *out_moved, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(r->target, SQL_CONTROL_TABLE_NAMES, PG_PARAMS(PG_TEXT(r->task)), &rows, err))
        return err_context(err, "looking for tables that were moved");
    for (int i = 0; i < pgrows_count(rows); i++)
        *out_moved = *out_moved || (rules_glob_match(pattern->schema, pgrows_text(rows, i, 0)) &&
                                    rules_glob_match(pattern->table, pgrows_text(rows, i, 1)));
    return true;
}

/* Gives the counts of matches back to the caller's rules; a rule that names one table must match. Of a living
 * task it may be one that was left out, or moved, and was dropped since. */
static bool selection_done(const Reading *r, Selection *sel, Error *err)
{
    if (sel->rules == NULL)
        return true;
    int in = 0, ex = 0;
    for (int i = 0; i < sel->rules->count; i++) {
        RulePattern *pattern = &sel->rules->patterns[i];
        pattern->matched = pattern->exclude ? sel->excludes.patterns[ex++].matched
                                            : sel->includes.patterns[in++].matched;
    }
    for (int i = 0; i < sel->rules->count; i++) {
        RulePattern *pattern = &sel->rules->patterns[i];
        bool may = pattern->optional;
        if (pattern->matched > 0 || rules_pattern_has_wildcard(pattern))
            continue;
        if (!may && r->living && pattern->exclude)
            may = true;
        else if (!may && r->living && !was_moved(r, pattern, &may, err))
            return false;
        if (may && !pattern->told)
            log_warn("%stable '%s' is not on the source", pattern->optional ? "optional " : "",
                     pattern->text);
        pattern->told = true;
        if (!may) {
            ERR(err, ERR_CONFIG, "rule '%s' names no table of the source", pattern->text);
            return err_hint(err, "Names are case-sensitive and written without quotes; views, "
                                 "foreign tables and tables of extensions are not replicated.");
        }
    }
    return true;
}

static bool read_tables(Reading *r, Rules *rules, Error *err)
{
    Relations *rels = r->rels;
    Arena *arena = rels->arena;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(r->conn, SQL_SOURCE_TABLES, PG_NO_PARAMS, &rows, err))
        return false;
    Selection sel;
    selection_init(&sel, arena, rules);
    int n = pgrows_count(rows);
    rels->all = arena_new_array(arena, Relation *, n + 1);
    for (int i = 0; i < n; i++) {
        const char *schema = pgrows_text(rows, i, 1), *name = pgrows_text(rows, i, 2);
        bool partition = pgrows_bool(rows, i, 5);
        const char *shown_schema = source_name_utf8(arena, rows, i, 1, 14);
        const char *shown_name = source_name_utf8(arena, rows, i, 2, 15);
        if (!selection_has(&sel, shown_schema, shown_name, source_name_utf8(arena, rows, i, 7, 16),
                           partition ? source_name_utf8(arena, rows, i, 8, 17) : NULL))
            continue;
        Relation *rel = arena_new_object(arena, Relation);
        rel->id = (uint32_t)rels->count;
        rel->oid = pgrows_u32(rows, i, 0);
        rel->schema = arena_strdup(arena, schema);
        rel->name = arena_strdup(arena, name);
        rel->display = arena_printf(arena, "%s.%s", shown_schema, shown_name);
        if (!name_table(r, rel, !pgrows_null(rows, i, 15), err))
            return false;
        r->other_encoding = r->other_encoding || !pgrows_null(rows, i, 15);
        rel->persistence = pgrows_text(rows, i, 3)[0];
        rel->replica_identity = pgrows_text(rows, i, 4)[0];
        rel->is_partition = partition;
        rel->parent_oid = pgrows_u32(rows, i, 6);
        if (partition) {
            rel->partition_of_schema = arena_strdup(arena, pgrows_text(rows, i, 7));
            rel->partition_of = arena_strdup(arena, pgrows_text(rows, i, 8));
        }
        rel->has_children = pgrows_bool(rows, i, 9);
        rel->row_security = pgrows_bool(rows, i, 10);
        rel->estimated_rows = pgrows_i64(rows, i, 11);
        rel->bytes = pgrows_i64(rows, i, 12);
        rel->heap_blocks = pgrows_i64(rows, i, 13);
        rels->all[rels->count++] = rel;
        map_put(&rels->by_oid, &rel->oid, sizeof rel->oid, rel);
        size_t schema_len = strlen(schema), name_len = strlen(name);
        char *key = arena_bytes_alloc(arena, schema_len + 1 + name_len);
        memcpy(key, schema, schema_len + 1);
        memcpy(key + schema_len + 1, name, name_len);
        map_put(&rels->by_name, key, schema_len + 1 + name_len, rel);
    }
    return selection_done(r, &sel, err);
}

static bool choose_roots(Reading *r, PgConn *target, const char *task, const Rules *rules,
                         Error *err)
{
    const Relations *rels = r->rels;
    if (target != NULL && !roots_choose(r->conn, target, task, rules, r->rels, err))
        return false;
    buf_putc(&r->oids, '{');
    for (int i = 0; i < rels->count; i++)
        buf_printf(&r->oids, "%s%u", i > 0 ? "," : "", rels->all[i]->oid);
    buf_putc(&r->oids, '}');
    return true;
}

static void fill_column(Arena *arena, const PgRows *rows, int i, Column *col)
{
    col->attnum = (int16_t)pgrows_i64(rows, i, 1);
    col->type_oid = pgrows_u32(rows, i, 3);
    col->base_type_oid = pgrows_u32(rows, i, 4);
    col->typmod = (int32_t)pgrows_i64(rows, i, 5);
    col->type_schema = arena_strdup(arena, pgrows_text(rows, i, 6));
    col->type_name = arena_strdup(arena, pgrows_text(rows, i, 7));
    col->type_text = arena_strdup(arena, pgrows_text(rows, i, 8));
    col->not_null = pgrows_bool(rows, i, 9);
    col->identity_always = pgrows_bool(rows, i, 10);
    col->binary_safe = pgrows_bool(rows, i, 12);
    if (!pgrows_null(rows, i, 14)) {
        col->base_schema = arena_strdup(arena, pgrows_text(rows, i, 13));
        col->base_name = arena_strdup(arena, pgrows_text(rows, i, 14));
    }
}

/* It stays behind. What the target calls so is a column of its own. */
static void leave_out(Reading *r, Relation *rel, const PgRows *rows, int i, const char *name,
                      const char *target_name, const RuleColumn *rule)
{
    if (rule != NULL)
        rel->column_rule = arena_printf(r->rels->arena, "%s: %s", rule->place, rule->text);
    rel->left_out_attnum[rel->left_out_count] = (int16_t)pgrows_i64(rows, i, 1);
    rel->left_out[rel->left_out_count++] = name;
    rel->target_left_out[rel->target_left_out_count++] = target_name;
    if (pgrows_bool(rows, i, 9) && !pgrows_bool(rows, i, 15))
        rel->left_out_needed = name;
}

static bool take_column(Reading *r, const PgRows *rows, int i, Relation *rel, Error *err)
{
    Arena *arena = r->rels->arena;
    const char *name = arena_strdup(arena, pgrows_text(rows, i, 2)), *target_name, *types;
    bool goes = true, generated = pgrows_bool(rows, i, 11);
    const RuleColumn *rule = NULL;
    if (!rules_name_column(r->rules, arena, rel->schema, rel->name, name, &target_name, err) ||
        !rules_column_goes(r->rules, rel->schema, rel->name, name, &goes, &rule, err))
        return false;
    if (!goes) {
        leave_out(r, rel, rows, i, name, target_name, rule);
    } else if (generated) {
        rel->generated[rel->generated_count] = name;
        rel->target_generated[rel->generated_count++] = target_name;
    } else {
        if (!rules_column_types(r->rules, rel->schema, rel->name, name, &types, err))
            return false;
        Column *col = &rel->columns[rel->column_count++];
        fill_column(arena, rows, i, col);
        col->name = name;
        col->target_name = target_name;
        col->other_types = types != NULL ? arena_strdup(arena, types) : NULL;
        col->binary_safe = col->binary_safe && types == NULL;
    }
    return true;
}

/* What a rule asks of a table that has changed. *ok false with err: as the check left them. */
static bool settle(const Reading *r, Relation *rel, bool ok, Error *err)
{
    if (ok || !r->living || err->cls != ERR_CONFIG)
        return ok;
    rel->rule_trouble = arena_strdup(r->rels->arena, err->message);
    rel->column_count = relation_sent(rel);
    rel->added_count = 0;
    rel->filter = NULL;
    err_clear(err);
    return true;
}

static bool keys_travel(const Reading *r, Error *err)
{
    for (int i = 0; i < r->rels->count; i++)
        if (!settle(r, r->rels->all[i], mapped_key_travels(r->rels->all[i], err), err))
            return false;
    return true;
}

/* Rows come by table: [first, last) of one table. */
static bool fill_columns(Reading *r, const PgRows *rows, int first, int last, Relation *rel,
                         Error *err)
{
    Arena *arena = r->rels->arena;
    int more = r->rules != NULL ? r->rules->column_count : 0;
    rel->columns = arena_new_array(arena, Column, last - first + more);
    rel->generated = arena_new_array(arena, const char *, last - first);
    rel->target_generated = arena_new_array(arena, const char *, last - first);
    rel->left_out = arena_new_array(arena, const char *, last - first);
    rel->left_out_attnum = arena_new_array(arena, int16_t, last - first);
    rel->target_left_out = arena_new_array(arena, const char *, last - first + more);
    for (int i = first; i < last; i++)
        if (!take_column(r, rows, i, rel, err))
            return false;
    bool fits = mapped_add_columns(arena, r->rules, rel, err) &&
                mapped_columns_distinct(rel, err) && mapped_filter_rows(arena, r->rules, rel, err);
    return settle(r, rel, fits, err) && rules_only_ascii(r, rel, err);
}

static bool read_columns(Reading *r, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(r->conn, SQL_SOURCE_COLUMNS, PG_PARAMS(PG_TEXT(buf_str(&r->oids))), &rows,
                      err))
        return false;
    int n = pgrows_count(rows);
    for (int first = 0, last; first < n; first = last) {
        uint32_t oid = pgrows_u32(rows, first, 0);
        for (last = first + 1; last < n && pgrows_u32(rows, last, 0) == oid;)
            last++;
        if (!fill_columns(r, rows, first, last, relations_by_oid(r->rels, oid), err))
            return false;
    }
    return true;
}

static int column_by_attnum(const Relation *rel, long attnum)
{
    for (int i = 0; i < rel->column_count; i++)
        if (rel->columns[i].attnum == attnum)
            return i;
    return -1;
}

static void note_left_out_key(Relation *rel, long attnum)
{
    for (int i = 0; i < rel->left_out_count; i++)
        if (rel->left_out_attnum[i] == attnum)
            rel->left_out_key = rel->left_out[i];
}

/* One schema a line, as many as the key has columns; else none is known. */
static void take_operators(Reading *r, Relation *rel, const char *text)
{
    int lines = 1;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    for (int k = 0; lines == rel->key_count && k < lines; k++) {
        size_t len = strcspn(text, "\n");
        if (len > 0)
            rel->columns[rel->key[k]].equal_schema = arena_dup(r->rels->arena, text, len);
        text += len + (text[len] != '\0');
    }
}

static bool read_keys(Reading *r, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(r->conn, SQL_SOURCE_KEYS, PG_PARAMS(PG_TEXT(buf_str(&r->oids))), &rows, err))
        return false;
    for (int i = 0; i < pgrows_count(rows); i++) {
        Relation *rel = relations_by_oid(r->rels, pgrows_u32(rows, i, 0));
        int *key = arena_new_array(r->rels->arena, int, rel->column_count + 1);
        int count = 0;
        bool travels = true;
        for (const char *text = pgrows_text(rows, i, 1); *text != '\0';) {
            char *next;
            long attnum = strtol(text, &next, 10);
            int column = column_by_attnum(rel, attnum);
            text = next;
            note_left_out_key(rel, attnum);
            /* A key over a generated column cannot be followed: only one decoder sends it. */
            if (column < 0)
                travels = false;
            else
                key[count++] = column;
        }
        if (!travels)
            continue;
        rel->key = key;
        rel->key_count = count;
        rel->key_unique = pgrows_bool(rows, i, 2);
        take_operators(r, rel, pgrows_text(rows, i, 3));
    }
    return true;
}

static bool read_foreign_keys(Reading *r, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(r->conn, SQL_SOURCE_FOREIGN_KEYS, PG_PARAMS(PG_TEXT(buf_str(&r->oids))),
                      &rows, err))
        return false;
    Relations *rels = r->rels;
    int n = pgrows_count(rows);
    rels->foreign_keys = arena_new_array(rels->arena, ForeignKey, n + 1);
    ForeignKey *fk = NULL;
    for (int i = 0; i < n; i++) {
        const Relation *from = relations_by_oid(rels, pgrows_u32(rows, i, 2));
        const Relation *to = relations_holder(rels, pgrows_u32(rows, i, 3));
        const ForeignKey *last = fk;
        if (last != NULL && to != NULL && last->oid == pgrows_u32(rows, i, 0) &&
            last->to_id == (int)to->id)
            continue; /* another partition of the same */
        fk = &rels->foreign_keys[rels->foreign_key_count++];
        fk->oid = pgrows_u32(rows, i, 0);
        fk->name = arena_strdup(rels->arena, pgrows_text(rows, i, 1));
        fk->from_id = (int)from->id;
        fk->to_id = to == NULL ? -1 : (int)to->id;
        fk->deferrable = pgrows_bool(rows, i, 4);
        fk->validated = pgrows_bool(rows, i, 5);
        fk->on_delete = pgrows_text(rows, i, 6)[0];
    }
    return true;
}

static bool read_shapes(Reading *r, Error *err)
{
    TableShapes shapes;
    const Relations leaves = {.all = r->rels->leaves, .count = r->rels->leaf_count};
    if (leaves.count > 0 && !shape_look(r->conn, &leaves, r->rels->arena, &shapes, err))
        return false;
    for (int i = 0; leaves.count > 0 && i < shapes.count; i++) {
        Relation *leaf =
            map_get(&r->rels->leaf_by_oid, &shapes.all[i].oid, sizeof shapes.all[i].oid);
        if (leaf != NULL)
            leaf->shape = shapes.all[i].text;
    }
    if (!shape_look(r->conn, r->rels, r->rels->arena, &shapes, err))
        return false;
    for (int i = 0; i < shapes.count; i++) {
        Relation *rel = relations_by_oid(r->rels, shapes.all[i].oid);
        if (rel != NULL)
            rel->shape = shapes.all[i].text;
    }
    return true;
}

static bool read_policies(const Reading *r, Error *err)
{
    for (int i = 0; i < r->rels->count; i++) {
        Relation *rel = r->rels->all[i];
        if (!settle(r, rel, conflict_rule_apply(r->rules, rel, err), err))
            return false;
    }
    return true;
}

static bool read_all(PgConn *source, PgConn *target, const char *task, Rules *rules, bool living,
                     Relations **out_rels, Error *err)
{
    Arena *arena = arena_new(64 * 1024);
    Relations *rels = arena_new_object(arena, Relations);
    rels->arena = arena;
    Reading r = {.conn = source,
                 .rels = rels,
                 .rules = rules,
                 .living = living,
                 .target = target,
                 .task = task,
                 .oids = BUF_INIT};
    rules_forget_matches(rules);
    bool ok = begin(source, err);
    if (ok) {
        ok = read_tables(&r, rules, err) && choose_roots(&r, target, task, rules, err) &&
             mapped_tables_distinct(rels, err) && read_columns(&r, err) && read_keys(&r, err) &&
             roots_identify(source, rels, err) && keys_travel(&r, err) &&
             read_foreign_keys(&r, err) && read_shapes(&r, err) && read_policies(&r, err);
        ok = end(source, ok, err);
    }
    buf_done(&r.oids);
    if (!ok) {
        relations_free(rels);
        return err_context(err, "reading the source's catalog");
    }
    *out_rels = rels;
    return true;
}

bool catalog_read(PgConn *source, PgConn *target, const char *task, Rules *rules,
                  Relations **out_rels, Error *err)
{
    return read_all(source, target, task, rules, false, out_rels, err);
}

bool catalog_read_living(PgConn *source, PgConn *target, const char *task, Rules *rules,
                         Relations **out_rels, Error *err)
{
    return read_all(source, target, task, rules, true, out_rels, err);
}

/* A new partition of a table that moves as one changes that table. */
static bool is_of_root(const Relations *rels, const char *schema, const char *name)
{
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (rel->is_root && strcmp(rel->name, name) == 0 && strcmp(rel->schema, schema) == 0)
            return true;
    }
    return false;
}

bool catalog_newcomers(PgConn *source, Rules *rules, const Relations *rels, int *out_count,
                       uint32_t *out_hash, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_SCOPE, PG_NO_PARAMS, &rows, err))
        return err_context(err, "looking for new tables");
    Arena *arena = arena_new(0);
    Selection sel;
    selection_init(&sel, arena, rules);
    *out_count = 0;
    *out_hash = 0;
    for (int i = 0; i < pgrows_count(rows); i++) {
        uint32_t oid = pgrows_u32(rows, i, 0);
        if (relations_holder(rels, oid) != NULL ||
            is_of_root(rels, pgrows_text(rows, i, 3), pgrows_text(rows, i, 4)) ||
            !selection_has(&sel, pgrows_text(rows, i, 1), pgrows_text(rows, i, 2),
                           pgrows_text(rows, i, 3),
                           pgrows_null(rows, i, 4) ? NULL : pgrows_text(rows, i, 4)))
            continue;
        ++*out_count;
        *out_hash = (uint32_t)hash_bytes(&oid, sizeof oid) ^ *out_hash * 31;
    }
    arena_free(arena);
    return true;
}

void relations_free(Relations *rels)
{
    if (rels == NULL)
        return;
    map_done(&rels->by_oid);
    map_done(&rels->by_name);
    map_done(&rels->leaf_by_oid);
    map_done(&rels->leaf_by_name);
    arena_free(rels->arena); /* rels lives in it */
}

void relations_oid_array(const Relations *rels, Buf *out)
{
    buf_putc(out, '{');
    for (int i = 0; i < rels->count; i++)
        buf_printf(out, "%s%u", i > 0 ? "," : "", rels->all[i]->oid);
    buf_putc(out, '}');
}

bool catalog_fingerprint(PgConn *source, const Relations *rels, char out_hex[33], Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    relations_oid_array(rels, &oids);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SOURCE_FINGERPRINT, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows,
                      err))
        return err_context(err, "reading the fingerprint of the source's tables");
    RowsHash hash = {0};
    for (int i = 0; i < pgrows_count(rows); i++)
        rows_hash_add(&hash, pgrows_text(rows, i, 0), (size_t)pgrows_length(rows, i, 0));
    rows_hash_text(&hash, out_hex);
    return true;
}

bool source_identify(PgConn *conn, SourceIdentity *out_identity, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_SOURCE_IDENTITY, PG_NO_PARAMS, &rows, err))
        return err_context(err, "identifying the %s", pgconn_side(conn));
    SourceIdentity id = {0};
    snprintf(id.system_id, sizeof id.system_id, "%s", pgrows_text(rows, 0, 0));
    id.timeline = (int)pgrows_i64(rows, 0, 1);
    snprintf(id.database, sizeof id.database, "%s", pgrows_text(rows, 0, 2));
    snprintf(id.encoding, sizeof id.encoding, "%s", pgrows_text(rows, 0, 3));
    id.version = (int)pgrows_i64(rows, 0, 4);
    snprintf(id.started_at, sizeof id.started_at, "%s", pgrows_text(rows, 0, 5));
    *out_identity = id;
    return true;
}

bool source_is_same(const SourceIdentity *a, const SourceIdentity *b)
{
    return strcmp(a->system_id, b->system_id) == 0 && strcmp(a->started_at, b->started_at) == 0 &&
           strcmp(a->database, b->database) == 0;
}

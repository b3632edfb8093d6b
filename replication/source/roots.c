/* roots - see the header */
#include "source/roots.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "source/name_utf8.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

enum { R_OID, R_SCHEMA, R_NAME, R_SECURITY, R_PARTITIONS, R_FOREIGN, R_SCHEMA_HEX, R_NAME_HEX };
enum { P_OID, P_CHAIN, P_IDENTITY, P_COLUMNS, P_ROOT_INDEX };

static void put_names(Buf *out, const char *name, bool first)
{
    buf_puts(out, first ? "{\"" : ",\"");
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *name);
    }
    buf_putc(out, '"');
}

static void put_leaf_oids(Buf *out, Relation *const *rels, int count)
{
    int n = 0;
    buf_putc(out, '{');
    for (int i = 0; i < count; i++)
        if (rels[i]->is_partition)
            buf_printf(out, "%s%u", n++ > 0 ? "," : "", rels[i]->oid);
    buf_putc(out, '}');
}

/* What is known of the choice ------------------------------------------------------------------ */

/* Names under which the task's tables move already. */
static bool read_taken(PgConn *target, const char *task, Map *out_names, Arena *arena, Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL, *rows = NULL;
    if (!pgconn_query(target, SQL_CONTROL_EXISTS, PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0))
        return true;
    if (!pgconn_query(target, SQL_CONTROL_TABLE_NAMES, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    for (int i = 0; i < pgrows_count(rows); i++) {
        char *key =
            arena_printf(arena, "%s%c%s", pgrows_text(rows, i, 0), '\0', pgrows_text(rows, i, 1));
        map_put(out_names, key,
                strlen(pgrows_text(rows, i, 0)) + 1 + strlen(pgrows_text(rows, i, 1)), key);
    }
    return true;
}

static bool is_taken(const Map *names, const Relation *rel)
{
    char key[256];
    int len = snprintf(key, sizeof key, "%s%c%s", rel->schema, '\0', rel->name);
    return map_get(names, key, (size_t)len) != NULL;
}

/* One partitioned table with what speaks for and against moving it as one. */
typedef struct Candidate {
    Relation *root;
    int64_t partitions, foreign;
    bool taken_whole, taken_apart; /* the load began so */
    bool there;                    /* the target has a table of its name */
    bool fits;                     /* and all of its partitions */
    int leaves;                    /* in scope */
} Candidate;

static Candidate *candidate_of(Candidate *all, int count, uint32_t root_oid)
{
    for (int i = 0; i < count; i++)
        if (all[i].root->oid == root_oid)
            return &all[i];
    return NULL;
}

static Relation *make_root(Arena *arena, const Rules *rules, const PgRows *rows, int row,
                           Error *err)
{
    Relation *rel = arena_new_object(arena, Relation);
    rel->oid = pgrows_u32(rows, row, R_OID);
    rel->schema = arena_strdup(arena, pgrows_text(rows, row, R_SCHEMA));
    rel->name = arena_strdup(arena, pgrows_text(rows, row, R_NAME));
    if (!rules_name_table(rules, arena, rel->schema, rel->name, &rel->target_schema,
                          &rel->target_name, err))
        return NULL;
    rel->display =
        arena_printf(arena, "%s.%s", source_name_utf8(arena, rows, row, R_SCHEMA, R_SCHEMA_HEX),
                     source_name_utf8(arena, rows, row, R_NAME, R_NAME_HEX));
    rel->persistence = 'p';
    rel->replica_identity = 'd';
    rel->is_root = true;
    rel->row_security = pgrows_bool(rows, row, R_SECURITY);
    return rel;
}

/* Does the target have each partition, as part of the same? One that is an ordinary table there takes
 * its rows as well. */
static bool look_at_target(PgConn *target, PgConn *source, Relations *rels, Candidate *all,
                           int count, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_PGROWS PgRows *ours = NULL, *theirs = NULL;
    Map chains = MAP_INIT;
    put_leaf_oids(&oids, rels->all, rels->count);
    int asked = 0;
    for (int i = 0; i < rels->count; i++)
        if (rels->all[i]->is_partition) {
            put_names(&schemas, rels->all[i]->target_schema, asked == 0);
            put_names(&names, rels->all[i]->target_name, asked++ == 0);
        }
    for (int i = 0; i < count; i++) {
        put_names(&schemas, all[i].root->target_schema, false);
        put_names(&names, all[i].root->target_name, false);
    }
    buf_putc(&schemas, '}');
    buf_putc(&names, '}');
    if (!pgconn_query(source, SQL_SOURCE_PARTITIONS, PG_PARAMS(PG_TEXT(buf_str(&oids))), &ours,
                      err) ||
        !pgconn_query(target, SQL_TARGET_PARTITIONS,
                      PG_PARAMS(PG_TEXT(buf_str(&schemas)), PG_TEXT(buf_str(&names))), &theirs,
                      err))
        return false;
    for (int i = 0; i < pgrows_count(ours); i++) {
        Relation *leaf = relations_by_oid(rels, pgrows_u32(ours, i, P_OID));
        map_put(&chains, &leaf->oid, sizeof leaf->oid, (void *)pgrows_text(ours, i, P_CHAIN));
    }
    int row = 0;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (!rel->is_partition)
            continue;
        Candidate *c = candidate_of(all, count, rel->parent_oid);
        const char *chain = map_get(&chains, &rel->oid, sizeof rel->oid);
        bool table = !pgrows_null(theirs, row, 0) && *pgrows_text(theirs, row, 0) == 'r';
        bool same = chain == NULL || pgrows_null(theirs, row, 1) ||
                    strcmp(chain, pgrows_text(theirs, row, 1)) == 0;
        row++;
        if (c == NULL)
            continue;
        c->leaves++;
        c->fits = c->fits && table && same;
    }
    for (int i = 0; i < count; i++, row++)
        all[i].there = !pgrows_null(theirs, row, 0);
    map_done(&chains);
    return true;
}

/* Putting roots in the place of their partitions ------------------------------------------------ */

static void add_leaf(Relations *rels, Relation *root, Relation *leaf)
{
    leaf->root = root;
    root->leaves[root->leaf_count++] = leaf;
    root->bytes += leaf->bytes;
    root->estimated_rows = root->estimated_rows < 0 || leaf->estimated_rows < 0
                               ? -1
                               : root->estimated_rows + leaf->estimated_rows;
    /* A range of blocks is one of each partition. */
    if (leaf->heap_blocks > root->heap_blocks)
        root->heap_blocks = leaf->heap_blocks;
    root->row_security = root->row_security || leaf->row_security;
    if (leaf->persistence == 'u')
        root->persistence = 'u';
    rels->leaves[rels->leaf_count++] = leaf;
}

static void put_maps(Relations *rels, Map *by_oid, Map *by_name, Relation *rel)
{
    size_t schema_len = strlen(rel->schema), name_len = strlen(rel->name);
    char *key = arena_bytes_alloc(rels->arena, schema_len + 1 + name_len);
    memcpy(key, rel->schema, schema_len + 1);
    memcpy(key + schema_len + 1, rel->name, name_len);
    map_put(by_oid, &rel->oid, sizeof rel->oid, rel);
    map_put(by_name, key, schema_len + 1 + name_len, rel);
}

static void rebuild(Relations *rels, Candidate *all, int count)
{
    int kept = 0;
    Relation **tables = arena_new_array(rels->arena, Relation *, rels->count + 1);
    rels->leaves = arena_new_array(rels->arena, Relation *, rels->count + 1);
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        Candidate *c = rel->is_partition ? candidate_of(all, count, rel->parent_oid) : NULL;
        if (c == NULL) {
            tables[kept++] = rel;
            continue;
        }
        if (c->root->leaf_count == 0) {
            c->root->leaves = arena_new_array(rels->arena, Relation *, c->leaves + 1);
            tables[kept++] = c->root;
        }
        add_leaf(rels, c->root, rel);
    }
    map_clear(&rels->by_oid);
    map_clear(&rels->by_name);
    rels->all = tables;
    rels->count = kept;
    for (int i = 0; i < kept; i++) {
        tables[i]->id = (uint32_t)i;
        put_maps(rels, &rels->by_oid, &rels->by_name, tables[i]);
    }
    for (int i = 0; i < rels->leaf_count; i++) {
        rels->leaves[i]->id = (uint32_t)(kept + i);
        put_maps(rels, &rels->leaf_by_oid, &rels->leaf_by_name, rels->leaves[i]);
    }
}

static bool moves_as_one(const Candidate *c)
{
    if (c->taken_whole || c->taken_apart)
        return c->taken_whole;
    return c->there && !c->fits;
}

/* Why the task cannot move it so; the check says it, and nothing is written. */
static void note_trouble(Arena *arena, const Candidate *c)
{
    Relation *root = c->root;
    CLEANUP_SQLTEXT SqlText name = SQLTEXT_INIT;
    sqltext_qualified(&name, root->schema, root->name);
    if (c->foreign > 0) {
        root->identity_trouble = "foreign tables are among its partitions, and the target does not "
                                 "have the same partitions";
        root->identity_remedy = "Make the partitions on the target as they are on the source";
    } else if (c->leaves < c->partitions) {
        root->identity_trouble =
            "only some of its partitions are in scope, and the target does not "
            "have the same partitions";
        root->identity_remedy =
            arena_printf(arena,
                         "tables.include: [\"%s\"]  -- the whole table, or make "
                         "the same partitions on the target",
                         root->display);
    }
}

bool roots_choose(PgConn *source, PgConn *target, const char *task, const Rules *rules,
                  Relations *rels, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    Map taken = MAP_INIT;
    put_leaf_oids(&oids, rels->all, rels->count);
    if (oids.len <= 2)
        return true;
    if (!pgconn_query(source, SQL_SOURCE_ROOTS, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows, err))
        return false;
    int count = pgrows_count(rows), chosen = 0;
    Candidate *all = arena_new_array(rels->arena, Candidate, count + 1);
    for (int i = 0; i < count; i++) {
        Relation *root = make_root(rels->arena, rules, rows, i, err);
        if (root == NULL)
            return false;
        all[i] = (Candidate){.root = root,
                             .partitions = pgrows_i64(rows, i, R_PARTITIONS),
                             .foreign = pgrows_i64(rows, i, R_FOREIGN),
                             .fits = true};
    }
    bool ok = count == 0 || (read_taken(target, task, &taken, rels->arena, err) &&
                             look_at_target(target, source, rels, all, count, err));
    for (int i = 0; ok && i < rels->count; i++) {
        Candidate *c = candidate_of(all, count, rels->all[i]->parent_oid);
        if (c != NULL && rels->all[i]->is_partition && is_taken(&taken, rels->all[i]))
            c->taken_apart = true;
    }
    for (int i = 0; ok && i < count; i++) {
        all[i].taken_whole = is_taken(&taken, all[i].root);
        if (!moves_as_one(&all[i]))
            continue;
        note_trouble(rels->arena, &all[i]);
        all[chosen++] = all[i];
    }
    map_done(&taken);
    if (ok && chosen > 0)
        rebuild(rels, all, chosen);
    return ok;
}

/* Identity -------------------------------------------------------------------------------------- */

static const char *qualified(Arena *arena, const Relation *rel)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_qualified(&st, rel->schema, rel->name);
    return arena_strdup(arena, sqltext_sql(&st).text);
}

static void no_identity(Relation *root, const char *why, const char *remedy)
{
    root->replica_identity = 'n';
    root->key_count = 0;
    root->key_unique = false;
    if (root->identity_trouble == NULL) {
        root->identity_trouble = why;
        root->identity_remedy = remedy;
    }
}

/* {a,"b c"} as the root's columns. */
static bool take_key(Arena *arena, Relation *root, const char *names)
{
    root->key = arena_new_array(arena, int, root->column_count + 1);
    root->key_count = 0;
    char *name = arena_bytes_alloc(arena, strlen(names) + 1);
    for (const char *p = names + 1; *p != '\0' && *p != '}';) {
        size_t len = 0;
        bool quoted = *p == '"';
        for (p += quoted; *p != '\0' && (quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
            p += quoted && *p == '\\';
            name[len++] = *p;
        }
        name[len] = '\0';
        p += quoted;
        p += *p == ',';
        int column = -1;
        for (int i = 0; i < relation_sent(root); i++)
            if (strcmp(root->columns[i].name, name) == 0)
                column = i;
        if (column < 0) {
            root->left_out_key = relation_leaves_out(root, name) ? arena_strdup(arena, name) : NULL;
            return false;
        }
        root->key[root->key_count++] = column;
    }
    root->key_unique = root->key_count > 0;
    return root->key_unique;
}

static void identify(Relations *rels, Relation *root, const PgRows *rows, const Map *by_oid)
{
    Arena *arena = rels->arena;
    int first = 0, full = 0;
    bool same = true;
    for (int i = 0; i < root->leaf_count; i++) {
        uint32_t oid = root->leaves[i]->oid;
        int row = (int)(intptr_t)map_get(by_oid, &oid, sizeof oid);
        if (row == 0)
            continue; /* dropped just now: the shape says so */
        row--;
        first = first == 0 ? row + 1 : first;
        full += pgrows_text(rows, row, P_IDENTITY)[0] == 'f';
        same = same && !pgrows_null(rows, row, P_COLUMNS) &&
               pgrows_u32(rows, row, P_ROOT_INDEX) != 0 &&
               pgrows_u32(rows, row, P_ROOT_INDEX) == pgrows_u32(rows, first - 1, P_ROOT_INDEX);
    }
    const char *table = qualified(arena, root);
    if (first == 0)
        return;
    if (full == root->leaf_count &&
        !(same && take_key(arena, root, pgrows_text(rows, first - 1, P_COLUMNS)))) {
        root->key_count = 0;
        root->key_unique = false;
    }
    if (full == root->leaf_count) {
        root->replica_identity = 'f';
        return;
    }
    if (full > 0 || !same) {
        no_identity(root,
                    full > 0 ? "some of its partitions have REPLICA IDENTITY FULL, others do not"
                             : "its partitions are not identified by one key of the whole table, "
                               "and the target does not have the same partitions",
                    arena_printf(arena,
                                 "ALTER TABLE %s ADD PRIMARY KEY (...);  -- on the whole table, or "
                                 "REPLICA IDENTITY FULL on every partition",
                                 table));
        return;
    }
    root->replica_identity = 'd';
    if (!take_key(arena, root, pgrows_text(rows, first - 1, P_COLUMNS)))
        no_identity(root, "its key holds a generated column", "");
}

bool roots_identify(PgConn *source, Relations *rels, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    Map by_oid = MAP_INIT;
    if (rels->leaf_count == 0)
        return true;
    put_leaf_oids(&oids, rels->leaves, rels->leaf_count);
    if (!pgconn_query(source, SQL_SOURCE_PARTITIONS, PG_PARAMS(PG_TEXT(buf_str(&oids))), &rows,
                      err))
        return false;
    for (int i = 0; i < pgrows_count(rows); i++) {
        Relation *leaf = NULL;
        uint32_t oid = pgrows_u32(rows, i, P_OID);
        leaf = map_get(&rels->leaf_by_oid, &oid, sizeof oid);
        if (leaf != NULL)
            map_put(&by_oid, &leaf->oid, sizeof leaf->oid, (void *)(intptr_t)(i + 1));
    }
    for (int i = 0; i < rels->count; i++) {
        Relation *root = rels->all[i];
        if (!root->is_root)
            continue;
        if (root->identity_trouble != NULL)
            no_identity(root, NULL, NULL);
        else
            identify(rels, root, rows, &by_oid);
    }
    map_done(&by_oid);
    return true;
}

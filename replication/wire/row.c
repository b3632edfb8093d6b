/*
 * row - see row.h. A missing column is TOAST that did not change, or a sign that the table is not
 * the one that we know; which of the two, its type tells.
 */
#include "wire/row.h"

/* Types of fixed length never leave their row, so their values are always sent. */
static bool never_toasted(uint32_t base_type_oid)
{
    static const uint32_t FIXED[] = {
        16 /* bool */,          18 /* "char" */,     19 /* name */,     20 /* int8 */,
        21 /* int2 */,          23 /* int4 */,       26 /* oid */,      28 /* xid */,
        600 /* point */,        700 /* float4 */,    701 /* float8 */,  790 /* money */,
        829 /* macaddr */,      1082 /* date */,     1083 /* time */,   1114 /* timestamp */,
        1184 /* timestamptz */, 1186 /* interval */, 1266 /* timetz */, 2950 /* uuid */,
        3220 /* pg_lsn */,
    };
    for (size_t i = 0; i < sizeof FIXED / sizeof FIXED[0]; i++)
        if (FIXED[i] == base_type_oid)
            return true;
    return false;
}

static bool missing_column(const Relation *rel, int column, const char *what, Error *err)
{
    return ERR(err, ERR_SCHEMA_CHANGED, "%s of table '%s' lacks column '%s'", what, rel->display,
               rel->columns[column].name);
}

/* With identity default or index the key columns, with identity full all columns must be there. */
static bool check_identity(const Relation *rel, const RowTuple *identity, Error *err)
{
    if (rel->replica_identity == 'f') {
        for (int i = 0; identity->missing > 0 && i < relation_sent(rel); i++)
            if (identity->values[i].kind == VALUE_UNCHANGED)
                return missing_column(rel, i, "the old row (replica identity full)", err);
        return true;
    }
    if (rel->key_count == 0)
        return ERR(
            err, ERR_SCHEMA_CHANGED,
            "a change of table '%s' came with a replica identity that the table did not have",
            rel->display);
    for (int k = 0; k < rel->key_count; k++)
        if (identity->values[rel->key[k]].kind == VALUE_UNCHANGED)
            return missing_column(rel, rel->key[k], "the old key", err);
    return true;
}

/* Columns that a rule adds have values on the target only. */
static void no_added_values(const Relation *rel, Value *values)
{
    for (int i = relation_sent(rel); i < rel->column_count; i++)
        values[i] = (Value){.kind = VALUE_UNCHANGED};
}

static Value *copy_identity(const Relation *rel, const RowTuple *identity, Arena *arena)
{
    size_t n = (size_t)rel->column_count;
    Value *old = arena_alloc(arena, sizeof(Value) * (n + 1));
    if (rel->replica_identity == 'f') {
        memcpy(old, identity->values, sizeof(Value) * n);
        no_added_values(rel, old);
        return old;
    }
    for (size_t i = 0; i < n; i++)
        old[i] = (Value){.kind = VALUE_UNCHANGED};
    for (int k = 0; k < rel->key_count; k++)
        old[rel->key[k]] = identity->values[rel->key[k]];
    return old;
}

bool row_insert(Relation *rel, const RowTuple *new_tuple, Change *change, Error *err)
{
    for (int i = 0; new_tuple->missing > 0 && i < relation_sent(rel); i++)
        if (new_tuple->values[i].kind == VALUE_UNCHANGED)
            return missing_column(rel, i, "an inserted row", err);
    no_added_values(rel, new_tuple->values);
    *change = (Change){.kind = CHANGE_INSERT, .rel = rel, .new_values = new_tuple->values};
    return true;
}

/* Key columns that were not sent (TOASTed keys) come from the identity. */
static bool fill_key(const Relation *rel, Value *new_values, const RowTuple *identity, Error *err)
{
    for (int k = 0; k < rel->key_count; k++) {
        Value *value = &new_values[rel->key[k]];
        if (value->kind != VALUE_UNCHANGED)
            continue;
        if (identity == NULL)
            return missing_column(rel, rel->key[k], "an updated row", err);
        *value = identity->values[rel->key[k]];
    }
    return true;
}

static bool check_missing(const Relation *rel, const Value *values, Error *err)
{
    for (int i = 0; i < relation_sent(rel); i++)
        if (values[i].kind == VALUE_UNCHANGED && never_toasted(rel->columns[i].base_type_oid))
            return missing_column(rel, i, "an updated row", err);
    return true;
}

static bool key_changed(const Relation *rel, const Value *new_values, const RowTuple *identity)
{
    for (int k = 0; k < rel->key_count; k++)
        if (!value_equal(&new_values[rel->key[k]], &identity->values[rel->key[k]]))
            return true;
    return false;
}

bool row_update(Relation *rel, const RowTuple *new_tuple, const RowTuple *identity, Arena *arena,
                Change *change, Error *err)
{
    Value *new_values = new_tuple->values, *old = NULL;
    bool full = rel->replica_identity == 'f';
    if (identity != NULL && !check_identity(rel, identity, err))
        return false;
    if (identity == NULL && (full || rel->key_count == 0))
        return ERR(err, ERR_SCHEMA_CHANGED, "an updated row of table '%s' came without its old row",
                   rel->display);
    if (new_tuple->missing > 0 &&
        (!fill_key(rel, new_values, identity, err) || !check_missing(rel, new_values, err)))
        return false;
    no_added_values(rel, new_values);
    if (identity != NULL && (full || key_changed(rel, new_values, identity)))
        old = copy_identity(rel, identity, arena);
    *change =
        (Change){.kind = CHANGE_UPDATE, .rel = rel, .new_values = new_values, .old_values = old};
    return true;
}

bool row_delete(Relation *rel, const RowTuple *identity, Arena *arena, Change *change, Error *err)
{
    if (!check_identity(rel, identity, err))
        return false;
    *change = (Change){
        .kind = CHANGE_DELETE, .rel = rel, .old_values = copy_identity(rel, identity, arena)};
    return true;
}

void row_truncate_add(Change *change, Relation *rel, Arena *arena)
{
    int count = change->truncated_count, at = count;
    while (at > 0 && change->truncated[at - 1]->id >= rel->id)
        at--;
    if (at < count && change->truncated[at] == rel)
        return;
    if ((count & (count - 1)) == 0) { /* full: room for 1, 2, 4, 8, ... */
        size_t room = count == 0 ? 1 : (size_t)count * 2;
        Relation **all = arena_alloc(arena, sizeof(Relation *) * room);
        if (count > 0)
            memcpy(all, change->truncated, sizeof(Relation *) * (size_t)count);
        change->truncated = all;
    }
    memmove(change->truncated + at + 1, change->truncated + at,
            sizeof(Relation *) * (size_t)(count - at));
    change->truncated[at] = rel;
    change->truncated_count = count + 1;
}

static bool same_name(const char *known, const char *name, size_t len)
{
    return strlen(known) == len && memcmp(known, name, len) == 0;
}

int row_find_column(const Relation *rel, const char *name, size_t len, int hint)
{
    if (hint >= relation_sent(rel))
        hint = 0;
    for (int i = 0; i < relation_sent(rel); i++) {
        int column = hint + i < relation_sent(rel) ? hint + i : hint + i - relation_sent(rel);
        if (same_name(rel->columns[column].name, name, len))
            return column;
    }
    for (int i = 0; i < rel->generated_count; i++)
        if (same_name(rel->generated[i], name, len))
            return ROW_SKIPPED;
    for (int i = 0; i < rel->left_out_count; i++)
        if (same_name(rel->left_out[i], name, len))
            return ROW_SKIPPED;
    return -1;
}

bool row_unknown_column(const Relation *rel, const char *name, size_t len, Error *err)
{
    return ERR(err, ERR_SCHEMA_CHANGED, "table '%s' has a column '%.*s' that it did not have",
               rel->display, (int)(len > 200 ? 200 : len), name);
}

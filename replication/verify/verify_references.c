/* verify_references - see the header. */
#include "verify/verify_references.h"

#include <string.h>

#include "bascule/model/rules.h"

/* One side of the arrow. */
typedef struct Half {
    RulePattern table;
    const char *columns[REFERENCE_COLUMNS];
    int count;
} Half;

static bool wrong(Error *err, const char *text, const char *what)
{
    ERR(err, ERR_CONFIG, "verify.references: '%s': %s", text, what);
    return err_hint(err,
                    "Write 'schema.table (columns) -> schema.table (columns)', names as on the "
                    "source, without quotes, a backslash before a character that means "
                    "something.");
}

/* Up to one of the characters that no backslash precedes; NULL when none comes. */
static const char *find(const char *at, const char *characters)
{
    for (; *at != '\0'; at++) {
        if (strchr(characters, *at) != NULL)
            return at;
        if (at[0] == '\\' && at[1] != '\0')
            at++;
    }
    return NULL;
}

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \t");
}

/* What stands in [at, end), without the spaces round it. */
static const char *piece(Arena *arena, const char *at, const char *end)
{
    at = skip_spaces(at);
    while (end > at && (end[-1] == ' ' || end[-1] == '\t') && !(end - 1 > at && end[-2] == '\\'))
        end--;
    return arena_dup(arena, at, end > at ? (size_t)(end - at) : 0);
}

/* Moves *at behind the closing parenthesis. */
static bool read_half(Arena *arena, const char *text, const char **at, Half *out, Error *err)
{
    const char *open = find(*at, "(");
    const char *column = open != NULL ? open + 1 : NULL;
    if (open == NULL)
        return wrong(err, text, "columns in parentheses are missing");
    if (!rules_parse_pattern(arena, piece(arena, *at, open), false, &out->table, err))
        return err_context(err, "verify.references: '%s'", text);
    for (bool last = false; !last;) {
        const char *end = find(column, ",)");
        if (end == NULL)
            return wrong(err, text, "a closing parenthesis is missing");
        if (out->count == REFERENCE_COLUMNS)
            return wrong(err, text, "no key has so many columns");
        const char *name = rules_unquote_glob(arena, piece(arena, column, end));
        if (*name == '\0')
            return wrong(err, text, "the name of a column is missing");
        out->columns[out->count++] = name;
        last = *end == ')';
        column = end + 1;
    }
    *at = skip_spaces(column);
    return true;
}

static bool has_column(const Relation *rel, const char *name)
{
    for (int c = 0; c < relation_sent(rel); c++)
        if (strcmp(rel->columns[c].name, name) == 0)
            return true;
    for (int g = 0; g < rel->generated_count; g++)
        if (strcmp(rel->generated[g], name) == 0)
            return true;
    return false;
}

static bool check_columns(const char *text, const Relation *rel, const Half *half, Error *err)
{
    for (int i = 0; i < half->count; i++) {
        if (has_column(rel, half->columns[i]))
            continue;
        ERR(err, ERR_CONFIG, "verify.references: '%s': table '%s' has no column '%s'", text,
            rel->display, half->columns[i]);
        return err_hint(err, "Names are case-sensitive and as on the source.");
    }
    return true;
}

static const char **copy_names(Arena *arena, const Half *half)
{
    const char **out = arena_new_array(arena, const char *, half->count);
    memcpy(out, half->columns, sizeof *out * (size_t)half->count);
    return out;
}

static const Relation *find_table(const Relations *rels, const char *schema, const char *name)
{
    for (int i = 0; i < rels->count; i++)
        if (strcmp(rels->all[i]->schema, schema) == 0 && strcmp(rels->all[i]->name, name) == 0)
            return rels->all[i];
    return NULL;
}

/* A reference for each table that the left side names. */
static bool add(const char *text, const Half *from, const Half *to, const Relations *rels,
                Arena *arena, VerifyReference *out, int *count, Error *err)
{
    Rules children = {.patterns = (RulePattern[]){from->table}, .count = 1};
    const char *schema = rules_unquote_glob(arena, to->table.schema);
    const char *name = rules_unquote_glob(arena, to->table.table);
    const Relation *parent = find_table(rels, schema, name);
    int before = *count;
    if (parent != NULL && !check_columns(text, parent, to, err))
        return false;
    for (int i = 0; i < rels->count; i++) {
        const Relation *child = rels->all[i];
        if (!rules_select(&children, child->schema, child->name))
            continue;
        if (!check_columns(text, child, from, err))
            return false;
        out[(*count)++] = (VerifyReference){.text = text,
                                            .child = child,
                                            .parent = parent,
                                            .parent_schema = schema,
                                            .parent_name = name,
                                            .columns = from->count,
                                            .from = copy_names(arena, from),
                                            .to = copy_names(arena, to)};
    }
    if (*count > before)
        return true;
    ERR(err, ERR_CONFIG, "verify.references: '%s': '%s' names no table of this task", text,
        from->table.text);
    return err_hint(err,
                    "Names are case-sensitive and as on the source; 'bascule status' lists the "
                    "tables.");
}

static bool read_one(const char *text, const Relations *rels, Arena *arena, VerifyReference *out,
                     int *count, Error *err)
{
    Half from = {.count = 0}, to = {.count = 0};
    const char *at = text;
    if (!read_half(arena, text, &at, &from, err))
        return false;
    if (strncmp(at, "->", 2) != 0)
        return wrong(err, text, "'->' is missing behind the columns");
    at += 2;
    if (!read_half(arena, text, &at, &to, err))
        return false;
    if (*at != '\0')
        return wrong(err, text, "something stands behind it");
    if (from.count != to.count)
        return wrong(err, text, "both sides need as many columns");
    if (rules_pattern_has_wildcard(&to.table))
        return wrong(err, text, "the table behind the arrow must be one table");
    return add(text, &from, &to, rels, arena, out, count, err);
}

bool verify_references_read(const char *const *texts, int count, const Relations *rels,
                            Arena *arena, VerifyReference **out_references, int *out_count,
                            Error *err)
{
    *out_references = arena_new_array(arena, VerifyReference, count * rels->count + 1);
    *out_count = 0;
    for (int i = 0; i < count; i++)
        if (!read_one(arena_strdup(arena, texts[i]), rels, arena, *out_references, out_count, err))
            return false;
    return true;
}

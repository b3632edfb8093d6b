/* rules_lines - see the header. A '*' on the right stands for what the '*' of the same part on the
 * left matched; so a part has at most one of them when it is used. */
#include "config/rules_lines.h"

#include <string.h>
#include <strings.h>

typedef struct Line {
    Arena *arena;
    const char *text, *place;
    Error *err;
} Line;

#define FAIL(line, ...)                                                                            \
    (ERR((line)->err, ERR_CONFIG, __VA_ARGS__), err_context((line)->err, "%s", (line)->place))

static const char *trimmed(Arena *arena, const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return arena_dup(arena, from, (size_t)(end - from));
}

/* The only '*' or '%'; *out_count of them. */
static const char *find_star(const char *glob, int *out_count)
{
    const char *found = NULL;
    *out_count = 0;
    for (; *glob != '\0'; glob++) {
        if (*glob == '*' || *glob == '%') {
            found = glob;
            ++*out_count;
        } else if (glob[0] == '\\' && glob[1] != '\0') {
            glob++;
        }
    }
    return found;
}

static const char *literal(Line *line, const char *from, const char *end)
{
    return rules_unquote_glob(line->arena, arena_dup(line->arena, from, (size_t)(end - from)));
}

static bool read_change(Line *line, const char *from, const char *to, NameChange *out)
{
    int stars_from, stars_to;
    const char *star_from = find_star(from, &stars_from), *star_to = find_star(to, &stars_to);
    if (strcmp(to, "lower(*)") == 0 || strcmp(to, "upper(*)") == 0) {
        *out = (NameChange){.action = to[0] == 'l' ? NAME_LOWER : NAME_UPPER};
        return true;
    }
    if (stars_to == 0) {
        *out = (NameChange){.action = NAME_TO, .to = rules_unquote_glob(line->arena, to)};
        return true;
    }
    if (stars_to > 1 || stars_from != 1)
        return FAIL(line, "'%s': the '*' of '%s' stands for what one '*' of '%s' would match",
                    line->text, to, from);
    NameChange change = {
        .action = NAME_AFFIX,
        .cut_front = literal(line, from, star_from),
        .cut_back = rules_unquote_glob(line->arena, star_from + 1),
        .put_front = literal(line, to, star_to),
        .put_back = rules_unquote_glob(line->arena, star_to + 1),
    };
    if (strcmp(change.cut_front, change.put_front) == 0 &&
        strcmp(change.cut_back, change.put_back) == 0)
        change = (NameChange){.action = NAME_KEEP};
    *out = change;
    return true;
}

/* Up to three parts; a count above says that there are more. 0: one is empty. */
static int read_parts(Line *line, const char *text, const char *parts[3])
{
    int count = 0;
    for (const char *p = text;; p++) {
        const char *part = rules_next_part(line->arena, p, &p);
        if (part == NULL)
            return 0;
        if (count < 3)
            parts[count] = part;
        count++;
        if (*p == '\0')
            return count;
    }
}

bool rules_read_line(Arena *arena, const char *text, const char *place, RuleRename *out, Error *err)
{
    Line line = {.arena = arena, .text = text, .place = place, .err = err};
    const char *arrow = strstr(text, "->");
    const char *from[3], *to[3];
    if (arrow == NULL) {
        FAIL(&line, "'%s' is not FROM -> TO", text);
        return err_hint(err, "Write 'schema.table -> schema.table' or 'schema.table.column -> "
                             "column'.");
    }
    int from_count = read_parts(&line, trimmed(arena, text, arrow), from);
    int to_count = read_parts(&line, trimmed(arena, arrow + 2, text + strlen(text)), to);
    bool table = from_count == 2 && to_count == 2, column = from_count == 3 && to_count == 1;
    if (!table && !column) {
        FAIL(&line,
             "'%s' is neither schema.table -> schema.table nor schema.table.column -> column",
             text);
        return err_hint(err, "Write a dot that belongs to a name as '\\.'.");
    }
    RuleRename rule = {
        .text = arena_printf(arena, "'%s'", text),
        .place = place,
        .schema = from[0],
        .table = from[1],
        .column = column ? from[2] : NULL,
    };
    if (column ? !read_change(&line, from[2], to[0], &rule.to_column)
               : !read_change(&line, from[0], to[0], &rule.to_schema) ||
                     !read_change(&line, from[1], to[1], &rule.to_table))
        return false;
    *out = rule;
    return true;
}

/* Columns ---------------------------------------------------------------------------------------- */

static bool no_column(Line *line, const char *form)
{
    FAIL(line, "'%s' is not %s", line->text, form);
    return err_hint(line->err, "Write a dot that belongs to a name as '\\.'.");
}

/* The name that stands left of `end`: schema.table.column. */
static bool read_column(Line *line, const char *end, const char *form, RuleColumn *out)
{
    const char *parts[3];
    if (read_parts(line, trimmed(line->arena, line->text, end), parts) != 3)
        return no_column(line, form);
    out->schema = parts[0];
    out->table = parts[1];
    out->column = parts[2];
    return true;
}

static bool read_added(Line *line, RuleColumn *out)
{
    const char *form = "schema.table.column = value";
    const char *equal = strchr(line->text, '=');
    const char *end = equal != NULL ? equal : line->text + strlen(line->text);
    if (!read_column(line, end, form, out))
        return false;
    if (rules_glob_has_wildcard(out->column))
        return FAIL(line, "'%s': the name of an added column has no wildcard", line->text);
    out->column = rules_unquote_glob(line->arena, out->column);
    return equal == NULL || expression_parse(line->arena, equal + 1, &out->value, line->err) ||
           err_context(line->err, "%s", line->place);
}

/* As pg_type has it: without length and in one word. */
static const char *type_name(Arena *arena, const char *text)
{
    static const char *const NAMES[][2] = {
        {"bigint", "int8"},
        {"integer", "int4"},
        {"int", "int4"},
        {"smallint", "int2"},
        {"boolean", "bool"},
        {"real", "float4"},
        {"double precision", "float8"},
        {"decimal", "numeric"},
        {"character varying", "varchar"},
        {"character", "bpchar"},
        {"char", "bpchar"},
        {"timestamp without time zone", "timestamp"},
        {"timestamp with time zone", "timestamptz"},
        {"time without time zone", "time"},
        {"time with time zone", "timetz"},
        {"bit varying", "varbit"},
    };
    /* timestamp(3) with time zone: what follows the length belongs to the name. */
    size_t len = strcspn(text, "(");
    const char *behind = strchr(text + len, ')');
    const char *head = trimmed(arena, text, text + len);
    const char *name = behind == NULL ? head : arena_printf(arena, "%s%s", head, behind + 1);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcasecmp(NAMES[i][0], name) == 0)
            return NAMES[i][1];
    return name;
}

static bool read_type(Line *line, RuleColumn *out)
{
    const char *arrow = strstr(line->text, "->"), *form = "schema.table.column -> type";
    if (arrow == NULL)
        return no_column(line, form);
    out->types =
        type_name(line->arena, trimmed(line->arena, arrow + 2, line->text + strlen(line->text)));
    if (*out->types == '\0' || strchr(out->types, ',') != NULL)
        return no_column(line, form);
    return read_column(line, arrow, form, out);
}

bool rules_read_column_line(Arena *arena, ColumnAction action, const char *text, const char *place,
                            RuleColumn *out, Error *err)
{
    Line line = {.arena = arena, .text = text, .place = place, .err = err};
    *out =
        (RuleColumn){.text = arena_printf(arena, "'%s'", text), .place = place, .action = action};
    if (action == COLUMN_ADD)
        return read_added(&line, out);
    if (action == COLUMN_TYPE)
        return read_type(&line, out);
    return read_column(&line, text + strlen(text), "schema.table.column", out);
}

/* Rows ------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The first word "where" behind the names; NULL: there is none. */
static const char *find_where(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (p > text && is_space(p[-1]) && strncasecmp(p, "where", 5) == 0 && is_space(p[5]))
            return p;
    return NULL;
}

bool rules_read_filter_line(Arena *arena, const char *text, const char *place, RuleFilter *out,
                            Error *err)
{
    Line line = {.arena = arena, .text = text, .place = place, .err = err};
    const char *where = find_where(text), *parts[3];
    if (where == NULL || read_parts(&line, trimmed(arena, text, where), parts) != 2) {
        FAIL(&line, "'%s' is not schema.table where CONDITION", text);
        return err_hint(err, "For example: public.orders where $tenant_id = 5 and $created >= "
                             "'2024-01-01'. Write a dot that belongs to a name as '\\.'.");
    }
    *out = (RuleFilter){.text = arena_printf(arena, "'%s'", text),
                        .place = place,
                        .schema = parts[0],
                        .table = parts[1]};
    const char *condition = trimmed(arena, where + 5, text + strlen(text));
    return expression_parse(arena, condition, &out->condition, err) ||
           err_context(err, "%s", place);
}

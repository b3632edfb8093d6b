/*
 * rules - the one compiled rule set between source and target: what is selected, how it is called on the
 * other side, which columns go there and which are made on the way. The catalog asks here once a table
 * and keeps the answers in its Relations; load, stream, proof, cutover and the way back read them there.
 *
 * A pattern is schema.table, each part with % or * for any characters and _ or ? NOT special;
 * case-sensitive, not quoted. A backslash makes the character behind it an ordinary one. GLOB_ONE and
 * GLOB_SET are how other languages of patterns say "one character" and "one of these".
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/conflict.h"
#include "bascule/model/expression.h"

#define GLOB_ONE     '\x01' /* any one character */
#define GLOB_SET     '\x02' /* one of the characters and ranges (a-d) up to GLOB_SET_END */
#define GLOB_SET_END '\x03'

typedef struct RulePattern {
    const char *schema, *table; /* glob */
    bool exclude;
    bool optional;    /* of one table, that need not be there */
    bool told;        /* that it is not */
    const char *text; /* as written, for messages */
    int matched;      /* tables that it selected or excluded: `plan` reports 0 */
} RulePattern;

/* What becomes of a name. */
typedef enum NameAction {
    NAME_KEEP,
    NAME_TO,    /* is `to` */
    NAME_AFFIX, /* one that begins and ends with the cut texts gets the put texts instead */
    NAME_LOWER,
    NAME_UPPER,
} NameAction;

typedef struct NameChange {
    NameAction action;
    const char *to;
    const char *cut_front, *cut_back, *put_front, *put_back; /* "" none */
} NameChange;

/* A rule about names: of schemas and tables, or of columns. Of several that fit a name the one with
 * most parts written without wildcard is taken; two of the same kind contradict each other. */
typedef struct RuleRename {
    const char *text;                    /* for messages: "rule 7", "public.users -> auth.users" */
    const char *place;                   /* "map.json:12:5", "rules.names" */
    const char *schema, *table, *column; /* globs; column NULL: not about columns */
    NameChange to_schema, to_table, to_column;
    int matched; /* tables or columns that it fits: `plan` reports 0 */
} RuleRename;

typedef enum ColumnAction {
    COLUMN_OMIT, /* it stays behind */
    COLUMN_ONLY, /* it goes, and with it only those that such rules name */
    COLUMN_ADD,  /* the target has it, the source has not */
    COLUMN_TYPE, /* the target's has another type */
} ColumnAction;

/* A rule about the columns of tables. Of several ADD for one column the one with most parts written
 * without wildcard is taken. */
typedef struct RuleColumn {
    const char *text, *place; /* as in RuleRename */
    ColumnAction action;
    const char *schema, *table; /* globs */
    const char *column;         /* glob; ADD: the name itself, on the target */
    const Expression *value;    /* ADD; NULL: the target fills it by itself */
    const char *types;          /* TYPE: names of types, "int8" or "text,varchar"; "": any */
    int matched;
} RuleColumn;

/* Which rows of a table move. As with names the rule with fewest wildcards is taken. */
typedef struct RuleFilter {
    const char *text, *place;
    const char *schema, *table;  /* globs */
    const Expression *condition; /* NULL: all rows, said of this table */
    int matched;
} RuleFilter;

/* One table's names spelled out: of the way back, whose names are the way forward's turned. */
typedef struct RuleTwin {
    const char *schema, *table;
    const char *to_schema, *to_table;
    int column_count;
    const char **columns, **to_columns;
    const bool *retyped; /* by column: its type differs by a rule */
    int left_out_count, to_left_out_count;
    const char **left_out;    /* columns that do not go back */
    const char **to_left_out; /* and those that did not come */
    const Expression *filter; /* NULL: all rows; of these names */
    const char *filter_rule;
} RuleTwin;

/* What becomes of rows of these tables that both sides wrote. As with names the rule with fewest
 * wildcards is taken. */
typedef struct RuleConflict {
    const char *text, *place;
    const char *schema, *table; /* globs */
    ConflictPolicy policy;
    const char *column;    /* LATEST: on the source */
    bool keep_extra;       /* rows that only the target has are no difference */
    bool one_side_numbers; /* one side alone draws from the sequences of its keys */
    int matched;
} RuleConflict;

typedef struct Rules {
    RulePattern *patterns;
    int count;
    RuleRename *renames;
    int rename_count;
    RuleColumn *columns;
    int column_count;
    const RuleTwin *twins; /* by schema and table; then the other rules are not asked */
    int twin_count;
    RuleFilter *filters;
    int filter_count;
    RuleConflict *conflicts;
    int conflict_count;
    const char **notes; /* what has no meaning here, for the operator */
    int note_count;
} Rules;

/* true when the table is in scope: selected by an include (or there is none) and by no exclude. */
bool rules_select(Rules *rules, const char *schema, const char *table);
/* "schema.table" or "schema.*"; '\.' is a literal dot. */
MUST_CHECK bool rules_parse_pattern(Arena *arena, const char *text, bool exclude,
                                    RulePattern *out_pattern, Error *err);
/* false: the pattern names exactly one table. */
bool rules_pattern_has_wildcard(const RulePattern *pattern);

bool rules_glob_match(const char *glob, const char *text);
/* GLOB_ONE does not count: who writes health_metrics means one name. */
bool rules_glob_has_wildcard(const char *glob);
/* The text up to the next dot that no backslash precedes, which is then *end; NULL for an empty part. */
const char *rules_next_part(Arena *arena, const char *text, const char **end);
/* A name as a pattern that matches nothing else. */
const char *rules_quote_glob(Arena *arena, const char *name);
/* A glob without wildcard as the name that it matches. */
const char *rules_unquote_glob(Arena *arena, const char *glob);

/* How a table and its columns are called on the target; `rules` NULL: as on the source. The names are
 * the arena's, or those given. CONFIG when two rules contradict each other or no name can come of it. */
MUST_CHECK bool rules_name_table(const Rules *rules, Arena *arena, const char *schema,
                                 const char *table, const char **out_schema, const char **out_table,
                                 Error *err);
MUST_CHECK bool rules_name_column(const Rules *rules, Arena *arena, const char *schema,
                                  const char *table, const char *column, const char **out_column,
                                  Error *err);
/* A schema as a whole: what rules for all its tables (or for it) make of it. */
MUST_CHECK bool rules_name_schema(const Rules *rules, Arena *arena, const char *schema,
                                  const char **out_schema, Error *err);
/* Anything but selection. */
bool rules_map_anything(const Rules *rules);

/* Does a column go to the target? *out_rule: which rule keeps it, NULL: none, or that of a twin. CONFIG
 * when rules contradict each other about it. */
MUST_CHECK bool rules_column_goes(const Rules *rules, const char *schema, const char *table,
                                  const char *column, bool *out_goes, const RuleColumn **out_rule,
                                  Error *err);
/* The types that its column on the target may have; NULL: only the same one. */
MUST_CHECK bool rules_column_types(const Rules *rules, const char *schema, const char *table,
                                   const char *column, const char **out_types, Error *err);
/* The rules that add columns to a table, one for each column, into out[rules->column_count]. */
MUST_CHECK bool rules_columns_added(const Rules *rules, const char *schema, const char *table,
                                    const RuleColumn **out, int *out_count, Error *err);
/* Which rows of a table move: *out_condition NULL: all; *out_rule where that is written. CONFIG when two
 * rules contradict each other. */
/* The same for a partition: where no rule fits it, those of its root (NULL: it is none) count. */
MUST_CHECK bool rules_filter_part(const Rules *rules, Arena *arena, const char *schema,
                                  const char *table, const char *root_schema, const char *root,
                                  const Expression **out_condition, const char **out_rule,
                                  Error *err);
MUST_CHECK bool rules_filter(const Rules *rules, Arena *arena, const char *schema,
                             const char *table, const Expression **out_condition,
                             const char **out_rule, Error *err);
/* Sets all counts of what was matched to 0. */
void rules_forget_matches(Rules *rules);
/* The twin of a table; NULL: none. */
const RuleTwin *rules_twin(const Rules *rules, const char *schema, const char *table);

/* A rule about one named table or column that fits none: CONFIG. After the catalog was read. */
MUST_CHECK bool rules_all_matched(const Rules *rules, Error *err);
/* What the rules beside selection say, as one line a rule: the same text, the same mapping. */
const char *rules_mapping_text(const Rules *rules, Arena *arena);
/* What is said of a table: policy, column (NULL but for LATEST) and the rest. *out_stated false: no rule
 * fits, it is ERROR and nothing else. CONFIG when two rules contradict each other. */
MUST_CHECK bool rules_conflict(const Rules *rules, const char *schema, const char *table,
                               RuleConflict *out_rule, bool *out_stated, Error *err);

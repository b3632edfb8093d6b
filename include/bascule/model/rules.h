/*
 * rules - the one compiled rule set between source and target: what is selected and how it is called
 * on the other side. Load, stream, proof and repair all ask here. Today it selects by name patterns
 * and maps by identity; the functions are the place where renames and filters will stand.
 *
 * A pattern is schema.table, each part with % or * for any characters and _ or ? NOT special;
 * case-sensitive, not quoted. A backslash makes the character behind it an ordinary one.
 */
#pragma once

#include "bascule/base/arena.h"

typedef struct RulePattern {
    const char *schema, *table; /* glob */
    bool exclude;
    const char *text; /* as written, for messages */
    int matched;      /* tables that it selected or excluded: `plan` reports 0 */
} RulePattern;

typedef struct Rules {
    RulePattern *patterns;
    int count;
} Rules;

/* true when the table is in scope: selected by an include (or there is none) and by no exclude. */
bool rules_select(Rules *rules, const char *schema, const char *table);
const char *rules_target_schema(const Rules *rules, const char *schema, const char *table);
const char *rules_target_table(const Rules *rules, const char *schema, const char *table);
const char *rules_target_column(const Rules *rules, const char *schema, const char *table,
                                const char *column);
/* "schema.table" or "schema.*"; '\.' is a literal dot. */
MUST_CHECK bool rules_parse_pattern(Arena *arena, const char *text, bool exclude,
                                    RulePattern *out_pattern, Error *err);
/* false: the pattern names exactly one table. */
bool rules_pattern_has_wildcard(const RulePattern *pattern);

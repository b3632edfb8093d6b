/*
 * rules_dms - a table-mappings.json of AWS DMS as rules: selection with its source filters, and the
 * transformations of names and columns.
 *
 * Refuses  by rule-id and reason what bascule does not do; nothing of the file is passed over.
 * Warns    where a setting has no meaning here: the rows come out the same without it.
 * Errors   CONFIG, "file:line:column: ..."
 */
#pragma once

#include "bascule/model/rules.h"

typedef struct DmsRules {
    RulePattern *patterns;
    int pattern_count;
    RuleRename *renames;
    int rename_count;
    RuleColumn *columns;
    int column_count;
    RuleFilter *filters;
    int filter_count;
    const char **warnings;
    int warning_count;
} DmsRules;

/* `name` is the file as messages call it. */
MUST_CHECK bool rules_read_dms(Arena *arena, const char *name, const char *text, size_t len,
                               DmsRules *out, Error *err);

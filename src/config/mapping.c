/* mapping - see the header. */
#include "config/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"
#include "config/expand.h"
#include "config/rules_dms.h"
#include "config/rules_lines.h"
#include "config/rules_policies.h"

#define FILE_LIMIT (4 * 1024 * 1024)

/* Where an item of a list stands, as exactly as is known. */
static const char *place_of(const Config *config, OptionId id, int item)
{
    const ConfigValue *value = &config->values[id];
    return value->item_places != NULL ? value->item_places[item] : value->place;
}

static bool read_patterns(const Config *config, Rules *rules, Arena *arena, Error *err)
{
    static const OptionId LISTS[] = {OPT_TABLES_INCLUDE, OPT_TABLES_OPTIONAL, OPT_TABLES_EXCLUDE};
    int counts[3], room = 2;
    for (size_t list = 0; list < 3; list++) {
        (void)config_list(config, LISTS[list], &counts[list]);
        room += counts[list];
    }
    rules->patterns = arena_new_array(arena, RulePattern, room);
    /* Without any include every table moves, and the optional ones are no narrower choice. */
    if (counts[0] == 0 && counts[1] > 0 &&
        !rules_parse_pattern(arena, "*.*", false, &rules->patterns[rules->count++], err))
        return false;
    for (size_t list = 0; list < 3; list++) {
        int count = 0;
        const char *const *items = config_list(config, LISTS[list], &count);
        for (int i = 0; i < count; i++) {
            RulePattern *pattern = &rules->patterns[rules->count++];
            if (!rules_parse_pattern(arena, items[i], LISTS[list] == OPT_TABLES_EXCLUDE, pattern,
                                     err))
                return err_context(err, "%s", place_of(config, LISTS[list], i));
            pattern->optional = LISTS[list] == OPT_TABLES_OPTIONAL;
        }
    }
    return true;
}

/* Selection stands in one place: two lists that each leave something out would surprise. */
static bool read_dms_file(const Config *config, Rules *rules, Arena *arena, DmsRules *out,
                          Error *err)
{
    const char *path = config_text(config, OPT_RULES_DMS_FILE);
    char *data = NULL;
    size_t len = 0;
    *out = (DmsRules){0};
    if (path == NULL || *path == '\0')
        return true;
    if (rules->count > 0) {
        ERR(err, ERR_CONFIG, "'rules.dms_file' selects tables, and so does '%s'",
            OPTIONS[config_set(config, OPT_TABLES_INCLUDE)    ? OPT_TABLES_INCLUDE
                    : config_set(config, OPT_TABLES_OPTIONAL) ? OPT_TABLES_OPTIONAL
                                                              : OPT_TABLES_EXCLUDE]
                .name);
        err_hint(err,
                 "Leave tables.include, optional and exclude out, or write the rules without the "
                 "file.");
        return err_context(err, "%s", config->values[OPT_RULES_DMS_FILE].place);
    }
    if (!expand_read_file(path, FILE_LIMIT, &data, &len, err)) {
        err->cls = ERR_CONFIG;
        return err_context(err, "%s", config->values[OPT_RULES_DMS_FILE].place);
    }
    bool ok = rules_read_dms(arena, path, data, len, out, err);
    free(data);
    rules->patterns = out->patterns;
    rules->count = out->pattern_count;
    rules->notes = out->warnings;
    rules->note_count = out->warning_count;
    return ok;
}

static bool read_names(const Config *config, Rules *rules, Arena *arena, const DmsRules *dms,
                       Error *err)
{
    int count = 0;
    const char *const *lines = config_list(config, OPT_RULES_NAMES, &count);
    rules->renames = arena_new_array(arena, RuleRename, dms->rename_count + count + 1);
    for (int i = 0; i < dms->rename_count; i++)
        rules->renames[rules->rename_count++] = dms->renames[i];
    for (int i = 0; i < count; i++)
        if (!rules_read_line(arena, lines[i], place_of(config, OPT_RULES_NAMES, i),
                             &rules->renames[rules->rename_count++], err))
            return false;
    return true;
}

static bool read_columns(const Config *config, Rules *rules, Arena *arena, const DmsRules *dms,
                         Error *err)
{
    static const struct {
        OptionId option;
        ColumnAction action;
    } LISTS[] = {{OPT_RULES_OMIT_COLUMNS, COLUMN_OMIT},
                 {OPT_RULES_ONLY_COLUMNS, COLUMN_ONLY},
                 {OPT_RULES_ADD_COLUMNS, COLUMN_ADD},
                 {OPT_RULES_TYPES, COLUMN_TYPE}};
    int count = 0, total = dms->column_count;
    for (size_t l = 0; l < sizeof LISTS / sizeof *LISTS; l++, total += count)
        (void)config_list(config, LISTS[l].option, &count);
    rules->columns = arena_new_array(arena, RuleColumn, total + 1);
    for (int i = 0; i < dms->column_count; i++)
        rules->columns[rules->column_count++] = dms->columns[i];
    for (size_t l = 0; l < sizeof LISTS / sizeof *LISTS; l++) {
        const char *const *lines = config_list(config, LISTS[l].option, &count);
        for (int i = 0; i < count; i++)
            if (!rules_read_column_line(arena, LISTS[l].action, lines[i],
                                        place_of(config, LISTS[l].option, i),
                                        &rules->columns[rules->column_count++], err))
                return false;
    }
    return true;
}

static bool read_filters(const Config *config, Rules *rules, Arena *arena, const DmsRules *dms,
                         Error *err)
{
    int count = 0;
    const char *const *lines = config_list(config, OPT_RULES_ROWS, &count);
    rules->filters = arena_new_array(arena, RuleFilter, dms->filter_count + count + 1);
    for (int i = 0; i < dms->filter_count; i++)
        rules->filters[rules->filter_count++] = dms->filters[i];
    for (int i = 0; i < count; i++)
        if (!rules_read_filter_line(arena, lines[i], place_of(config, OPT_RULES_ROWS, i),
                                    &rules->filters[rules->filter_count++], err))
            return false;
    return true;
}

static bool read_policies(const Config *config, Rules *rules, Arena *arena, Error *err)
{
    int count = 0;
    const char *const *lines = config_list(config, OPT_CONFLICTS_RULES, &count);
    bool both_write = config_choice(config, OPT_TARGET_WRITES) == 1;
    rules->conflicts = arena_new_array(arena, RuleConflict, count + 1);
    for (int i = 0; i < count; i++) {
        RuleConflict *rule = &rules->conflicts[rules->conflict_count++];
        if (!rules_read_policy(arena, lines[i], place_of(config, OPT_CONFLICTS_RULES, i), rule,
                               err))
            return false;
        rule->keep_extra = rule->keep_extra && both_write; /* else nobody else has rows there */
    }
    return true;
}

bool config_rules(const Config *config, Rules *out_rules, Arena *arena, Error *err)
{
    Rules rules = {0};
    DmsRules dms;
    if (!read_patterns(config, &rules, arena, err) ||
        !read_dms_file(config, &rules, arena, &dms, err) ||
        !read_names(config, &rules, arena, &dms, err) ||
        !read_columns(config, &rules, arena, &dms, err) ||
        !read_filters(config, &rules, arena, &dms, err) ||
        !read_policies(config, &rules, arena, err))
        return false;
    *out_rules = rules;
    return true;
}

/*
 * rules_dms_internal - one reading of a table-mappings.json, for the files that take it apart.
 */
#pragma once

#include "config/rules_dms.h"
#include "config/yaml_tree.h"

typedef struct Dms {
    Arena *arena;
    const char *name;
    DmsRules *out;
    const char **ids; /* of the rules read so far */
    int id_count;
    const char *id; /* of this rule; NULL not known yet */
    Error *err;
} Dms;

#define DMS_FAIL(dms, at, ...)                                                                     \
    (ERR((dms)->err, ERR_CONFIG, __VA_ARGS__), dms_rule_context(dms),                              \
     err_context((dms)->err, "%s:%d:%d", (dms)->name, (at)->line, (at)->column))

void dms_rule_context(Dms *dms);

const YamlPair *dms_find_key(const YamlNode *map, const char *key);
/* Only keys that are known: a misspelled one would be passed over. */
MUST_CHECK bool dms_check_keys(Dms *dms, const YamlNode *map, const char *what,
                               const char *const *known);
/* NULL in *out when the key is absent or null. */
MUST_CHECK bool dms_read_text(Dms *dms, const YamlNode *map, const char *key, const char **out);
MUST_CHECK bool dms_need_text(Dms *dms, const YamlNode *map, const char *key, const char **out);
/* The place of a key's value, of the map when it is not there. */
const YamlNode *dms_node_of(const YamlNode *map, const char *key);

/* The source filters of a selection rule, as one RuleFilter; of an include without any: all rows. */
MUST_CHECK bool rules_read_dms_filters(Dms *dms, const YamlNode *rule, bool exclude,
                                       const char *schema, const char *table);

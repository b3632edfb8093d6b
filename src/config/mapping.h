/*
 * mapping - from options to the rule set: tables.*, rules.* and the file of rules.dms_file.
 */
#pragma once

#include "bascule/model/rules.h"
#include "config/config.h"

/* CONFIG with the place of a rule that is wrong. */
MUST_CHECK bool config_rules(const Config *config, Rules *out_rules, Arena *arena, Error *err);

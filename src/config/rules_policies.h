/*
 * rules_policies - policies for rows that both sides wrote, one line each: "public.* -> keep-target",
 * "public.orders -> latest(updated_at)", "public.tags -> take-source, keep-extra".
 */
#pragma once

#include "bascule/model/rules.h"

/* CONFIG with the place in front when the line is none of these. */
MUST_CHECK bool rules_read_policy(Arena *arena, const char *text, const char *place,
                                  RuleConflict *out, Error *err);

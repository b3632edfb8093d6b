/*
 * rules_lines - rules about names in bascule's own form, one line each: "public.users -> auth.users",
 * "public.* -> app.*", "public.users.mail -> email", "*.*.* -> lower(*)".
 */
#pragma once

#include "bascule/model/rules.h"

/* CONFIG with the place in front when the line is none of these. */
MUST_CHECK bool rules_read_line(Arena *arena, const char *text, const char *place, RuleRename *out,
                                Error *err);

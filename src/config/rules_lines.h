/*
 * rules_lines - rules in bascule's own form, one line each.
 *
 * Names    "public.users -> auth.users", "public.* -> app.*", "public.users.mail -> email",
 *          "*.*.* -> lower(*)"
 * Columns  "public.users.secret", "public.users.tenant = 'acme'", "public.users.id -> bigint"
 * Rows     "public.orders where $tenant_id = 5"
 */
#pragma once

#include "bascule/model/rules.h"

/* CONFIG with the place in front when the line is none of these. */
MUST_CHECK bool rules_read_line(Arena *arena, const char *text, const char *place, RuleRename *out,
                                Error *err);
MUST_CHECK bool rules_read_column_line(Arena *arena, ColumnAction action, const char *text,
                                       const char *place, RuleColumn *out, Error *err);
MUST_CHECK bool rules_read_filter_line(Arena *arena, const char *text, const char *place,
                                       RuleFilter *out, Error *err);

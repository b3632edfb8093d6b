/*
 * table_list - the value of --tables: patterns divided by commas.
 */
#pragma once

#include "bascule/base/arena.h"

/* In `arena`; an empty piece is left out. */
const char *const *table_patterns(const char *text, Arena *arena, int *out_count);

/*
 * expand - ${VAR}, ${VAR:-default} and ${file:path} inside a value of the configuration file.
 *
 * When     after the file was parsed: what comes in can hold any character and never changes the
 *          structure. What was put in is not expanded again; a default and a file's name may hold
 *          references: ${file:${CREDENTIALS_DIRECTORY}/password}. `$${` stands for `${`.
 * file     its text without the last line end; a relative path is relative to `directory`.
 * Errors   CONFIG: a variable that is not set, a file that cannot be read. The caller puts the
 *          place in front. No content ever stands in a message.
 */
#pragma once

#include "bascule/base/arena.h"

typedef struct ExpandResult {
    const char *text;
    const char *warning; /* a file that others may read; NULL */
} ExpandResult;

MUST_CHECK bool expand_value(Arena *arena, const char *text, const char *directory,
                             ExpandResult *out_result, Error *err);
/* "~/x" and, with a directory, relative paths. */
const char *expand_path(Arena *arena, const char *path, const char *directory);
/* $HOME, else the user database, else NULL. */
const char *expand_home(Arena *arena);
/* A whole small file; IO. The caller frees *out_data. */
MUST_CHECK bool expand_read_file(const char *path, size_t limit, char **out_data, size_t *out_len,
                                 Error *err);
/* The group or others may read it. false also when it cannot be looked at. */
bool expand_readable_by_others(const char *path);

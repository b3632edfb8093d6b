/*
 * directory - directories for our own files: 0700, with the parents that are missing.
 */
#pragma once

#include "bascule/base/error.h"

/* Idempotent. IO when it cannot be made or written in. */
MUST_CHECK bool directory_make(const char *path, Error *err);
/* A file without a name in it, 0600, to read and write: nothing is left of it when the process ends, however.
 * -1 with errno. */
int directory_unnamed_file(const char *path);

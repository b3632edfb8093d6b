/*
 * directory - directories for our own files: 0700, with the parents that are missing.
 */
#pragma once

#include "bascule/base/error.h"

/* Idempotent. IO when it cannot be made or written in. */
MUST_CHECK bool directory_make(const char *path, Error *err);

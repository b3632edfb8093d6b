/*
 * plans - the texts of the plans that dry runs and cutovers of this task have shown, kept in
 * <work_dir>/plans by their digest: so that a refused confirmation can say what has changed.
 *
 * Lost files mean a shorter message, nothing else.
 */
#pragma once

#include "bascule/base/buf.h"

/* work_dir is a const char *: the signature is CutoverSpec's. Keeps the newest 50. */
MUST_CHECK bool plans_keep(void *work_dir, const char *hash, const char *text, Error *err);
bool plans_find(void *work_dir, const char *hash, Buf *out_text);

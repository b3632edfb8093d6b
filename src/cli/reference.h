/*
 * reference - pages made from the program's tables: docs/reference, man pages, sample file,
 * completion. `bascule inspect PAGE` prints them; a test compares them with what is in the tree.
 */
#pragma once

#include "bascule/base/buf.h"

typedef struct ReferencePage {
    const char *name;   /* "options" */
    const char *format; /* "markdown" */
    const char *file;   /* in the source tree; NULL: a part of another page */
    void (*write)(Buf *out);
} ReferencePage;

extern const ReferencePage REFERENCE_PAGES[];
extern const int REFERENCE_PAGE_COUNT;

/* format NULL: the first one of that page. NULL: there is none. */
const ReferencePage *reference_find(const char *name, const char *format);

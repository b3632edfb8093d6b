/* table_list - see the header. */
#include "cli/table_list.h"

#include <string.h>

const char *const *table_patterns(const char *text, Arena *arena, int *out_count)
{
    const char **tables = arena_new_array(arena, const char *, strlen(text) + 2);
    *out_count = 0;
    for (const char *p = text;;) {
        const char *end = strchr(p, ',');
        size_t len = end != NULL ? (size_t)(end - p) : strlen(p);
        if (len > 0)
            tables[(*out_count)++] = arena_dup(arena, p, len);
        if (end == NULL)
            return tables;
        p = end + 1;
    }
}

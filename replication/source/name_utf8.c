/* name_utf8 - see the header. */
#include "source/name_utf8.h"

#include <stdlib.h>
#include <string.h>

const char *source_name_utf8(Arena *arena, const PgRows *rows, int row, int plain, int hex)
{
    if (pgrows_null(rows, row, hex))
        return pgrows_text(rows, row, plain);
    const char *digits = pgrows_text(rows, row, hex);
    size_t len = strlen(digits) / 2;
    char *out = arena_bytes_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        const char pair[] = {digits[2 * i], digits[2 * i + 1], '\0'};
        out[i] = (char)strtol(pair, NULL, 16);
    }
    out[len] = '\0';
    return out;
}

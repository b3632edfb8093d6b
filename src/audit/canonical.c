/* canonical - see the header. */
#include "audit/canonical.h"

#include <string.h>

#include "net/json_text.h"

#define FORM (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)

void canonical_put(const json_t *value, Buf *out)
{
    json_text_dump(value, FORM, out);
}

char *canonical_digest(const json_t *object, const char *const *but, char out[SHA256_HEX_SIZE])
{
    CLEANUP_BUF Buf text = BUF_INIT;
    json_t *rest = json_copy((json_t *)(uintptr_t)object);
    for (; *but != NULL; but++)
        json_object_del(rest, *but);
    canonical_put(rest, &text);
    json_decref(rest);
    return sha256_hex(text.data, text.len, out);
}

bool canonical_is(const json_t *value, const char *text, size_t len)
{
    CLEANUP_BUF Buf again = BUF_INIT;
    canonical_put(value, &again);
    return again.len == len && memcmp(again.data, text, len) == 0;
}

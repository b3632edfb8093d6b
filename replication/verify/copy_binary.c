/* copy_binary - see the header. */
#include "verify/copy_binary.h"

#include <stdint.h>
#include <string.h>

#define HEADER_BYTES 19 /* signature 11, flags 4, length of the extension 4 */

bool copy_binary_skip_header(const char **data, int *len, Error *err)
{
    uint32_t extension = 0;
    if (*len >= HEADER_BYTES) {
        const unsigned char *p = (const unsigned char *)*data + HEADER_BYTES - 4;
        extension = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    if (*len < HEADER_BYTES || memcmp(*data, "PGCOPY\n\377\r\n", 11) != 0 ||
        extension > (uint32_t)(*len - HEADER_BYTES))
        return ERR(err, ERR_PROTOCOL, "a binary COPY begins with something else than its header");
    *data += HEADER_BYTES + extension;
    *len -= HEADER_BYTES + (int)extension;
    return true;
}

bool copy_binary_is_end(const char *data, int len)
{
    return len == 2 && memcmp(data, "\377\377", 2) == 0;
}

/* sha256 - see bascule/base/sha256.h; OpenSSL computes it. */
#include "bascule/base/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "bascule/base/error.h"

char *sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    /* Fails only without memory, as everything small here does. */
    ASSERT(EVP_Digest(data, len, digest, &size, EVP_sha256(), NULL) == 1 && size == 32);
    for (unsigned int i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

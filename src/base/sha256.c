/* sha256 - see bascule/base/sha256.h; OpenSSL computes it. */
#include "bascule/base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "bascule/base/error.h"

static char *to_hex(const unsigned char *digest, unsigned int size, char out[SHA256_HEX_SIZE])
{
    for (unsigned int i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

char *sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    /* Fails only without memory, as everything small here does. */
    ASSERT(EVP_Digest(data, len, digest, &size, EVP_sha256(), NULL) == 1 && size == 32);
    return to_hex(digest, size, out);
}

char *sha256_hmac_hex(const void *key, size_t key_len, const void *data, size_t len,
                      char out[SHA256_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    ASSERT(HMAC(EVP_sha256(), key, (int)key_len, data, len, digest, &size) != NULL && size == 32);
    return to_hex(digest, size, out);
}

/* An OpenSSL context by another name. */
Sha256 *sha256_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    return (Sha256 *)ctx;
}

void sha256_put(Sha256 *sha, const void *data, size_t len)
{
    ASSERT(EVP_DigestUpdate((EVP_MD_CTX *)sha, data, len) == 1);
}

void sha256_end(Sha256 *sha, char out[SHA256_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (out != NULL) {
        ASSERT(EVP_DigestFinal_ex((EVP_MD_CTX *)sha, digest, &size) == 1 && size == 32);
        to_hex(digest, size, out);
    }
    EVP_MD_CTX_free((EVP_MD_CTX *)sha);
}

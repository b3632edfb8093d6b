/*
 * sha256 - the digest of plans, of the audit's chain, and of whatever else others must be able to
 * compute again with their own tools.
 */
#pragma once

#include <stddef.h>

#define SHA256_HEX_SIZE 65

/* 64 lower-case hex digits and a NUL; returns out. */
char *sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE]);
/* HMAC with that digest, the same way. */
char *sha256_hmac_hex(const void *key, size_t key_len, const void *data, size_t len,
                      char out[SHA256_HEX_SIZE]);
/* Piece by piece. */
typedef struct Sha256 Sha256;
Sha256 *sha256_new(void);
void sha256_put(Sha256 *sha, const void *data, size_t len);
/* Also frees; out NULL: only frees. NULL is fine. */
void sha256_end(Sha256 *sha, char out[SHA256_HEX_SIZE]);

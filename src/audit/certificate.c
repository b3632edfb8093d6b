/* certificate - see the header. */
#include "audit/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/canonical.h"

#define SIGNED_PREFIX  "bascule-certificate-1:"
#define SIGNATURE_SIZE 64
#define KEY_SIZE       32
#define MESSAGE_SIZE   (sizeof SIGNED_PREFIX + SHA256_HEX_SIZE)

static const char *const OUTSIDE[] = {"sha256", "signature", NULL};

/* Keys ----------------------------------------------------------------------------------------- */

static FILE *open_key(const char *path, bool secret, Error *err)
{
    struct stat st;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        ERR_OS(err, ERR_CONFIG, "cannot open the key '%s'", path);
        return NULL;
    }
    if (secret && (fstat(fileno(file), &st) != 0 || (st.st_mode & 0077) != 0)) {
        ERR(err, ERR_CONFIG, "the private key '%s' can be read by others", path);
        err_hint(err, "Make it readable by its owner only: chmod 600.");
        fclose(file);
        return NULL;
    }
    return file;
}

static EVP_PKEY *read_key(const char *path, bool secret, Error *err)
{
    FILE *file = open_key(path, secret, err);
    if (file == NULL)
        return NULL;
    EVP_PKEY *key = secret ? PEM_read_PrivateKey(file, NULL, NULL, (void *)(uintptr_t) "")
                           : PEM_read_PUBKEY(file, NULL, NULL, NULL);
    fclose(file);
    if (key != NULL && EVP_PKEY_id(key) == EVP_PKEY_ED25519)
        return key;
    EVP_PKEY_free(key);
    ERR(err, ERR_CONFIG, "'%s' holds no %s key of the kind Ed25519 in PEM form", path,
        secret ? "private" : "public");
    err_hint(err,
             "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout "
             "-out public.pem");
    return NULL;
}

static json_t *base64_json(const unsigned char *data, int len)
{
    unsigned char text[128];
    int size = EVP_EncodeBlock(text, data, len);
    return json_stringn((const char *)text, (size_t)size);
}

/* Exactly `len` bytes, or false. */
static bool read_base64(const json_t *value, unsigned char *out, int len)
{
    unsigned char room[128];
    const char *text = json_string_value(value);
    size_t size = text != NULL ? strlen(text) : 0;
    if (size == 0 || size > 96 || size % 4 != 0)
        return false;
    int got = EVP_DecodeBlock(room, (const unsigned char *)text, (int)size);
    for (size_t i = size; i > 0 && text[i - 1] == '='; i--)
        got--;
    if (got != len)
        return false;
    memcpy(out, room, (size_t)len);
    /* Only the one way of writing it: spare bits of the last digit are none of the bytes. */
    json_t *again = base64_json(out, len);
    bool same = strcmp(json_string_value(again), text) == 0;
    json_decref(again);
    return same;
}

static size_t message_of(const char *sha256, char out[MESSAGE_SIZE])
{
    return (size_t)snprintf(out, MESSAGE_SIZE, SIGNED_PREFIX "%s", sha256);
}

/* Sealing -------------------------------------------------------------------------------------- */

static json_t *sign(EVP_PKEY *key, const char *sha256)
{
    unsigned char signature[SIGNATURE_SIZE], public_key[KEY_SIZE];
    char message[MESSAGE_SIZE];
    size_t size = sizeof signature, key_size = sizeof public_key;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx != NULL);
    size_t len = message_of(sha256, message);
    bool ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, signature, &size, (const unsigned char *)message, len) == 1 &&
              EVP_PKEY_get_raw_public_key(key, public_key, &key_size) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? json_pack("{s:s, s:o, s:o}", "algorithm", "Ed25519", "public_key",
                          base64_json(public_key, KEY_SIZE), "value",
                          base64_json(signature, SIGNATURE_SIZE))
              : NULL;
}

bool certificate_seal(json_t *document, const char *key_file, Error *err)
{
    char sha256[SHA256_HEX_SIZE];
    json_t *signature = json_null();
    canonical_digest(document, OUTSIDE, sha256);
    if (key_file != NULL && key_file[0] != '\0') {
        EVP_PKEY *key = read_key(key_file, true, err);
        if (key == NULL)
            return false;
        signature = sign(key, sha256);
        EVP_PKEY_free(key);
        if (signature == NULL)
            return ERR(err, ERR_CONFIG, "cannot sign with the key '%s'", key_file);
    }
    json_object_set_new(document, "sha256", json_string(sha256));
    json_object_set_new(document, "signature", signature);
    return true;
}

/* Checking ------------------------------------------------------------------------------------- */

static bool signature_fits(const unsigned char public_key[KEY_SIZE], const char *sha256,
                           const unsigned char signature[SIGNATURE_SIZE])
{
    char message[MESSAGE_SIZE];
    size_t len = message_of(sha256, message);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, KEY_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx != NULL);
    bool ok =
        key != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE, (const unsigned char *)message, len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}

static bool same_key(const char *key_file, const unsigned char public_key[KEY_SIZE], bool *out_same,
                     Error *err)
{
    unsigned char known[KEY_SIZE];
    size_t size = sizeof known;
    EVP_PKEY *key = read_key(key_file, false, err);
    if (key == NULL)
        return false;
    *out_same = EVP_PKEY_get_raw_public_key(key, known, &size) == 1 && size == KEY_SIZE &&
                memcmp(known, public_key, KEY_SIZE) == 0;
    EVP_PKEY_free(key);
    return true;
}

static const char *damage_of(const json_t *document, const char *text, size_t len)
{
    char sha256[SHA256_HEX_SIZE];
    const char *stated = json_string_value(json_object_get(document, "sha256"));
    if (!json_is_object(document) || stated == NULL ||
        json_object_get(document, "certificate") == NULL)
        return "is no certificate";
    if (strcmp(canonical_digest(document, OUTSIDE, sha256), stated) != 0)
        return "was changed: its SHA-256 does not fit what it says";
    if (len == 0 || text[len - 1] != '\n' || !canonical_is(document, text, len - 1))
        return "was changed: it is not written as bascule writes it";
    return NULL;
}

bool certificate_check(const char *text, size_t len, const char *key_file, json_t **out_document,
                       CertificateSeal *out_seal, Error *err)
{
    unsigned char public_key[KEY_SIZE] = {0}, value[SIGNATURE_SIZE];
    json_t *document = *out_document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    CertificateSeal seal = {.damage = damage_of(document, text, len)};
    const json_t *signature = json_object_get(document, "signature");
    seal.is_signed = signature != NULL && !json_is_null(signature);
    bool readable = read_base64(json_object_get(signature, "public_key"), public_key, KEY_SIZE) &&
                    read_base64(json_object_get(signature, "value"), value, SIGNATURE_SIZE);
    const char *algorithm = json_string_value(json_object_get(signature, "algorithm"));
    seal.signature_fits =
        seal.damage == NULL && json_object_size(signature) == 3 && readable && algorithm != NULL &&
        strcmp(algorithm, "Ed25519") == 0 &&
        signature_fits(public_key, json_string_value(json_object_get(document, "sha256")), value);
    *out_seal = seal;
    return key_file == NULL || same_key(key_file, public_key, &out_seal->key_is_known, err);
}

/*
 * certificate - a document that nobody can change unseen: digest and signature of a JSON object.
 *
 * Form     one line, the canonical form (audit/canonical.h) of the whole document. `sha256` is the digest
 *          over the canonical form of all keys but `sha256` and `signature`; the signature is Ed25519 over
 *          the bytes "bascule-certificate-1:" and the 64 digits.
 */
#pragma once

#include <jansson.h>

#include "bascule/base/buf.h"
#include "bascule/base/error.h"

/* Adds `sha256` and `signature` (null without a key). CONFIG: the key cannot be read. */
MUST_CHECK bool certificate_seal(json_t *document, const char *key_file, Error *err);

typedef struct CertificateSeal {
    const char *damage; /* NULL: every byte is as it was written */
    bool is_signed;
    bool signature_fits; /* by the key that the document names */
    bool key_is_known;   /* it is the key that was given */
} CertificateSeal;

/* `key_file` NULL: any key. false: the key file cannot be read. *out_document is NULL when it is none. */
MUST_CHECK bool certificate_check(const char *text, size_t len, const char *key_file,
                                  json_t **out_document, CertificateSeal *out_seal, Error *err);

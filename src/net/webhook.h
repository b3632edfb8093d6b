/*
 * webhook - one POST of a JSON body to somebody else's server.
 *
 * Verified  the server's certificate and name, always; `ca_file` names other authorities.
 * Redirects are not followed: what was signed for one server is not for another.
 * Bounded   by timeout_us as a whole, and by the stop token.
 * Signed    with a secret: X-Bascule-Signature is "sha256=" and the HMAC of "TIMESTAMP.BODY", where
 *           TIMESTAMP is X-Bascule-Timestamp.
 * Secrets   (headers, what is behind the host in the URL) stand in no error.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/base/stop.h"

typedef struct Webhook {
    const char *url;
    const char *const *headers; /* "Name: value" */
    int header_count;
    const char *secret;  /* NULL: not signed */
    const char *ca_file; /* NULL: the system's */
    const char *id;      /* the same for every attempt: X-Bascule-Delivery */
    const char *body;
    int64_t timeout_us;
    StopToken *stop; /* may be NULL */
} Webhook;

/* true on a 2xx. *out_again: another attempt may help (no answer, 5xx, 429). */
MUST_CHECK bool webhook_post(const Webhook *hook, bool *out_again, Error *err);
/* "https://host:port/..." for people. */
const char *webhook_shown(const char *url, Arena *arena);
/* http or https, with a host. */
bool webhook_is_url(const char *text);

/*
 * http_hub - the streams of one server: bytes that any thread queues and the server's thread sends.
 *
 * Owns     nothing of the library's. A stream belongs to its producer and to the response that
 * sends it, the hub to the server and to every stream: each may go first. Threads  http_stream_*
 * from any; the rest only from the thread that drives the server.
 */
#pragma once

#include <microhttpd.h>

#include "net/http_server.h"

typedef struct HttpHub HttpHub;

HttpHub *http_hub_new(void);
void http_hub_unref(HttpHub *hub);
int http_hub_bell(const HttpHub *hub); /* readable when a stream has news */
void http_hub_wake(HttpHub *hub);      /* resumes the connections that have */

HttpStream *http_hub_stream(HttpHub *hub, struct MHD_Connection *connection);
/* The library's callbacks; cls is the HttpStream. */
ssize_t http_hub_read(void *cls, uint64_t pos, char *out, size_t max);
void http_hub_client_gone(void *cls);

/* Ends the streams whose producers still write; those that ended go on until they are sent. */
void http_hub_cut_open(HttpHub *hub);
/* No connection may stay suspended when the library is stopped. */
void http_hub_cut_all(HttpHub *hub);

/*
 * http_socket - the unix socket a server listens on, and the lock file that says whether its owner
 * lives.
 *
 * Holds    the file has mode 0600 from its first moment: on Linux the socket's own mode is what
 * bind() gives the file, so it is set on the socket before the bind and looked at afterwards.
 */
#pragma once

#include <sys/stat.h>

#include "bascule/base/error.h"

typedef struct HttpSocket {
    int fd; /* listening; the server library may own it after a start */
    int lock_fd;
    char path[128];
    dev_t device; /* of the file we made: close() removes no other */
    ino_t inode;
} HttpSocket;

#define HTTP_SOCKET_NONE ((HttpSocket){.fd = -1, .lock_fd = -1})

MUST_CHECK bool http_socket_open(HttpSocket *sock, const char *path, Error *err);
/* Removes the file when it is still ours, then lets the lock go. */
void http_socket_close(HttpSocket *sock);
MUST_CHECK bool http_socket_check_path(const char *path, Error *err);

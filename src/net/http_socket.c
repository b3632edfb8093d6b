/* http_socket - see the header. */
#include "net/http_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

bool http_socket_check_path(const char *path, Error *err)
{
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (path == NULL || path[0] == '\0')
        return ERR(err, ERR_CONFIG, "the control socket has no path");
    if (strlen(path) > room) {
        (void)ERR(err, ERR_CONFIG,
                  "the control socket's path has %zu bytes, the system allows %zu: '%s'",
                  strlen(path), room, path);
        return err_hint(err, "Set control.socket (or work_dir) to a shorter path.");
    }
    return true;
}

static bool already_running(const char *path, const char *lock_path, Error *err)
{
    char pid[32] = "";
    int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        ssize_t n = read(fd, pid, sizeof pid - 1);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        close(fd);
    }
    return ERR(err, ERR_ALREADY_RUNNING, "another bascule listens on '%s'%s%s", path,
               pid[0] != '\0' ? ", process " : "", pid);
}

/* The lock dies with its process, so it tells a stale socket from a live one without guessing. */
static bool take_lock(HttpSocket *sock, Error *err)
{
    char lock_path[sizeof sock->path + 8];
    char pid[32];
    snprintf(lock_path, sizeof lock_path, "%s.lock", sock->path);
    sock->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sock->lock_fd < 0)
        return ERR_OS(err, ERR_IO, "cannot open '%s'", lock_path);
    if (flock(sock->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return already_running(sock->path, lock_path, err);
        return ERR_OS(err, ERR_IO, "cannot lock '%s'", lock_path);
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(sock->lock_fd, 0) != 0 || pwrite(sock->lock_fd, pid, (size_t)len, 0) != len)
        return ERR_OS(err, ERR_IO, "cannot write '%s'", lock_path);
    return true;
}

/* We hold the lock, so a socket at that path is of a dead process, unless somebody who knows
 * nothing of the lock answers there. */
static bool remove_stale(const struct sockaddr_un *address, Error *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT ? true
                               : ERR_OS(err, ERR_IO, "cannot look at '%s'", address->sun_path);
    if (!S_ISSOCK(st.st_mode)) {
        (void)ERR(err, ERR_CONFIG, "'%s' exists and is no socket", address->sun_path);
        return err_hint(err, "Set control.socket to a path of its own, or remove the file.");
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot make a socket");
    bool answered =
        connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN;
    close(fd);
    if (answered)
        return ERR(err, ERR_ALREADY_RUNNING, "another program listens on '%s'", address->sun_path);
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return ERR_OS(err, ERR_IO, "cannot remove the stale socket '%s'", address->sun_path);
    return true;
}

static bool bind_private(HttpSocket *sock, Error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    memcpy(address.sun_path, sock->path, strlen(sock->path) + 1);
    if (!remove_stale(&address, err))
        return false;
    sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock->fd < 0)
        return ERR_OS(err, ERR_IO, "cannot make a socket");
    if (fchmod(sock->fd, 0600) != 0)
        return ERR_OS(err, ERR_IO, "cannot make the control socket private");
    if (bind(sock->fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return ERR_OS(err, ERR_IO, "cannot bind '%s'", sock->path);
    if (lstat(sock->path, &st) != 0)
        return ERR_OS(err, ERR_IO, "cannot look at '%s'", sock->path);
    sock->device = st.st_dev;
    sock->inode = st.st_ino;
    if ((st.st_mode & 0077) != 0)
        return ERR(err, ERR_IO, "the control socket '%s' came out with mode %03o", sock->path,
                   (unsigned)(st.st_mode & 0777));
    if (listen(sock->fd, BACKLOG) != 0)
        return ERR_OS(err, ERR_IO, "cannot listen on '%s'", sock->path);
    return true;
}

bool http_socket_open(HttpSocket *sock, const char *path, Error *err)
{
    *sock = HTTP_SOCKET_NONE;
    if (!http_socket_check_path(path, err))
        return false;
    memcpy(sock->path, path, strlen(path) + 1);
    if (take_lock(sock, err) && bind_private(sock, err))
        return true;
    http_socket_close(sock);
    return false;
}

void http_socket_close(HttpSocket *sock)
{
    struct stat st;
    if (sock->inode != 0 && lstat(sock->path, &st) == 0 && st.st_ino == sock->inode &&
        st.st_dev == sock->device)
        unlink(sock->path);
    if (sock->fd >= 0)
        close(sock->fd);
    if (sock->lock_fd >= 0)
        close(sock->lock_fd);
    *sock = HTTP_SOCKET_NONE;
}

/* audit_file - see the header. */
#include "audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/stop.h"

#define LOCK_WAIT_US  3000000
#define LOCK_RETRY_US 5000
/* Longer than any record, so that the last one is seen whole behind much that is none. */
#define TAIL_BYTES (512 * 1024)

static bool take_lock(int fd, const char *path, Error *err)
{
    int64_t deadline_us = clock_now_us() + LOCK_WAIT_US;
    bool locked = false;
    StopToken *never = stop_new();
    while (!(locked = flock(fd, LOCK_EX | LOCK_NB) == 0) && errno == EWOULDBLOCK &&
           clock_now_us() < deadline_us)
        stop_wait(never, LOCK_RETRY_US);
    stop_free(never);
    return locked || ERR_OS(err, ERR_IO, "cannot lock '%s'", path);
}

/* A file is only there for good when its directory says so. */
static bool flush_directory(const char *path, Error *err)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = dir >= 0 && fsync(dir) == 0;
    if (!ok)
        ERR_OS(err, ERR_IO, "cannot flush the directory of '%s'", path);
    if (dir >= 0)
        close(dir);
    return ok;
}

/* Back from the end: the last line that is a record, and what stands behind it. */
static void find_head(AuditFile *file, const char *text, size_t len)
{
    size_t end = len;
    file->unended = len > 0 && text[len - 1] != '\n';
    while (end > 0) {
        size_t stop = text[end - 1] == '\n' ? end - 1 : end;
        size_t start = stop;
        while (start > 0 && text[start - 1] != '\n')
            start--;
        if (audit_record_head(text + start, stop - start, &file->head)) {
            /* A record whose line end alone is missing is whole. */
            file->torn_bytes = (int64_t)(len - end);
            break;
        }
        end = start;
        file->torn_bytes = (int64_t)(len - end);
    }
    if (file->torn_bytes > 0)
        sha256_hex(text + len - file->torn_bytes, (size_t)file->torn_bytes, file->torn_hash);
}

static bool read_tail(AuditFile *file, const char *path, Error *err)
{
    CLEANUP_BUF Buf tail = BUF_INIT;
    int64_t from = file->size > TAIL_BYTES ? file->size - TAIL_BYTES : 0;
    size_t want = (size_t)(file->size - from);
    buf_reserve(&tail, want + 1);
    while (tail.len < want) {
        ssize_t got = pread(file->fd, tail.data + tail.len, want - tail.len,
                            (off_t)(from + (int64_t)tail.len));
        if (got <= 0)
            return ERR_OS(err, ERR_IO, "cannot read '%s'", path);
        tail.len += (size_t)got;
    }
    if (want > 0)
        find_head(file, tail.data, tail.len);
    return true;
}

bool audit_file_open(const char *path, AuditFile *out_file, Error *err)
{
    struct stat st;
    AuditFile file = {.head = {.hash = AUDIT_NO_HASH}};
    file.fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file.fd < 0)
        return ERR_OS(err, ERR_IO, "cannot open the audit '%s'", path);
    bool ok = take_lock(file.fd, path, err);
    if (ok && fstat(file.fd, &st) != 0)
        ok = ERR_OS(err, ERR_IO, "cannot look at the audit '%s'", path);
    if (ok) {
        file.size = (int64_t)st.st_size;
        ok = read_tail(&file, path, err) && (file.size > 0 || flush_directory(path, err));
    }
    if (!ok) {
        close(file.fd);
        return false;
    }
    *out_file = file;
    return true;
}

bool audit_file_append(AuditFile *file, const char *line, size_t len, Error *err)
{
    CLEANUP_BUF Buf all = BUF_INIT;
    if (file->unended)
        buf_putc(&all, '\n');
    buf_put(&all, line, len);
    buf_putc(&all, '\n');
    if (FAULT_ERROR(AUDIT_WRITE, err))
        return false;
    ssize_t put = write(file->fd, all.data, all.len);
    if (put != (ssize_t)all.len) {
        if (put >= 0)
            errno = ENOSPC;
        ERR_OS(err, ERR_IO, "cannot write the audit");
        if (put > 0 && ftruncate(file->fd, (off_t)file->size) != 0)
            err_context(err, "taking back what was written of a record failed");
        return false;
    }
    file->size += (int64_t)all.len;
    file->unended = false;
    return true;
}

bool audit_file_flush(AuditFile *file, Error *err)
{
    return fdatasync(file->fd) == 0 || ERR_OS(err, ERR_IO, "cannot flush the audit");
}

void audit_file_close(AuditFile *file)
{
    close(file->fd); /* and with it the lock */
    file->fd = -1;
}

bool audit_file_read(const char *path, Buf *out_text, bool *out_found, Error *err)
{
    char block[65536];
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *out_found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT || ERR_OS(err, ERR_IO, "cannot open '%s'", path);
    /* Not in the middle of somebody's line. */
    bool ok = flock(fd, LOCK_SH | LOCK_NB) == 0 || take_lock(fd, path, err);
    while (ok && (got = read(fd, block, sizeof block)) != 0) {
        if (got < 0)
            ok = ERR_OS(err, ERR_IO, "cannot read '%s'", path);
        else
            buf_put(out_text, block, (size_t)got);
    }
    close(fd);
    return ok;
}

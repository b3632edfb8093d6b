/* plans - see the header. */
#include "task/plans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 50

static bool is_hash(const char *text)
{
    size_t len = strspn(text, "0123456789abcdef");
    return len > 0 && len <= 64 && text[len] == '\0';
}

typedef struct Kept {
    char name[80];
    struct timespec at;
} Kept;

static int by_age(const void *a, const void *b)
{
    const Kept *x = a, *y = b;
    if (x->at.tv_sec != y->at.tv_sec)
        return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
    return (x->at.tv_nsec > y->at.tv_nsec) - (x->at.tv_nsec < y->at.tv_nsec);
}

static void forget_old(int dir_fd)
{
    Kept kept[4 * KEPT];
    int count = 0;
    DIR *dir = fdopendir(dup(dir_fd));
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < 4 * KEPT;) {
        struct stat st;
        if (!is_hash(entry->d_name) || fstatat(dir_fd, entry->d_name, &st, 0) != 0)
            continue;
        kept[count].at = st.st_mtim;
        snprintf(kept[count++].name, sizeof kept->name, "%.79s", entry->d_name);
    }
    closedir(dir);
    qsort(kept, (size_t)count, sizeof *kept, by_age);
    for (int i = 0; i < count - KEPT; i++)
        (void)!unlinkat(dir_fd, kept[i].name, 0);
}

static bool write_file(int dir_fd, const char *hash, const char *text)
{
    size_t len = strlen(text);
    int fd = openat(dir_fd, hash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, len) == (ssize_t)len;
    return close(fd) == 0 && ok;
}

bool plans_keep(void *work_dir, const char *hash, const char *text, Error *err)
{
    CLEANUP_BUF Buf path = BUF_INIT;
    buf_printf(&path, "%s/plans", (const char *)work_dir);
    if (mkdir(buf_str(&path), 0700) != 0 && errno != EEXIST)
        return ERR_OS(err, ERR_IO, "cannot make the directory '%s'", buf_str(&path));
    int dir_fd = open(buf_str(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = dir_fd >= 0 && write_file(dir_fd, hash, text);
    if (!ok)
        ERR_OS(err, ERR_IO, "cannot keep the plan in '%s'", buf_str(&path));
    else
        forget_old(dir_fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return ok;
}

bool plans_find(void *work_dir, const char *hash, Buf *out_text)
{
    CLEANUP_BUF Buf path = BUF_INIT;
    char block[4096];
    if (!is_hash(hash))
        return false;
    buf_printf(&path, "%s/plans/%s", (const char *)work_dir, hash);
    int fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) > 0)
        buf_put(out_text, block, (size_t)got);
    close(fd);
    return got == 0;
}

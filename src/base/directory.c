/* directory - see bascule/base/directory.h. */
#include "bascule/base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool directory_make(const char *path, Error *err)
{
    char partial[4096];
    if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
        return ERR(err, ERR_CONFIG, "directory name is too long: '%s'", path);
    for (char *p = partial + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST)
            return ERR_OS(err, ERR_IO, "cannot make the directory '%s'", partial);
        *p = kept;
        if (kept == '\0')
            break;
    }
    if (access(path, W_OK | X_OK) != 0)
        return ERR_OS(err, ERR_IO, "cannot write in the directory '%s'", path);
    return true;
}

/* Where the file system knows none it has a name for a moment. */
int directory_unnamed_file(const char *path)
{
    char name[4096];
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    if (snprintf(name, sizeof name, "%s/bascule-XXXXXX", path) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

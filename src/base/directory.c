/* directory - see bascule/base/directory.h. */
#include "bascule/base/directory.h"

#include <errno.h>
#include <stdio.h>
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

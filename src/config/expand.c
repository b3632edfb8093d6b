/* expand - variables and secret files inside values (expand.h). */
#include "config/expand.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bascule/base/buf.h"

#define SECRET_LIMIT (64 * 1024)

bool expand_read_file(const char *path, size_t limit, char **out_data, size_t *out_len, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot read '%s'", path);
    Buf buf = BUF_INIT;
    bool good = true;
    for (;;) {
        buf_reserve(&buf, 4096);
        ssize_t n = read(fd, buf.data + buf.len, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            good = ERR_OS(err, ERR_IO, "cannot read '%s'", path);
        if (n <= 0)
            break;
        buf.len += (size_t)n;
        if (buf.len > limit) {
            good = ERR(err, ERR_IO, "'%s' is larger than %zu bytes", path, limit);
            break;
        }
    }
    close(fd);
    if (good) {
        *out_len = buf.len;
        buf_putc(&buf, '\0');
        *out_data = buf_take(&buf);
    } else if (buf.data != NULL) {
        explicit_bzero(buf.data, buf.cap);
    }
    buf_done(&buf);
    return good;
}

bool expand_readable_by_others(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

const char *expand_home(Arena *arena)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return home;
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return NULL;
    return arena_strdup(arena, found->pw_dir);
}

const char *expand_path(Arena *arena, const char *path, const char *directory)
{
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        const char *home = expand_home(arena);
        return home == NULL ? path : arena_printf(arena, "%s%s", home, path + 1);
    }
    if (path[0] == '/' || directory == NULL || directory[0] == '\0')
        return path;
    return arena_printf(arena, "%s/%s", directory, path);
}

static bool put_file(Arena *arena, const char *name, const char *directory, Buf *out,
                     ExpandResult *result, Error *err)
{
    if (name[0] == '\0')
        return ERR(err, ERR_CONFIG, "'${file:}' names no file");
    const char *path = expand_path(arena, name, directory);
    char *data = NULL;
    size_t len = 0;
    if (!expand_read_file(path, SECRET_LIMIT, &data, &len, err)) {
        err->cls = ERR_CONFIG;
        return false;
    }
    if (len > 0 && data[len - 1] == '\n')
        len -= len > 1 && data[len - 2] == '\r' ? 2 : 1;
    bool good = memchr(data, '\0', len) == NULL;
    if (good)
        buf_put(out, data, len);
    else
        ERR(err, ERR_CONFIG, "'%s' contains a NUL byte", path);
    if (expand_readable_by_others(path))
        result->warning =
            arena_printf(arena, "secret file '%s' can be read by others, chmod 600 it", path);
    explicit_bzero(data, len);
    free(data);
    return good;
}

static bool is_variable(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

/* What stands between ${ and }. */
static bool put_reference(Arena *arena, char *inside, const char *directory, Buf *out,
                          ExpandResult *result, Error *err)
{
    if (strncmp(inside, "file:", 5) == 0)
        return put_file(arena, inside + 5, directory, out, result, err);
    const char *fallback = NULL;
    char *divider = strstr(inside, ":-");
    if (divider != NULL) {
        *divider = '\0';
        fallback = divider + 2;
    }
    if (!is_variable(inside)) {
        ERR(err, ERR_CONFIG, "'${...}' does not hold the name of a variable");
        return err_hint(
            err,
            "Write ${VARIABLE}, ${VARIABLE:-default} or ${file:/path}; $${ stands for ${ itself.");
    }
    const char *value = getenv(inside);
    if (value == NULL || (fallback != NULL && value[0] == '\0'))
        value = fallback;
    if (value == NULL) {
        ERR(err, ERR_CONFIG, "environment variable '%s' is not set", inside);
        return err_hint(err, "Set it, or write ${%s:-default}.", inside);
    }
    buf_puts(out, value);
    return true;
}

bool expand_value(Arena *arena, const char *text, const char *directory, ExpandResult *out_result,
                  Error *err)
{
    ExpandResult result = {0};
    Buf out = BUF_INIT;
    bool good = true;
    while (good && *text != '\0') {
        size_t plain = strcspn(text, "$");
        buf_put(&out, text, plain);
        text += plain;
        if (strncmp(text, "$${", 3) == 0) {
            buf_puts(&out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            const char *end = strchr(text, '}');
            if (end == NULL) {
                good = ERR(err, ERR_CONFIG, "'${' has no '}'");
                break;
            }
            good = put_reference(arena, arena_dup(arena, text + 2, (size_t)(end - text - 2)),
                                 directory, &out, &result, err);
            text = end + 1;
        } else if (*text == '$') {
            buf_putc(&out, *text++);
        }
    }
    if (good) {
        result.text = arena_dup(arena, buf_str(&out), out.len);
        *out_result = result;
    }
    if (out.data != NULL)
        explicit_bzero(out.data, out.cap);
    buf_done(&out);
    return good;
}

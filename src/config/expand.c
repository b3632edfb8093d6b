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

typedef struct Expansion {
    Arena *arena;
    const char *directory;
    const char *warning;
} Expansion;

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

static bool put_file(Expansion *expansion, const char *name, Buf *out, Error *err)
{
    if (name[0] == '\0')
        return ERR(err, ERR_CONFIG, "'${file:}' names no file");
    const char *path =
        expand_path(expansion->arena, arena_strdup(expansion->arena, name), expansion->directory);
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
        expansion->warning = arena_printf(
            expansion->arena, "secret file '%s' can be read by others, chmod 600 it", path);
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

#define MAX_NESTING 4

static bool expand_into(Expansion *expansion, const char *text, int depth, Buf *out, Error *err);

/* What stands between ${ and }; a path and a default may hold references themselves. */
static bool put_reference(Expansion *expansion, char *inside, int depth, Buf *out, Error *err)
{
    if (strncmp(inside, "file:", 5) == 0) {
        CLEANUP_BUF Buf name = BUF_INIT;
        return expand_into(expansion, inside + 5, depth + 1, &name, err) &&
               put_file(expansion, buf_str(&name), out, err);
    }
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
    if (fallback != NULL && (value == NULL || value[0] == '\0'))
        return expand_into(expansion, fallback, depth + 1, out, err);
    if (value == NULL) {
        ERR(err, ERR_CONFIG, "environment variable '%s' is not set", inside);
        return err_hint(err, "Set it, or write ${%s:-default}.", inside);
    }
    buf_puts(out, value);
    return true;
}

/* The brace that closes the "${" at `text`; NULL: none. */
static const char *closing_brace(const char *text)
{
    int open = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (c[0] == '$' && c[1] == '{')
            open++;
        else if (*c == '}' && --open == 0)
            return c;
    }
    return NULL;
}

static bool expand_into(Expansion *expansion, const char *text, int depth, Buf *out, Error *err)
{
    if (depth > MAX_NESTING)
        return ERR(err, ERR_CONFIG, "'${' is nested too deeply");
    while (*text != '\0') {
        size_t plain = strcspn(text, "$");
        buf_put(out, text, plain);
        text += plain;
        if (strncmp(text, "$${", 3) == 0) {
            buf_puts(out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            const char *end = closing_brace(text);
            if (end == NULL)
                return ERR(err, ERR_CONFIG, "'${' has no '}'");
            char *inside = arena_dup(expansion->arena, text + 2, (size_t)(end - text - 2));
            if (!put_reference(expansion, inside, depth, out, err))
                return false;
            text = end + 1;
        } else if (*text == '$') {
            buf_putc(out, *text++);
        }
    }
    return true;
}

bool expand_value(Arena *arena, const char *text, const char *directory, ExpandResult *out_result,
                  Error *err)
{
    Expansion expansion = {.arena = arena, .directory = directory};
    Buf out = BUF_INIT;
    bool good = expand_into(&expansion, text, 0, &out, err);
    if (good)
        *out_result = (ExpandResult){.text = arena_dup(arena, buf_str(&out), out.len),
                                     .warning = expansion.warning};
    if (out.data != NULL)
        explicit_bzero(out.data, out.cap);
    buf_done(&out);
    return good;
}

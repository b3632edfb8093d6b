/* conninfo - over PQconninfoParse, and the look into the service file that libpq keeps to itself.
 */
#include "bascule/port/conninfo.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/buf.h"

bool conninfo_is_secret(const char *name)
{
    return strcmp(name, "password") == 0 || strcmp(name, "sslpassword") == 0;
}

bool conninfo_has_secret(const Conninfo *parts)
{
    for (int i = 0; i < parts->count; i++)
        if (conninfo_is_secret(parts->parts[i].name))
            return true;
    return false;
}

/* libpq quotes pieces of what it was given; a piece may be part of a password. */
static const char *without_quotes(Arena *arena, const char *message)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    bool inside = false;
    for (; *message != '\0'; message++) {
        if (*message == '"') {
            inside = !inside;
            if (inside)
                buf_puts(&out, "...");
        } else if (!inside && *message != '\n') {
            buf_putc(&out, *message);
        }
    }
    return arena_strdup(arena, buf_str(&out));
}

bool conninfo_parse(Arena *arena, const char *text, Conninfo *out_parts, Error *err)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &message);
    if (options == NULL) {
        ERR(err, ERR_CONFIG, "not a connection string: %s",
            message == NULL ? "out of memory" : without_quotes(arena, message));
        PQfreemem(message);
        return err_hint(err,
                        "Write host=... port=... dbname=... user=..., quote values with spaces as "
                        "'...', or write postgresql://user@host:port/database.");
    }
    int count = 0;
    for (PQconninfoOption *option = options; option->keyword != NULL; option++)
        count += option->val != NULL;
    Conninfo parts = {.parts = arena_new_array(arena, ConninfoPart, count + 1)};
    for (PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->val != NULL)
            parts.parts[parts.count++] =
                (ConninfoPart){.name = arena_strdup(arena, option->keyword),
                               .value = arena_strdup(arena, option->val)};
    PQconninfoFree(options);
    *out_parts = parts;
    return true;
}

const char *conninfo_get(const Conninfo *parts, const char *name)
{
    for (int i = 0; i < parts->count; i++)
        if (strcmp(parts->parts[i].name, name) == 0)
            return parts->parts[i].value;
    return NULL;
}

void conninfo_put(Arena *arena, Conninfo *parts, const char *name, const char *value)
{
    for (int i = 0; i < parts->count; i++)
        if (strcmp(parts->parts[i].name, name) == 0) {
            parts->parts[i].value = value;
            return;
        }
    ConninfoPart *more = arena_new_array(arena, ConninfoPart, parts->count + 1);
    if (parts->count > 0)
        memcpy(more, parts->parts, sizeof *more * (size_t)parts->count);
    more[parts->count] = (ConninfoPart){.name = name, .value = value};
    parts->parts = more;
    parts->count++;
}

static bool is_plain(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (*c == '\'' || *c == '\\' || isspace((unsigned char)*c))
            return false;
    return value[0] != '\0';
}

const char *conninfo_text(Arena *arena, const Conninfo *parts)
{
    CLEANUP_BUF Buf buf = BUF_INIT;
    for (int i = 0; i < parts->count; i++) {
        const char *value = parts->parts[i].value;
        buf_printf(&buf, "%s%s=", i == 0 ? "" : " ", parts->parts[i].name);
        if (is_plain(value)) {
            buf_puts(&buf, value);
            continue;
        }
        buf_putc(&buf, '\'');
        for (; *value != '\0'; value++) {
            if (*value == '\'' || *value == '\\')
                buf_putc(&buf, '\\');
            buf_putc(&buf, *value);
        }
        buf_putc(&buf, '\'');
    }
    const char *text = arena_dup(arena, buf_str(&buf), buf.len);
    if (buf.data != NULL)
        explicit_bzero(buf.data, buf.cap);
    return text;
}

/* Service file ------------------------------------------------------------------------------- */
static char *trim(char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    char *end = line + strlen(line);
    while (end > line && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return line;
}

/* The value of `name` in the entry; *out_found says whether the entry is there. */
static const char *read_service_file(Arena *arena, const char *path, const char *service,
                                     const char *name, bool *out_found)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    const char *value = NULL;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) >= 0) {
        char *text = trim(line);
        if (text[0] == '\0' || text[0] == '#')
            continue;
        if (text[0] == '[') {
            if (*out_found)
                break;
            size_t len = strlen(service);
            *out_found = strncmp(text + 1, service, len) == 0 && text[len + 1] == ']';
            continue;
        }
        char *equals = *out_found ? strchr(text, '=') : NULL;
        if (equals == NULL || value != NULL)
            continue;
        *equals = '\0';
        if (strcmp(text, name) == 0)
            value = arena_strdup(arena, equals + 1);
    }
    if (line != NULL)
        explicit_bzero(line, room);
    free(line);
    fclose(file);
    return value;
}

/* libpq's own search: $PGSERVICEFILE or ~/.pg_service.conf, then the system's. */
static const char *from_service(Arena *arena, const Conninfo *parts, const char *name)
{
    const char *service = conninfo_get(parts, "service");
    if (service == NULL)
        service = getenv("PGSERVICE");
    if (service == NULL || service[0] == '\0')
        return NULL;
    bool found = false;
    const char *user_file = getenv("PGSERVICEFILE");
    if (user_file == NULL) {
        struct passwd entry, *who = NULL;
        char buffer[4096];
        const char *home = getenv("HOME");
        if (home == NULL && getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &who) == 0 &&
            who != NULL)
            home = who->pw_dir;
        if (home != NULL)
            user_file = arena_printf(arena, "%s/.pg_service.conf", home);
    }
    const char *value =
        user_file == NULL ? NULL : read_service_file(arena, user_file, service, name, &found);
    const char *directory = getenv("PGSYSCONFDIR");
    if (directory == NULL)
        directory = "/etc/postgresql-common";
    if (!found)
        value = read_service_file(arena, arena_printf(arena, "%s/pg_service.conf", directory),
                                  service, name, &found);
    return value;
}

static const char *default_of(Arena *arena, const char *name, bool environment)
{
    const char *value = NULL;
    PQconninfoOption *options = PQconndefaults();
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (strcmp(option->keyword, name) != 0)
            continue;
        if (environment)
            value = option->envvar == NULL ? NULL : getenv(option->envvar);
        else
            value = option->val;
        value = arena_strdup(arena, value);
    }
    PQconninfoFree(options);
    return value;
}

const char *conninfo_inherited(Arena *arena, const Conninfo *parts, const char *name)
{
    const char *value = from_service(arena, parts, name);
    return value != NULL ? value : default_of(arena, name, true);
}

const char *conninfo_builtin(Arena *arena, const char *name)
{
    return default_of(arena, name, false);
}

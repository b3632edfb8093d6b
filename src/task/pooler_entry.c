/* pooler_entry - see the header. */
#include "task/pooler_entry.h"

#include <ctype.h>
#include <string.h>

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* 0: no section line; 1: [databases]; 2: another. */
static int section_of(const char *line, const char *end)
{
    static const char DATABASES[] = "[databases]";
    const char *p = skip_blanks(line, end);
    if (p == end || *p != '[')
        return 0;
    return (size_t)(end - p) >= sizeof DATABASES - 1 &&
                   strncasecmp(p, DATABASES, sizeof DATABASES - 1) == 0
               ? 1
               : 2;
}

/* Behind "name =", where the line is the entry of that name; else NULL. */
static const char *entry_value(const char *line, const char *end, const char *name)
{
    const char *p = skip_blanks(line, end);
    size_t len = strlen(name);
    bool quoted = p < end && *p == '"';
    p += quoted;
    if ((size_t)(end - p) < len || strncmp(p, name, len) != 0)
        return NULL;
    p += len;
    if (quoted && (p == end || *p++ != '"'))
        return NULL;
    p = skip_blanks(p, end);
    return p < end && *p == '=' ? skip_blanks(p + 1, end) : NULL;
}

static void put_value(Buf *out, const char *value)
{
    bool plain = value[0] != '\0' && strpbrk(value, " \t'") == NULL;
    if (plain) {
        buf_puts(out, value);
        return;
    }
    buf_putc(out, '\'');
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\'')
            buf_putc(out, '\'');
        buf_putc(out, *p);
    }
    buf_putc(out, '\'');
}

static void put_place(Buf *out, const PoolerPlace *place)
{
    const char *const KEYS[] = {"host", "port", "dbname"};
    const char *const values[] = {place->host, place->port, place->database};
    for (size_t i = 0; i < 3; i++) {
        if (values[i] == NULL || values[i][0] == '\0')
            continue;
        buf_printf(out, "%s%s=", i > 0 ? " " : "", KEYS[i]);
        put_value(out, values[i]);
    }
}

/* The end of "key = value", a quoted one with '' in it. */
static const char *skip_value(const char *p, const char *end)
{
    p = skip_blanks(p, end);
    if (p == end || *p != '\'') {
        while (p < end && !isspace((unsigned char)*p))
            p++;
        return p;
    }
    for (p++; p < end; p++) {
        if (*p != '\'')
            continue;
        if (p + 1 == end || p[1] != '\'')
            return p + 1;
        p++;
    }
    return p;
}

static bool is_place(const char *key, size_t len)
{
    return (len == 4 && (strncmp(key, "host", 4) == 0 || strncmp(key, "port", 4) == 0)) ||
           (len == 6 && strncmp(key, "dbname", 6) == 0);
}

static void put_others(Buf *out, const char *p, const char *end)
{
    for (p = skip_blanks(p, end); p < end; p = skip_blanks(p, end)) {
        const char *key = p;
        while (p < end && *p != '=' && !isspace((unsigned char)*p))
            p++;
        size_t len = (size_t)(p - key);
        p = skip_blanks(p, end);
        if (p < end && *p == '=')
            p = skip_value(p + 1, end);
        if (p == key)
            return; /* nothing that we know how to read */
        if (!is_place(key, len)) {
            buf_putc(out, ' ');
            buf_put(out, key, (size_t)(p - key));
        }
    }
}

void pooler_entry_move(const char *text, const char *name, const PoolerPlace *place, Buf *out,
                       bool *out_found)
{
    int section = 1; /* an included file has none */
    size_t before = out->len;
    *out_found = false;
    for (const char *line = text; *line != '\0';) {
        const char *newline = strchr(line, '\n');
        const char *end = newline != NULL ? newline : line + strlen(line);
        const char *last = end > line && end[-1] == '\r' ? end - 1 : end;
        int here = section_of(line, last);
        const char *value = here == 0 && section == 1 ? entry_value(line, last, name) : NULL;
        section = here != 0 ? here : section;
        if (value != NULL) {
            buf_put(out, line, (size_t)(value - line));
            put_place(out, place);
            put_others(out, value, last);
            buf_put(out, last, (size_t)(end - last));
            *out_found = true;
        } else {
            buf_put(out, line, (size_t)(end - line));
        }
        if (newline != NULL)
            buf_putc(out, '\n');
        line = newline != NULL ? newline + 1 : end;
    }
    if (!*out_found) {
        buf_reserve(out, 1);
        out->len = before;
        out->data[before] = '\0';
    }
}

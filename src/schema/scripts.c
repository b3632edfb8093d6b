/* scripts - see the header. */
#include "schema/scripts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bascule/base/buf.h"
#include "config/expand.h"

#define SCRIPT_LIMIT  ((size_t)64 << 20)
#define DIGITS_MAX    18
#define MARKER_PREFIX "-- bascule:"

/* Revisions ------------------------------------------------------------------------------------ */

static void write_text(Revision *revision)
{
    int last = REVISION_PARTS - 1, len = 0;
    while (last > 0 && revision->parts[last] == 0)
        last--;
    for (int i = 0; i <= last; i++)
        len += snprintf(revision->text + len, sizeof revision->text - (size_t)len, "%s%lld",
                        i == 0 ? "" : ".", (long long)revision->parts[i]);
}

bool revision_parse(const char *text, size_t len, Revision *out_revision)
{
    Revision revision = {0};
    size_t at = len > 0 && (text[0] == 'V' || text[0] == 'v') ? 1 : 0;
    for (int part = 0; part < REVISION_PARTS; part++) {
        size_t from = at;
        while (at < len && isdigit((unsigned char)text[at]) && at - from < DIGITS_MAX)
            revision.parts[part] = revision.parts[part] * 10 + (text[at++] - '0');
        if (at == from)
            return false;
        if (at == len) {
            write_text(&revision);
            *out_revision = revision;
            return true;
        }
        if (text[at] != '.' && text[at] != '_')
            return false;
        at++;
    }
    return false;
}

int revision_compare(const Revision *a, const Revision *b)
{
    for (int i = 0; i < REVISION_PARTS; i++)
        if (a->parts[i] != b->parts[i])
            return a->parts[i] < b->parts[i] ? -1 : 1;
    return 0;
}

bool revision_of_file(const char *name, Revision *out_revision)
{
    const char *end = strrchr(name, '.');
    const char *divider = name[0] == 'V' || name[0] == 'v' ? strstr(name, "__") : strchr(name, '_');
    size_t behind = name[0] == 'V' || name[0] == 'v' ? 2 : 1;
    if (end == NULL || divider == NULL || divider + behind >= end)
        return false;
    return revision_parse(name, (size_t)(divider - name), out_revision);
}

/* One file ------------------------------------------------------------------------------------- */

/* "-- bascule: no-transaction" in the first line; another word there is a misspelled one. */
static bool read_marker(Script *script, const char *text, Error *err)
{
    size_t len = strcspn(text, "\r\n"), prefix = sizeof MARKER_PREFIX - 1;
    script->transaction = true;
    if (strncasecmp(text, MARKER_PREFIX, prefix) != 0)
        return true;
    const char *word = text + prefix + strspn(text + prefix, " \t");
    size_t word_len = len - (size_t)(word - text);
    while (word_len > 0 && isspace((unsigned char)word[word_len - 1]))
        word_len--;
    static const char KNOWN[] = "no-transaction";
    script->transaction = false;
    return (word_len == sizeof KNOWN - 1 && strncasecmp(word, KNOWN, word_len) == 0) ||
           ERR(err, ERR_CONFIG, "line 1: '%.*s' is not known, there is '%s %s'", (int)word_len,
               word, MARKER_PREFIX, KNOWN);
}

static bool check_statements(const Script *script, Error *err)
{
    for (int i = 0; i < script->statements.count; i++) {
        const SqlStatement *st = &script->statements.all[i];
        if (script->transaction && sqlsplit_is_transaction(st)) {
            ERR(err, ERR_CONFIG,
                "line %d: %s in a script that is run in one transaction with its history", st->line,
                st->word[0]);
            return err_hint(err,
                            "Take it out; or, when the script cannot run in one transaction, let "
                            "its first line be '%s no-transaction'.",
                            MARKER_PREFIX);
        }
    }
    return true;
}

static bool read_script(Arena *arena, const char *directory, Script *script, Error *err)
{
    char *data = NULL;
    size_t len = 0;
    const char *path = arena_printf(arena, "%s/%s", directory, script->name);
    if (!expand_read_file(path, SCRIPT_LIMIT, &data, &len, err)) {
        err->cls = ERR_CONFIG;
        return false;
    }
    sha256_hex(data, len, script->sha256);
    char *text = arena_dup(arena, data, len);
    free(data);
    if (strlen(text) != len)
        return ERR(err, ERR_CONFIG, "'%s' holds a zero byte: it is no text", path);
    /* A byte order mark is no SQL. */
    size_t skip = strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return (read_marker(script, text + skip, err) &&
            sqlsplit(arena, text + skip, len - skip, &script->statements, err) &&
            check_statements(script, err)) ||
           err_context(err, "%s", path);
}

/* The folder ----------------------------------------------------------------------------------- */

static bool is_sql(const char *name)
{
    const char *end = strrchr(name, '.');
    return name[0] != '.' && end != NULL && strcasecmp(end, ".sql") == 0;
}

static int by_revision(const void *a, const void *b)
{
    const Script *x = a, *y = b;
    int order = revision_compare(&x->revision, &y->revision);
    return order != 0 ? order : strcmp(x->name, y->name);
}

static bool add_name(Arena *arena, Scripts *scripts, int *capacity, const char *name, Error *err)
{
    Script script = {.name = arena_strdup(arena, name)};
    if (!revision_of_file(name, &script.revision)) {
        ERR(err, ERR_CONFIG, "'%s/%s' is not named like a step", scripts->directory, name);
        return err_hint(err, "Names are 001_what.sql or V1__what.sql, with the revision in front; "
                             "scripts that undo (U1__) or repeat (R__) are not supported. Move "
                             "what is no step out of the folder.");
    }
    if (scripts->count == *capacity) {
        *capacity = *capacity == 0 ? 32 : *capacity * 2;
        Script *bigger = arena_new_array(arena, Script, *capacity);
        if (scripts->count > 0)
            memcpy(bigger, scripts->all, sizeof *bigger * (size_t)scripts->count);
        scripts->all = bigger;
    }
    scripts->all[scripts->count++] = script;
    return true;
}

static bool read_names(Arena *arena, Scripts *scripts, Error *err)
{
    int capacity = 0;
    bool ok = true;
    DIR *dir = opendir(scripts->directory);
    if (dir == NULL)
        return ERR_OS(err, ERR_CONFIG, "schema.scripts: cannot read folder '%s'",
                      scripts->directory);
    errno = 0;
    for (const struct dirent *entry; ok && (entry = readdir(dir)) != NULL; errno = 0)
        if (is_sql(entry->d_name))
            ok = add_name(arena, scripts, &capacity, entry->d_name, err);
    if (ok && errno != 0)
        ok = ERR_OS(err, ERR_IO, "reading folder '%s'", scripts->directory);
    closedir(dir);
    return ok;
}

static bool check_order(const Scripts *scripts, Error *err)
{
    for (int i = 1; i < scripts->count; i++)
        if (revision_compare(&scripts->all[i - 1].revision, &scripts->all[i].revision) == 0)
            return ERR(err, ERR_CONFIG, "two scripts have revision %s: '%s' and '%s' in '%s'",
                       scripts->all[i].revision.text, scripts->all[i - 1].name,
                       scripts->all[i].name, scripts->directory);
    return scripts->count > 0 ||
           ERR(err, ERR_CONFIG, "schema.scripts: there is no script in '%s'", scripts->directory);
}

bool scripts_read(Arena *arena, const char *directory, Scripts *out_scripts, Error *err)
{
    Scripts scripts = {.directory = arena_strdup(arena, directory)};
    if (!read_names(arena, &scripts, err))
        return false;
    if (scripts.count > 1)
        qsort(scripts.all, (size_t)scripts.count, sizeof *scripts.all, by_revision);
    if (!check_order(&scripts, err))
        return false;
    for (int i = 0; i < scripts.count; i++)
        if (!read_script(arena, scripts.directory, &scripts.all[i], err))
            return false;
    *out_scripts = scripts;
    return true;
}

const Script *scripts_find(const Scripts *scripts, const Revision *revision)
{
    for (int i = 0; i < scripts->count; i++)
        if (revision_compare(&scripts->all[i].revision, revision) == 0)
            return &scripts->all[i];
    return NULL;
}

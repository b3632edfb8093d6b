/* toc - see the header. */
#include "schema/toc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/mem.h"

typedef struct KindRow {
    const char *words;
    TocKind kind;
} KindRow;

/* The first match counts: longer words stand before their beginnings. */
static const KindRow KINDS[] = {
    {"COMMENT - EXTENSION ", TOC_EXTENSION_COMMENT},
    {"COMMENT ", TOC_NOTE},
    {"ACL ", TOC_NOTE},
    {"SECURITY LABEL ", TOC_NOTE},
    {"SCHEMA ", TOC_SCHEMA},
    {"TABLE ATTACH ", TOC_TABLE_ATTACH},
    {"TABLE DATA ", TOC_NEVER},
    {"TABLE ", TOC_TABLE},
    {"VIEW ", TOC_TABLE},
    {"MATERIALIZED VIEW DATA ", TOC_NEVER}, /* refreshed by ourselves */
    {"MATERIALIZED VIEW ", TOC_TABLE},
    {"FOREIGN TABLE ", TOC_TABLE},
    {"SEQUENCE OWNED BY ", TOC_REPEATABLE},
    {"SEQUENCE SET ", TOC_NEVER},
    {"SEQUENCE ", TOC_TABLE},
    {"DEFAULT ACL ", TOC_REPEATABLE},
    {"DEFAULT ", TOC_REPEATABLE},
    {"INDEX ATTACH ", TOC_COMMON},
    {"INDEX ", TOC_INDEX},
    {"CONSTRAINT ", TOC_CONSTRAINT},
    {"FK CONSTRAINT ", TOC_FK_CONSTRAINT},
    {"STATISTICS ", TOC_COMMON},
    {"TRIGGER ", TOC_TRIGGER},
    {"RULE ", TOC_TRIGGER},
    {"POLICY ", TOC_TRIGGER},
    {"ROW SECURITY ", TOC_TRIGGER},
    {"EVENT TRIGGER ", TOC_EVENT_TRIGGER},
    {"PUBLICATION", TOC_NEVER},
    {"SUBSCRIPTION", TOC_NEVER},
};

static void set_kind(TocEntry *entry)
{
    entry->kind = TOC_OTHER;
    entry->name = entry->words;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        size_t len = strlen(KINDS[i].words);
        if (strncmp(entry->words, KINDS[i].words, len) == 0) {
            entry->kind = KINDS[i].kind;
            entry->name = entry->words + len;
            return;
        }
    }
}

static int count_lines(const char *text)
{
    int lines = 1;
    for (const char *p = text; *p != '\0'; p++)
        lines += *p == '\n';
    return lines;
}

static bool parse_line(Arena *arena, const char *line, size_t len, TocEntry *out, Error *err)
{
    int used = 0;
    char *copy = arena_dup(arena, line, len);
    if (sscanf(copy, "%d; %u %u %n", &out->dump_id, &out->catalog, &out->oid, &used) != 3 ||
        used == 0)
        return ERR(err, ERR_PROTOCOL, "pg_restore --list printed a line of an unknown form");
    out->words = copy + used;
    set_kind(out);
    return true;
}

bool toc_parse(Arena *arena, const char *text, Toc *out_toc, Error *err)
{
    Toc toc = {.entries = arena_new_array(arena, TocEntry, count_lines(text))};
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (len > 0 && line[0] != ';') {
            if (!parse_line(arena, line, len, &toc.entries[toc.count], err))
                return false;
            toc.entries[toc.count].order = toc.count;
            toc.count++;
        }
        line += len + (line[len] == '\n');
    }
    *out_toc = toc;
    return true;
}

/* Depends ----------------------------------------------------------------------------------------
 */

typedef struct ById {
    TocEntry **entries; /* by dump id; NULL: of no section that counts */
    int count;
} ById;

static ById by_id_new(Toc *const *tocs, int toc_count)
{
    ById ids = {0};
    for (int t = 0; t < toc_count; t++)
        for (int i = 0; i < tocs[t]->count; i++)
            if (tocs[t]->entries[i].dump_id >= ids.count)
                ids.count = tocs[t]->entries[i].dump_id + 1;
    ids.entries = mem_zalloc(sizeof *ids.entries * (size_t)(ids.count + 1));
    for (int t = 0; t < toc_count; t++)
        for (int i = 0; i < tocs[t]->count; i++)
            ids.entries[tocs[t]->entries[i].dump_id] = &tocs[t]->entries[i];
    return ids;
}

static TocEntry *by_id_get(const ById *ids, long id)
{
    return id >= 0 && id < ids->count ? ids->entries[id] : NULL;
}

static void parse_depends(Arena *arena, const char *list, size_t len, TocEntry *entry)
{
    const char *end = list + len;
    int *depends = arena_new_array(arena, int, len / 2 + 1);
    while (list < end) {
        char *next;
        long id = strtol(list, &next, 10);
        if (next == list)
            break;
        depends[entry->depend_count++] = (int)id;
        list = next;
    }
    entry->depends = depends;
}

void toc_parse_depends(Arena *arena, const char *text, Toc *const *tocs, int toc_count)
{
    static const char MARK[] = ";\tdepends on:";
    ById ids = by_id_new(tocs, toc_count);
    TocEntry *entry = NULL;
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (line[0] != ';')
            entry = by_id_get(&ids, strtol(line, NULL, 10));
        else if (entry != NULL && entry->depend_count == 0 &&
                 strncmp(line, MARK, sizeof MARK - 1) == 0)
            parse_depends(arena, line + sizeof MARK - 1, len - (sizeof MARK - 1), entry);
        line += len + (line[len] == '\n');
    }
    free(ids.entries);
}

void toc_spread_outside(Toc *const *tocs, int toc_count)
{
    ById ids = by_id_new(tocs, toc_count);
    bool more = true;
    while (more) {
        more = false;
        for (int t = 0; t < toc_count; t++) {
            for (int i = 0; i < tocs[t]->count; i++) {
                TocEntry *entry = &tocs[t]->entries[i];
                for (int d = 0; entry->catalog == 0 && !entry->outside && d < entry->depend_count;
                     d++) {
                    const TocEntry *on = by_id_get(&ids, entry->depends[d]);
                    entry->outside = on != NULL && on->outside;
                    more = more || entry->outside;
                }
            }
        }
    }
    free(ids.entries);
}

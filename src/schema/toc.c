/* toc - see the header. */
#include "schema/toc.h"

#include <stdio.h>
#include <string.h>

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

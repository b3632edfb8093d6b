/*
 * fixture - relations and messages captured from a real server (data/capture.py), and changes as
 * text, for the tests of wire and stream.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/buf.h"
#include "bascule/model/flow.h"
#include "wire/decoder.h"

static inline FILE *fixture_open(const char *name, const char *mode)
{
    char path[1024];
    const char *root = getenv("BASCULE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/unit/wire/data/%s", root != NULL ? root : ".", name);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        abort();
    }
    return file;
}

/* Relations ---------------------------------------------------------------------------------- */

static inline void fixture_column(Relations *rels, Relation *rel, char *line)
{
    char *save = NULL, *name = strtok_r(line, "\t", &save);
    unsigned field[5];
    for (int i = 0; i < 5; i++)
        field[i] = (unsigned)strtoul(strtok_r(NULL, "\t", &save), NULL, 10);
    if (field[4]) {
        rel->generated[rel->generated_count++] = arena_strdup(rels->arena, name);
        return;
    }
    if (field[3])
        rel->key[rel->key_count++] = rel->column_count;
    rel->columns[rel->column_count++] = (Column){.name = arena_strdup(rels->arena, name),
                                                 .type_oid = field[0],
                                                 .base_type_oid = field[1],
                                                 .not_null = field[2] != 0};
}

static inline Relation *fixture_relation(Relations *rels, char *line)
{
    char *save = NULL, *oid = strtok_r(line, "\t", &save);
    Relation *rel = arena_new_object(rels->arena, Relation);
    rel->id = (uint32_t)rels->count;
    rel->oid = (uint32_t)strtoul(oid, NULL, 10);
    rel->schema = arena_strdup(rels->arena, strtok_r(NULL, "\t", &save));
    rel->name = arena_strdup(rels->arena, strtok_r(NULL, "\t", &save));
    rel->display = arena_printf(rels->arena, "%s.%s", rel->schema, rel->name);
    rel->replica_identity = *strtok_r(NULL, "\t", &save);
    rel->columns = arena_new_array(rels->arena, Column, 20);
    rel->key = arena_new_array(rels->arena, int, 20);
    rel->generated = arena_new_array(rels->arena, const char *, 20);
    rels->all[rels->count++] = rel;
    size_t len = strlen(rel->schema) + 1 + strlen(rel->name);
    char *key = arena_alloc(rels->arena, len + 1);
    memcpy(key, rel->schema, strlen(rel->schema) + 1);
    memcpy(key + strlen(rel->schema) + 1, rel->name, strlen(rel->name) + 1);
    map_put(&rels->by_oid, &rel->oid, sizeof rel->oid, rel);
    map_put(&rels->by_name, key, len, rel);
    return rel;
}

static inline Relations *fixture_relations(void)
{
    Arena *arena = arena_new(0);
    Relations *rels = arena_new_object(arena, Relations);
    FILE *file = fixture_open("relations.tsv", "r");
    char line[512];
    Relation *rel = NULL;
    rels->arena = arena;
    rels->all = arena_new_array(arena, Relation *, 100);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'R')
            rel = fixture_relation(rels, line + 2);
        else
            fixture_column(rels, rel, line + 2);
    }
    fclose(file);
    return rels;
}

static inline void fixture_free(Relations *rels)
{
    map_done(&rels->by_oid);
    map_done(&rels->by_name);
    arena_free(rels->arena);
}

static inline Relation *fixture_find(const Relations *rels, const char *name)
{
    for (int i = 0; i < rels->count; i++)
        if (strcmp(rels->all[i]->name, name) == 0)
            return rels->all[i];
    abort();
}

/* Messages ----------------------------------------------------------------------------------- */

typedef struct Captured {
    int count;
    struct {
        char *data;
        size_t len;
    } all[1000];
} Captured;

static inline void fixture_add(Captured *captured, const char *data, size_t len)
{
    char *copy = malloc(len + 1); /* exactly as long as needed: ASan sees a byte beyond */
    memcpy(copy, data, len);
    captured->all[captured->count].data = copy;
    captured->all[captured->count++].len = len;
}

static inline Captured *fixture_captured(const char *plugin)
{
    bool hex = strcmp(plugin, "pgoutput") == 0;
    FILE *file = fixture_open(hex ? "pgoutput.hex" : "wal2json.txt", "r");
    Captured *captured = calloc(1, sizeof *captured);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t n; (n = getline(&line, &size, file)) > 0;) {
        size_t len = (size_t)n - 1;
        if (hex) {
            len /= 2;
            for (size_t i = 0; i < len; i++) {
                unsigned byte;
                sscanf(line + 2 * i, "%2x", &byte);
                line[i] = (char)byte;
            }
        }
        fixture_add(captured, line, len);
    }
    free(line);
    fclose(file);
    return captured;
}

static inline void fixture_captured_free(Captured *captured)
{
    for (int i = 0; i < captured->count; i++)
        free(captured->all[i].data);
    free(captured);
}

/* Text --------------------------------------------------------------------------------------- */

static inline void fixture_put_bytes(Buf *out, const char *data, size_t len)
{
    buf_putc(out, '\'');
    for (size_t i = 0; i < len && i < 100; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(out, "<%02x>", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '\'');
    if (len > 100)
        buf_printf(out, "(%zu)", len);
}

static inline void fixture_put_row(Buf *out, const Relation *rel, const Value *values)
{
    for (int i = 0; i < rel->column_count; i++) {
        const Value *value = &values[i];
        buf_printf(out, " %s=", rel->columns[i].name);
        if (value->kind == VALUE_NULL)
            buf_puts(out, "null");
        else if (value->kind == VALUE_UNCHANGED)
            buf_puts(out, "-");
        else
            fixture_put_bytes(out, value->data, value->len);
    }
}

static inline void fixture_put_change(Buf *out, const Change *change)
{
    static const char *const KINDS[] = {"INSERT",   "UPDATE",  "DELETE",
                                        "TRUNCATE", "MESSAGE", "SUSPEND"};
    buf_puts(out, KINDS[change->kind]);
    if (change->kind == CHANGE_TRUNCATE) {
        for (int i = 0; i < change->truncated_count; i++)
            buf_printf(out, " %s", change->truncated[i]->display);
    } else if (change->kind == CHANGE_MESSAGE) {
        buf_printf(out, " %s ", change->prefix);
        fixture_put_bytes(out, change->content.data, change->content.len);
    } else {
        buf_printf(out, " %s", change->rel->display);
        if (change->old_values != NULL) {
            buf_puts(out, " OLD");
            fixture_put_row(out, change->rel, change->old_values);
        }
        if (change->new_values != NULL) {
            buf_puts(out, " NEW");
            fixture_put_row(out, change->rel, change->new_values);
        }
    }
    buf_putc(out, '\n');
}

static inline void fixture_put_flow(Buf *out, const Flow *flow)
{
    if (flow->begins)
        buf_printf(out, "BEGIN xid=%u commit=" LSN_FMT " time=%lld\n", flow->xid,
                   LSN_ARGS(flow->commit_lsn), (long long)flow->commit_time_us);
    for (const Change *change = flow->first; change != NULL; change = change->next)
        fixture_put_change(out, change);
    if (flow->ends)
        buf_printf(out, "END " LSN_FMT "\n", LSN_ARGS(flow->end_lsn));
}

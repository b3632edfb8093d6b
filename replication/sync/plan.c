/* plan - see the header. */
#include "sync/plan.h"

#include <string.h>

#include "bascule/base/log.h"
#include "load/load.h"
#include "load/schedule.h"
#include "sync/internal.h"

static bool all_binary(const Relation *rel)
{
    for (int c = 0; c < rel->column_count; c++) {
        if (!rel->columns[c].binary_safe)
            return false;
    }
    return true;
}

static const char *note_of(Arena *arena, const Relation *rel, const FkPlan *fk)
{
    Buf note = BUF_INIT;
    if (rel->replica_identity == 'f' && rel->key_count == 0)
        buf_puts(&note, "no key: every change looks through the whole row; ");
    if (rel->replica_identity != 'f' && rel->key_count == 0)
        buf_puts(&note, "NO REPLICA IDENTITY: updates and deletes cannot be streamed; ");
    if (rel->persistence == 'u')
        buf_puts(&note, "unlogged: changes after the load are not seen; ");
    if (rel->row_security)
        buf_puts(&note, "row security; ");
    if (fk->self_reference[rel->id])
        buf_puts(&note, "references itself; ");
    if (fk->cycle_of[rel->id] >= 0)
        buf_puts(&note, "in a cycle of foreign keys; ");
    if (note.len >= 2)
        note.len -= 2;
    char *text = arena_dup(arena, note.len > 0 ? note.data : "", note.len);
    buf_done(&note);
    return text;
}

static const char *columns_of(Arena *arena, const Relation *rel)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    for (int i = 0; i < rel->left_out_count; i++)
        buf_printf(&text, "%s-%s", text.len > 0 ? ", " : "", rel->left_out[i]);
    for (int i = 0; i < rel->column_count; i++) {
        const Column *col = &rel->columns[i];
        if (col->value != NULL)
            buf_printf(&text, "%s+%s", text.len > 0 ? ", " : "", col->name);
        else if (col->other_types != NULL)
            buf_printf(&text, "%s%s %s", text.len > 0 ? ", " : "", col->name, col->other_types);
    }
    return arena_strdup(arena, buf_str(&text));
}

static void fill_table(const SyncSpec *spec, Arena *arena, const Relations *rels,
                       const Relation *rel, const FkPlan *fk, SyncPlanTable *out)
{
    *out = (SyncPlanTable){
        .table = arena_strdup(arena, rel->display),
        .target =
            strcmp(rel->schema, rel->target_schema) == 0 && strcmp(rel->name, rel->target_name) == 0
                ? ""
                : arena_printf(arena, "%s.%s", rel->target_schema, rel->target_name),
        .rows = rel->estimated_rows < 0 ? PROGRESS_UNKNOWN : rel->estimated_rows,
        .bytes = rel->bytes,
        .chunks = (int)schedule_pieces(rels, rel, spec->load_chunk_bytes, spec->load_jobs),
        .level = fk->level[rel->id],
        .binary = spec->load_binary && all_binary(rel),
        .replica_identity = rel->replica_identity,
        .columns = columns_of(arena, rel),
        .rows_where = rel->filter != NULL ? arena_strdup(arena, rel->filter->text) : "",
        .note = note_of(arena, rel, fk),
    };
}

bool sync_plan(const SyncSpec *spec, Arena *arena, SyncPlan *out, Error *err)
{
    *out = (SyncPlan){.plugin = "", .plugin_why = ""};
    Relations *rels = NULL;
    Error unreachable = ERROR_INIT;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&spec->source, PG_SESSION_SQL, "plan", err);
    /* A target that is not there yet does not stand in the way of a plan. */
    CLEANUP_PGCONN PgConn *target =
        source == NULL ? NULL : pgconn_open(&spec->target, PG_SESSION_SQL, "plan", &unreachable);
    if (source == NULL || !catalog_read(source, target, spec->task, spec->rules, &rels, err))
        return false;
    FkPlan *fk = fk_plan_new(arena, rels);
    out->table_count = rels->count;
    out->tables = arena_new_array(arena, SyncPlanTable, rels->count);
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[fk->order[i]];
        fill_table(spec, arena, rels, rel, fk, &out->tables[i]);
        out->bytes += rel->bytes;
    }
    out->cycle_count = fk->cycle_count;
    out->cycles = fk->cycles;
    out->patterns = spec->rules->patterns;
    out->pattern_count = spec->rules->count;
    out->renames = spec->rules->renames;
    out->rename_count = spec->rules->rename_count;
    out->column_rules = spec->rules->columns;
    out->column_rule_count = spec->rules->column_count;
    out->filters = spec->rules->filters;
    out->filter_count = spec->rules->filter_count;
    out->notes = spec->rules->notes;
    out->note_count = spec->rules->note_count;
    bool ok = true;
    if (spec->mode != SYNC_FULL_LOAD) {
        char *why = arena_alloc(arena, 512);
        why[0] = '\0';
        ok = slot_choose_plugin(&spec->source, spec->plugin, rels, &out->plugin, why, 512, err);
        out->plugin_why = why;
    }
    relations_free(rels);
    return ok;
}

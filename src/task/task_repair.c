/* task_repair - see the header. */
#include "task/task_repair.h"

#include <stdio.h>

#include "sync/gate.h"

typedef struct Work {
    Task *task;
    const TaskRepair *options;
    Arena *arena;
    TaskRepairReport *report;
    Sync *sync;
    const SyncSpec *way;
    Rules rules;
    RepairSpec spec;
} Work;

static bool begin(Work *work, Error *err)
{
    const TaskRepair *options = work->options;
    if (!task_wait_stream(work->task, options->stop, &work->sync, &work->way, err))
        return false;
    /* What the target has is the truth now. */
    if (work->way != task_sync_spec(work->task) ||
        task_situation(work->task).forward == DECISION_OPENED) {
        ERR(err, ERR_WRONG_STATE,
            "the target is open since the cutover: its rows are the newer ones");
        return err_hint(err,
                        "'bascule verify' still names what differs; rows are repaired by whoever "
                        "knows which side is right.");
    }
    const Relations *rels = sync_relations(work->sync);
    if (!task_table_patterns(options->tables, options->table_count, rels, work->arena, &work->rules,
                             err))
        return false;
    int64_t hold_us = config_duration_us(task_config(work->task), OPT_VERIFY_MAX_HOLD);
    work->spec = (RepairSpec){
        .twin = {.source = work->way->source,
                 .target = work->way->target,
                 .task = work->way->task,
                 .slot_name = work->way->slot_name,
                 .hold_us = hold_us,
                 .engine = gate_twin_engine(work->sync)},
        .rels = rels,
        .only = work->rules.count > 0 ? &work->rules : NULL,
        .max_rows = options->max_rows,
        .show_values = options->show_values,
        .epoch = sync_epoch(work->sync),
        .stop = options->stop,
    };
    work->spec.twin.source.encoding = work->spec.twin.target.encoding = sync_encoding(work->sync);
    work->spec.twin.source.stop = work->spec.twin.target.stop = options->stop;
    return true;
}

/* The relations keep their ids: the subset is for reading only. */
static Relations *some_tables(Work *work, bool (*wanted)(const RepairTable *table))
{
    const RepairReport *rows = &work->report->rows;
    Relations *some = arena_new_object(work->arena, Relations);
    some->all = arena_new_array(work->arena, Relation *, rows->table_count + 1);
    for (int t = 0; t < rows->table_count; t++)
        if (wanted(&rows->tables[t]))
            some->all[some->count++] = work->spec.rels->all[rows->tables[t].rel->id];
    return some;
}

static bool has_unknown_rows(const RepairTable *table)
{
    return table->unknown_rows;
}

static bool has_rows(const RepairTable *table)
{
    return table->count > 0;
}

static bool verify(Work *work, const Relations *rels, VerifyReport *out, Error *err)
{
    const TaskRepair *options = work->options;
    TaskVerify verify = {.what = VERIFY_ROWS,
                         .rels = rels,
                         .tables = rels == NULL ? options->tables : NULL,
                         .table_count = rels == NULL ? options->table_count : 0,
                         .jobs = TASK_VERIFY_DEFAULT,
                         .max_rate_bytes = TASK_VERIFY_DEFAULT,
                         .max_snapshot_us = TASK_VERIFY_DEFAULT,
                         .hold_us = TASK_VERIFY_DEFAULT,
                         .show_values = options->show_values,
                         .mask_keys = options->mask_keys,
                         .restart = true,
                         .stop = options->stop,
                         .on_progress = options->on_progress,
                         .progress_arg = options->progress_arg};
    return task_verify(work->task, &verify, work->arena, out, err);
}

/* Rows of tables without key are known only to the verification that found them. */
static bool find(Work *work, Error *err)
{
    RepairReport *rows = &work->report->rows;
    if (work->options->fresh) {
        work->report->compared = true;
        if (!verify(work, NULL, &work->report->before, err))
            return err_context(err, "comparing before the repair");
        work->spec.seen = &work->report->before;
    }
    if (!repair_list(&work->spec, work->arena, rows, err))
        return false;
    const Relations *unknown = some_tables(work, has_unknown_rows);
    if (unknown->count == 0)
        return true;
    VerifyReport *seen = arena_new_object(work->arena, VerifyReport);
    if (!verify(work, unknown, seen, err))
        return err_context(err, "comparing tables without a key before the repair");
    work->spec.seen = seen;
    return repair_list(&work->spec, work->arena, rows, err);
}

static void refuse_unknown(RepairReport *rows)
{
    for (int t = 0; t < rows->table_count; t++)
        if (rows->tables[t].unknown_rows && rows->tables[t].refused[0] == '\0')
            snprintf(rows->tables[t].refused, sizeof rows->tables[t].refused,
                     "it has no key, and its rows could not be told: more of them differ than "
                     "verifications name");
}

static bool within_cap(const Work *work, Error *err)
{
    if (work->report->rows.row_count <= work->options->max_rows)
        return true;
    ERR(err, ERR_BLOCKED, "%d rows differ, more than --max-rows %lld: nothing was repaired",
        work->report->rows.row_count, (long long)work->options->max_rows);
    return err_hint(err, "So many are no accident: find out who writes to the target or what was "
                         "loaded wrongly. Then repair table by table (--tables), or with a higher "
                         "--max-rows (10000 at most).");
}

static bool act(Work *work, Error *err)
{
    RepairReport *rows = &work->report->rows;
    refuse_unknown(rows);
    if (rows->row_count == 0)
        return true;
    if (!work->options->apply)
        return repair_plan(&work->spec, work->arena, rows, err);
    if (!within_cap(work, err) || !task_verify_begin(work->task, work->options->stop, err))
        return false;
    bool ok = repair_apply(&work->spec, work->arena, rows, err);
    task_verify_end(work->task);
    return ok;
}

static bool prove(Work *work, Error *err)
{
    if (!work->report->rows.applied || work->options->keys_only)
        return true;
    work->report->verified = true;
    return verify(work, some_tables(work, has_rows), &work->report->after, err) ||
           err_context(err, "verifying what was repaired");
}

bool task_repair(Task *task, const TaskRepair *options, Arena *arena, TaskRepairReport *out_report,
                 Error *err)
{
    Work work = {.task = task, .options = options, .arena = arena, .report = out_report};
    *out_report = (TaskRepairReport){.asked_to_apply = options->apply,
                                     .mask_keys = options->mask_keys,
                                     .rows = {.lsn = LSN_UNKNOWN}};
    return begin(&work, err) && find(&work, err) && act(&work, err) && prove(&work, err);
}

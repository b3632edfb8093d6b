/* discard_client - see the header. */
#include "cli/discard_client.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/engine_gone.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/switch_client.h"
#include "config/endpoint.h"
#include "ops/report.h"
#include "task/discard.h"

typedef struct Discarding {
    const Config *config;
    Task *task;
    TaskDiscard *discard;
    bool dry_run;
    const char *confirm; /* NULL: a person is asked */
} Discarding;

static bool read_wish(Discarding *d, Error *err)
{
    const Config *config = d->config;
    d->dry_run = config_flag(config, FLAG_DRY_RUN) || config_flag(config, FLAG_CHECK);
    d->confirm = config_flag_text(config, FLAG_CONFIRM);
    if (config_flag(config, FLAG_REHEARSE) || config_flag_text(config, FLAG_AT) != NULL)
        return ERR(err, ERR_USAGE,
                   "'--discard-target-writes' goes with neither '--rehearse' nor "
                   "'--at'");
    if (d->dry_run)
        return true;
    if (config_flag(config, FLAG_YES)) {
        ERR(err, ERR_USAGE, "nothing was done: '--yes' does not stand for what would be lost");
        return err_hint(err, "--dry-run shows it and prints the --confirm=HASH that does.");
    }
    if (d->confirm == NULL && (!out_interactive() || config_flag(config, FLAG_JSON))) {
        ERR(err, ERR_USAGE,
            "nothing was done: --discard-target-writes needs '--confirm=HASH' where it cannot ask");
        return err_hint(err, "Run it with --dry-run to see what would be lost, and the hash.");
    }
    return true;
}

static bool open_discard(Discarding *d, bool dry_run, Error *err)
{
    task_discard_close(d->discard);
    d->discard = NULL;
    return task_discard_open(d->task, dry_run, &d->discard, err);
}

static bool ask_name(const Discarding *d, Error *err)
{
    Arena *arena = arena_new(0);
    const char *name = config_database(d->config, false, arena);
    out_printf("What was written on the target and has not streamed back will not be on the "
               "source.\nThe stream back ends, and there is no way forward but a full load.\n");
    bool good = out_confirm(arena_printf(arena,
                                         "Type the target database's name (%s) to stop the stream "
                                         "back and count what would be lost: ",
                                         name),
                            name) ||
                ERR(err, ERR_ABORTED, "not confirmed, nothing was done");
    arena_free(arena);
    return good;
}

static bool ask_number(const Discarding *d, Error *err)
{
    char question[256], number[24];
    const ExportTotals *totals = NULL;
    if (!task_discard_count(d->discard, &totals, err))
        return false;
    snprintf(number, sizeof number, "%lld", (long long)totals->transactions);
    out_printf("%s transactions (%lld changes) of the target are not on the source. What is "
               "written until the freeze comes on top.\n",
               number, (long long)totals->changes);
    snprintf(question, sizeof question,
             "Type the number of transactions (%s) to discard them: ", number);
    if (out_confirm(question, number))
        return true;
    ERR(err, ERR_ABORTED, "not confirmed, nothing was discarded");
    return err_hint(err, "The stream back was stopped: 'bascule run' goes on with it.");
}

/* Consent, first to the stop of the stream back and then to the loss. */
static bool agreed(Discarding *d, Error *err)
{
    if (d->confirm == NULL) {
        if (!ask_name(d, err))
            return false;
    } else if (strcmp(d->confirm, task_discard_hash(d->discard)) != 0) {
        ERR(err, ERR_PLAN_CHANGED, "'%s' was confirmed, it is '%s' now", d->confirm,
            task_discard_hash(d->discard));
        return err_hint(err, "Nothing was done. 'bascule rollback --discard-target-writes "
                             "--dry-run' shows what would be lost.");
    }
    if (!engine_gone(d->config, err) || !open_discard(d, false, err))
        return false;
    return d->confirm != NULL || ask_number(d, err);
}

static bool prepare(Discarding *d, Error *err)
{
    if (!task_open(d->config, interrupt_stop(), false, &d->task, err) ||
        !open_discard(d, true, err))
        return false;
    if (task_discard_half_done(d->discard) && !d->dry_run)
        return engine_gone(d->config, err) && open_discard(d, false, err);
    return read_wish(d, err) && (d->dry_run || agreed(d, err));
}

static bool run_it(void *arg, void (*on_event)(void *event_arg, const CutoverEvent *event),
                   void *event_arg, Arena *arena, CutoverReport *out_report, Error *err)
{
    Discarding *d = arg;
    const Config *config = d->config;
    TaskCutover options = {
        .terminate_blockers = config_flag(config, FLAG_TERMINATE_BLOCKERS),
        .at_window_us = -1,
        .verify = -1,
        .confirm = task_discard_hash(d->discard),
        .max_downtime_us = -1,
        .max_lag_us = -1,
        .max_lag_bytes = -1,
        .on_event = on_event,
        .event_arg = event_arg,
        .report_json = report_json,
    };
    return task_discard_run(d->discard, &options, arena, out_report, err);
}

int discard_client(const Config *config, Error *err)
{
    Discarding d = {.config = config};
    d.dry_run = config_flag(config, FLAG_DRY_RUN) || config_flag(config, FLAG_CHECK);
    int code = prepare(&d, err) ? switch_in_process(config, true, d.dry_run, run_it, &d, err)
                                : cli_failed(err);
    task_discard_close(d.discard);
    task_free(d.task);
    return code;
}

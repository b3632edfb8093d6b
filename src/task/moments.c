/* moments - see the header. */
#include "task/moments.h"

#include <string.h>

static bool check_headers(const Hooks *hooks, Error *err)
{
    for (int i = 0; i < hooks->header_count; i++) {
        const char *colon = strchr(hooks->headers[i], ':');
        if (colon == NULL || colon == hooks->headers[i] ||
            strpbrk(hooks->headers[i], "\r\n") != NULL)
            return ERR(err, ERR_CONFIG, "hooks.webhook_headers: item %d is no 'Name: value'",
                       i + 1);
    }
    return true;
}

bool moments_read(const Config *config, Arena *arena, const PgEndpoint *source,
                  const PgEndpoint *target, Moments *out, Error *err)
{
    int commands = 0, webhooks = 0;
    Hooks *hooks = &out->hooks;
    const char *const *lines = config_list(config, OPT_HOOKS_COMMANDS, &commands);
    const char *const *urls = config_list(config, OPT_HOOKS_WEBHOOKS, &webhooks);
    hooks->headers = config_list(config, OPT_HOOKS_WEBHOOK_HEADERS, &hooks->header_count);
    hooks->secret = config_text(config, OPT_HOOKS_WEBHOOK_SECRET);
    hooks->ca_file = config_text(config, OPT_HOOKS_WEBHOOK_CA);
    hooks->retries = (int)config_i64(config, OPT_HOOKS_WEBHOOK_RETRIES);
    return check_headers(hooks, err) && hooks_parse(lines, commands, false, arena, hooks, err) &&
           hooks_parse(urls, webhooks, true, arena, hooks, err) &&
           traffic_read(config, arena, source, target, &out->traffic, err);
}

static bool is_moment(const CutoverMoment *moment, bool before, const char *phase)
{
    return moment->phase != NULL && moment->before == before && strcmp(moment->phase, phase) == 0;
}

static bool on_phase(void *arg, const CutoverMoment *moment, Error *err)
{
    Moments *moments = arg;
    bool opened = is_moment(moment, false, "open");
    if (opened)
        traffic_open(&moments->traffic, true, moment);
    if (moment->phase == NULL)
        traffic_end(&moments->traffic, moment);
    if (!hooks_run(&moments->hooks, moment, err))
        return false;
    if (opened)
        traffic_open(&moments->traffic, false, moment);
    return !is_moment(moment, true, "freeze") || traffic_pause(&moments->traffic, moment, err);
}

static int64_t waiting_since(void *arg)
{
    const Moments *moments = arg;
    return moments->traffic.paused_since_us;
}

static bool check_more(void *arg, const CutoverFindings *findings, Error *err)
{
    const Moments *moments = arg;
    (void)err;
    traffic_check(&moments->traffic, findings);
    return true;
}

void moments_begin(Moments *moments, CutoverSpec *spec, Arena *arena)
{
    Hooks *hooks = &moments->hooks;
    Traffic *traffic = &moments->traffic;
    hooks->task = spec->task;
    hooks->stop = spec->abort;
    hooks->from_conninfo = spec->source.conninfo;
    hooks->to_conninfo = spec->target.conninfo;
    hooks->mode = spec->rehearse ? (spec->back ? "rollback-rehearsal" : "rehearsal")
                  : spec->back   ? "rollback"
                                 : "cutover";
    hooks->runs = hooks->count > 0 ? arena_new_array(arena, CutoverHookRun, HOOK_RUNS_MAX) : NULL;
    hooks->run_count = 0;
    hooks->run_arena = arena;
    traffic->back = spec->back;
    traffic->stop = spec->abort;
    traffic->max_downtime_us = spec->max_downtime_us;
    traffic->paused_since_us = 0;
    traffic->paused_us = -1;
    spec->phase_arg = spec->traffic_arg = moments;
    spec->check_more = check_more;
    spec->on_phase = hooks->count + traffic->count > 0 ? on_phase : NULL;
    spec->waiting_since = waiting_since;
    spec->plan_extra =
        arena_printf(arena, "%s%s", hooks_plan(hooks, arena), traffic_plan(traffic, arena));
}

void moments_report(const Moments *moments, CutoverReport *report)
{
    report->paused_us = moments->traffic.paused_us;
    report->hooks = moments->hooks.runs;
    report->hook_count = moments->hooks.run_count;
}

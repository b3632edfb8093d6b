/* hooks - see the header. */
#include "task/hooks.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/sha256.h"
#include "bascule/base/subprocess.h"
#include "bascule/port/conninfo.h"
#include "net/webhook.h"
#include "task/webhooks.h"

#define TIMEOUT_US  10000000
#define LONGEST_US  3600000000LL
#define VARIABLES   20
#define WORDS_LIMIT 64
#define EVERY       "every"

static const char *const PHASES[] = {"preflight", "arm",   "freeze", "drain",
                                     "sequences", "prove", "commit", "open"};

/* Reading ------------------------------------------------------------------------------------ */

static bool known_point(const char *point)
{
    const char *phase = strncmp(point, "before-", 7) == 0  ? point + 7
                        : strncmp(point, "after-", 6) == 0 ? point + 6
                                                           : "";
    for (size_t i = 0; i < sizeof PHASES / sizeof *PHASES; i++)
        if (strcmp(phase, PHASES[i]) == 0)
            return true;
    return strcmp(point, "end") == 0 || strcmp(point, EVERY) == 0;
}

/* One word, quotes taken off; NULL at the end or when a quote is not closed. */
static const char *next_word(const char **rest, Arena *arena, bool *out_bad)
{
    CLEANUP_BUF Buf word = BUF_INIT;
    const char *p = *rest + strspn(*rest, " \t");
    char quote = '\0';
    *out_bad = false;
    if (*p == '\0')
        return NULL;
    for (; *p != '\0' && (quote != '\0' || !isspace((unsigned char)*p)); p++) {
        if (quote == '\0' && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (quote != '\0' && *p == quote)
            quote = '\0';
        else
            buf_putc(&word, *p);
    }
    *rest = p;
    *out_bad = quote != '\0';
    return *out_bad ? NULL : arena_strdup(arena, buf_str(&word));
}

/* "500ms", "10s", "2min" */
static bool read_time(const char *word, int64_t *out_us)
{
    char *unit;
    long long number = strtoll(word, &unit, 10);
    int64_t scale = strcmp(unit, "ms") == 0    ? 1000
                    : strcmp(unit, "s") == 0   ? 1000000
                    : strcmp(unit, "min") == 0 ? 60000000
                                               : 0;
    if (!isdigit((unsigned char)word[0]) || scale == 0 || number <= 0 ||
        number > LONGEST_US / scale)
        return false;
    *out_us = number * scale;
    return true;
}

/* What a webhook's line is about without what may be a secret of it. */
static void hide_url(Hook *hook, const char *option_words, Arena *arena)
{
    char hex[SHA256_HEX_SIZE];
    sha256_hex(hook->line, strlen(hook->line), hex);
    hook->name = webhook_shown(hook->argv[0], arena);
    hook->line = arena_printf(arena, "%s%s (%.12s)", option_words, hook->name, hex);
}

static bool parse_line(const char *line, bool web, Arena *arena, Hook *out, Error *err)
{
    bool bad = false;
    int count = 0;
    const char *option = web ? "hooks.webhooks" : "hooks.commands";
    const char *rest = line, *word = next_word(&rest, arena, &bad);
    *out = (Hook){.line = line, .timeout_us = TIMEOUT_US, .abort = true, .web = web, .point = word};
    if (word == NULL || !known_point(word)) {
        ERR(err, ERR_CONFIG, "%s: '%s' names no point of a cutover", option,
            web && word != NULL ? word : line);
        return err_hint(err, "Write before-PHASE, after-PHASE, end or every; phases: preflight, "
                             "arm, freeze, drain, sequences, prove, commit, open.");
    }
    word = next_word(&rest, arena, &bad);
    if (word != NULL && read_time(word, &out->timeout_us))
        word = next_word(&rest, arena, &bad);
    if (word != NULL && (strcmp(word, "abort") == 0 || strcmp(word, "warn") == 0)) {
        out->abort = word[0] == 'a';
        word = next_word(&rest, arena, &bad);
    }
    out->argv = arena_new_array(arena, const char *, WORDS_LIMIT + 1);
    for (; word != NULL && count < WORDS_LIMIT; word = next_word(&rest, arena, &bad))
        out->argv[count++] = word;
    if (web && (bad || count != 1 || !webhook_is_url(out->argv[0])))
        return ERR(err, ERR_CONFIG, "%s: the line for %s does not end with one http or https URL",
                   option, out->point);
    if (bad || count == 0 || word != NULL)
        return ERR(err, ERR_CONFIG, "%s: '%s' %s", option, line,
                   bad          ? "has a quote that is not closed"
                   : count == 0 ? "names no command"
                                : "has too many arguments");
    out->name = out->argv[0];
    if (web)
        hide_url(out, arena_printf(arena, "%s %s ", out->point, out->abort ? "abort" : "warn"),
                 arena);
    return true;
}

bool hooks_parse(const char *const *lines, int count, bool web, Arena *arena, Hooks *hooks,
                 Error *err)
{
    Hook *all = arena_new_array(arena, Hook, hooks->count + count + 1);
    for (int i = 0; i < hooks->count; i++)
        all[i] = hooks->all[i];
    hooks->all = all;
    for (int i = 0; i < count; i++)
        if (!parse_line(lines[i], web, arena, &hooks->all[hooks->count++], err))
            return false;
    return true;
}

const char *hooks_plan(const Hooks *hooks, Arena *arena)
{
    const char *text = "";
    for (int i = 0; i < hooks->count; i++)
        text = arena_printf(arena, "%shook %d: %s\n", text, i + 1, hooks->all[i].line);
    return text;
}

/* Running ------------------------------------------------------------------------------------ */

typedef struct Env {
    Arena *arena;
    const char *all[VARIABLES + 1];
    int count;
} Env;

static void put(Env *env, const char *name, const char *value)
{
    ASSERT(env->count < VARIABLES);
    env->all[env->count++] =
        arena_printf(env->arena, "CUTOVER_%s=%s", name, value == NULL ? "" : value);
}

static void put_place(Env *env, const char *name, const char *conninfo)
{
    Conninfo parts;
    Error ignored = ERROR_INIT;
    if (!conninfo_parse(env->arena, conninfo, &parts, &ignored))
        return;
    put(env, arena_printf(env->arena, "%s_HOST", name), conninfo_get(&parts, "host"));
    put(env, arena_printf(env->arena, "%s_PORT", name), conninfo_get(&parts, "port"));
    put(env, arena_printf(env->arena, "%s_DATABASE", name), conninfo_get(&parts, "dbname"));
}

static void fill(Env *env, const Hooks *hooks, const CutoverMoment *moment, const char *point)
{
    put(env, "TASK", hooks->task);
    put(env, "MODE", hooks->mode);
    put(env, "POINT", point);
    put(env, "PHASE", moment->phase);
    put(env, "EPOCH", arena_printf(env->arena, "%lld", (long long)moment->epoch));
    put(env, "PLAN", moment->plan_hash);
    put(env, "OUTCOME", moment->outcome);
    put(env, "FROZEN_MS",
        moment->frozen_us < 0
            ? ""
            : arena_printf(env->arena, "%lld", (long long)(moment->frozen_us / 1000)));
    put_place(env, "FROM", hooks->from_conninfo);
    put_place(env, "TO", hooks->to_conninfo);
}

int64_t hook_time_us(const Hook *hook, const CutoverMoment *moment)
{
    int64_t left_us = moment->deadline_us - clock_now_us();
    if (moment->deadline_us == 0 || left_us >= hook->timeout_us)
        return hook->timeout_us;
    return left_us > 1000 ? left_us : 1000;
}

static bool run_command(const Hooks *hooks, const Hook *hook, const CutoverMoment *moment,
                        const char *point, Error *err)
{
    Env env = {.arena = arena_new(0)};
    fill(&env, hooks, moment, point);
    Subprocess spec = {
        .argv = hook->argv,
        .env = env.all,
        .timeout_us = hook_time_us(hook, moment),
        .stop = moment->may_abort ? hooks->stop : NULL,
    };
    bool ok = subprocess_run(&spec, NULL, err);
    arena_free(env.arena);
    return ok || err_context(err, "hook %s '%s'", point, hook->name);
}

/* Not flushed while writes wait: the record of the cutover's next decision does it. */
static void note_hook(const Hook *hook, const CutoverMoment *moment, const char *event,
                      const char *result)
{
    audit_note(&(AuditNote){.action = "hook",
                            .event = event,
                            .result = result,
                            .detail = hook->line,
                            .plan = moment->plan_hash,
                            .epoch = moment->epoch,
                            .lazy = moment->frozen_us >= 0});
}

static void keep_run(Hooks *hooks, const Hook *hook, const char *point, int64_t elapsed_us,
                     const char *why)
{
    if (hooks->runs == NULL || hooks->run_count == HOOK_RUNS_MAX)
        return;
    CutoverHookRun *run = &hooks->runs[hooks->run_count++];
    *run = (CutoverHookRun){
        .name = hook->name, .why = arena_strdup(hooks->run_arena, why), .elapsed_us = elapsed_us};
    snprintf(run->point, sizeof run->point, "%s", point);
}

bool hooks_run(void *arg, const CutoverMoment *moment, Error *err)
{
    Hooks *hooks = arg;
    char point[40];
    if (moment->phase == NULL)
        snprintf(point, sizeof point, "end");
    else
        snprintf(point, sizeof point, "%s-%s", moment->before ? "before" : "after", moment->phase);
    for (int i = 0; i < hooks->count; i++) {
        const Hook *hook = &hooks->all[i];
        char took[32];
        int64_t began_us = clock_now_us();
        if (strcmp(hook->point, point) != 0 && strcmp(hook->point, EVERY) != 0)
            continue;
        note_hook(hook, moment, "begin", NULL);
        bool went_well = hook->web ? webhook_send(hooks, hook, moment, point, err)
                                   : run_command(hooks, hook, moment, point, err);
        note_hook(hook, moment, "end", went_well ? "done" : "failed");
        keep_run(hooks, hook, point, clock_now_us() - began_us, went_well ? "" : err->message);
        if (went_well) {
            moment->tell(moment->tell_arg, false, "%s: '%s' done after %s", point, hook->name,
                         clock_format_duration(clock_now_us() - began_us, took, sizeof took));
            continue;
        }
        if (hook->abort && moment->may_abort) {
            err->cls = ERR_ABORTED;
            return err_hint(err, "Writes were given back and nothing changed. Mend the command, or "
                                 "give it the policy warn.");
        }
        moment->tell(moment->tell_arg, true, "%s", err->message);
        err_clear(err);
    }
    return true;
}

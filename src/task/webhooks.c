/* webhooks - see the header. */
#include "task/webhooks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/conninfo.h"
#include "net/json_text.h"
#include "net/webhook.h"

#define RETRY_US 500000 /* then twice as long each time */

static json_t *place_json(Arena *arena, const char *conninfo)
{
    Conninfo parts;
    Error ignored = ERROR_INIT;
    if (conninfo == NULL || !conninfo_parse(arena, conninfo, &parts, &ignored))
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "host", json_text(conninfo_get(&parts, "host")), "port",
                     json_text(conninfo_get(&parts, "port")), "database",
                     json_text(conninfo_get(&parts, "dbname")));
}

/* The whole report goes where all is over for the writers: building it takes time. */
static json_t *report_of(const Hooks *hooks, const CutoverMoment *moment)
{
    bool over = moment->phase == NULL || (!moment->before && strcmp(moment->phase, "open") == 0);
    return over && hooks->report_json != NULL ? hooks->report_json(moment->report) : json_null();
}

static const char *body_of(const Hooks *hooks, const CutoverMoment *moment, const char *point,
                           Arena *arena)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    char wall[40];
    json_t *body = json_pack("{s:s, s:s, s:s, s:s?, s:I, s:s, s:s}", "event", point, "task",
                             hooks->task, "mode", hooks->mode, "phase", moment->phase, "epoch",
                             (json_int_t)moment->epoch, "plan", moment->plan_hash, "at",
                             clock_format_wall(clock_wall_us(), wall, sizeof wall));
    json_object_set_new(body, "outcome",
                        moment->outcome[0] != '\0' ? json_string(moment->outcome) : json_null());
    json_object_set_new(body, "frozen_ms",
                        json_text_ms(moment->frozen_us < 0 ? PROGRESS_UNKNOWN : moment->frozen_us));
    json_object_set_new(body, "from", place_json(arena, hooks->from_conninfo));
    json_object_set_new(body, "to", place_json(arena, hooks->to_conninfo));
    json_object_set_new(body, "barrier_lsn", json_text_lsn(moment->report->barrier_lsn));
    json_object_set_new(body, "report", report_of(hooks, moment));
    json_text_dump(body, JSON_TEXT_FLAGS, &text);
    json_decref(body);
    return arena_strdup(arena, buf_str(&text));
}

static const char *new_id(Arena *arena)
{
    unsigned char bytes[16] = {0};
    char hex[33];
    (void)!getrandom(bytes, sizeof bytes, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return arena_strdup(arena, hex);
}

bool webhook_send(const Hooks *hooks, const Hook *hook, const CutoverMoment *moment,
                  const char *point, Error *err)
{
    Arena *arena = arena_new(0);
    Webhook call = {
        .url = hook->argv[0],
        .headers = hooks->headers,
        .header_count = hooks->header_count,
        .secret = hooks->secret,
        .ca_file = hooks->ca_file,
        .id = new_id(arena),
        .body = body_of(hooks, moment, point, arena),
        .timeout_us = hook_time_us(hook, moment),
        .stop = moment->may_abort ? hooks->stop : NULL,
    };
    bool may_retry = !moment->may_abort && moment->frozen_us < 0, again = false, ok;
    int64_t wait_us = RETRY_US;
    for (int i = 0;; i++, wait_us *= 2) {
        ok = webhook_post(&call, &again, err);
        if (ok || !again || !may_retry || i >= hooks->retries)
            break;
        log_info("%s '%s': %s; trying again", point, hook->name, err->message);
        (void)stop_poll(NULL, -1, 0, clock_now_us() + wait_us);
    }
    arena_free(arena);
    return ok || err_context(err, "hook %s '%s'", point, hook->name);
}

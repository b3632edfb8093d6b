/* approval - see the header. */
#include "audit/approval.h"

#include <string.h>

#include "audit/audit_copy.h"
#include "bascule/base/clock.h"

/* Clocks of two machines. */
#define AHEAD_US ((int64_t)300000000)

bool approval_give(const Config *config, const char *plan, Error *err)
{
    AuditNote note = {
        .action = APPROVAL_ACTION, .event = "decision", .result = "approved", .plan = plan};
    if (!audit_note_now(&note, err))
        return false;
    if (audit_copy_reach_target(config, err))
        return true;
    return err_context(err, "the approval is recorded here, but the target does not have it yet");
}

typedef struct Person {
    int64_t uid, login; /* login -1: not known */
} Person;

static Person person_of(const json_t *by)
{
    const json_t *login = json_object_get(by, "login_uid");
    return (Person){.uid = (int64_t)json_integer_value(json_object_get(by, "uid")),
                    .login = json_is_integer(login) ? (int64_t)json_integer_value(login) : -1};
}

static bool is_another(const Person *a, const Person *b)
{
    return a->login >= 0 && b->login >= 0 ? a->login != b->login : a->uid != b->uid;
}

typedef struct Search {
    const char *plan, *task;
    Person runner;
    int64_t valid_us, now_us;
    bool by_another;          /* found */
    bool by_himself, too_old; /* what there was instead */
} Search;

static bool is(const json_t *record, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(record, key));
    return text != NULL && strcmp(text, value) == 0;
}

static void look_at(Search *search, const json_t *record)
{
    if (!is(record, "action", APPROVAL_ACTION) || !is(record, "result", "approved") ||
        !is(record, "plan", search->plan) || !is(record, "task", search->task))
        return;
    const char *at = json_string_value(json_object_get(record, "at"));
    int64_t at_us = at != NULL ? audit_record_parse_time(at) : 0;
    Person who = person_of(json_object_get(record, "by"));
    if (at_us < search->now_us - search->valid_us || at_us > search->now_us + AHEAD_US)
        search->too_old = true;
    else if (is_another(&who, &search->runner))
        search->by_another = true;
    else
        search->by_himself = true;
}

static void look_through(Search *search, const AuditCopy *copy)
{
    for (int i = 0; i < copy->count; i++) {
        json_t *record = NULL;
        if (audit_record_check(copy->lines[i].text, copy->lines[i].len, &record) == NULL)
            look_at(search, record);
        json_decref(record);
    }
}

bool approval_find(const Config *config, const char *plan, const AuditPeer *runner, Error *err)
{
    AuditCopy copies[AUDIT_COPIES];
    json_t *by = audit_record_who(runner);
    Search search = {
        .plan = plan,
        .task = config_text(config, OPT_TASK),
        .runner = person_of(by),
        .valid_us = config_duration_us(config, OPT_CUTOVER_APPROVAL_VALID),
        .now_us = clock_wall_us(),
    };
    json_decref(by);
    Arena *arena = arena_new(0);
    audit_copy_read(config, arena, copies);
    for (int c = 0; c < AUDIT_COPIES; c++)
        look_through(&search, &copies[c]);
    arena_free(arena);
    if (search.by_another)
        return true;
    ERR(err, ERR_NOT_APPROVED, "plan '%s' is not approved by a second person%s", plan,
        search.by_himself ? ": only by the one who runs the cutover"
        : search.too_old  ? ": its approval is older than cutover.approval_valid"
                          : "");
    return err_hint(err,
                    "Another person, as another user, runs 'bascule approve %s'; then run the "
                    "cutover again, before the plan changes.",
                    plan);
}

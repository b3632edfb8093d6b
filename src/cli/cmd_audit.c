/* cmd_audit - bascule audit: shows the record of operators' actions, and finds what was changed in it. */
#include <stdlib.h>
#include <string.h>

#include "audit/audit_check.h"
#include "bascule/base/clock.h"
#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/out.h"
#include "ops/json_get.h"

/* show ----------------------------------------------------------------------------------------- */

static bool read_since(const Config *config, int64_t *out_from_us, Error *err)
{
    const char *text = config_flag_text(config, FLAG_SINCE);
    int64_t age_us = 0;
    *out_from_us = 0;
    if (text == NULL)
        return true;
    if (!option_parse_duration(text, &age_us) || age_us <= 0)
        return ERR(err, ERR_USAGE, "'--since %s': a duration like 12h or 7d is needed", text);
    *out_from_us = clock_wall_us() - age_us;
    return true;
}

static json_t *records_of(const AuditCopy *disk, int64_t from_us)
{
    json_t *records = json_array();
    for (int i = 0; i < disk->count; i++) {
        json_t *record = NULL;
        (void)audit_record_check(disk->lines[i].text, disk->lines[i].len, &record);
        const char *at = json_string_value(json_object_get(record, "at"));
        if (at != NULL && audit_record_parse_time(at) >= from_us)
            json_array_append(records, record);
        json_decref(record);
    }
    return records;
}

/* "ann (uid 1000)", with the login that the kernel remembers where it is another. */
static const char *who(Arena *arena, const json_t *record)
{
    const json_t *login = json_get(record, "by.login_uid");
    int64_t uid = (int64_t)json_integer_value(json_get(record, "by.uid"));
    const char *text =
        arena_printf(arena, "%s (%lld)", json_get_text(record, "by.user", "?"), (long long)uid);
    if (json_is_integer(login) && (int64_t)json_integer_value(login) != uid)
        text = arena_printf(arena, "%s, login %s", text, json_get_text(record, "by.login", "?"));
    return text;
}

static const char *what(Arena *arena, const json_t *record)
{
    const char *event = json_get_text(record, "event", "");
    const char *text = strcmp(event, "begin") == 0 ? json_get_text(record, "command", "")
                                                   : json_get_text(record, "detail", "");
    const char *plan = json_get_text(record, "plan", "");
    return plan[0] == '\0' || strstr(text, plan) != NULL
               ? text
               : arena_printf(arena, "%s%splan %s", text, text[0] != '\0' ? "; " : "", plan);
}

static void show_text(const json_t *records, Arena *arena)
{
    static const char *const TITLES[] = {">No",   "Time",   "Who",  "Action",
                                         "Event", "Result", "What", NULL};
    CLEANUP_BUF Buf text = BUF_INIT;
    OutTable *table = out_table_new(arena, TITLES);
    size_t i;
    json_t *record;
    json_array_foreach(records, i, record)
    {
        const char *cells[] = {
            arena_printf(arena, "%lld", (long long)json_integer_value(json_get(record, "seq"))),
            json_get_text(record, "at", ""),
            who(arena, record),
            json_get_text(record, "action", ""),
            json_get_text(record, "event", ""),
            json_get_text(record, "result", ""),
            what(arena, record),
        };
        out_table_row(table, cells);
    }
    out_table_put(table, &text);
    out_buf(&text);
}

static int show(const Config *config, Arena *arena, Error *err)
{
    AuditCopy disk;
    int64_t from_us = 0;
    const char *path = arena_printf(arena, "%s/audit.log", config_text(config, OPT_WORK_DIR));
    if (!read_since(config, &from_us, err) || !audit_copy_read_disk(path, arena, &disk, err))
        return cli_failed(err);
    json_t *records = records_of(&disk, from_us);
    if (config_flag(config, FLAG_JSON))
        out_json(records);
    else if (json_array_size(records) == 0)
        out_printf("nothing is recorded in %s%s\n", path, from_us != 0 ? " since then" : "");
    else
        show_text(records, arena);
    json_decref(records);
    return 0;
}

/* verify --------------------------------------------------------------------------------------- */

static void put_names(const json_t *names, const char *before, Buf *out)
{
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
        buf_printf(out, "%s%s", i == 0 ? before : ", ", json_string_value(name));
}

static void put_finding(const json_t *found, Buf *out)
{
    const json_t *copies = json_get(found, "copies");
    const char *copy;
    json_t *says;
    if (json_is_integer(json_get(found, "seq")))
        buf_printf(out, "CHANGED  record %lld of log %s",
                   (long long)json_integer_value(json_get(found, "seq")),
                   json_get_text(found, "log", "?"));
    else
        buf_puts(out, "CHANGED");
    if (json_is_integer(json_get(found, "to")))
        buf_printf(out, " to %lld", (long long)json_integer_value(json_get(found, "to")));
    if (json_is_integer(json_get(found, "line")))
        buf_printf(out, "%s line %lld of the file", copies == NULL ? " " : ",",
                   (long long)json_integer_value(json_get(found, "line")));
    if (copies == NULL)
        buf_printf(out, ": %s", json_get_text(found, "what", ""));
    buf_putc(out, '\n');
    json_object_foreach((json_t *)(uintptr_t)copies, copy, says)
        buf_printf(out, "         %s: %s\n", copy, json_string_value(says));
    if (json_array_size(json_get(found, "fields")) > 0) {
        put_names(json_get(found, "fields"), "         different: ", out);
        buf_putc(out, '\n');
    }
    if (copies == NULL)
        return;
    if (json_array_size(json_get(found, "agree")) > 0)
        put_names(json_get(found, "agree"), "         to be believed: ", out);
    else
        buf_puts(out, "         to be believed: unknown, nothing speaks for one of them");
    buf_putc(out, '\n');
}

static void verify_text(const json_t *answer, Buf *out)
{
    size_t i;
    json_t *each;
    json_array_foreach(json_get(answer, "copies"), i, each)
    {
        const char *state = json_get_text(each, "state", "");
        buf_printf(out, "%-7s ", json_get_text(each, "name", ""));
        if (strcmp(state, "read") == 0)
            buf_printf(out, "%lld records\n",
                       (long long)json_integer_value(json_get(each, "records")));
        else if (strcmp(state, "none") == 0)
            buf_puts(out, "no copy there\n");
        else if (strcmp(state, "missing") == 0)
            buf_puts(out, "no copy, though schema bascule is there\n");
        else
            buf_printf(out, "unknown: %s\n", json_get_text(each, "why", ""));
    }
    json_array_foreach(json_get(answer, "findings"), i, each) put_finding(each, out);
    json_array_foreach(json_get(answer, "warnings"), i, each)
        buf_printf(out, "note     %s\n", json_string_value(each));
    const char *verdict = json_get_text(answer, "verdict", "");
    if (json_is_object(json_get(answer, "head")))
        buf_printf(out, "head     record %lld of log %s, %s\n",
                   (long long)json_integer_value(json_get(answer, "head.seq")),
                   json_get_text(answer, "head.log", ""), json_get_text(answer, "head.hash", ""));
    buf_printf(out, "%s\n",
               strcmp(verdict, "intact") == 0    ? "intact: nothing was changed"
               : strcmp(verdict, "changed") == 0 ? "CHANGED: the audit is not as it was written"
                                                 : "unknown: a copy could not be read");
}

static int verify(const Config *config, Arena *arena)
{
    AuditCopy copies[AUDIT_COPIES];
    CLEANUP_BUF Buf text = BUF_INIT;
    audit_copy_read(config, arena, copies);
    json_t *answer =
        audit_check(copies, arena_printf(arena, "%s/audit.log", config_text(config, OPT_WORK_DIR)));
    const char *verdict = json_get_text(answer, "verdict", "");
    int code = strcmp(verdict, "changed") == 0                     ? EXIT_DIFFERENT
               : strcmp(verdict, "unknown") == 0                   ? EXIT_UNDECIDED
               : json_array_size(json_get(answer, "warnings")) > 0 ? EXIT_WARNINGS
                                                                   : EXIT_DONE;
    if (config_flag(config, FLAG_JSON)) {
        out_json(answer);
    } else {
        verify_text(answer, &text);
        out_buf(&text);
    }
    json_decref(answer);
    return code;
}

static int sync_copies(const Config *config, Error *err)
{
    if (!audit_open(config_text(config, OPT_WORK_DIR), config_text(config, OPT_TASK), "", NULL,
                    NULL, err))
        return cli_failed(err);
    audit_copy_sync(config, NULL);
    audit_close();
    return 0;
}

static int run(const Config *config, Error *err)
{
    int count = 0;
    const char *const *args = config_args(config, &count);
    const char *word = count > 0 ? args[0] : "show";
    Arena *arena = arena_new(0);
    int code;
    if (strcmp(word, "show") == 0) {
        code = show(config, arena, err);
    } else if (strcmp(word, "verify") == 0) {
        code = verify(config, arena);
    } else if (strcmp(word, "sync") == 0) {
        code = sync_copies(config, err);
        code = code == 0 ? verify(config, arena) : code;
    } else {
        ERR(err, ERR_USAGE, "'bascule audit %s': there is show, verify and sync", word);
        code = cli_failed(err);
    }
    arena_free(arena);
    return code;
}

const Command CMD_AUDIT = {
    .name = "audit",
    .summary = "show who did what, and find what was changed in that record",
    .usage = "[show | verify | sync]",
    .help =
        "Every command that changes something, and every decision of a cutover, stands in work_dir/"
        "audit.log: who,\n"
        "when, on which host, with which command, plan and result. Each record holds the hash of "
        "the "
        "one before it.\n"
        "Both databases keep a copy in bascule.audit.\n"
        "show prints the file, --since 2d its newest part. verify compares the file and both "
        "copies "
        "with their\n"
        "hashes and with each other, and names every record that was changed, put in or removed, "
        "and "
        "which copies\n"
        "agree. sync fills in what a copy lacks (commands do so at their end), then verifies.\n"
        "Exit 0: nothing was changed. 4: something was. 5: nothing was, but see the notes. 6: a "
        "copy "
        "could not be read.",
    .example = "bascule --config clinic.yaml audit show --since 1d\n"
               "bascule -c clinic.yaml audit show --json | jq '.[] | {at, by, action, result}'\n"
               "bascule -c clinic.yaml audit verify",
    .uses = USE_TASK | USE_CONNECT,
    .flags = FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_SINCE),
    .max_args = 1,
    .exits = {1, 2, 4, 5, 6},
    .run = run,
};

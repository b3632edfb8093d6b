/* audit_record - see the header. */
#include "audit/audit_record.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/canonical.h"
#include "net/json_text.h"

#define TEXT_MAX 2000

const char *const AUDIT_SIDE_NAMES[AUDIT_SIDES] = {"source", "target"};

char *audit_record_time(int64_t wall_us, char out[32])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t at = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + at, 32 - at, ".%06dZ", (int)(wall_us % 1000000));
    return out;
}

int64_t audit_record_parse_time(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    char *end = NULL;
    if (rest == NULL || rest[0] != '.')
        return 0;
    long us = strtol(rest + 1, &end, 10);
    return end == rest + 7 && strcmp(end, "Z") == 0 ? (int64_t)timegm(&tm) * 1000000 + us : 0;
}

/* One line of bounded length, whatever was said. NULL is null. */
static json_t *clean_text(const char *text)
{
    char copy[TEXT_MAX + 4];
    if (text == NULL)
        return json_null();
    size_t len = strnlen(text, TEXT_MAX);
    memcpy(copy, text, len);
    snprintf(copy + len, 4, "%s", text[len] != '\0' ? "..." : "");
    for (char *p = copy; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return json_text(copy);
}

/* Who logged in, kept by the kernel through su and sudo; -1 not known. */
static int64_t login_of(pid_t pid)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/loginuid", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    unsigned long uid = strtoul(text, NULL, 10);
    return got && uid != (uid_t)-1 ? (int64_t)uid : -1;
}

static json_t *user_name(uid_t uid)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(uid, &entry, room, sizeof room, &found) != 0 || found == NULL)
        return json_null();
    return clean_text(found->pw_name);
}

json_t *audit_record_who(const AuditPeer *peer)
{
    uid_t uid = peer != NULL ? peer->uid : getuid();
    pid_t pid = peer != NULL ? peer->pid : getpid();
    int64_t login = login_of(pid);
    return json_pack("{s:I, s:o, s:I, s:s, s:o, s:o}", "uid", (json_int_t)uid, "user",
                     user_name(uid), "pid", (json_int_t)pid, "through",
                     peer != NULL ? "socket" : "command", "login_uid",
                     login < 0 ? json_null() : json_integer(login), "login",
                     login < 0 ? json_null() : user_name((uid_t)login));
}

static json_t *number(int64_t n)
{
    return n == 0 ? json_null() : json_integer((json_int_t)n);
}

static json_t *sides(json_t *source, json_t *target)
{
    return json_pack("{s:o, s:o}", AUDIT_SIDE_NAMES[0], source, AUDIT_SIDE_NAMES[1], target);
}

static json_t *record_of(const AuditProcess *process, const AuditNote *note, int64_t at_us,
                         const AuditHead *head)
{
    char at[32];
    json_t *record = json_object();
    json_object_set_new(record, "seq", json_integer((json_int_t)head->seq + 1));
    json_object_set_new(record, "log", json_string(head->log));
    json_object_set_new(record, "prev", json_string(head->hash));
    json_object_set_new(record, "at", json_string(audit_record_time(at_us, at)));
    json_object_set_new(record, "task", clean_text(process->task));
    json_object_set_new(record, "host", clean_text(process->host));
    json_object_set_new(record, "file", clean_text(process->file));
    json_object_set_new(record, "version", json_string(BASCULE_VERSION));
    json_object_set_new(record, "command", clean_text(process->command));
    json_object_set_new(record, "by", audit_record_who(note->peer));
    json_object_set_new(record, "roles",
                        sides(clean_text(process->roles[0]), clean_text(process->roles[1])));
    json_object_set_new(record, "action", clean_text(note->action));
    json_object_set_new(record, "event", clean_text(note->event));
    json_object_set_new(record, "result", clean_text(note->result));
    json_object_set_new(record, "detail", clean_text(note->detail));
    json_object_set_new(record, "exit",
                        note->has_exit ? json_integer(note->exit_code) : json_null());
    json_object_set_new(record, "plan",
                        note->plan != NULL && note->plan[0] != '\0' ? clean_text(note->plan)
                                                                    : json_null());
    json_object_set_new(record, "epoch", number(note->epoch));
    json_object_set_new(record, "lsn",
                        sides(json_text_lsn(note->source_lsn), json_text_lsn(note->target_lsn)));
    json_object_set_new(record, "copied",
                        sides(json_integer((json_int_t)head->copied[0]),
                              json_integer((json_int_t)head->copied[1])));
    return record;
}

static const char *const BUT_HASH[] = {"hash", NULL};

void audit_record_make(const AuditProcess *process, const AuditNote *note, int64_t at_us,
                       AuditHead *head, Buf *out_line)
{
    json_t *record = record_of(process, note, at_us, head);
    canonical_digest(record, BUT_HASH, head->hash);
    json_object_set_new(record, "hash", json_string(head->hash));
    canonical_put(record, out_line);
    json_decref(record);
    head->seq++;
}

static bool copy_hex(const json_t *value, size_t digits, char *out)
{
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != digits || strspn(text, "0123456789abcdef") != digits)
        return false;
    memcpy(out, text, digits + 1);
    return true;
}

static bool head_of(const json_t *record, AuditHead *out)
{
    AuditHead head = {.seq = (int64_t)json_integer_value(json_object_get(record, "seq"))};
    if (head.seq <= 0 || !copy_hex(json_object_get(record, "log"), AUDIT_LOG_ID - 1, head.log) ||
        !copy_hex(json_object_get(record, "hash"), SHA256_HEX_SIZE - 1, head.hash))
        return false;
    for (int side = 0; side < AUDIT_SIDES; side++)
        head.copied[side] = (int64_t)json_integer_value(
            json_object_get(json_object_get(record, "copied"), AUDIT_SIDE_NAMES[side]));
    *out = head;
    return true;
}

bool audit_record_head(const char *line, size_t len, AuditHead *out_head)
{
    json_t *record = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    bool ok = record != NULL && head_of(record, out_head);
    json_decref(record);
    return ok;
}

const char *audit_record_check(const char *line, size_t len, json_t **out_record)
{
    AuditHead head;
    char hash[SHA256_HEX_SIZE];
    json_t *record = *out_record = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    if (record == NULL)
        return "is no JSON";
    if (!head_of(record, &head))
        return "is no record of an audit";
    if (strcmp(canonical_digest(record, BUT_HASH, hash), head.hash) != 0)
        return "its hash does not fit what it says";
    return canonical_is(record, line, len) ? NULL : "is not written in the canonical form";
}

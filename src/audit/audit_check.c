/* audit_check - see the header.
 *
 * Every line of every copy becomes an Entry; those of one chain and place stand together as a Place.
 * What a copy says wrong of itself (hash, link to the record before) and what the others say
 * otherwise is one finding a place. */
#include "audit/audit_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_internal.h"
#include "bascule/base/mem.h"

typedef struct Entry {
    const AuditLine *line;
    AuditHead head;
    json_t *record;      /* NULL: none */
    const char *problem; /* NULL: as it was written */
    char prev[SHA256_HEX_SIZE];
    bool linked; /* to the entry before it in its copy, or there is none to look at */
} Entry;

typedef struct Place {
    char log[AUDIT_LOG_ID];
    int64_t seq;
    Entry *at[AUDIT_COPIES];
} Place;

typedef struct Chain {
    char log[AUDIT_LOG_ID];
    int64_t last[AUDIT_COPIES]; /* 0: the copy has nothing of it */
    int64_t newest;
    int64_t copied[AUDIT_SIDES]; /* as its newest record says */
    bool ours;                   /* written by this machine to this file */
} Chain;

typedef struct Check {
    const AuditCopy *copies;
    const char *path;
    char host[256];
    Entry *entries[AUDIT_COPIES];
    Place *places;
    int place_count;
    Chain *chains;
    int chain_count;
    json_t *findings, *warnings;
} Check;

static void finding(Check *check, json_t *take)
{
    json_array_append_new(check->findings, take);
}

static void warn(Check *check, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void warn(Check *check, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(check->warnings, json_string(text));
}

/* One copy by itself --------------------------------------------------------------------------- */

static void read_entry(const AuditLine *line, Entry *out)
{
    *out = (Entry){.line = line, .linked = true};
    out->problem = audit_record_check(line->text, line->len, &out->record);
    if (out->record == NULL || !audit_record_head(line->text, line->len, &out->head)) {
        out->head = (AuditHead){.seq = line->seq};
        snprintf(out->head.log, sizeof out->head.log, "%s", line->log);
    } else if (line->seq != 0 &&
               (line->seq != out->head.seq || strcmp(line->log, out->head.log) != 0)) {
        out->problem = "stands in the place of another record";
        out->head.seq = line->seq;
        memcpy(out->head.log, line->log, sizeof out->head.log);
    }
    const char *prev = json_string_value(json_object_get(out->record, "prev"));
    snprintf(out->prev, sizeof out->prev, "%s", prev != NULL ? prev : "");
}

/* Bytes of the file that are no record: the record behind them must say so. */
static bool torn_declared(const Entry *next, const char *from, size_t len)
{
    char hash[SHA256_HEX_SIZE], with[200], without[200];
    const char *result = json_string_value(json_object_get(next->record, "result"));
    const char *detail = json_string_value(json_object_get(next->record, "detail"));
    if (next->problem != NULL || result == NULL || detail == NULL ||
        strcmp(result, AUDIT_TORN) != 0)
        return false;
    snprintf(with, sizeof with, AUDIT_TORN_DETAIL, (long long)len, sha256_hex(from, len, hash));
    len -= len > 0;
    snprintf(without, sizeof without, AUDIT_TORN_DETAIL, (long long)len,
             sha256_hex(from, len, hash));
    return strcmp(detail, with) == 0 || strcmp(detail, without) == 0;
}

static void bad_line(Check *check, const Entry *entry, const char *what)
{
    finding(check, json_pack("{s:n, s:n, s:I, s:s, s:s}", "log", "seq", "line",
                             (json_int_t)entry->line->line, "copy", "disk", "what", what));
}

static void look_at_torn(Check *check)
{
    const AuditCopy *disk = &check->copies[0];
    Entry *entries = check->entries[0];
    for (int i = 0; i < disk->count; i++) {
        int first = i;
        if (entries[i].head.seq != 0)
            continue;
        while (i + 1 < disk->count && entries[i + 1].head.seq == 0)
            i++;
        const AuditLine *from = &disk->lines[first], *to = &disk->lines[i];
        size_t len = (size_t)(to->text + to->len + 1 - from->text);
        if (i + 1 < disk->count && torn_declared(&entries[i + 1], from->text, len))
            warn(check,
                 "disk, line %lld: what a killed process left of a record; record %lld says so",
                 (long long)from->line, (long long)entries[i + 1].head.seq);
        else if (i + 1 == disk->count)
            warn(check,
                 "disk, line %lld, the last: is no record; a process was killed while it wrote, or "
                 "the "
                 "line was changed: the next record will name it",
                 (long long)from->line);
        else
            bad_line(check, &entries[first], "is no record, and no record behind it says so");
    }
}

/* Places and chains ---------------------------------------------------------------------------- */

static Chain *chain_of(Check *check, const char *log)
{
    for (int i = 0; i < check->chain_count; i++)
        if (strcmp(check->chains[i].log, log) == 0)
            return &check->chains[i];
    check->chains =
        mem_grow(check->chains, sizeof *check->chains * ((size_t)check->chain_count + 1));
    Chain *chain = &check->chains[check->chain_count++];
    *chain = (Chain){0};
    memcpy(chain->log, log, sizeof chain->log);
    return chain;
}

static bool is_text(const json_t *record, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(record, key));
    return text != NULL && strcmp(text, value) == 0;
}

static void add_to_chain(Check *check, int copy, const Entry *entry)
{
    Chain *chain = chain_of(check, entry->head.log);
    if (entry->head.seq > chain->last[copy])
        chain->last[copy] = entry->head.seq;
    if (entry->head.seq > chain->newest && entry->problem == NULL) {
        chain->newest = entry->head.seq;
        memcpy(chain->copied, entry->head.copied, sizeof chain->copied);
    }
    if (copy == 0 || (is_text(entry->record, "host", check->host) &&
                      is_text(entry->record, "file", check->path)))
        chain->ours = true;
}

static int by_place(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    int logs = strcmp(x->log, y->log);
    return logs != 0 ? logs : (x->seq > y->seq) - (x->seq < y->seq);
}

/* The same place of all copies into one, and twice in one copy is a finding. */
static void merge_places(Check *check)
{
    int kept = 0;
    qsort(check->places, (size_t)check->place_count, sizeof *check->places, by_place);
    for (int i = 0; i < check->place_count; i++) {
        Place *place = &check->places[i], *last = kept > 0 ? &check->places[kept - 1] : NULL;
        if (last == NULL || by_place(last, place) != 0) {
            check->places[kept++] = *place;
            continue;
        }
        for (int c = 0; c < AUDIT_COPIES; c++) {
            Entry *entry = place->at[c];
            if (entry != NULL && last->at[c] != NULL) {
                /* the one that stands first in the file may be the one put in */
                Entry *second = entry->line > last->at[c]->line ? entry : last->at[c];
                last->at[c] = entry == second ? last->at[c] : entry;
                bad_line(check, second, "a record of this number stands before it: one was put in");
            } else if (entry != NULL) {
                last->at[c] = entry;
            }
        }
    }
    check->place_count = kept;
}

static void collect(Check *check)
{
    int total = 0;
    for (int c = 0; c < AUDIT_COPIES; c++)
        total += check->copies[c].count;
    check->places = mem_zalloc(sizeof *check->places * ((size_t)total + 1));
    for (int c = 0; c < AUDIT_COPIES; c++) {
        const AuditCopy *copy = &check->copies[c];
        check->entries[c] = mem_zalloc(sizeof **check->entries * ((size_t)copy->count + 1));
        for (int i = 0; i < copy->count; i++) {
            Entry *entry = &check->entries[c][i];
            read_entry(&copy->lines[i], entry);
            if (entry->head.seq == 0)
                continue;
            Place *place = &check->places[check->place_count++];
            *place = (Place){.seq = entry->head.seq};
            memcpy(place->log, entry->head.log, sizeof place->log);
            place->at[c] = entry;
            add_to_chain(check, c, entry);
        }
    }
}

static void link_places(Check *check)
{
    for (int i = 0; i < check->place_count; i++) {
        Place *place = &check->places[i], *before = i > 0 ? &check->places[i - 1] : NULL;
        bool next =
            before != NULL && strcmp(before->log, place->log) == 0 && before->seq == place->seq - 1;
        for (int c = 0; c < AUDIT_COPIES; c++) {
            Entry *entry = place->at[c];
            if (entry == NULL)
                continue;
            if (place->seq == 1)
                entry->linked = strcmp(entry->prev, AUDIT_NO_HASH) == 0;
            else if (next && before->at[c] != NULL && before->at[c]->problem == NULL)
                entry->linked = strcmp(entry->prev, before->at[c]->head.hash) == 0;
        }
    }
}

/* The copies against each other ---------------------------------------------------------------- */

static bool same_text(const Entry *a, const Entry *b)
{
    return a->line->len == b->line->len && memcmp(a->line->text, b->line->text, a->line->len) == 0;
}

/* What the copy should have here and has not; NULL: it is as it should be. */
static const char *absent(const Check *check, const Chain *chain, int copy, int64_t seq)
{
    AuditCopyState state = check->copies[copy].state;
    if (state == AUDIT_COPY_UNKNOWN)
        return NULL;
    if (copy == 0)
        return !chain->ours           ? NULL
               : seq > chain->last[0] ? "was removed from the end"
                                      : "was removed";
    if (seq < chain->last[copy])
        return "was removed";
    return seq <= chain->copied[copy - 1] && state != AUDIT_COPY_NONE ? "was removed from the end"
                                                                      : NULL;
}

/* How much speaks for a version: copies that have it, and the record behind it that names its hash. */
static int weight(const Place *place, const Place *next, const Entry *entry)
{
    int sum = 0;
    if (entry->problem != NULL || !entry->linked)
        return 0;
    for (int c = 0; c < AUDIT_COPIES; c++) {
        sum += place->at[c] != NULL && same_text(place->at[c], entry) ? 2 : 0;
        if (next != NULL && next->at[c] != NULL && next->at[c]->problem == NULL &&
            strcmp(next->at[c]->prev, entry->head.hash) == 0)
            sum++;
    }
    return sum;
}

/* NULL when nothing speaks for one more than for another. */
static const Entry *believed(const Place *place, const Place *next)
{
    const Entry *best = NULL;
    int most = 0;
    for (int c = 0; c < AUDIT_COPIES; c++) {
        const Entry *entry = place->at[c];
        int now = entry != NULL ? weight(place, next, entry) : 0;
        if (now > most)
            best = entry;
        else if (now == most && best != NULL && entry != NULL && !same_text(best, entry))
            best = NULL;
        most = now > most ? now : most;
    }
    return best;
}

static json_t *names_where(const Check *check, const Place *place, const Entry *like)
{
    json_t *names = json_array();
    for (int c = 0; c < AUDIT_COPIES; c++)
        if (place->at[c] != NULL && same_text(place->at[c], like))
            json_array_append_new(names, json_string(check->copies[c].name));
    return names;
}

/* Keys that two versions of a record say differently. */
static json_t *fields_of(const Place *place)
{
    json_t *fields = json_array();
    const Entry *first = NULL;
    for (int c = 0; c < AUDIT_COPIES; c++) {
        const Entry *other = place->at[c];
        const char *key;
        json_t *value;
        if (other == NULL || other->record == NULL)
            continue;
        if (first == NULL) {
            first = other;
            continue;
        }
        json_object_foreach(first->record, key, value)
        {
            if (!json_equal(value, json_object_get(other->record, key)))
                json_array_append_new(fields, json_string(key));
        }
    }
    return fields;
}

static const char *verdict_of(const Entry *entry)
{
    return entry->problem != NULL ? entry->problem
           : !entry->linked       ? "does not follow the record before it"
                                  : "as it was written";
}

static void look_at_place(Check *check, const Place *place, const Place *next)
{
    const Chain *chain = chain_of(check, place->log);
    const Entry *good = believed(place, next), *any = NULL;
    bool bad = false;
    json_t *says = json_object();
    int64_t line = 0;
    for (int c = 0; c < AUDIT_COPIES; c++) {
        const Entry *entry = place->at[c];
        const char *what = entry != NULL ? verdict_of(entry) : absent(check, chain, c, place->seq);
        if (what != NULL)
            json_object_set_new(says, check->copies[c].name, json_string(what));
        bad = bad || (entry == NULL ? what != NULL : entry->problem != NULL || !entry->linked);
        if (entry == NULL)
            continue;
        line = c == 0 ? entry->line->line : line;
        bad = bad || (any != NULL && !same_text(any, entry));
        any = entry;
    }
    if (bad)
        finding(check,
                json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "log", place->log, "seq",
                          (json_int_t)place->seq, "line",
                          line != 0 ? json_integer((json_int_t)line) : json_null(), "copies", says,
                          "agree", good != NULL ? names_where(check, place, good) : json_array(),
                          "fields", fields_of(place)));
    else
        json_decref(says);
}

/* Numbers that no copy has. */
static void look_at_gaps(Check *check)
{
    for (int i = 0; i < check->place_count; i++) {
        const Place *place = &check->places[i], *before = i > 0 ? &check->places[i - 1] : NULL;
        int64_t after = before != NULL && strcmp(before->log, place->log) == 0 ? before->seq : 0;
        if (place->seq != after + 1)
            finding(check, json_pack("{s:s, s:I, s:I, s:s}", "log", place->log, "seq",
                                     (json_int_t)after + 1, "to", (json_int_t)place->seq - 1,
                                     "what", "was removed from every copy"));
    }
}

static void look_at_copies(Check *check)
{
    for (int c = 1; c < AUDIT_COPIES; c++) {
        const AuditCopy *copy = &check->copies[c];
        for (int i = 0; i < check->chain_count; i++) {
            const Chain *chain = &check->chains[i];
            int64_t behind = chain->newest - chain->last[c];
            if (copy->state == AUDIT_COPY_READ && chain->ours && behind > 0 &&
                chain->last[c] >= chain->copied[c - 1])
                warn(check, "%s: ends at record %lld of %lld: the rest is not copied yet",
                     copy->name, (long long)chain->last[c], (long long)chain->newest);
            if (copy->state == AUDIT_COPY_NONE && chain->ours && chain->copied[c - 1] > 0)
                warn(check, "%s: the copy, which went up to record %lld, is gone", copy->name,
                     (long long)chain->copied[c - 1]);
        }
    }
}

/* The answer ----------------------------------------------------------------------------------- */

static json_t *copy_json(const AuditCopy *copy)
{
    static const char *const STATES[] = {"read", "none", "missing", "unknown"};
    return json_pack("{s:s, s:s, s:i, s:s?}", "name", copy->name, "state", STATES[copy->state],
                     "records", copy->count, "why", copy->why);
}

static json_t *head_json(const Check *check)
{
    const AuditCopy *disk = &check->copies[0];
    for (int i = disk->count - 1; i >= 0; i--) {
        const AuditHead *head = &check->entries[0][i].head;
        if (head->seq != 0)
            return json_pack("{s:s, s:I, s:s}", "log", head->log, "seq", (json_int_t)head->seq,
                             "hash", head->hash);
    }
    return json_null();
}

static void done(Check *check)
{
    for (int c = 0; c < AUDIT_COPIES; c++) {
        for (int i = 0; i < check->copies[c].count; i++)
            json_decref(check->entries[c][i].record);
        free(check->entries[c]);
    }
    free(check->places);
    free(check->chains);
}

json_t *audit_check(const AuditCopy copies[AUDIT_COPIES], const char *path)
{
    Check check = {
        .copies = copies, .path = path, .findings = json_array(), .warnings = json_array()};
    json_t *shown = json_array();
    bool unknown = false;
    if (gethostname(check.host, sizeof check.host - 1) != 0)
        check.host[0] = '\0';
    collect(&check);
    look_at_torn(&check);
    merge_places(&check);
    link_places(&check);
    for (int i = 0; i < check.place_count; i++) {
        const Place *next = i + 1 < check.place_count ? &check.places[i + 1] : NULL;
        if (next != NULL &&
            (strcmp(next->log, check.places[i].log) != 0 || next->seq != check.places[i].seq + 1))
            next = NULL;
        look_at_place(&check, &check.places[i], next);
    }
    look_at_gaps(&check);
    look_at_copies(&check);
    for (int c = 0; c < AUDIT_COPIES; c++) {
        json_array_append_new(shown, copy_json(&copies[c]));
        unknown = unknown || copies[c].state == AUDIT_COPY_UNKNOWN;
    }
    const char *verdict = json_array_size(check.findings) > 0 ? "changed"
                          : unknown                           ? "unknown"
                                                              : "intact";
    json_t *answer = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "verdict", verdict, "records",
                               check.place_count, "head", head_json(&check), "copies", shown,
                               "findings", check.findings, "warnings", check.warnings);
    done(&check);
    return answer;
}

/*
 * fault - see bascule/base/fault.h.
 *
 * Every arrival at a point counts; a point with two entries ("X@1:error,X@3:kill") serves both.
 * The table of entries is written once by fault_init before any thread starts.
 */
#include "bascule/base/fault.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bascule/base/clock.h"

#define MAX_ENTRIES 32

typedef enum FaultAction { DO_KILL, DO_EXIT, DO_STOP, DO_ERROR, DO_LOST } FaultAction;

typedef struct Entry {
    Fault fault;
    FaultAction action;
    unsigned hit;
    unsigned ms;
} Entry;

static const char *const NAMES[FAULT_COUNT] = {
#define F(name, where) #name,
#include "bascule/base/fault.def"
#undef F
};
static const char *const PLACES[FAULT_COUNT] = {
#define F(name, where) where,
#include "bascule/base/fault.def"
#undef F
};

static Entry entries[MAX_ENTRIES];
static int entry_count;
static atomic_uint hits[FAULT_COUNT];

const char *fault_name(Fault fault)
{
    return NAMES[fault];
}

const char *fault_where(Fault fault)
{
    return PLACES[fault];
}

/* In the child: until the parent has ended or the time is over. No descriptor for the parent: only the
 * time counts. */
static void await_end_of(pid_t parent, unsigned ms)
{
    struct pollfd end = {.fd = pidfd_open(parent, 0), .events = POLLIN};
    int64_t until_us = clock_now_us() + (int64_t)ms * 1000;

    while (poll(&end, 1, clock_poll_ms(until_us)) < 0 && errno == EINTR)
        ;
}

/* Stops the whole process; a child that holds none of our files wakes it up again. */
static void pause_process(unsigned ms)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child < 0)
        return;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(0, ~0U, 0);
        await_end_of(parent, ms);
        if (getppid() == parent)
            kill(parent, SIGCONT);
        _exit(0);
    }
    kill(parent, SIGSTOP);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Counts the arrival; the entry that is due, or NULL. */
static const Entry *arrive(Fault fault)
{
    unsigned hit;

    if (entry_count == 0)
        return NULL;
    hit = atomic_fetch_add(&hits[fault], 1) + 1;
    for (int i = 0; i < entry_count; i++)
        if (entries[i].fault == fault && entries[i].hit == hit)
            return &entries[i];
    return NULL;
}

static void perform(const Entry *entry)
{
    switch (entry->action) {
    case DO_KILL:
        kill(getpid(), SIGKILL);
        break;
    case DO_EXIT:
        _exit(99);
    case DO_STOP:
        pause_process(entry->ms);
        break;
    case DO_ERROR:
    case DO_LOST:
        break; /* only a FAULT_ERROR place can fail */
    }
}

void fault_hit(Fault fault)
{
    const Entry *entry = arrive(fault);
    if (entry != NULL)
        perform(entry);
}

bool fault_error(Fault fault, Error *err)
{
    const Entry *entry = arrive(fault);

    if (entry == NULL)
        return false;
    if (entry->action != DO_ERROR && entry->action != DO_LOST) {
        perform(entry);
        return false;
    }
    ERR(err, entry->action == DO_LOST ? ERR_CONN_LOST : ERR_FAULT, "failpoint '%s' was hit",
        NAMES[fault]);
    return true;
}

static bool parse_number(const char *text, const char *end, unsigned *out_value)
{
    unsigned value = 0;
    if (text == end || end - text > 9)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *out_value = value;
    return true;
}

static bool parse_name(const char *text, size_t len, Fault *out_fault)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (strlen(NAMES[i]) == len && memcmp(NAMES[i], text, len) == 0) {
            *out_fault = (Fault)i;
            return true;
        }
    }
    return false;
}

static bool parse_action(const char *text, const char *end, Entry *entry)
{
    static const struct {
        const char *word;
        FaultAction action;
    } WORDS[] = {{"kill", DO_KILL}, {"exit", DO_EXIT}, {"error", DO_ERROR}, {"lost", DO_LOST}};
    size_t len = (size_t)(end - text);

    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strlen(WORDS[i].word) == len && memcmp(WORDS[i].word, text, len) == 0) {
            entry->action = WORDS[i].action;
            return true;
        }
    }
    entry->action = DO_STOP;
    return len > 5 && memcmp(text, "stop=", 5) == 0 && parse_number(text + 5, end, &entry->ms);
}

/* NAME[@hit]:action in [text, end) */
static bool parse_entry(const char *text, const char *end, Entry *entry, Error *err)
{
    int len = (int)(end - text);
    const char *colon = memchr(text, ':', (size_t)len);
    const char *at, *name_end;

    if (colon == NULL)
        return ERR(err, ERR_USAGE, "failpoint '%.*s' has no action", len, text);
    at = memchr(text, '@', (size_t)(colon - text));
    name_end = at != NULL ? at : colon;
    if (!parse_name(text, (size_t)(name_end - text), &entry->fault))
        return ERR(err, ERR_USAGE, "there is no failpoint '%.*s'", (int)(name_end - text), text);
    entry->hit = 1;
    if (at != NULL && (!parse_number(at + 1, colon, &entry->hit) || entry->hit == 0))
        return ERR(err, ERR_USAGE, "failpoint '%.*s': the hit must be a number from 1", len, text);
    if (!parse_action(colon + 1, end, entry))
        return ERR(err, ERR_USAGE, "failpoint '%.*s': unknown action", len, text);
    return true;
}

bool fault_init(const char *spec, Error *err)
{
    int count = 0;

    if (spec == NULL || spec[0] == '\0') {
        entry_count = 0;
        return true;
    }
    if (!BASCULE_FAULTS) {
        ERR(err, ERR_USAGE, "BASCULE_FAULT is set, but this build has no failpoints");
        return err_hint(err, "Build with -DFAULTS=ON, or unset the variable.");
    }
    entry_count = 0;
    for (const char *text = spec, *end;; text = end + 1) {
        end = strchrnul(text, ',');
        if (count == MAX_ENTRIES)
            return ERR(err, ERR_USAGE, "more than %d failpoints", MAX_ENTRIES);
        if (!parse_entry(text, end, &entries[count], err))
            return false;
        count++;
        if (*end == '\0')
            break;
    }
    for (int i = 0; i < FAULT_COUNT; i++)
        atomic_store(&hits[i], 0);
    entry_count = count;
    return true;
}

/*
 * cutover_fsm - the table itself, and its printed forms.
 */
#include "cutover/cutover_fsm.h"

#include <string.h>

#include "cutover/internal.h"

static bool dry_run(const Cutover *cut)
{
    return cut->spec->dry_run;
}

static bool rehearse(const Cutover *cut)
{
    return cut->spec->rehearse;
}

/* Neither of the two may finish what an earlier cutover began. */
static bool only_trying(const Cutover *cut)
{
    return cut->spec->dry_run || cut->spec->rehearse;
}

/* What the other side lacks is not brought there, but written to a file. */
static bool discarding(const Cutover *cut)
{
    return cut->spec->discard != NULL;
}

#define ALWAYS     NULL, NULL
#define IF(guard)  guard, #guard
#define DO(action) cutover_##action, #action
#define NO_ACTION  NULL, NULL

const CutoverRow CUTOVER_FSM[] = {
    {CUT_STREAMING, CUT_EV_START, ALWAYS, DO(look), CUT_LOOKING, CUT_MEMORY,
     "reading the decision rows of both sides"},

    {CUT_LOOKING, CUT_EV_NOTHING, IF(discarding), DO(check_discard), CUT_CHECKING, CUT_MEMORY,
     "the source is open, its last writes are to be discarded"},
    {CUT_LOOKING, CUT_EV_NOTHING, ALWAYS, DO(check), CUT_CHECKING, CUT_MEMORY,
     "the source is open"},
    {CUT_LOOKING, CUT_EV_FENCED, IF(only_trying), DO(plan_rest), CUT_PLANNED, CUT_MEMORY,
     "the fence of an earlier cutover is committed, the target is not open"},
    {CUT_LOOKING, CUT_EV_FENCED, ALWAYS, DO(finish_open), CUT_OPENING, CUT_DECISION,
     "rolling forward what stopped between fence and opening"},
    {CUT_LOOKING, CUT_EV_OPENED, ALWAYS, DO(already), CUT_OPEN, CUT_MEMORY,
     "the target is open already"},
    {CUT_LOOKING, CUT_EV_REVOKED, IF(only_trying), DO(plan_rest), CUT_PLANNED, CUT_MEMORY,
     "an earlier cutover was revoked, its fence is still on"},
    {CUT_LOOKING, CUT_EV_REVOKED, ALWAYS, DO(unfence), CUT_LOOKING, CUT_DECISION,
     "taking off the fence of a revoked cutover"},
    {CUT_LOOKING, CUT_EV_FAILED, ALWAYS, NO_ACTION, CUT_UNDECIDED, CUT_MEMORY,
     "a decision row could not be read"},

    {CUT_CHECKING, CUT_EV_DONE, IF(dry_run), DO(plan), CUT_PLANNED, CUT_MEMORY,
     "nothing stands in the way"},
    {CUT_CHECKING, CUT_EV_DONE, ALWAYS, DO(arm), CUT_ARMING, CUT_MEMORY,
     "nothing stands in the way"},
    {CUT_CHECKING, CUT_EV_FAILED, ALWAYS, NO_ACTION, CUT_STREAMING, CUT_MEMORY, "refused"},

    {CUT_ARMING, CUT_EV_DONE, ALWAYS, DO(freeze), CUT_FREEZING, CUT_JOURNAL,
     "epoch taken, freezing writes"},
    {CUT_ARMING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "could not be armed"},

    {CUT_FREEZING, CUT_EV_DONE, IF(discarding), DO(export), CUT_EXPORTING, CUT_MEMORY,
     "writes wait, what is discarded is written down"},
    {CUT_FREEZING, CUT_EV_DONE, ALWAYS, DO(drain), CUT_DRAINING, CUT_MEMORY, "writes wait"},
    {CUT_FREEZING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "the locks were not to be had"},

    {CUT_DRAINING, CUT_EV_DONE, ALWAYS, DO(raise), CUT_RAISING, CUT_MEMORY,
     "the target has everything"},
    {CUT_DRAINING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "writes are given back"},

    {CUT_EXPORTING, CUT_EV_DONE, ALWAYS, DO(raise), CUT_RAISING, CUT_MEMORY,
     "what is discarded is on disk"},
    {CUT_EXPORTING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "writes are given back"},

    {CUT_RAISING, CUT_EV_DONE, IF(discarding), DO(commit), CUT_COMMITTING, CUT_JOURNAL,
     "sequences are set, what is discarded is on disk"},
    {CUT_RAISING, CUT_EV_DONE, ALWAYS, DO(prove), CUT_PROVING, CUT_MEMORY, "sequences are set"},
    {CUT_RAISING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "writes are given back"},

    {CUT_PROVING, CUT_EV_DONE, IF(rehearse), DO(end_rehearsal), CUT_REHEARSED, CUT_MEMORY,
     "everything but the commit was done, writes are given back"},
    {CUT_PROVING, CUT_EV_DONE, ALWAYS, DO(commit), CUT_COMMITTING, CUT_JOURNAL,
     "source and target are equal"},
    {CUT_PROVING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "writes are given back"},

    {CUT_COMMITTING, CUT_EV_COMMITTED, ALWAYS, DO(open), CUT_OPENING, CUT_DECISION,
     "the source is fenced for good"},
    {CUT_COMMITTING, CUT_EV_LOST, ALWAYS, DO(ask), CUT_ASKING, CUT_MEMORY,
     "the answer to the fence's COMMIT was lost"},
    {CUT_COMMITTING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "not committed, writes are given back"},

    {CUT_ASKING, CUT_EV_COMMITTED, ALWAYS, DO(open), CUT_OPENING, CUT_DECISION,
     "it was committed: the source is fenced for good"},
    {CUT_ASKING, CUT_EV_FAILED, ALWAYS, DO(give_back), CUT_STREAMING, CUT_MEMORY,
     "it was not committed: the source is open"},
    {CUT_ASKING, CUT_EV_UNKNOWN, ALWAYS, NO_ACTION, CUT_UNDECIDED, CUT_MEMORY,
     "the source does not answer"},

    {CUT_OPENING, CUT_EV_OPENED, ALWAYS, DO(finish), CUT_OPEN, CUT_DECISION, "the target is open"},
    {CUT_OPENING, CUT_EV_REVOKED, ALWAYS, DO(unfence_revoked), CUT_STREAMING, CUT_DECISION,
     "somebody revoked this cutover first"},
    {CUT_OPENING, CUT_EV_UNKNOWN, ALWAYS, NO_ACTION, CUT_UNDECIDED, CUT_MEMORY,
     "the target does not answer"},
};
const int CUTOVER_FSM_ROWS = (int)(sizeof CUTOVER_FSM / sizeof CUTOVER_FSM[0]);

static const char *const STATES[CUT_STATE_COUNT] = {
    "streaming", "looking", "checking",  "arming",     "freezing", "draining",
    "exporting", "raising", "proving",   "committing", "asking",   "opening",
    "open",      "planned", "rehearsed", "undecided"};
static const char *const EVENTS[CUT_EV_COUNT] = {"start",   "nothing", "fenced",    "done",
                                                 "opened",  "revoked", "committed", "lost",
                                                 "unknown", "failed"};
static const char *const KEEPS[] = {"", "journal", "decision row"};

const char *cutover_fsm_state_name(CutoverState state)
{
    return STATES[state];
}

const char *cutover_fsm_event_name(CutoverFsmEvent event)
{
    return EVENTS[event];
}

bool cutover_fsm_terminal(CutoverState state)
{
    return state == CUT_STREAMING || state == CUT_OPEN || state == CUT_PLANNED ||
           state == CUT_REHEARSED || state == CUT_UNDECIDED;
}

const CutoverRow *cutover_fsm_next(const Cutover *cut, CutoverState from, CutoverFsmEvent event)
{
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        if (row->from == from && row->event == event && (row->guard == NULL || row->guard(cut)))
            return row;
    }
    return NULL;
}

static void print_mermaid(Buf *out)
{
    buf_puts(out, "stateDiagram-v2\n    [*] --> streaming\n");
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        buf_printf(out, "    %s --> %s: %s", STATES[row->from], STATES[row->to],
                   EVENTS[row->event]);
        if (row->guard_name != NULL)
            buf_printf(out, " [%s]", row->guard_name);
        buf_putc(out, '\n');
    }
    for (int i = 0; i < CUT_STATE_COUNT; i++) {
        if (cutover_fsm_terminal((CutoverState)i))
            buf_printf(out, "    %s --> [*]\n", STATES[i]);
    }
}

static void print_markdown(Buf *out)
{
    buf_puts(out, "| state | event | if | then in state | doing | kept in | meaning |\n"
                  "|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < CUTOVER_FSM_ROWS; i++) {
        const CutoverRow *row = &CUTOVER_FSM[i];
        buf_printf(out, "| %s | %s | %s | %s | %s | %s | %s |\n", STATES[row->from],
                   EVENTS[row->event], row->guard_name != NULL ? row->guard_name : "",
                   STATES[row->to], row->action_name != NULL ? row->action_name : "",
                   KEEPS[row->keep], row->comment);
    }
}

bool cutover_fsm_print(const char *format, Buf *out)
{
    if (strcmp(format, "mermaid") == 0)
        print_mermaid(out);
    else if (strcmp(format, "markdown") == 0)
        print_markdown(out);
    else
        return false;
    return true;
}

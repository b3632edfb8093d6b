/*
 * cutover_fsm - the states of a cutover, as a table.
 *
 * streaming -> looking -> checking -> arming -> freezing -> draining -> raising -> proving ->
 * committing -> opening -> open. With --discard-target-writes: freezing -> exporting -> raising ->
 * committing -> opening -> open.
 *
 * A row is taken when its event comes in its state and its guard agrees; the first match counts.
 * What the row keeps is stored before its action runs; the action does the work that the new state
 * is named after and answers with the next event. So a restart that finds the stored state does
 * that work again. Durable  JOURNAL rows are written to bascule.journal on the target. DECISION
 * rows are made durable by one of the two rows that decide: bascule.fence on the source (committed
 * with the fence triggers), bascule.verdict on the target. Everything between arming and the
 * fence's COMMIT lives in one open transaction on the source and is undone by the server when
 * nobody holds it any more. Two interleavings worth knowing:
 *  - killed in committing: the COMMIT may or may not have happened. The next run reads the fence
 * row: there (looking -> opening: roll forward), or not there (nothing happened).
 *  - `abort` against a tool that comes back from the dead in opening: both set the same verdict row
 * from NULL; the second one finds it set and follows it.
 */
#pragma once

#include "bascule/base/buf.h"

typedef enum CutoverState {
    CUT_STREAMING,  /* source open, nothing held; where a cutover begins and where it returns to */
    CUT_LOOKING,    /* both decision rows are read */
    CUT_CHECKING,   /* preflight */
    CUT_ARMING,     /* sessions, epoch, fence objects */
    CUT_FREEZING,   /* locks and fence triggers, not committed */
    CUT_DRAINING,   /* barrier written, waiting for it on the target */
    CUT_EXPORTING,  /* what is left behind is written to its file, which is flushed */
    CUT_RAISING,    /* sequences */
    CUT_PROVING,    /* comparison */
    CUT_COMMITTING, /* apply stopped, opening prepared, fence's COMMIT under way */
    CUT_ASKING,     /* the answer to that COMMIT was lost */
    CUT_OPENING,    /* source fenced for good; verdict to be set */
    CUT_OPEN,
    CUT_PLANNED,   /* dry run: nothing was changed */
    CUT_REHEARSED, /* everything but the commit, writes given back */
    CUT_UNDECIDED, /* a server that knows does not answer */
    CUT_STATE_COUNT,
} CutoverState;

typedef enum CutoverFsmEvent {
    CUT_EV_START,
    CUT_EV_NOTHING,   /* no fence that is in force */
    CUT_EV_FENCED,    /* fence without verdict */
    CUT_EV_DONE,      /* the work of the state is done */
    CUT_EV_OPENED,    /* verdict OPENED */
    CUT_EV_REVOKED,   /* verdict REVOKED */
    CUT_EV_COMMITTED, /* the fence row is there */
    CUT_EV_LOST,      /* connection lost with the COMMIT unanswered */
    CUT_EV_UNKNOWN,   /* not to be found out */
    CUT_EV_FAILED,    /* also: time is up, aborted, different */
    CUT_EV_COUNT,
} CutoverFsmEvent;

typedef enum CutoverKeep { CUT_MEMORY, CUT_JOURNAL, CUT_DECISION } CutoverKeep;

typedef struct Cutover Cutover; /* cutover/internal.h */

typedef struct CutoverRow {
    CutoverState from;
    CutoverFsmEvent event;
    bool (*guard)(const Cutover *cut);
    const char *guard_name; /* NULL with no guard */
    CutoverFsmEvent (*action)(Cutover *cut, Error *err);
    const char *action_name; /* NULL without action */
    CutoverState to;
    CutoverKeep keep;
    const char *comment; /* what the log prints */
} CutoverRow;

extern const CutoverRow CUTOVER_FSM[];
extern const int CUTOVER_FSM_ROWS;

const char *cutover_fsm_state_name(CutoverState state);
const char *cutover_fsm_event_name(CutoverFsmEvent event);
bool cutover_fsm_terminal(CutoverState state);
/* The row for this event, NULL when it is not possible in that state. */
const CutoverRow *cutover_fsm_next(const Cutover *cut, CutoverState from, CutoverFsmEvent event);
/* For spin: names, fsm_next() and fsm_act(); the model defines do_<action> and G_<guard>. */
void cutover_fsm_print_promela(Buf *out);
/* "mermaid" or "markdown"; false for any other format. */
bool cutover_fsm_print(const char *format, Buf *out);

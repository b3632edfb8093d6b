/*
 * repair - rows of the target that differ are brought to what the source has, between two transactions
 * of the stream.
 *
 * Rows     those that verifications recorded in bascule.failures and that are open. A row of a table
 *          with a key is found by it; of a table without one by all its values, which only the
 *          verification that found them knows (VerifyFailure.image).
 * Order    the applier is held and let go to X, the position of a snapshot of the source; both sides
 *          are then at X. One transaction of the target writes the resume row with the value that it
 *          has, as the applier does first: from there on no change of the stream can be committed, by
 *          this engine or another one, until the repair is. Rows are read on the source under the
 *          snapshot, held against the target, deleted, inserted or updated by the applier's own
 *          statements, read again and compared, then committed. Changes behind X come on top.
 * Twice    nothing is done twice: each attempt looks at both sides again, so that one that was killed
 *          or whose COMMIT got no answer is simply run again.
 * Errors   nothing has changed when false is returned, save CONN_LOST at the COMMIT (run it again).
 *          LAG, SLOT: the applier could not be brought to one position with the source in time.
 *          DIFFERENT: a row was not what was written: something on the target changes it.
 */
#pragma once

#include "bascule/model/rules.h"
#include "sync/sync.h"
#include "verify/verify.h"

#define REPAIR_ROWS_DEFAULT 1000
#define REPAIR_ROWS_MOST    VERIFY_NAMED_ALL

typedef enum RepairAction {
    REPAIR_EQUAL, /* nothing to do (any more) */
    REPAIR_INSERT,
    REPAIR_REPLACE,
    REPAIR_DELETE,
    REPAIR_KEEP, /* only the target has it, and a rule keeps it (keep-extra) */
    REPAIR_ACTION_COUNT,
} RepairAction;

const char *repair_action_name(RepairAction action);

typedef struct RepairRow {
    const Relation *rel;
    const char *key; /* as recorded: JSON */
    Lsn first_lsn;
    const char *const *key_texts; /* NULL: the table has no key */
    const char *const *image;     /* of a table without key: all columns */
    RepairAction action;
    int64_t copies; /* without key: how many are inserted or deleted; else 1 */
    const char *details;
} RepairRow;

/* Rows of one table stand together, first to first + count. */
typedef struct RepairTable {
    const Relation *rel;
    int first, count;
    bool unknown_rows; /* without key, and its rows are not known: verify it first */
    char refused[256]; /* it cannot be repaired: why; "" it can */
} RepairTable;

typedef struct RepairSpec {
    TwinSpec twin;
    const Relations *rels;
    Rules *only; /* NULL: all */
    int64_t max_rows;
    bool show_values;
    /* Verifications just made, for the rows of tables without key; NULL: none. */
    const VerifyReport *seen;
    int64_t epoch;
    StopToken *stop;
} RepairSpec;

typedef struct RepairReport {
    bool applied; /* else only looked at */
    Lsn lsn;      /* X */
    int64_t held_us;
    int row_count;
    RepairRow *rows;
    int table_count;
    RepairTable *tables;
    int64_t counts[REPAIR_ACTION_COUNT]; /* rows; copies of tables without key */
} RepairReport;

/* Fills tables and rows with what is recorded. WRONG_STATE: nothing was ever verified. */
MUST_CHECK bool repair_list(const RepairSpec *spec, Arena *arena, RepairReport *out_report,
                            Error *err);
/* What would be done: actions and details under two snapshots of one position. */
MUST_CHECK bool repair_plan(const RepairSpec *spec, Arena *arena, RepairReport *report, Error *err);
MUST_CHECK bool repair_apply(const RepairSpec *spec, Arena *arena, RepairReport *report,
                             Error *err);

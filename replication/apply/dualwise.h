/*
 * dualwise - single changes of rows that the application may have written on the target already.
 *
 * Insert    of a row that is there, equal in every column: counted. Different: a conflict, as is another
 *           row of the target that has the same values in another unique index.
 * Update    of a row that is not there, or that moves onto one that is there: a conflict, unless that
 *           row is equal.
 * Delete    of a row that is not there: recorded, nothing is to be done.
 * Writes    the record of a conflict and what its policy did, in the transaction of the change.
 * Cost      a round trip or more a change: only for batches that setwise could not take.
 */
#pragma once

#include "apply/session.h"
#include "bascule/model/flow.h"

/* INSERT, UPDATE or DELETE of a table with a key; session->dual is set. Nothing is queued after it. */
MUST_CHECK bool dualwise_change(Session *session, const Flow *flow, const Change *change,
                                Error *err);
